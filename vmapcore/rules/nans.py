"""Reductions that pass over NaN: plain functions of the ordinary ones, on arrays with NaN replaced.

Arrays of integers have no NaN and go to the ordinary ones as they are.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..numpy_protocol import implements
from ._families import into, operand
from .cumulative import without_nan
from .reductions import all_, max_, mean, min_, prod, sum_
from .statistics import numbers


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
    return mean(x, axis, dtype, out, keepdims, where=numbers(x, where) if x.dtype.kind in "fc" else where)
