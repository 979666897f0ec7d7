"""Reductions that pass over NaN: plain functions of the ordinary ones, on arrays with NaN replaced.

Arrays of integers have no NaN and go to the ordinary ones as they are.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..numpy_protocol import implements
from ._families import into, operand
from ._ints import last_axes
from .cumulative import converted, without_nan
from .reductions import all_, masked, max_, mean, min_, prod, reduce_sum, sum_
from .statistics import freedom_lost, real_dtype, root_of, squared, var


def _passing_nan(reduction: Callable[..., Any], fill: int) -> Callable[..., Any]:
    """`reduction`, its signature too, of arrays with `fill` in place of NaN."""

    @functools.wraps(reduction)
    def passing(a: Any, *args: Any, **options: Any) -> Any:
        return reduction(without_nan(a, fill), *args, **options)

    return passing


nansum = implements(np.nansum)(_passing_nan(sum_, 0))
nanprod = implements(np.nanprod)(_passing_nan(prod, 1))


def _implement_extremum(function: Any, extremum: Callable[..., Any], fill: float) -> None:
    """Makes `function` of NumPy, the `extremum` of what is no NaN, run on tracers."""

    @implements(function)
    def passing(
        a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        x = operand(a)
        result = extremum(without_nan(x, fill), axis, None, keepdims, initial, where)
        if initial is None and x.dtype.kind in "fc":
            result = np.where(all_(np.isnan(x), axis, keepdims=keepdims), np.nan, result)
        return into(f"np.{function.__name__}", out, result)


_implement_extremum(np.nanmax, max_, -np.inf)
_implement_extremum(np.nanmin, min_, np.inf)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    x = operand(a)
    if x.dtype.kind not in "fc":
        return mean(x, axis, dtype, out, keepdims, where=where)
    axes = last_axes(axis, len(x.shape), "np.nanmean")
    total = sum_(without_nan(x, 0), axes, dtype, keepdims=keepdims, where=where)
    return into("np.nanmean", out, converted(total / _numbers(x, axes, keepdims, where), total.dtype))


def _numbers(x: Any, axes: tuple[int, ...], keepdims: bool, where: Any) -> Any:
    """How many elements are numbers."""
    return reduce_sum(masked("where", ~np.isnan(x), where, False), axis=axes, keepdims=bool(keepdims))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    x = operand(a)
    if x.dtype.kind not in "fc":
        return var(x, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    axes = last_axes(axis, len(x.shape), "np.nanvar")
    y = converted(without_nan(x, 0), dtype)
    if mean is None:
        total = sum_(y, axes, keepdims=True, where=where)
        mean = converted(total / _numbers(x, axes, True, where), total.dtype)
    squares = squared(np.where(np.isnan(x), 0, y - mean))
    freedom = _numbers(x, axes, keepdims, where) - freedom_lost("np.nanvar", ddof, correction)
    result = sum_(squares, axes, keepdims=keepdims, where=where) / np.where(freedom > 0, freedom, np.nan)
    return into("np.nanvar", out, converted(result, real_dtype(y.dtype)))


nanstd = implements(np.nanstd)(root_of("np.nanstd", nanvar))
