"""Medians, quantiles and percentiles: plain functions of one sort and of the elements at given ranks.

A rank is an int where the quantile and the length are known, and then it is a slice; else it is an array, and a gather.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError, ShapeError, describe
from ..evals.reductions import reduced_shape
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import into, operand
from ._ints import last_axes
from .cumulative import converted
from .reductions import flattened, mean, reduce_sum, within
from .sorting import argsort_along, gather_along, sort_along
from .statistics import weights_over

Ranks = tuple[Any, Any, Any]
"""The rank below, the rank above and the weight of the element above; None for the weight where the ranks are one."""


def _between(index: Any) -> Ranks:
    below = np.floor(index)
    return below, below + 1, index - below


def _plotting(alpha: float, beta: float) -> Callable[[Any, Any], Ranks]:
    return lambda n, q: _between(n * q + (alpha + q * (1 - alpha - beta)) - 1)


def _midpoint(n: Any, q: Any) -> Ranks:
    below, above, weight = _between((n - 1) * q)
    return below, above, np.where(weight == 0, 0.0, 0.5)


def _averaged(n: Any, q: Any) -> Ranks:
    below, above, weight = _between(n * q - 1)
    return below, above, np.where(weight == 0, 0.5, 1.0)


def _closest(n: Any, q: Any) -> Ranks:
    below, above, weight = _between(n * q - 1.5)
    return (np.where((weight == 0) & (below % 2 == 1), below, above),) * 2 + (None,)


METHODS: dict[str, Callable[[Any, Any], Ranks]] = {
    "linear": lambda n, q: _between((n - 1) * q),
    "lower": lambda n, q: (np.floor((n - 1) * q),) * 2 + (None,),
    "higher": lambda n, q: (np.ceil((n - 1) * q),) * 2 + (None,),
    "nearest": lambda n, q: (np.rint((n - 1) * q),) * 2 + (None,),
    "midpoint": _midpoint,
    "inverted_cdf": lambda n, q: (np.ceil(n * q - 1),) * 2 + (None,),
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
    "interpolated_inverted_cdf": _plotting(0, 1),
    "hazen": _plotting(0.5, 0.5),
    "weibull": _plotting(0, 0),
    "median_unbiased": _plotting(1 / 3, 1 / 3),
    "normal_unbiased": _plotting(3 / 8, 3 / 8),
}
"""Where the quantile `q` of `n` sorted elements lies."""


def _element(line: Any, n: Any, rank: Any) -> Any:
    """The elements of the sorted `line` at `rank`, or at the end that it is beyond of the first `n`."""
    if isinstance(rank, Tracer) or np.ndim(rank):
        rank = np.clip(rank, 0, np.maximum(n - 1, 0)).astype(np.intp)
        return gather_along(line, rank, axis=-1, unique=False)
    k = min(max(int(rank), 0), n - 1)
    return line[..., k : k + 1]


def _interpolated(line: Any, n: Any, q: Any, method: str) -> Any:
    """The quantile `q` of the first `n` elements of the sorted `line`; from the nearer end, to round as NumPy does."""
    weak = type(q) is float  # and then it has no say in the dtype
    below, above, weight = METHODS[method](n if weak or isinstance(n, int) else n.astype(q.dtype), q)
    low = _element(line, n, below)
    if weight is None:
        return low
    if weak:
        weight = float(weight) if isinstance(n, int) else weight.astype(line.dtype)
    high = _element(line, n, above)
    step = high - low
    if isinstance(weight, Tracer) or np.ndim(weight):
        return np.where(weight >= 0.5, high - step * (1 - weight), low + step * weight)
    return high - step * (1 - weight) if weight >= 0.5 else low + step * weight


def _weighted(call: str, line: Any, n: Any, weights: Any, q: Any) -> Any:
    """The first element of the sorted `line` up to which the share `q` of all weights, and not nothing, lies."""
    total = weights[..., -1:] + (n == 0)
    remedy = "Weights must be finite, none of them negative and not all zero"
    with np.errstate(all="ignore"):
        shares = weights / total
    shares = within(shares, low=0, high=1, call=call, remedy=remedy)[..., None]
    if type(q) is not float:
        shares = shares.astype(q.dtype)
    return _element(line, n, np.count_nonzero((shares == 0) | (shares < q), axis=-2))


def _sorted(x: Any, weights: Any, skip_nan: bool) -> tuple[Any, Any]:
    """`x` sorted along its last axis, and the running sums of its weights, NaN from where one is negative."""
    if weights is None:
        return sort_along(x, axis=-1, stable=False), None
    order = argsort_along(x, axis=-1, stable=False)
    line, weights = (gather_along(v, order, axis=-1, unique=True) for v in (x, converted(weights, np.float64)))
    if skip_nan:
        weights = np.where(np.isnan(line), np.fmin(weights, 0), weights)
    return line, np.cumsum(np.where(weights < 0, np.nan, weights), axis=-1)


def _each(call: str, q: Any) -> list[Any]:
    """The quantiles one by one, as a Python float or as NumPy's; an array that is not NumPy's as one."""
    if type(q) in (int, float):
        within(np.asarray(q), low=0, high=1, call=call, remedy="")
        return [float(q)]
    q = within(operand(q).reshape(-1), low=0, high=1, call=call, remedy="")
    if isinstance(q, np.ndarray):
        return [v if v.dtype.kind == "f" else np.float64(v) for v in q]
    return [q]


def _implement_quantile(function: Any, share: Callable[[Any], Any], skip_nan: bool) -> None:
    """Makes `function` of NumPy run on tracers; `share` makes a quantile, from 0 to 1, of what it is asked for."""
    call = f"np.{function.__name__}"

    @implements(function)
    def quantile(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Any:
        q = share(q)
        x = operand(a)
        if x.dtype.kind == "c":
            raise DTypeError(call, "the array is complex", "quantiles need an order")
        if method not in METHODS:
            raise OptionError(call, f"method is {method!r}", f"it must be one of {', '.join(METHODS)}")
        if method == "linear" and not isinstance(q, float) and operand(q).dtype.kind == "i":
            method = "lower"  # NumPy takes whole numbers for ranks
        axes = last_axes(axis, len(x.shape), call)
        if weights is not None:
            if method != "inverted_cdf":
                raise OptionError(call, f"got weights= and method {method!r}", "with weights it must be 'inverted_cdf'")
            weights = flattened(weights_over(call, x, axis, weights), axes)
        if skip_nan and not x.size:
            return mean(x, axis, None, out, keepdims)
        line, sums = _sorted(flattened(x, axes), weights, skip_nan)
        inexact = line.dtype.kind == "f"
        n: Any = line.shape[-1]
        if not n:
            raise ShapeError(call, f"the array is {describe(x)}", "it needs an element")
        if skip_nan and inexact:
            n = reduce_sum(~np.isnan(line), axis=(-1,), keepdims=True)
        if sums is None:
            parts = [_interpolated(line, n, value, method) for value in _each(call, q)]
        else:
            parts = [_weighted(call, line, n, sums, value) for value in _each(call, q)]
        result = np.concatenate(parts, -1) if parts else line[..., :0]
        if inexact and not skip_nan:
            result = np.where(np.isnan(line[..., -1:]), np.nan, result)
        return into(call, out, np.moveaxis(result, -1, 0).reshape(np.shape(q) + reduced_shape(x.shape, axes, keepdims)))


def _hundredth(q: Any) -> Any:
    return q / 100 if type(q) in (int, float) else np.true_divide(q, 100)


_implement_quantile(np.quantile, lambda q: q, False)
_implement_quantile(np.nanquantile, lambda q: q, True)
_implement_quantile(np.percentile, _hundredth, False)
_implement_quantile(np.nanpercentile, _hundredth, True)


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    x = operand(a)
    axes = last_axes(axis, len(x.shape), "np.median")
    line = sort_along(flattened(x, axes), axis=-1, stable=False)
    n = line.shape[-1]
    result = mean(line[..., max(n - 1, 0) // 2 : n // 2 + 1], -1)
    if line.dtype.kind in "fc" and n:
        result = np.where(np.isnan(line[..., -1]), np.nan, result)
    return into("np.median", out, result.reshape(reduced_shape(x.shape, axes, keepdims)))


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    x = operand(a)
    if x.dtype.kind not in "fc":
        return median(x, axis, out, keepdims=keepdims)
    if not x.size:
        return mean(x, axis, None, out, keepdims)
    axes = last_axes(axis, len(x.shape), "np.nanmedian")
    line = sort_along(flattened(x, axes), axis=-1, stable=False)
    n = reduce_sum(~np.isnan(line), axis=(-1,), keepdims=True)
    result = (_element(line, n, (n - 1) // 2) + _element(line, n, n // 2)) / 2
    return into("np.nanmedian", out, result.reshape(reduced_shape(x.shape, axes, keepdims)))
