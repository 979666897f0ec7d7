"""Cumulative sums and products, and the linear recurrence that differentiates products exactly where data is zero.

Every primitive works along one trailing axis and batches as itself. Reductions use these for their derivatives.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Memory, Primitive
from ..errors import OptionError
from ..numpy_protocol import implements
from ._families import add_tangents, fit, into, linear, loop_dtype, match, operand, trailing
from ._ints import last_axis
from ._work import SUMMAND, complexes, nothing, per_input


@functools.lru_cache(maxsize=1024)
def along(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    """The index that takes `start:stop` on the negative `axis`, and all of the others."""
    return (..., slice(start, stop), *(slice(None),) * (-1 - axis))


def in_spans(xp: Any, combine: Any, x: Any, axis: int) -> Any:
    """`combine` of everything up to each position along `axis`, in any grouping: spans of 1, 2, 4, ... elements."""
    step = 1
    while step < x.shape[axis]:
        later = combine(x[along(axis, None, -step)], x[along(axis, step, None)])
        x, step = xp.concatenate([x[along(axis, None, step)], later], axis), 2 * step
    return x


def single_axis(x: Any, axis: Any, call: str) -> tuple[Any, int]:
    """Returns `x` and `axis` as a negative int; flat `x` and -1 for no axis."""
    if axis is None or not x.shape:
        x, axis = (x if len(x.shape) == 1 else x.reshape(-1)), -1 if axis is None else axis
    return x, last_axis(axis, len(x.shape), call)


def converted(a: Any, dtype: Any) -> Any:
    """Returns `a` as an array, of `dtype` unless that is None."""
    x = operand(a)
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


@trailing(work=nothing, memory=Memory.COPY)
def previous(xp: Any, x: Any, *, axis: int, reverse: bool, fill: int) -> Any:
    """At every position the element one before it along `axis` (one after it if `reverse`), and `fill` at the end."""
    out = xp.empty_like(x)
    if reverse:
        out[along(axis, None, -1)], out[along(axis, -1, None)] = x[along(axis, 1, None)], fill
    else:
        out[along(axis, 1, None)], out[along(axis, None, 1)] = x[along(axis, None, -1)], fill
    return out


previous.def_vjp(lambda g, out, x, *, axis, reverse, fill: previous(g, axis=axis, reverse=not reverse, fill=0))
previous.def_jvp(
    lambda tangents, out, x, *, axis, reverse, fill: previous(tangents[0], axis=axis, reverse=reverse, fill=0)
)


@trailing(work=lambda ins, outs, **params: SUMMAND[complexes(ins)] * outs[0].size)
def recurrence(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    """`h[i] = a[i] * h[i - 1] + b[i]` along `axis`, or `a[i] * h[i + 1] + b[i]` if `reverse`; h is 0 outside.

    It runs step by step: prefix products, which would take fewer steps, overflow where the recurrence does not.
    """
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (xp.moveaxis(xp.broadcast_to(v, shape), axis, 0) for v in (a, b))
    h = xp.array(b, dtype=xp.result_type(a, b), order="C")
    n = len(h)
    for i in range(n - 2, -1, -1) if reverse else range(1, n):
        h[i] += a[i] * h[i + 1 if reverse else i - 1]
    return xp.moveaxis(h, 0, axis)


def _adjoint(g: Any, a: Any, *, axis: int, reverse: bool) -> Any:
    """The cotangent of every `h[i]` with what reaches it from later ones: the recurrence the other way."""
    return recurrence(previous(a, axis=axis, reverse=not reverse, fill=0), g, axis=axis, reverse=not reverse)


recurrence.def_vjp(
    lambda g, out, a, b, **params: match(_adjoint(g, a, **params) * previous(out, **params, fill=0), a),
    lambda g, out, a, b, **params: match(_adjoint(g, a, **params), b),
)


@recurrence.def_jvp
def recurrence_jvp(tangents: Sequence[Any], out: Any, a: Any, b: Any, **params: Any) -> Any:
    da, db = tangents
    step = add_tangents([None if da is None else da * previous(out, **params, fill=0), db])
    return fit(recurrence(a, step, **params), out)


@trailing(work=per_input(1))
def scan_sum(xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """The sum of everything up to each position along `axis`; from it on if `reverse`."""
    return _flip(xp, _flip(xp, x, axis, reverse).cumsum(axis), axis, reverse)


linear(scan_sum)(lambda g, out, x, *, axis, reverse: scan_sum(g, axis=axis, reverse=not reverse))


@trailing(work=per_input(1, 6))
def scan_prod(xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """The product of everything up to each position along `axis`; from it on if `reverse`."""
    return _flip(xp, _flip(xp, x, axis, reverse).cumprod(axis), axis, reverse)


def _flip(xp: Any, x: Any, axis: int, reverse: bool) -> Any:
    return xp.flip(x, axis) if reverse else x


scan_prod.def_vjp(lambda g, out, x, **params: _adjoint(g, x, **params) * previous(out, **params, fill=1))
scan_prod.def_jvp(
    lambda tangents, out, x, **params: recurrence(x, tangents[0] * previous(out, **params, fill=1), **params)
)


def _implement_cumulative(function: Any, made: Primitive, nan: int | None = None) -> None:
    """Makes `function` of NumPy run on tracers as `made`, with `nan`, unless that is None, in place of NaN."""

    @implements(function)
    def cumulative(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        x = a if nan is None else without_nan(a, nan)
        return _cumulative(made, f"np.{function.__name__}", x, axis, dtype, out)


_implement_cumulative(np.cumsum, scan_sum)
_implement_cumulative(np.cumprod, scan_prod)
_implement_cumulative(np.nancumsum, scan_sum, 0)
_implement_cumulative(np.nancumprod, scan_prod, 1)


def without_nan(a: Any, fill: Any) -> Any:
    """Returns `a` as an array with `fill` in place of NaN."""
    x = operand(a)
    return np.where(np.isnan(x), fill, x) if x.dtype.kind in "fc" else x


def _implement_along_one_axis(function: Any, made: Primitive) -> None:
    """The same for what goes along one axis, which must be named where there are several."""
    call = f"np.{function.__name__}"

    @implements(function)
    def cumulative(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        if axis is None and np.ndim(x) > 1:
            raise OptionError(call, f"axis is None for an array of {np.ndim(x)} axes", "", "Name the axis")
        return _cumulative(made, call, x, axis, dtype, out, include_initial)


_implement_along_one_axis(np.cumulative_sum, scan_sum)
_implement_along_one_axis(np.cumulative_prod, scan_prod)


def _cumulative(
    made: Primitive, call: str, a: Any, axis: Any, dtype: Any, out: Any, include_initial: bool = False
) -> Any:
    dtype = loop_dtype(operand(a), dtype, out)
    x, last = single_axis(converted(a, dtype), axis, call)
    result = made(x, axis=last, reverse=False)
    if dtype is not None and result.dtype != dtype:  # NumPy widens small integers unless told the dtype
        result = result.astype(dtype)
    if include_initial:
        nothing = result[along(last, None, 0)]
        start = (np.prod if made is scan_prod else np.sum)(nothing, axis=last, keepdims=True, dtype=result.dtype)
        result = np.concatenate((start, result), axis=last)
    return into(call, out, result)
