"""The functions of `scipy.signal` that fit, smooth, and take spectra."""

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import OptionError
from ..rules._families import operand
from ..rules._ints import as_int, as_ints, last_axis
from ..rules.casts import inexact
from .fft import like

PADDING: dict[Any, Any] = {"mirror": "reflect", "nearest": "edge", "constant": "constant", "wrap": "wrap"}
"""NumPy's names of SciPy's ways to continue a signal."""


def _line(size: int) -> Any:
    """An orthonormal basis of straight lines."""
    return np.linalg.qr(np.stack([np.arange(1, size + 1) / size, np.ones(size)], axis=1))[0]


def detrend(data: Any, axis: Any = -1, type: Any = "linear", bp: Any = 0) -> Any:
    call, x = "scipy.signal.detrend", inexact(data)
    if type in ("constant", "c"):
        return x - np.mean(x, axis, keepdims=True)
    if type not in ("linear", "l"):
        raise OptionError(call, f"type is {type!r}", "it must be 'linear' or 'constant'")
    axis = last_axis(axis, len(x.shape), call)
    x = np.moveaxis(x, axis, -1)
    ends = sorted({0, *as_ints(call, "bp", np.atleast_1d(bp).tolist()), x.shape[-1]})
    if ends[-1] > x.shape[-1]:
        raise OptionError(call, f"bp is {bp!r} for {x.shape[-1]} numbers", "it must be less")
    parts = []
    for first, last in pairwise(ends):
        part, basis = x[..., first:last], like(x, _line(last - first))
        parts.append(part - (part @ basis) @ basis.T)
    return np.moveaxis(np.concatenate(parts, axis=-1) if parts else x, -1, axis)


def _slid(x: Any, weights: Any) -> Any:
    """Sums of neighbours along the last axis, times `weights`."""
    count = x.shape[-1] - len(weights) + 1
    return sum([x[..., k : k + count] * float(w) for k, w in enumerate(weights)])


def savgol_filter(
    x: Any,
    window_length: Any,
    polyorder: Any,
    deriv: Any = 0,
    delta: Any = 1.0,
    axis: Any = -1,
    mode: Any = "interp",
    cval: Any = 0.0,
) -> Any:
    call, x = "scipy.signal.savgol_filter", inexact(x)
    size = as_int(call, "window_length", window_length)
    if size % 2 == 0:
        raise OptionError(call, f"window_length is {size}, and there are traced values", "it must be odd then")
    theirs, half = sys.modules["scipy.signal"].savgol_filter, size // 2
    rows = theirs(np.eye(size), size, polyorder, deriv, delta, axis=0)  # of a window, by all its places
    axis = last_axis(axis, len(x.shape), call)
    x = np.moveaxis(x, axis, -1)
    if mode == "interp":
        if size > x.shape[-1]:
            raise OptionError(call, f"window_length is {size} for {x.shape[-1]} numbers", "it must be no more")
        ends = x[..., :size] @ like(x, rows[:half].T), x[..., -size:] @ like(x, rows[half + 1 :].T)
        y = np.concatenate([ends[0], _slid(x, rows[half]), ends[1]], axis=-1)
    elif mode in PADDING:
        around = [(0, 0)] * (len(x.shape) - 1) + [(half, half)]
        options: Any = {"constant_values": cval} if mode == "constant" else {}
        y = _slid(np.pad(x, around, PADDING[mode], **options), rows[half])
    else:
        raise OptionError(call, f"mode is {mode!r}", f"it must be 'interp' or of {[*PADDING]}")
    return np.moveaxis(y.astype(x.dtype), -1, axis)


