"""Arrays made from nothing, from numbers, or like another array.

An array made inside a transform becomes a tracer of it, so that traced values can be written into it. One made by
`np.zeros_like` and its kin belongs to the transform of the array it is like: those names also serve inside rules, below
the innermost transform. `linspace` is the one primitive: free over leading axes, it batches as itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import namespace
from ..core import lift
from ..errors import ArgumentError, OptionError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer, is_traced
from ..views import mark_contiguous
from ._families import fit, match, of_one_rank, operand, trailing
from ._ints import as_int, as_size, as_sizes
from ._work import each
from .layout import Shape, expand_dims, moveaxis, reshape_

# Where an array is made, and for whom.


def library(like: Any, device: Any = None) -> Any:
    """The array library of what `like` is or wraps, or of `device`; NumPy for None."""
    if isinstance(device, str) and device != "cpu":
        allowed = "it must be None, 'cpu' or a device of CuPy"
        remedy = "Pass like=, an array of the library to use"
        raise ArgumentError("vmapcore.numpy", f"device is {device!r}", allowed, remedy)
    while isinstance(like, Tracer):
        like = like.value
    return namespace((like, device))


@implements("made")
def made(value: Any, order: str = "C") -> Any:
    """A new array for the innermost running transform."""
    value = lift(value)
    return mark_contiguous(value) if order == "C" and isinstance(value, Tracer) else value


def _made_like(a: Any, value: Any, order: str) -> Any:
    """A new array for the transform that `a` belongs to; for one further out if that holds no such dtype."""
    while isinstance(a, Tracer):
        if a._trace.holds(value.dtype):
            value = a._trace.lift(value)
            return mark_contiguous(value) if order == "C" or len(value.shape) < 2 else value
        a = a.value
    return value


# From nothing.


@implements(np.zeros)
def zeros(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> Any:
    return made(library(like, device).zeros(as_sizes("np.zeros", "shape", shape), dtype or float), order)


@implements(np.ones)
def ones(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> Any:
    return made(library(like, device).ones(as_sizes("np.ones", "shape", shape), dtype or float), order)


@implements(np.empty)
def empty(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> Any:
    """Zeros: of what happens to be in memory no example could equal the loop's."""
    return zeros(shape, dtype, order, device=device, like=like)


@implements(np.full)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    sizes = as_sizes("np.full", "shape", shape)
    if isinstance(fill_value, Tracer):
        return made(_filled(fill_value, sizes, dtype), order)
    return made(library(fill_value if like is None else like, device).full(sizes, fill_value, dtype), order)


def _filled(value: Any, shape: Shape, dtype: Any) -> Any:
    """A traced `value` broadcast to `shape`, linked to nothing."""
    if dtype is not None:
        value = NUMPY["cast"](value, dtype)
    return NUMPY[np.copy](NUMPY[np.broadcast_to](value, shape))


@implements(np.eye)
def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = float,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    return made(library(like, device).eye(*_matrix_sizes("np.eye", N, M, k), dtype), order)


def _matrix_sizes(call: str, N: Any, M: Any, k: Any) -> tuple[int, int, int]:
    rows = as_size(call, "N", N)
    return rows, rows if M is None else as_size(call, "M", M), as_int(call, "k", k)


@implements(np.identity)
def identity(n: int, dtype: Any = None, *, like: Any = None) -> Any:
    return made(library(like).identity(as_size("np.identity", "n", n), dtype or float))


@implements(np.tri)
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float, *, like: Any = None) -> Any:
    return made(library(like).tri(*_matrix_sizes("np.tri", N, M, k), dtype))


@implements(np.arange)
def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, like: Any = None
) -> Any:
    start, stop, step = map(_bound, (start, stop, step))
    return made(library(like, device).arange(*((start,) if stop is None else (start, stop)), step=step, dtype=dtype))


def _bound(x: Any) -> Any:
    if not isinstance(x, Tracer):
        return x
    known = x.answered()
    if known is None:
        fact, allowed = f"a bound is the traced {describe(x)}", "it must be known how many values there are"
        raise ArgumentError("np.arange", fact, allowed, "Scale and shift np.arange(n), or use np.linspace" + x.apart)
    return known[()]


# Like another array.


def _implement_like(function: Any, value: int) -> None:
    """Makes `function` of NumPy, one that fills an array like another, run on tracers."""

    @implements(function)
    def like(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
    ) -> Any:
        return full_like(a, value, dtype, order, subok, shape, device=device)


_implement_like(np.zeros_like, 0)
_implement_like(np.ones_like, 1)


