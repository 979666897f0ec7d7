"""The functions of `scipy.fft`: NumPy's Fourier transforms, and of those the cosine and sine transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, describe
from ..rules._families import operand
from ..rules._ints import as_int, as_ints, last_axis, listed_axes
from ..rules.casts import inexact
from ..rules.creation import library

SINGLE = "efF"
"""The dtypes that SciPy transforms in single precision, by their characters."""


def wide(x: Any) -> Any:
    """An array, of floats that SciPy has a transform for."""
    x = inexact(operand(x))
    return x.astype(np.float32) if x.dtype.char == "e" else x


def _of_numpys(name: str) -> Callable[..., Any]:
    theirs = getattr(np.fft, name)

    def along_axis(x: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
        return theirs(wide(x), n, axis, norm)

    return along_axis


def _of_numpys_along(name: str, default: Any) -> Callable[..., Any]:
    theirs = getattr(np.fft, name)

    def along_axes(x: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        x = wide(x)
        if s is not None and axes is None:
            axes = range(-len(as_ints(f"scipy.fft.{name}", "s", s)), 0)
        return theirs(x, s, axes, norm)

    return along_axes


def like(x: Any, constant: Any) -> Any:
    """A plain array for the library of `x`, of its precision."""
    kind = np.result_type(x.dtype, np.complex64) if constant.dtype.kind == "c" else x.real.dtype
    return library(x).asarray(constant.astype(kind))


# Cosine and sine transforms: of type t, sums of w[n] x[n] cos(pi (k + a) (n + b) / m). Each is the beginning of a
# Fourier transform of length 2 m, of which the phases that n and k have by themselves are taken out.

COSINE: dict[int, tuple[float, float, int]] = {1: (0, 0, -1), 2: (0, 0.5, 0), 3: (0.5, 0, 0), 4: (0.5, 0.5, 0)}
SINE: dict[int, tuple[float, float, int]] = {1: (1, 1, 1), 2: (1, 0.5, 0), 3: (0.5, 1, 0), 4: (0.5, 0.5, 0)}
"""By types: a, b, and what m is more than the length."""

INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
SCALES = {"backward": 0.0, None: 0.0, "ortho": 0.5, "forward": 1.0}
"""By `norm`, the power of 1 / 2m."""

ENDS = {(False, 1): (0, -1), (False, 2): (0,), (False, 3): (0,), (True, 2): (-1,), (True, 3): (-1,)}
"""Where an element has another weight: of the input (types 1 and 3), and of an orthogonal output (1 and 2)."""


def _trigonometric(call: str, is_sine: bool, x: Any, kind: int, n: Any, axis: int, power: float, ortho: bool) -> Any:
    if x.dtype.kind == "c":
        parts = [_trigonometric(call, is_sine, part, kind, n, axis, power, ortho) for part in (x.real, x.imag)]
        return parts[0] + 1j * parts[1]
    axis = last_axis(axis, len(x.shape), call)
    size = x.shape[axis] if n is None else as_int(call, "n", n)
    if size < 1 + (kind == 1 and not is_sine):
        raise ShapeError(call, f"{size} numbers are transformed", "it takes one or more; type 1 two")
    a, b, more = (SINE if is_sine else COSINE)[kind]
    period, ks = 2 * (size + more), np.arange(size)
    before, after = np.full(size, 2.0), np.full(size, float(period) ** -power)
    ends = list(ENDS.get((is_sine, kind), ()))
    if kind != 2:
        before[ends] /= 2 - (2 - 2**0.5) * ortho
    if kind != 3 and ortho:
        after[ends] /= 2**0.5
    of_n = before * np.exp(-2j * np.pi * a * (ks + b) / period) if a else before
    of_k = after * np.exp(-2j * np.pi * ks * b / period)
    x = np.moveaxis(x, axis, -1)[..., :size]
    x = x * like(x, of_n[: x.shape[-1]])
    whole = (np.fft.fft if a else np.fft.rfft)(x, period)[..., :size]
    whole = whole * like(whole, of_k)
    return np.moveaxis(-whole.imag if is_sine else whole.real, -1, axis)


def _several(call: str, is_sine: bool, inverse: bool, x: Any, lengths: Any, type: Any, norm: Any, ortho: Any) -> Any:
    """The transform along each of some axes, by `lengths` of these."""
    if type not in INVERSE or norm not in SCALES:
        raise ArgumentError(call, f"type is {type!r}, norm {norm!r}", f"they are of {[*INVERSE]} and {[*SCALES]}")
    kind = INVERSE[type] if inverse else type
    power = 1 - SCALES[norm] if inverse else SCALES[norm]
    ortho = norm == "ortho" if ortho is None else bool(ortho)
    for axis, n in lengths.items():
        x = _trigonometric(call, is_sine, x, kind, n, axis, power, ortho)
    return x


def _along_axis(name: str) -> Callable[..., Any]:
    call, is_sine, inverse = f"scipy.fft.{name}", "s" in name, name[0] == "i"

    def transform(
        x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None, orthogonalize: Any = None
    ) -> Any:
        return _several(call, is_sine, inverse, wide(x), {axis: n}, type, norm, orthogonalize)

    return transform


def _along_axes(name: str) -> Callable[..., Any]:
    call, is_sine, inverse = f"scipy.fft.{name}", "s" in name, name[0] == "i"

    def transform(
        x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, orthogonalize: Any = None
    ) -> Any:
        x = wide(x)
        s = None if s is None else as_ints(call, "s", s)
        axes = listed_axes(range(-len(x.shape if s is None else s), 0) if axes is None else axes, len(x.shape), call)
        if s is not None and len(s) != len(axes):
            raise ShapeError(call, f"s is {s} and axes {axes} for {describe(x)}", "they must be as long as each other")
        lengths = dict(zip(axes, [None] * len(axes) if s is None else s, strict=True))
        return _several(call, is_sine, inverse, x, lengths, type, norm, orthogonalize)

    return transform


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_numpys(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{name: _of_numpys_along(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2")},
    **{name: _of_numpys_along(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{name: _along_axis(name) for name in ("dct", "idct", "dst", "idst")},
    **{name: _along_axes(name) for name in ("dctn", "idctn", "dstn", "idstn")},
    "fftshift": lambda x, axes=None: np.fft.fftshift(x, axes),
    "ifftshift": lambda x, axes=None: np.fft.ifftshift(x, axes),
}
