"""Sums, products, extrema, truth tests and their positions; mean and range.

Axes are negative, so every primitive here batches as itself. A product over several axes is one over them flattened.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Axes, Memory, Primitive
from ..errors import DTypeError, OptionError, ShapeError
from ..evals.reductions import kept_shape, largest, smallest, total
from ..numpy_protocol import REDUCE, implements
from ._axes import REDUCED, SUMMED, Labels
from ._families import common_shape, into, linear, loop_dtype, of_rank, operand, reduction, trailing
from ._ints import last_axes
from ._work import nothing, per_input
from .cumulative import converted, previous, scan_prod, single_axis
from .layout import reshape

# Sums and what undoes them.


@functools.lru_cache(maxsize=4096)
def _repeated_shapes(
    shape: tuple[int, ...], axis: tuple[int, ...], sizes: tuple[int, ...], keepdims: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes, with length 1 and with `sizes` on `axis`, of an array that has `shape` without those axes."""
    n = len(shape) + (0 if keepdims else len(axis))
    rest = iter([length for i, length in enumerate(shape) if not (keepdims and i - n in axis)])
    full = tuple([sizes[axis.index(i)] if i in axis else next(rest) for i in range(-n, 0)])
    return kept_shape(full, axis), full


def _repeated(shapes: Any, outs: Any, *, axis: tuple[int, ...], sizes: Any, keepdims: bool) -> Labels:
    rank = len(outs[0])
    every = tuple(range(rank))
    kept = tuple([None if keepdims and i - rank in axis else i for i in every if keepdims or i - rank not in axis])
    return Labels((kept[len(kept) - len(shapes[0]) :],), (every,))


REPEATED = Axes(_repeated, lambda params, shape: params | {"sizes": tuple([shape[i] for i in params["axis"]])})


@trailing(work=nothing, axes=REPEATED, memory=Memory.VIEW, formula=True)
def repeat_along(xp: Any, x: Any, *, axis: tuple[int, ...], sizes: tuple[int, ...], keepdims: bool) -> Any:
    """`x` repeated `sizes` times along the axes `axis` of the result; `x` has them, of length 1, if `keepdims`."""
    kept, full = _repeated_shapes(x.shape, axis, sizes, keepdims)
    return xp.broadcast_to(x.reshape(kept), full)


