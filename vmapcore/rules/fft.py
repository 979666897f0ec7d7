"""Discrete Fourier transforms. All work along one of the last axes and batch as themselves; all are linear.

The matrix of a transform is symmetric, so it is its own transpose; a real one's also undoes the halving of the result.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArgumentError, AxisError, DTypeError, ShapeError, describe
from ..numpy_protocol import full_name, implements
from ._families import cast_like, into, linear, operand, trailing
from ._ints import as_int, as_ints, last_axis, listed_axes
from ._work import of_fourier
from .creation import library
from .joining import cut, pad

REVERSED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""Where the transform in the other direction has the same factor."""


def _resized(x: Any, n: int, axis: int) -> Any:
    """`x` with length `n` along `axis`: its beginning, or all of it and then zeros."""
    further = n - x.shape[axis]
    if further > 0:
        return pad(x, widths=((0, further, 0), *[(0, 0, 0)] * (-axis - 1)))
    return cut(x, axis=axis, start=0, stop=n) if further else x


@trailing(work=of_fourier(5))
def fourier(xp: Any, x: Any, *, n: int, axis: int, norm: str, inverse: bool) -> Any:
    """The transform of `x`, made `n` long along `axis`."""
    return (xp.fft.ifft if inverse else xp.fft.fft)(x, n, axis, norm)


@linear(fourier)
def fourier_vjp(g: Any, out: Any, x: Any, *, n: int, axis: int, norm: str, inverse: bool) -> Any:
    ct = fourier(g, n=n, axis=axis, norm=norm, inverse=inverse)
    return cast_like(_resized(ct, x.shape[axis], axis), x)


