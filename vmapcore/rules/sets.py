"""Distinct elements and sets of them: their number depends on values, so of traced ones they are selections.

Values are sorted, and those chosen that differ from the one before them. `fixed` makes of any selection an array of a
length that is known.
"""

from typing import Any

import numpy as np

from ..core import facts, multiple
from ..errors import OptionError
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import operand
from ._ints import as_size
from ._work import of_sort
from .brackets import concrete
from .creation import as_array
from .gather import gather
from .indexing import getitem
from .joining import flat
from .searching import dynamic, isin, searchsorted
from .selected import Selection
from .taking import line


@facts(work=of_sort)
@multiple
def unique_positions(xp: Any, x: Any, *, axis: int | None, equal_nan: bool) -> Any:
    """Of the sorted distinct elements: where each is first met, which of them every element is, how often each is."""
    return xp.unique(x, True, True, True, axis=axis, equal_nan=equal_nan)[1:]


dynamic(unique_positions, "np.unique", "Use np.sort, and compare neighbours")


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    x, last = line("np.unique", ar, axis)
    if axis is None and x.shape[0] and isinstance(concrete(np.equal(x, x)), Tracer):
        values, *parts = _distinct(x, equal_nan)
    else:
        parts = list(unique_positions(x, axis=None if axis is None else last, equal_nan=equal_nan))
        values = np.take(x, parts[0], axis=last)
    if axis is None:
        parts[1] = parts[1].reshape(operand(ar).shape)
    wanted = (return_index, return_inverse, return_counts)
    extras = [r for r, w in zip(parts, wanted, strict=True) if w]
    return (values, *extras) if extras else values


def _distinct(x: Any, equal_nan: bool) -> list[Any]:
    """The distinct elements of a line, and their positions, as selections."""
    order, values, first = _in_order(x, equal_nan)
    number = np.cumsum(first) - 1
    each = np.arange(x.shape[0])
    counts = np.take(searchsorted(number, each, "right") - searchsorted(number, each), number)
    values, index, counts = (_chosen("np.unique", v, first) for v in (values, order, counts))
    return [values, index, np.take(number, np.argsort(order)), counts]


def _in_order(x: Any, equal_nan: bool = True) -> tuple[Any, Any, Any]:
    """What sorts a line of one element or more, the sorted line, and where that differs from the element before."""
    order = np.argsort(x, stable=True)
    values = np.take(x, order)
    differs = values[1:] != values[:-1]
    if equal_nan and x.dtype.kind in "fc":
        differs = differs & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    return order, values, np.concatenate([np.ones_like(differs, shape=1), differs])


def _chosen(call: str, values: Any, mask: Any) -> Any:
    """`values[mask]`."""
    known = concrete(mask)
    return Selection(values, known, -1, True, call) if isinstance(known, Tracer) else getitem(values, known)


def _implement_unique(function: Any, *wanted: bool) -> None:
    """Makes `function` of NumPy, which returns values and what is wanted besides, run on tracers."""
    made = type(function(np.zeros(0)))  # a named tuple, which has no public name

    @implements(function)
    def unique_parts(x: Any) -> Any:
        return made(*unique(x, *wanted, equal_nan=False))


_implement_unique(np.unique_all, True, True, True)
_implement_unique(np.unique_counts, False, False, True)
_implement_unique(np.unique_inverse, False, True)


@implements(np.unique_values)
def unique_values(x: Any) -> Any:
    return unique(x, equal_nan=False)


# Of two sets.