def hilbert(x: Any, N: Any = None, axis: Any = -1) -> Any:
    x = inexact(x)
    axis = last_axis(axis, len(x.shape), "scipy.signal.hilbert")
    if x.dtype.kind == "c":
        raise OptionError("scipy.signal.hilbert", "x is complex", "it must be real")
    n = x.shape[axis] if N is None else as_int("scipy.signal.hilbert", "N", N)
    weights = np.where(np.arange(n) == 0, 1, np.where(2 * np.arange(n) < n, 2, (2 * np.arange(n) == n) * 1.0))
    whole = np.fft.fft(np.moveaxis(x, axis, -1), n)
    return np.moveaxis(np.fft.ifft(whole * like(x, weights)), -1, axis)


def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: Any = True,
    scaling: Any = "density",
    axis: Any = -1,
    average: Any = "mean",
) -> Any:
    call, x = "scipy.signal.welch", inexact(x)
    axis = last_axis(axis, len(x.shape), call)
    x = np.moveaxis(x, axis, -1)
    for what, value, known in (("scaling", scaling, ("density", "spectrum")), ("average", average, ("mean", "median"))):
        if value not in known:
            raise OptionError(call, f"{what} is {value!r}", f"it must be of {[*known]}")
    weights = _window(call, window, nperseg, x.shape[-1])
    size = len(weights)
    overlap = size // 2 if noverlap is None else as_int(call, "noverlap", noverlap)
    length = size if nfft is None else as_int(call, "nfft", nfft)
    if not (0 <= overlap < size <= length):
        raise OptionError(
            call, f"noverlap is {overlap} and nfft {length}", f"the first is less than {size}, the other not"
        )
    starts = np.arange(0, x.shape[-1] - size + 1, size - overlap)
    parts = np.stack([x[..., i : i + size] for i in starts.tolist()], axis=-2)
    parts = _without_trend(call, parts, detrend) * like(x, weights)
    spectrum = np.fft.fft(parts, length)
    power: Any = spectrum.real**2 + spectrum.imag**2
    one_sided = bool(return_onesided) and x.dtype.kind != "c"
    power = power / (fs * np.sum(weights**2) if scaling == "density" else np.sum(weights) ** 2)
    if one_sided:
        count = length // 2 + 1
        twice = np.where((np.arange(count) == 0) | (2 * np.arange(count) == length), 1.0, 2.0)
        power = power[..., :count] * like(power, twice)
    power = np.mean(power, -2) if average == "mean" else np.median(power, -2) / _median_bias(len(starts))
    places = np.fft.rfftfreq(length, 1 / fs) if one_sided else np.fft.fftfreq(length, 1 / fs)
    return places, np.moveaxis(power, -1, axis)


def _window(call: str, window: Any, nperseg: Any, size: int) -> Any:
    if isinstance(window, (str, tuple)):
        length = min(256 if nperseg is None else as_int(call, "nperseg", nperseg), size)
        return sys.modules["scipy.signal"].get_window("hann" if window == "hann_periodic" else window, length)
    weights = np.asarray(window, float)
    if weights.ndim != 1 or len(weights) > size or (nperseg is not None and len(weights) != nperseg):
        raise OptionError(call, f"window has shape {weights.shape}", f"it must be one row of nperseg, at most {size}")
    return weights


def _without_trend(call: str, parts: Any, kind: Any) -> Any:
    if kind is False:
        return parts
    return kind(parts) if callable(kind) else detrend(parts, -1, kind)


def _median_bias(n: int) -> Any:
    """The mean of medians of chi-squared numbers (Allen et al., FINDCHIRP, appendix B)."""
    i = 2 * np.arange(1.0, (n - 1) // 2 + 1)
    return 1 + np.sum(1 / (i + 1) - 1 / i)


def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: Any = True,
    scaling: Any = "density",
    axis: Any = -1,
) -> Any:
    n = operand(x).shape[axis]
    if nfft is not None and nfft < n:
        raise OptionError("scipy.signal.periodogram", f"nfft is {nfft} for {n} numbers", "it must be no less")
    return welch(x, fs, window, n, 0, nfft, detrend, return_onesided, scaling, axis)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (detrend, savgol_filter, hilbert, welch, periodogram)
}
