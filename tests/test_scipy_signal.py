"""`scipy.signal` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import jit, vmap
from vmapcore.errors import OptionError, ShapeError
from vmapcore.libraries import signals
from vmapcore.testing import check_op

from .scipy_calls import check_call, with_names
from .together import together

signal = pytest.importorskip("scipy.signal")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(2, 20)), RNG.normal(size=(2, 4)), RNG.normal(size=(2, 3, 20))
A = np.array([[2.0, 0.3, -0.4], [1.0, -0.5, 0.2]])
B = np.array([[0.5, 1.0, -0.2], [1.0, 0.1, 0.3]])
IMAGE, KERNEL = RNG.normal(size=(2, 5, 6)), RNG.normal(size=(2, 2, 3))
SOS = signal.butter(4, 0.3, output="sos")
LONG = RNG.normal(size=(2, 150))

CALLS = {
    "convolve": (lambda x, y: signal.convolve(x, y), X, Y),
    "convolve same": (lambda x, y: signal.convolve(x, y, mode="same"), X, Y),
    "convolve valid": (lambda x, y: signal.convolve(x, y, "valid"), Y, X),
    "convolve longer": (lambda x, y: signal.convolve(y, x, "same"), X, Y),
    "convolve fft": (lambda x, y: signal.convolve(x, y, method="fft"), X, Y),
    "convolve long": (lambda x: signal.convolve(x, x[:100] ** 2, "same"), LONG),
    "convolve integers": (lambda x: signal.convolve((9 * x).astype(int), [1, 2]), X),
    "convolve plane": (lambda x, y: signal.convolve(x, y, "same"), IMAGE, KERNEL),
    "convolve2d": (lambda x, y: signal.convolve2d(x, y, "valid"), IMAGE, KERNEL),
    "correlate2d": (lambda x, y: signal.correlate2d(x, y, "same"), IMAGE, KERNEL),
    "correlate": (lambda x, y: signal.correlate(x, y), X, Y),
    "correlate same": (lambda x, y: signal.correlate(x, y, "same"), Y, X),
    "correlate valid": (lambda x, y: signal.correlate(x, y, "valid"), Y, X),
    "correlate complex": (lambda x, y: signal.correlate(x, 1j * y + y**2), X, Y),
    "fftconvolve": (lambda x, y: signal.fftconvolve(x, y, "same"), X, Y),
    "fftconvolve axes": (lambda x, y: signal.fftconvolve(x, y, axes=1), Z, Z[..., :4]),
    "oaconvolve": (lambda x, y: signal.oaconvolve(x, y), X, Y),
    "lfilter": (lambda b, a, x: signal.lfilter(b, a, x), B, A, X),
    "lfilter finite": (lambda b, x: signal.lfilter(b, 2.0, x), B, X),
    "lfilter axis": (lambda b, a, x: signal.lfilter(b[:2], a, x, axis=0), B, A, Z),
    "lfilter state": (lambda b, a, x, z: signal.lfilter(b, a, x, zi=z), B, A, X, Y[:, :2]),
    "lfilter states": (lambda a, x: signal.lfilter([1.0], a, x, 1, signal.lfilter_zi([1.0], a) * x[:, :1]), A, Z),
    "lfilter short": (lambda b, a, x, z: signal.lfilter(b, a, x[:1], zi=z), B, A, X, Y[:, :2]),
    "lfilter finite state": (lambda b, x, z: signal.lfilter(b, [1.0], x, zi=z), B, X, Y[:, :2]),
    "lfilter lists": (lambda a, x: signal.lfilter([1.0, a[0]], [1.0, a[1], 0.1], x), A, X),
    "lfilter complex": (lambda x: signal.lfilter([1.0], [1.0, 0.5j], x), X),
    "lfilter_zi": (lambda b, a: signal.lfilter_zi(b, a), B, A),
    "filtfilt": (lambda b, a, x: signal.filtfilt(b, a, x), B, A, X),
    "filtfilt even": (lambda x: signal.filtfilt([1.0, 0.5], [1.0, 0.3], x, 1, "even", 4), Z),
    "filtfilt constant": (lambda x: signal.filtfilt([1.0, 0.5], [1.0, 0.3], x, padtype="constant"), X),
    "filtfilt none": (lambda x: signal.filtfilt([1.0, 0.5], [1.0, 0.3], x, padtype=None), X),
    "sosfilt": (lambda x: signal.sosfilt(SOS, x), X),
    "sosfilt state": (lambda x: signal.sosfilt(SOS, x, zi=signal.sosfilt_zi(SOS) * x[0]), X),
    "sosfilt_zi": (lambda s: signal.sosfilt_zi(SOS * s), A[:, :1]),
    "sosfiltfilt": (lambda x: signal.sosfiltfilt(SOS, x), X),
    "detrend": (lambda x: signal.detrend(x), X),
    "detrend constant": (lambda x: signal.detrend(x, axis=0, type="constant"), Z),
    "detrend pieces": (lambda x: signal.detrend(x, bp=[5, 12]), Z),
    "savgol_filter": (lambda x: signal.savgol_filter(x, 5, 2), X),
    "savgol_filter slope": (lambda x: signal.savgol_filter(x, 7, 3, deriv=1, delta=0.5, axis=1), Z),
    **{
        f"savgol_filter {mode}": (lambda x, mode=mode: signal.savgol_filter(x, 5, 2, mode=mode, cval=0.5), X)
        for mode in ("mirror", "nearest", "constant", "wrap")
    },
    "hilbert": (lambda x: signal.hilbert(x), X),
    "hilbert odd": (lambda x: np.abs(signal.hilbert(x, N=15)), X),
    "welch": (lambda x: signal.welch(x, nperseg=8), X),
    "welch median": (lambda x: signal.welch(x, 10.0, nperseg=7, noverlap=2, nfft=9, average="median"), Z),
    "welch two-sided": (
        lambda x: signal.welch(x, window="hamming", nperseg=16, scaling="spectrum", return_onesided=False),
        X,
    ),
    "welch linear": (lambda x: signal.welch(x, window=np.ones(6), detrend="linear"), X),
    "periodogram": (lambda x: signal.periodogram(x, 2.0), X),
    "periodogram plain": (lambda x: signal.periodogram(x[:15], detrend=False, nfft=16)[1], X),
    "freqz": (lambda b, a: signal.freqz(b, a, worN=9), B, A),
    "freqz at": (lambda b: signal.freqz(b, worN=[0.1, 0.5], fs=2.0)[1], B),
}
NESTED = ("lfilter", "filtfilt", "lfilter state", "savgol_filter", "convolve")


@together("name", CALLS, str, str)
def test_of_traced_values(name):
    check_call(*CALLS[name], deep=name in NESTED, tol=10.0 if "welch" in name else 1.0)


def test_the_recurrence():
    check_op(signals.recurrence, np.array([0.3, -0.4]), X[0, :6])


def test_of_single_precision_and_of_one():
    x = X.astype(np.float32)
    calls = {
        "lfilter": lambda x: signal.lfilter(np.float32([1, 0.5]), np.float32([1, 0.2]), x),
        "convolve": lambda x: signal.convolve(x, x),
        "detrend": lambda x: signal.detrend(x),
        "savgol": lambda x: signal.savgol_filter(x, 5, 2),
        "hilbert": lambda x: signal.hilbert(x),
    }
    for name, fun in calls.items():
        ours, wanted = vmap(with_names(fun))(x), np.stack([fun(e) for e in x])
        assert ours.dtype == wanted.dtype and np.allclose(ours, wanted, rtol=1e-4, atol=1e-5), name
        if name != "savgol":
            assert np.allclose(vmap(with_names(fun))(X[:, :1]), [fun(e) for e in X[:, :1]]), name


def test_filters_under_jit_follow_their_coefficients():
    fun = jit(vmap(with_names(lambda b, a, x: signal.lfilter(b, a, x))))
    for _ in range(3):
        a = np.array([[1.0, *RNG.normal(size=2) / 4] for _ in range(2)])
        assert np.allclose(fun(B, a, X), [signal.lfilter(*row) for row in zip(B, a, X, strict=True)])


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.signal\.filtfilt: method is 'gust', .* it must be 'pad' then"):
        vmap(lambda x: signal.filtfilt([1.0], [1.0, 0.2], x, method="gust"))(X)
    with pytest.raises(OptionError, match=r"scipy\.signal\.convolve2d: boundary is 'wrap'"):
        vmap(lambda x: signal.convolve2d(x, x, boundary="wrap"))(IMAGE)
    with pytest.raises(OptionError, match=r"scipy\.signal\.convolve: mode is 'all'"):
        vmap(lambda x: signal.convolve(x, x, "all"))(X)
    with pytest.raises(ShapeError, match=r"scipy\.signal\.lfilter: zi is f64\[3\] for f64\[20\] and 2 coefficients"):
        vmap(lambda x: signal.lfilter([1.0], [1.0, 0.2], x, zi=np.ones(3)))(X)
    with pytest.raises(OptionError, match=r"window_length is 4, .* odd"):
        vmap(lambda x: signal.savgol_filter(x, 4, 2))(X)
    with pytest.raises(OptionError, match=r"padlen is 9 for 4 numbers"):
        vmap(lambda x: signal.filtfilt([1.0], [1.0, 0.2, 0.1], x))(Y)


def peaks_of(options):
    def fun(x, level):
        given = {name: level if value is None else value for name, value in options.items()}
        places, found = signal.find_peaks(x, **given)
        sums = [x[places].sum(), places.sum(), *[found[name].sum() for name in sorted(found)]]
        return np.stack([len(places), *sums])

    return fun


PEAKS = [{}, {"height": None}, {"height": (0.0, 1.5)}, {"threshold": None}, {"height": -9, "threshold": (None, 2.0)}]


@pytest.mark.parametrize("options", PEAKS)
def test_peaks_are_not_counted(options):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(30, 25)), rng.integers(0, 3, size=(30, 25)), np.zeros((1, 25))])
    x[3, 7], level = np.nan, rng.uniform(-0.5, 0.7, size=61)
    fun = peaks_of(options)
    want = np.stack([fun(*row) for row in zip(x, level, strict=True)])
    for options in ({}, {"branches": "split"}):
        np.testing.assert_allclose(vmap(fun, **options)(x, level), want)
        replayed = jit(vmap(fun, **options))
        replayed(x[::-1].copy(), level)
        np.testing.assert_allclose(replayed(x, level), want)


@pytest.mark.filterwarnings("ignore::vmapcore.PerformanceWarning")
def test_peaks_at_a_distance_are_those_of_each_row():
    x = np.random.default_rng(0).normal(size=(12, 25))

    def fun(x):
        places, _ = signal.find_peaks(x, distance=3)
        return places.sum(), len(places)

    found = vmap(fun, branches="split")(x)
    np.testing.assert_array_equal(found, np.transpose([fun(row) for row in x]))
    with pytest.raises(OptionError, match="distance"):
        vmap(fun)(x)
