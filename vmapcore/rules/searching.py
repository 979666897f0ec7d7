"""Searching sorted sequences, and where arrays are not zero.

`search` batches over sequences by bisecting all of them at once, over values by NumPy's own search.
A result of `nonzero` has a length that depends on the data: of traced values it is a selection.
"""

from math import log2
from typing import Any

import numpy as np

from ..core import Dynamic, Primitive, facts, multiple
from ..errors import OptionError, ShapeError
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import operand, trailing
from ._ints import last_axes
from ._work import parts, per_input
from .brackets import concrete
from .chosen import agreed
from .joining import flat, shaped
from .selected import Selection
from .sorting import gather_along, sort_along


@trailing(
    work=lambda ins, outs, **params: outs[0].size * log2(max(ins[0].shape[-1], 2)) * parts(ins), zero_derivative=True
)
def search(xp: Any, a: Any, v: Any, *, side: str) -> Any:
    """Where each of `v` goes in the sorted `a`: indices along their last axes."""
    if a.ndim == 1:
        return xp.searchsorted(a, v, side)
    n, lead = a.shape[-1], np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    a, v = xp.broadcast_to(a, (*lead, n)), xp.broadcast_to(v, (*lead, v.shape[-1]))
    found = xp.zeros(v.shape, np.intp)
    step = 1 << n.bit_length() >> 1  # the largest power of two up to n; 0 for n = 0
    while step:
        further = found + step
        element = xp.take_along_axis(a, xp.minimum(further, n) - 1, -1)
        passed = _before(element, v) if side == "left" else ~_before(v, element)
        found = xp.where(passed & (further <= n), further, found)
        step >>= 1
    return found


def _before(x: Any, y: Any) -> Any:
    """Whether `x` sorts before `y`: NaN comes last."""
    return (x < y) | ((y != y) & (x == x))


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    a, v = operand(a), operand(v)
    if len(a.shape) != 1:
        raise ShapeError("np.searchsorted", f"a has shape {a.shape}", "it must have one axis")
    if side not in ("left", "right"):
        raise OptionError("np.searchsorted", f"side is {side!r}", "it must be 'left' or 'right'")
    if sorter is not None:
        a = np.take(a, operand(sorter))
    return shaped(search(a, flat(v), side=side), v.shape)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    bins = operand(bins)
    if len(bins.shape) != 1:
        raise ShapeError("np.digitize", f"bins has shape {bins.shape}", "it must have one axis")
    side = "left" if right else "right"
    rising, falling = (bins[1:] >= bins[:-1]).all(), (bins[1:] <= bins[:-1]).all()
    if not isinstance(rising, Tracer):
        if not (rising or falling):
            raise OptionError("np.digitize", "bins neither rise nor fall", "they must be sorted one way or the other")
        return searchsorted(bins, x, side) if rising else bins.shape[0] - searchsorted(bins[::-1], x, side)
    return np.where(rising, searchsorted(bins, x, side), bins.shape[0] - searchsorted(bins[::-1], x, side))


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: str | None = None
) -> Any:
    x, wanted = operand(element), sort_along(operand(test_elements).reshape(-1), axis=-1, stable=False)
    if wanted.shape[0] == 0:
        return np.full_like(x, invert, dtype=bool)
    flat = x.reshape(-1)
    place = np.minimum(search(wanted, flat, side="left"), wanted.shape[0] - 1)
    found = (gather_along(wanted, place, axis=-1, unique=False) == flat).reshape(x.shape)
    return ~found if invert else found


# Results whose length depends on the data.


def dynamic(made: Primitive, call: str, instead: str) -> None:
    """Declares that `made` cannot be mapped or recorded, since its results differ in length; what to use for it."""
    made.dynamic = Dynamic(call, "length", instead)
    made.def_zero_derivative()


@facts(work=per_input(1))
@multiple
def nonzero_positions(xp: Any, x: Any) -> Any:
    """The indices of true elements, an array per axis."""
    return xp.nonzero(x)


dynamic(nonzero_positions, "np.nonzero", "Use np.where(condition, a, b), or a mask as a factor")


@implements(np.nonzero)
def nonzero(a: Any) -> Any:
    return _positions(operand(a))


def _positions(x: Any) -> Any:
    """Where `x` is not zero, an array per axis."""
    mask: Any = np.not_equal(x, 0) if isinstance(x, Tracer) and x.dtype != bool else x
    if not isinstance(concrete(mask), Tracer) or not x.shape or not x.size:
        return nonzero_positions(mask)
    found = np.unravel_index(np.arange(x.size), x.shape) if len(x.shape) > 1 else (np.arange(x.size),)
    return tuple([Selection(i, flat(mask.snapshot()), -1, True, "np.nonzero") for i in found])


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    return _positions(operand(a).reshape(-1))[0]


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    x = operand(a)
    found = _positions(x if x.shape else x.reshape(1))
    if not x.shape:
        return found[0].reshape(-1, 1)[:, :0]
    if type(found[0]) is Selection:
        return Selection(np.stack([s.parts.whole for s in found], -1), found[0].parts.mask, -2, True, "np.nonzero")
    return np.stack(found, -1)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    x = operand(filt)
    axes = last_axes(axis, len(x.shape), "np.trim_zeros")
    if len(x.shape) != 1:
        raise ShapeError("np.trim_zeros", f"the array has shape {x.shape}", "it must be a line")
    if not axes:
        return x
    some, n = np.not_equal(x, 0), x.shape[0]
    if not n or agreed(~np.any(some)):
        return x[:0]
    start = np.argmax(some) if "f" in trim.lower() else 0
    stop = n - np.argmax(some[::-1]) if "b" in trim.lower() else n
    return NUMPY["getitem"](x, slice(start, stop))
