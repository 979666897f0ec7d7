"""What functions of NumPy are of selections, without their length.

A sum adds zeros for what is not chosen, a median passes over NaN, an extremum has a primitive of its own; functions of
each element are applied to the whole. `law(function, args, options)` returns NotImplemented for what it does not know.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import surely_equal
from ..numpy_protocol import NUMPY
from ._ints import last_axes
from .chosen import NONE_LEFT, extremum_of_chosen, place_chosen, require
from .reductions import flattened
from .selected import LAWS, Selection, together

Law = Callable[[Any, Sequence[Any], dict[str, Any]], Any]


def law(*functions: Any) -> Callable[[Law], Law]:
    """Declares what these functions are of selections."""

    def declare(found: Law) -> Law:
        LAWS.update(dict.fromkeys(functions, found))
        return found

    return declare


# By element.

PLAIN = {int, float, complex, bool, str, type(None), type}
"""Options that say nothing of single elements."""


@law(np.round, np.around, np.fix, np.clip, np.nan_to_num, np.isclose, np.angle, np.sinc, np.i0, np.isposinf)
@law(np.isneginf, np.iscomplex, np.isreal, np.zeros_like, np.ones_like, np.full_like, np.empty_like, np.where)
def by_element(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    if {"out", "shape"} & options.keys() or not all(type(x) in PLAIN for x in options.values()):
        return NotImplemented
    whole = None if function is np.where and len(args) < 3 else together(args)
    return NotImplemented if whole is None else whole.selection(NUMPY[function](*whole.args, **options))


def _by_element_of(place: int, *functions: Any) -> None:
    """Declares functions that take each element of one argument by itself, and others whole."""

    @law(*functions)
    def by_element_of(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        x, others = args[place], [*args[:place], *args[place + 1 :], *options.values()]
        if type(x) is not Selection or any(type(y) is Selection for y in others):
            return NotImplemented
        given = [*args[:place], x.padded().whole, *args[place + 1 :]]
        return x.with_whole(NUMPY[function](*given, **options))


_by_element_of(0, np.interp, np.digitize, np.isin)
_by_element_of(1, np.searchsorted)


@law(np.copy)
def copy(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    return args[0].copy()


@law(np.size)
def size(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    return args[0].size if len(args) == 1 else NotImplemented


@law(np.ravel)
def ravel(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    return args[0] if args[0].ndim == 1 else NotImplemented


# Reductions.


class Reducing:
    """A call of a reduction of one selection, as far as it is known."""

    def __init__(self, args: Sequence[Any], options: dict[str, Any]) -> None:
        self.x, self.options = args[0], dict(options)
        axis = self.options.pop("axis", None) if len(args) < 2 else args[1]
        others = [v for k, v in options.items() if k != "where"]
        self.known = type(self.x) is Selection and len(args) <= 2 and not any(type(v) is Selection for v in others)
        if self.known:
            self.axes = last_axes(axis, self.x.ndim, "x[mask]")
            self.axis = axis
            self.over_mask = self.x.parts.axis in self.axes

    def by_row(self, function: Any) -> Any:
        """The reduction of what lies beside the axis of the mask."""
        if self.options.get("out") is not None or type(self.options.get("where")) is Selection:
            return NotImplemented
        axis = self.x.parts.axis
        kept = axis if self.options.get("keepdims") else axis + sum(a > axis for a in self.axes)
        whole = self.x.padded().whole
        return self.x.with_whole(NUMPY[function](whole, axis=self.axis, **self.options), kept)


def reduction(*functions: Any, spans: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Declares what functions are that reduce over the axis of the mask; `spans` says that others may be with it."""

    def declare(reduce: Callable[[Any, Reducing], Any]) -> Any:
        @law(*functions)
        def reduced(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
            call = Reducing(args, options)
            if not call.known:
                return NotImplemented
            if not call.over_mask:
                return call.by_row(function)
            return reduce(function, call) if spans or call.x.ndim == 1 else NotImplemented

        return reduce

    return declare


def _masked(call: Reducing) -> Any:
    """The mask of a reduction, and what its `where=` leaves of it; None where that does not go with it."""
    mask, where = call.x.parts.along(), call.options.get("where", True)
    if where is True:
        return mask
    found = together([call.x, where])
    return None if found is None else np.logical_and(mask, found.args[1])


@reduction(np.sum, np.prod, np.mean, np.var, np.std, np.any, np.all, np.nansum, np.nanprod)
def with_where(function: Any, call: Reducing) -> Any:
    mask = _masked(call)
    if mask is None or "mean" in call.options:
        return NotImplemented
    return NUMPY[function](call.x.parts.whole, axis=call.axis, **{**call.options, "where": mask})


@reduction(np.max, np.min, np.amax, np.amin)
def extremum(function: Any, call: Reducing) -> Any:
    if call.options.get("initial") is not None:
        return with_where(function, call)
    if call.options.keys() - {"keepdims", "initial"}:
        return NotImplemented
    largest = function is np.max
    _require_some(call.x, NONE_LEFT.format("maximum" if largest else "minimum"))
    whole = call.x.parts.whole
    mask = np.broadcast_to(call.x.parts.along(), whole.shape) if len(call.axes) > 1 else call.x.parts.along()
    axes = tuple([a for a in call.axes if a >= -len(mask.shape)])
    line, chosen = flattened(whole, call.axes), flattened(mask, axes)
    out = extremum_of_chosen(line, chosen, largest=largest)
    return np.expand_dims(out, call.axes) if call.options.get("keepdims") else out


def _require_some(x: Selection, text: str) -> None:
    require(np.any(x.parts.mask), ValueError(text), "x[mask]")


SAME: dict[Any, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_or: np.any,
    np.logical_and: np.all,
}
"""Functions that reduce by a ufunc."""


@law(*[(ufunc, "reduce") for ufunc in SAME])
def reduced_by(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    like = SAME[function[0]]
    return LAWS[like](like, args, options if len(args) > 1 else {"axis": 0, **options})


@reduction(np.ptp)
def ptp(function: Any, call: Reducing) -> Any:
    largest = extremum(np.max, call)
    return NotImplemented if largest is NotImplemented else largest - extremum(np.min, call)


@reduction(np.count_nonzero)
def count_nonzero(function: Any, call: Reducing) -> Any:
    return NUMPY[function](call.x.parts.filled(0), axis=call.axis, **call.options)


@reduction(np.linalg.norm)
def norm(function: Any, call: Reducing) -> Any:
    if call.options.keys() - {"keepdims"}:
        return NotImplemented
    return NUMPY[function](call.x.parts.filled(0), axis=call.axis, **call.options)


@reduction(np.argmax, np.argmin, spans=False)
def position(function: Any, call: Reducing) -> Any:
    if call.options:
        return NotImplemented
    text = f"attempt to get {function.__name__} of an empty sequence"
    _require_some(call.x, text)
    whole, mask, *_ = call.x.padded()
    first = place_chosen(mask, k=0, reducing=text)
    whole = np.where(mask, whole, np.take(whole, first))  # what pads one that was turned round is another
    found = NUMPY[function](whole)
    before = np.take(np.cumsum(mask), found) - 1
    return np.where(found < first, 0, before)[()]


@reduction(np.nanmean, np.nanvar, np.nanstd, np.nanmedian)
def passing_over_nan(function: Any, call: Reducing) -> Any:
    if call.x.dtype.kind not in "fc" or call.options.keys() - {"keepdims", "ddof"}:
        return NotImplemented
    return NUMPY[function](call.x.parts.filled(np.nan), axis=call.axis, **call.options)


@reduction(np.median)
def median(function: Any, call: Reducing) -> Any:
    return NotImplemented if call.options.keys() - {"keepdims"} else _of_numbers(np.nanmedian, call, ())


def _of_numbers(function: Any, call: Reducing, args: Sequence[Any]) -> Any:
    """What passes over NaN where nothing is chosen, and is NaN where one is chosen."""
    x = call.x if call.x.dtype.kind in "fc" else call.x.astype(float)
    out = NUMPY[function](x.parts.filled(np.nan), *args, axis=call.axis, **call.options)
    spoilt = np.any(np.isnan(x.parts.filled(0)), axis=call.axis, keepdims=call.options.get("keepdims", False))
    return np.where(spoilt, np.nan, out)[()]


@law(np.percentile, np.quantile)
def quantile(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    if len(args) != 2 or options.keys() - {"method"} or type(args[1]) is Selection or args[0].dtype.kind not in "iuf":
        return NotImplemented
    passing = np.nanpercentile if function is np.percentile else np.nanquantile
    _require_some(args[0], f"cannot take a {function.__name__} of no elements")
    return _of_numbers(passing, Reducing(args[:1], options), args[1:])


@law(np.average)
def average(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    weights = options.get("weights")
    if len(args) > 1 or options.keys() - {"weights"} or args[0].ndim > 1:
        return NotImplemented
    if weights is None:
        return np.mean(args[0])
    found = together([args[0], weights])
    if found is None or type(weights) is not Selection:
        return NotImplemented
    return NUMPY[function](args[0].parts.filled(0), weights=weights.parts.filled(0))


# Along the axis of the mask.


@law(np.cumsum, np.cumprod)
def accumulated(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    x = args[0]
    if len(args) > 1 or options.keys() - {"axis", "dtype"} or x.ndim > 1:
        return NotImplemented
    neutral = 0 if function is np.cumsum else 1
    return x.with_whole(NUMPY[function](x.parts.filled(neutral), **options), raw=True)


@law(np.sort)
def sort(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    x = args[0]
    if len(args) > 1 or options or x.ndim > 1 or x.dtype.kind not in "fiub":
        return NotImplemented
    last = np.nan if x.dtype.kind == "f" else True if x.dtype.kind == "b" else np.iinfo(x.dtype).max
    mask = x.parts.mask
    chosen = np.arange(mask.shape[0]) < np.count_nonzero(mask)
    return Selection(np.sort(x.parts.filled(x.dtype.type(last))), chosen, -1, raw=True)


# Products.


@law(np.dot, np.matmul, np.inner, np.vdot)
def product(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    ranks = [x.ndim if type(x) is Selection else np.ndim(x) for x in args]
    if options or len(args) != 2 or max(ranks) > 2 or min(ranks) < 1:
        return NotImplemented
    a, b = args
    inner = -1, -1 if ranks[1] == 1 or function is np.inner else -2
    chosen = [x.parts.axis if type(x) is Selection else None for x in args]
    if (chosen[0], chosen[1]) == inner:
        if not surely_equal(a.parts.mask, b.parts.mask):
            return NotImplemented
        return NUMPY[function](a.parts.filled(0), b.parts.filled(0))
    if None not in chosen or inner[0] == chosen[0] or inner[1] == chosen[1] or function is np.vdot:
        return NotImplemented
    if chosen[1] is None:
        return a.with_whole(NUMPY[function](a.padded().whole, b), -1 if ranks[1] == 1 else -2)
    return b.with_whole(NUMPY[function](a, b.padded().whole), -1)


# With weights.


@law(np.polyfit)
def polyfit(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    if len(args) != 3 or options or not all(type(v) is Selection and v.ndim == 1 for v in args[:2]):
        return NotImplemented
    found = together(args[:2])
    weights = args[0].parts.mask.astype(float)
    return NotImplemented if found is None else NUMPY[function](*found.args, args[2], w=weights)


@law(np.histogram)
def histogram(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    x = args[0]
    if type(x) is not Selection or len(args) > 2 or options.keys() - {"bins", "range", "density"}:
        return NotImplemented
    if np.ndim(args[1] if len(args) > 1 else options.get("bins", 10)) == 0 and options.get("range") is None:
        return NotImplemented
    weights = np.broadcast_to(x.parts.along(), x.parts.whole.shape).astype(np.intp)
    return NUMPY[function](x.padded().whole, *args[1:], weights=weights, **options)
