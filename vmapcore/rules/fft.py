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
    call: str, a: Any, s: Any, axes: Any, last: Callable[[int], int] = int
) -> tuple[Any, list[tuple[Any, int]]]:
    """The array, and for each axis to transform its length and its number."""
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
    return x, list(zip(lengths, axes, strict=True))


def _real_lengths(
    call: str, a: Any, s: Any, axes: Any, last: Callable[[int], int] = int
) -> tuple[Any, list[tuple[Any, int]], tuple[Any, int]]:
    """The same; the last axis, whose transform is real at one end, by itself."""
    x, pairs = _lengths(call, a, s, axes, last)
    if not pairs:
        raise AxisError(call, "there is no axis", "it needs one or more")
    return x, pairs[:-1], pairs[-1]


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each("np.fft.fftn", fft, *_lengths("np.fft.fftn", a, s, axes), norm, out)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each("np.fft.ifftn", ifft, *_lengths("np.fft.ifftn", a, s, axes), norm, out)


def _each(call: str, transform: Callable[..., Any], x: Any, axes: Sequence[Any], norm: Any, out: Any = None) -> Any:
    for n, axis in reversed(axes):
        x = transform(x, n, axis, norm)
    return into(call, out, x)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x, others, last = _real_lengths("np.fft.rfftn", a, s, axes)
    return _each("np.fft.rfftn", fft, rfft(x, *last, norm), others, norm, out)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x, others, last = _real_lengths("np.fft.irfftn", a, s, axes, _whole)
    return irfft(_each("np.fft.irfftn", ifft, x, others, norm), *last, norm, out)


def _of_two_axes(transform: Callable[..., Any]) -> Callable[..., Any]:
    def of_two_axes(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
        return transform(a, s, axes, norm, out)

    return of_two_axes


for _function, _transform in (
    *((np.fft.fft2, fftn), (np.fft.ifft2, ifftn)),
    *((np.fft.rfft2, rfftn), (np.fft.irfft2, irfftn)),
):
    implements(_function)(_of_two_axes(_transform))


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _rolled("np.fft.fftshift", operand(x), axes, lambda n: n // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _rolled("np.fft.ifftshift", operand(x), axes, lambda n: -(n // 2))


def _rolled(call: str, x: Any, axes: Any, shift: Callable[[int], int]) -> Any:
    axes = listed_axes(axes, len(x.shape), call, "axes")
    return np.roll(x, tuple([shift(x.shape[i]) for i in axes]), axes)