@trailing(work=of_fourier(2.5))
def fourier_of_real(xp: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    """The first half, `n // 2 + 1` long, of the transform of real `x`: the other is its conjugate."""
    return xp.fft.rfft(x, n, axis, norm)


@linear(fourier_of_real)
def fourier_of_real_vjp(g: Any, out: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    ct = fourier(_resized(g, n, axis), n=n, axis=axis, norm=norm, inverse=False)
    return cast_like(_resized(ct, x.shape[axis], axis), x)


@trailing(work=of_fourier(2.5))
def fourier_to_real(xp: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    """The inverse of `fourier_of_real`, for a result `n` long."""
    return xp.fft.irfft(x, n, axis, norm)


@linear(fourier_to_real)
def fourier_to_real_vjp(g: Any, out: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    half = np.conjugate(fourier_of_real(g, n=n, axis=axis, norm=REVERSED[norm]))
    index = library(x).arange(n // 2 + 1)
    paired = (index > 0) & (2 * index < n)  # with an element of the other half
    weights = (1 + paired).astype(g.dtype).reshape((-1,) + (1,) * (-axis - 1))
    return cast_like(_resized(half * weights, x.shape[axis], axis), x)


# NumPy's spellings.


def _implement(function: Any, compute: Callable[..., Any], default: Callable[[int], int] = int) -> Callable[..., Any]:
    """Makes `function` of NumPy, along one axis, run on tracers; of a length n, `default(n)` is that of the result."""
    call = full_name(function)

    @implements(function)
    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        x = operand(a)
        last = last_axis(axis, len(x.shape), call)
        length = default(x.shape[last]) if n is None else as_int(call, "n", n)
        if length < 1:
            raise ShapeError(call, f"n is {length} for {describe(x)}", "it must be 1 or more")
        norm = "backward" if norm is None else norm
        if norm not in REVERSED:
            raise ArgumentError(call, f"norm is {norm!r}", "it must be 'backward', 'ortho' or 'forward'")
        return into(call, out, compute(x, n=length, axis=last, norm=norm))

    return transform


def _of_real(x: Any, **params: Any) -> Any:
    if x.dtype.kind == "c":
        raise DTypeError("np.fft.rfft", f"the array is {describe(x)}", "it must be real", "Use np.fft.fft")
    return fourier_of_real(x, **params)


def _of_hermitian(x: Any, *, norm: str, **params: Any) -> Any:
    return fourier_to_real(np.conjugate(x), norm=REVERSED[norm], **params)


def _to_hermitian(x: Any, *, norm: str, **params: Any) -> Any:
    return np.conjugate(fourier_of_real(x, norm=REVERSED[norm], **params))


def _whole(half: int) -> int:
    return 2 * (half - 1)


fft, ifft = (_implement(f, partial(fourier, inverse=i)) for f, i in ((np.fft.fft, False), (np.fft.ifft, True)))
rfft, irfft = _implement(np.fft.rfft, _of_real), _implement(np.fft.irfft, fourier_to_real, _whole)
hfft, ihfft = _implement(np.fft.hfft, _of_hermitian, _whole), _implement(np.fft.ihfft, _to_hermitian)


def _lengths(
    call: str, a: Any, s: Any, axes: Any, last: Callable[[int], int] = int, least: int = 0
) -> tuple[Any, list[tuple[Any, int]]]:
    """The array, and for each axis to transform, of which there must be `least`, its length and its number."""
    x = operand(a)
    s = None if s is None else as_ints(call, "s", s)
    axes = range(-len(x.shape if s is None else s), 0) if axes is None else axes
    axes = listed_axes(axes, len(x.shape), call, "axes")
    if s is None:
        lengths = [x.shape[i] for i in axes]
        lengths[-1:] = [last(n) for n in lengths[-1:]]
    else:
        lengths = [x.shape[i] if n == -1 else n for n, i in zip(s, axes, strict=False)]
        if len(s) != len(axes):
            raise ShapeError(call, f"s is {s} and axes {axes}", "they must be as long as each other")
    if len(axes) < least:
        raise AxisError(call, "there is no axis", "it needs one or more")
    return x, list(zip(lengths, axes, strict=True))


def _each(transform: Callable[..., Any], x: Any, axes: Sequence[tuple[int, int]], norm: Any) -> Any:
    for n, axis in reversed(axes):
        x = transform(x, n, axis, norm)
    return x


def _complex(transform: Callable[..., Any], call: str, a: Any, s: Any, axes: Any, norm: Any) -> Any:
    return _each(transform, *_lengths(call, a, s, axes), norm)


def _from_real(call: str, a: Any, s: Any, axes: Any, norm: Any) -> Any:
    x, lengths = _lengths(call, a, s, axes, least=1)
    return _each(fft, rfft(x, *lengths[-1], norm), lengths[:-1], norm)


def _to_real(call: str, a: Any, s: Any, axes: Any, norm: Any) -> Any:
    x, lengths = _lengths(call, a, s, axes, _whole, least=1)
    return irfft(_each(ifft, x, lengths[:-1], norm), *lengths[-1], norm)


def _implement_along_axes(function: Any, compute: Callable[..., Any], default: Any) -> None:
    """Makes `function` of NumPy, along several axes, by `default` these, run on tracers."""
    call = full_name(function)

    @implements(function)
    def transform(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        return into(call, out, compute(call, a, s, axes, norm))


SEVERAL: dict[Callable[..., Any], tuple[Any, Any]] = {
    partial(_complex, fft): (np.fft.fftn, np.fft.fft2),
    partial(_complex, ifft): (np.fft.ifftn, np.fft.ifft2),
    _from_real: (np.fft.rfftn, np.fft.rfft2),
    _to_real: (np.fft.irfftn, np.fft.irfft2),
}
for _compute, (_of_all, _of_two) in SEVERAL.items():
    _implement_along_axes(_of_all, _compute, None)
    _implement_along_axes(_of_two, _compute, (-2, -1))


def _implement_shift(function: Any, sign: int) -> None:
    """Makes `function` of NumPy, which rolls by half of each axis, run on tracers."""
    call = full_name(function)

    @implements(function)
    def shifted(x: Any, axes: Any = None) -> Any:
        x = operand(x)
        axes = listed_axes(axes, len(x.shape), call, "axes")
        return np.roll(x, tuple([sign * (x.shape[i] // 2) for i in axes]), axes)


_implement_shift(np.fft.fftshift, 1)
_implement_shift(np.fft.ifftshift, -1)