def _lines(ar1: Any, ar2: Any) -> list[Any]:
    """Both as lines, of the dtype that they have in common."""
    a, b = as_array(ar1), as_array(ar2)
    dtype = np.result_type(a.dtype, b.dtype)
    return [flat(x).astype(dtype) for x in (a, b)]


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    a, b = _lines(ar1, ar2)
    if not a.shape[0] or not b.shape[0]:
        none = np.zeros(0, np.intp)
        return (a[:0], none, none) if return_indices else a[:0]
    order, values, first = _in_order(a)
    mask = first & isin(values, b)
    if not return_indices:
        return _chosen("np.intersect1d", values, mask)
    other = np.argsort(b, stable=True)
    place = np.minimum(searchsorted(np.take(b, other), values), b.shape[0] - 1)
    parts = values, order, np.take(other, place)
    return tuple([_chosen("np.intersect1d", v, mask) for v in parts])


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    both = np.concatenate(_lines(ar1, ar2))
    if not both.shape[0]:
        return both
    _, values, first = _in_order(both)
    return _chosen("np.union1d", values, first)


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    a, b = flat(as_array(ar1)), flat(as_array(ar2))
    if assume_unique or not a.shape[0]:
        return _chosen("np.setdiff1d", a, isin(a, b, invert=True))
    _, values, first = _in_order(a)
    return _chosen("np.setdiff1d", values, first & isin(values, b, invert=True))


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    a, b = _lines(ar1, ar2)
    both = np.concatenate([a, b])
    if not both.shape[0]:
        return both
    _, values, first = _in_order(both)
    return _chosen("np.setxor1d", values, first & (isin(values, a) ^ isin(values, b)))


# Of a length that is known.

PLACES = (np.nonzero, np.flatnonzero, np.argwhere, np.where)
SIZED = (*PLACES, np.extract, np.unique, np.intersect1d, np.union1d, np.setdiff1d, np.setxor1d)
"""Functions that take `size=` and `fill_value=` in `vmapcore.numpy`."""


def fixed(function: Any, found: Any, size: Any, fill_value: Any, options: dict[str, Any]) -> Any:
    """What `function` found, cut to `size` or filled up to it.

    If no value is given to fill with, it is 0 for places and counts, and for others what comes first, if anything does.
    """
    call = f"np.{function.__name__}"
    size = as_size(call, "size", size)
    fill = 0 if fill_value is None and function in PLACES else fill_value
    if function is np.where and not isinstance(found, tuple):
        raise OptionError(call, "got size= with x and y", "it is for places, where the condition is given alone")
    if not isinstance(found, tuple):
        return _of_size(found, size, fill)
    if function in PLACES:
        fills = fill if isinstance(fill, tuple) else (fill,) * len(found)
        if len(fills) != len(found):
            raise OptionError(call, f"fill_value has {len(fills)} values", f"there are {len(found)} results")
        return tuple([_of_size(x, size, v) for x, v in zip(found, fills, strict=True)])
    wanted = [name for name in ("return_index", "return_inverse", "return_counts") if options.get(name)]
    parts = [_of_size(found[0], size, fill)]
    for i, x in enumerate(found[1:]):
        inverse = i < len(wanted) and wanted[i] == "return_inverse"
        counts = i < len(wanted) and wanted[i] == "return_counts"
        parts.append(x if inverse else _of_size(x, size, 0 if counts else None))
    return tuple(parts)


def _of_size(found: Any, size: int, fill: Any) -> Any:
    """The first elements of what was found, along the axis of which nobody knew the length."""
    if type(found) is Selection:
        whole, mask, axis, *_ = found.parts
        places, count = np.argsort(~mask, stable=True)[:size], np.count_nonzero(mask)
    else:
        whole, axis = found, -len(found.shape)
        places, count = np.arange(min(size, found.shape[0])), found.shape[0]
    places = np.concatenate([places, np.zeros_like(places, shape=size - places.shape[0])])
    if not whole.shape[axis]:
        return np.zeros_like(whole, shape=(size, *whole.shape[1:])) + whole.dtype.type(fill or 0)
    taken = gather(whole, places, paired=0, tail=-1 - axis, unique=False)
    if fill is None:
        fill = np.where(np.asarray(count > 0) if isinstance(count, int) else count > 0, taken[:1], 0)
    there = np.arange(size) < count
    return np.where(there.reshape((size,) + (1,) * (-1 - axis)), taken, fill).astype(whole.dtype)