@implements(np.empty_like)
def empty_like(
    prototype: Any, /, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Zeros, as `empty` makes."""
    return full_like(prototype, 0, dtype, order, subok, shape, device=device)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    a = operand(a)
    sizes = a.shape if shape is None else as_sizes("np.full_like", "shape", shape)
    dtype = a.dtype if dtype is None else dtype
    if isinstance(fill_value, Tracer):
        return _filled(fill_value, sizes, dtype)
    return _made_like(a, library(a, device).full(sizes, fill_value, dtype), order)


# From what is given.


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None, like: Any = None
) -> Any:
    """`np.asarray`, also of a tracer and of nested lists that hold tracers."""
    if isinstance(a, Tracer):
        x = a if dtype is None else NUMPY["cast"](a, dtype, copy=False)
        if a.kind is not None:  # of a number an array of no axes
            return mark_contiguous(operand(x).snapshot())
        return NUMPY[np.copy](x) if copy and x is a else x
    if isinstance(a, (list, tuple)):
        if is_traced(a):
            x = as_array(a, like)
            return x if dtype is None else NUMPY["cast"](x, dtype, copy=False)
        return made(library(like, device).array(a, dtype))
    xp = library(like if like is not None else a, device)
    return xp.array(a, dtype) if copy else xp.asarray(a, dtype)


implements(np.asarray)(asarray)


@implements(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    ndmin, ndmax = as_int("np.array", "ndmin", ndmin), as_size("np.array", "ndmax", ndmax)
    x = asarray(object, dtype, copy=copy, like=like)
    if 0 < ndmax < len(x.shape) and not hasattr(object, "shape"):
        raise OptionError("np.array", f"ndmax is {ndmax}", "arrays of Python objects cannot be traced")
    if copy and not isinstance(x, Tracer):
        x = made(x)
    return x if len(x.shape) >= ndmin else reshape_(x, (1,) * (ndmin - len(x.shape)) + x.shape)


@implements("as_array")
def as_array(x: Any, like: Any = None) -> Any:
    """Returns an array or tracer as it is, and makes one of a number or of nested lists, of the library of `like`."""
    if hasattr(x, "shape"):
        return x
    if isinstance(x, (list, tuple)) and is_traced(x):
        return np.stack([as_array(e, like) for e in x])
    return library(like).asarray(x)


# From numbers between two ends.


@trailing(work=lambda ins, outs, **params: 2 * each(ins, outs))
def linspace(xp: Any, start: Any, stop: Any, *, num: int, endpoint: bool) -> Any:
    """`num` numbers from `start` to `stop`, along a new last axis."""
    return xp.linspace(start, stop, num, endpoint, axis=-1)


def _end_vjp(g: Any, end: Any, ends: tuple[float, float], **params: Any) -> Any:
    """The cotangent of an end, by as much of which each number moves as lies between `ends`."""
    weights = linspace(*[np.full_like(end, e) for e in ends], **params)
    return match(np.sum(g * weights, axis=-1), end)


linspace.def_vjp(
    lambda g, out, start, stop, **params: _end_vjp(g, start, (1, 0), **params),
    lambda g, out, start, stop, **params: _end_vjp(g, stop, (0, 1), **params),
)


@linspace.def_jvp
def linspace_jvp(tangents: Sequence[Any], out: Any, start: Any, stop: Any, *, num: int, endpoint: bool) -> Any:
    return fit(linspace(*[0.0 if t is None else t for t in tangents], num=num, endpoint=endpoint), out)


def weak(x: Any) -> Any:
    """Returns a Python number as it is, to take on the dtype of what it meets, and anything else as an array."""
    return x if isinstance(x, (int, float, complex)) else operand(x)


@implements(np.linspace)
def linspace_(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    start, stop, num = weak(start), weak(stop), as_size("np.linspace", "num", num)
    y = linspace(start, stop, num=num, endpoint=endpoint)
    if dtype is not None:
        y = NUMPY["cast"](np.floor(y) if np.issubdtype(dtype, np.integer) else y, dtype)
    if not isinstance(y, Tracer):
        y = made(y)
    y = moveaxis(y, -1, axis)
    intervals = num - 1 if endpoint else num
    return (y, (stop - start) / intervals if intervals > 0 else np.nan) if retstep else y


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    base = weak(base)
    if not isinstance(base, (int, float, complex)) and base.shape:
        start, stop, base = of_one_rank(operand(start), operand(stop), base)
        base = expand_dims(base, axis)
    y = np.power(base, linspace_(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else NUMPY["cast"](y, dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`np.geomspace`; an end that is zero gives NaN, for a traced value cannot be looked at."""
    start, stop = weak(start), weak(stop)
    start, stop = start * np.ones_like(stop), stop * np.ones_like(start)
    inexact = np.result_type(start.dtype, stop.dtype, np.dtype(dtype), 1.0)
    start, stop = [NUMPY["cast"](x, inexact) for x in (start, stop)]
    sign = np.sign(start)
    num = as_size("np.geomspace", "num", num)
    inner = moveaxis(logspace(np.log10(start / sign), np.log10(stop / sign), num, endpoint) * sign, 0, -1)
    if num > 0:  # the ends are exact
        last = [stop[..., None]] if endpoint and num > 1 else []
        inner = np.concatenate([start[..., None], inner[..., 1 : num - len(last)], *last], axis=-1)
    y = moveaxis(inner, -1, axis)
    return y if dtype is None else NUMPY["cast"](y, dtype)