@trailing(axes=SUMMED, work=per_input(1), formula=True)
def reduce_sum(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Sum of `x` over the axes `axis`."""
    return total(xp, x, axis, keepdims)


@linear(reduce_sum)
def reduce_sum_vjp(g: Any, out: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    shape = x.shape
    return repeat_along(g, axis=axis, sizes=tuple([shape[i] for i in axis]), keepdims=keepdims)


linear(repeat_along)(lambda g, out, x, *, axis, sizes, keepdims: reduce_sum(g, axis=axis, keepdims=keepdims))


# Products. The derivative by one element is the product of the others: no division, so zeros do no harm.


@trailing(axes=REDUCED, work=per_input(1, 6))
def reduce_prod(xp: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
    """Product of `x` over one axis."""
    return x.prod(axis, keepdims=keepdims)


def others(x: Any, axis: int) -> Any:
    """For every element the product of the others along `axis`: of those before it and of those after it."""
    before, after = (previous(x, axis=axis, reverse=reverse, fill=1) for reverse in (False, True))
    return scan_prod(before, axis=axis, reverse=False) * scan_prod(after, axis=axis, reverse=True)


@reduce_prod.def_vjp
def reduce_prod_vjp(g: Any, out: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
    return g.reshape(kept_shape(x.shape, (axis,))) * others(x, axis)


@reduce_prod.def_jvp
def reduce_prod_jvp(tangents: Sequence[Any], out: Any, x: Any, *, axis: int, keepdims: bool) -> Any:
    return reduce_sum(tangents[0] * others(x, axis), axis=(axis,), keepdims=keepdims)


# Extrema. Elements that tie for one share its derivative equally.


@reduction
def reduce_max(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Largest element of `x` over the axes `axis`."""
    return largest(xp, x, axis, keepdims)


@reduction
def reduce_min(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Smallest element of `x` over the axes `axis`."""
    return smallest(xp, x, axis, keepdims)


def _ties(out: Any, x: Any, axis: tuple[int, ...]) -> tuple[Any, Any]:
    """Where `x` attains the extremum `out`, and how often, as an `x` with `axis` kept; NaN where the extremum is."""
    chosen = x == out.reshape(kept_shape(x.shape, axis))
    count = reduce_sum(chosen.astype(x.dtype), axis=axis, keepdims=True)
    return chosen, np.where(count == 0, np.nan, count)


def extremum_vjp(g: Any, out: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    chosen, count = _ties(out, x, axis)
    return np.where(chosen, g.reshape(kept_shape(x.shape, axis)) / count, 0 * count)


def extremum_jvp(tangents: Sequence[Any], out: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    chosen, count = _ties(out, x, axis)
    return reduce_sum(np.where(chosen, tangents[0], 0) / count, axis=axis, keepdims=keepdims)


for _made in (reduce_max, reduce_min):
    _made.def_vjp(extremum_vjp)
    _made.def_jvp(extremum_jvp)


# Truth tests and positions.


@trailing(axes=REDUCED, work=per_input(1), formula=True, zero_derivative=True)
def reduce_any(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Whether any element over the axes `axis` is true."""
    return x.any(axis, keepdims=keepdims)


@trailing(axes=REDUCED, work=per_input(1), formula=True, zero_derivative=True)
def reduce_all(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Whether all elements over the axes `axis` are true."""
    return x.all(axis, keepdims=keepdims)


@trailing(axes=REDUCED, work=per_input(1), zero_derivative=True)
def position(xp: Any, x: Any, *, axis: int, keepdims: bool, of: str) -> Any:
    """Index of an extremum along `axis`, the first of several: what "argmax" finds, or `of` for it."""
    return getattr(xp, of)(x, axis, keepdims=keepdims)


@trailing(work=nothing, memory=Memory.VIEW)
def within(xp: Any, x: Any, *, low: float, high: float, call: str, remedy: str) -> Any:
    """`x`, or an error of `call` if an element is not from `low` to `high`."""
    if x.size and not (x.min() >= low and x.max() <= high):
        raise OptionError(call, f"found {x.min()} to {x.max()}", f"values must be from {low} to {high}", remedy)
    return x


within.def_vjp(lambda g, out, x, **params: g)
within.def_jvp(lambda tangents, out, x, **params: tangents[0])


# NumPy's functions.


def masked(call: str, x: Any, where: Any, fill: Any) -> Any:
    """Returns `x` with `fill` outside the mask `where`."""
    if where is True:
        return x
    mask = operand(where)
    if mask.shape != x.shape and common_shape(call, [mask.shape, x.shape]) != x.shape:
        raise ShapeError(call, f"where has shape {mask.shape}", f"it must broadcast to the array's shape {x.shape}")
    return np.where(mask, x, fill)


def starting(initial: Any, dtype: Any) -> Any:
    """`initial` as NumPy takes it, in the dtype of the result."""
    return initial.astype(dtype) if hasattr(initial, "shape") else dtype.type(initial)


def _combining(
    call: str, made: Callable[..., Any], ufunc: Callable[[Any, Any], Any], neutral: int
) -> Callable[..., Any]:
    """What combines elements by `ufunc`, in NumPy's spelling; `made` does it over negative axes."""

    def combined(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        if dtype is out is initial is None and where is True:  # the common call
            x = operand(a)
            return made(x, axis=last_axes(axis, len(x.shape), call), keepdims=bool(keepdims))
        dtype = loop_dtype(operand(a), dtype, out)
        x = masked(call, converted(a, dtype), where, neutral)
        result = made(x, axis=last_axes(axis, len(x.shape), call), keepdims=bool(keepdims))
        if initial is not None:
            result = ufunc(result, starting(initial, result.dtype))
        return into(call, out, result if dtype is None else converted(result, dtype))

    combined.__name__ = combined.__qualname__ = call
    return combined


def _product(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if len(axis) == 1:
        return reduce_prod(x, axis=axis[0], keepdims=keepdims)
    result = reduce_prod(flattened(x, axis), axis=-1, keepdims=False)
    return reshape(result, shape=kept_shape(x.shape, axis)) if keepdims else result


sum_ = implements(np.sum)(_combining("np.sum", reduce_sum, np.add, 0))
prod = implements(np.prod)(_combining("np.prod", _product, np.multiply, 1))


def flattened(x: Any, axes: tuple[int, ...]) -> Any:
    """Returns `x` with the negative `axes` moved to the end and made one."""
    if axes == (-1,):
        return x
    rest = [i for i in range(-len(x.shape), 0) if i not in axes]
    shape = x.shape
    count = math.prod([shape[i] for i in axes])
    return x.transpose((*rest, *axes)).reshape((*[shape[i] for i in rest], count))


def _reduces(ufunc: Any) -> Callable[..., Any]:
    """Declares the decorated function to be what `ufunc.reduce` is on tracers."""
    REDUCE[ufunc] = ufunc, "reduce"
    return implements((ufunc, "reduce"))


def _extremum(call: str, made: Primitive, larger: Any) -> Callable[..., Any]:
    """The extremum that `made` finds over negative axes, in NumPy's spelling; `larger` is that of two."""

    def extremum(
        a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        x = operand(a)
        params: dict[str, Any] = {"axis": last_axes(axis, len(x.shape), call), "keepdims": bool(keepdims)}
        if initial is None:
            if where is not True:
                raise OptionError(call, "got where= without initial=", "where nothing is selected there is no result")
            return into(call, out, made(x, **params))
        start = starting(initial, x.dtype)
        if any(x.shape[i] == 0 for i in params["axis"]):
            return into(call, out, reduce_sum(x, **params).astype(x.dtype) + start)
        return into(call, out, larger(made(masked(call, x, where, start), **params), start))

    @_reduces(larger)
    def reduce(a: Any, axis: Any = 0, dtype: Any = None, **options: Any) -> Any:
        return extremum(converted(a, dtype), axis, **options)

    return extremum


max_ = implements(np.max, np.amax)(_extremum("np.max", reduce_max, np.maximum))
min_ = implements(np.min, np.amin)(_extremum("np.min", reduce_min, np.minimum))


def _truth(call: str, made: Primitive, ufunc: Any, neutral: bool) -> Callable[..., Any]:
    """The test that `made` makes over negative axes, in NumPy's spelling; `ufunc` is that of two."""

    def truth(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
        x = masked(call, operand(a), where, neutral)
        return into(call, out, made(x, axis=last_axes(axis, len(x.shape), call), keepdims=bool(keepdims)))

    @_reduces(ufunc)
    def reduce(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, initial: Any = None, **options: Any) -> Any:
        method = f"np.{ufunc.__name__}.reduce"
        if dtype is not None and np.dtype(dtype) != bool:
            raise DTypeError(method, f"dtype is {dtype}", "it must be bool")
        result = truth(a, axis, **options)
        return into(method, out, result if initial is None else ufunc(result, initial))

    return truth


any_ = implements(np.any)(_truth("np.any", reduce_any, np.logical_or, False))
all_ = implements(np.all)(_truth("np.all", reduce_all, np.logical_and, True))


def _implement_position(function: Any) -> None:
    """Makes `function` of NumPy, one that finds where an extremum is, run on tracers."""
    name = function.__name__

    @implements(function)
    def found(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        x = operand(a)
        line, last = single_axis(x, axis, f"np.{name}")
        result = position(line, axis=last, keepdims=bool(keepdims), of=name)
        if keepdims and axis is None:
            result = result.reshape((1,) * len(x.shape))
        return into(f"np.{name}", out, result)


for _function in (np.argmax, np.argmin, np.nanargmax, np.nanargmin):
    _implement_position(_function)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = operand(a)
    axes = last_axes(axis, len(x.shape), "np.count_nonzero")
    return reduce_sum(x if x.dtype == bool else x != 0, axis=axes, keepdims=bool(keepdims))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return into("np.ptp", out, max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims))


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    x = operand(a)
    wide, final = mean_dtypes(x.dtype, loop_dtype(x, dtype, out) if x.dtype.kind in "fc" else dtype)
    if wide is not None:
        x = converted(x, wide)
    axes = last_axes(axis, len(x.shape), "np.mean")
    if where is not True:
        x = masked("np.mean", x, where, 0)
    result = reduce_sum(x, axis=axes, keepdims=bool(keepdims)) / count_over(x, axes, keepdims, where)
    return into("np.mean", out, result if result.dtype == final else result.astype(final))


@functools.lru_cache(maxsize=256)
def mean_dtypes(found: Any, asked: Any) -> tuple[Any, Any]:
    """The dtype to add up in, None for the array's own, and that of the mean."""
    if asked is not None:
        return asked, np.dtype(asked)
    if found.kind in "iub":
        return np.float64, np.dtype(np.float64)
    return (np.float32 if found == np.float16 else None), found


def count_over(x: Any, axes: tuple[int, ...], keepdims: bool, where: Any = True) -> Any:
    """How many elements are reduced: an int, or an array that broadcasts, where the mask `where` decides."""
    shape = x.shape
    if where is True:
        return math.prod([shape[i] for i in axes])
    mask = of_rank(operand(where), len(shape))
    repeated = math.prod([shape[i] for i in axes if mask.shape[i] == 1])
    count = reduce_sum(mask, axis=axes, keepdims=bool(keepdims))
    return count if repeated == 1 else repeated * count
