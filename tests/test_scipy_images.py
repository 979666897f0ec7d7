"""Linear filters of `scipy.ndimage` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import OptionError, ShapeError
from vmapcore.testing import check_vmap

from .scipy_calls import check_call, with_names
from .together import together

ndimage = pytest.importorskip("scipy.ndimage")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
X, A = RNG.normal(size=(2, 7)), RNG.normal(size=(2, 4, 5))
W, K = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 2, 3))
S = np.array([0.7, 1.3])
MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "grid-wrap")

CALLS = {
    **{f"mode {m}": (lambda x, m=m: ndimage.gaussian_filter1d(x, 1.5, mode=m, cval=0.3), X) for m in MODES},
    "correlate1d": (lambda x, w: ndimage.correlate1d(x, w, origin=1), X, W),
    "convolve1d": (lambda x, w: ndimage.convolve1d(x, w, axis=0, origin=-1), A, W),
    "convolve1d even": (lambda x, w: ndimage.convolve1d(x, w[:2]) + ndimage.correlate1d(x, w[:2]), X, W),
    "correlate": (lambda a, k: ndimage.correlate(a, k, mode="nearest"), A, K),
    "convolve": (lambda a, k: ndimage.convolve(a, k, mode="constant", cval=1.0, origin=(0, 1)), A, K),
    "gaussian slope": (
        lambda x: ndimage.gaussian_filter1d(x, 1.0, order=1) + ndimage.gaussian_filter1d(x, 1, -1, 3),
        X,
    ),
    "gaussian": (lambda a: ndimage.gaussian_filter(a, [0.8, 1.2]), A),
    "gaussian axes": (lambda a: ndimage.gaussian_filter(a, 1.0, axes=1, truncate=2.0), A),
    "gaussian width": (lambda a, s: ndimage.gaussian_filter(a, s, radius=3), A, S),
    "uniform": (lambda a: ndimage.uniform_filter(a) + ndimage.uniform_filter(a, (2, 3), mode="wrap"), A),
    "uniform1d": (lambda x: ndimage.uniform_filter1d(x, 4, origin=-1), X),
    "sobel": (lambda a: ndimage.sobel(a, 0) + ndimage.prewitt(a) + ndimage.laplace(a), A),
}


@together("name", CALLS, str, lambda name: name.split()[0])
def test_of_traced_values(name):
    check_call(*CALLS[name])


def test_of_other_dtypes():
    for dtype in (np.float32, np.int64, np.complex128):
        x = (10 * A).astype(dtype)
        for fun in (lambda a: ndimage.gaussian_filter(a, 1.0), lambda a: ndimage.convolve(a, np.ones((3, 3)) / 4)):
            check_vmap(with_names(fun), x, in_axes=0, like=fun)


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.ndimage\.gaussian_filter1d: sigma is traced, .* Pass radius="):
        vmap(lambda x, s: ndimage.gaussian_filter1d(x, s))(X, S)
    with pytest.raises(OptionError, match=r"scipy\.ndimage\.convolve1d: mode is 'around'"):
        vmap(lambda x: ndimage.convolve1d(x, [1, 2, 1], mode="around"))(X)
    with pytest.raises(ShapeError, match=r"scipy\.ndimage\.convolve: the array is f64\[7\] and weights f64\[1,2\]"):
        vmap(lambda x: ndimage.convolve(x, [[1, 2]]))(X)
    with pytest.raises(OptionError, match=r"scipy\.ndimage\.laplace: output is"):
        vmap(lambda x: ndimage.laplace(x, output=np.float32))(X)
