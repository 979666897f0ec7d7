"""`x[i:j]` of bounds that differ between examples: a window of one length, or a selection of what lies between.

It is a view, as NumPy's is. Where all examples that go on have one length, it is what an index `i + np.arange(length)`
reads, and writes to it go there. Else it is a `Selection` whose mask is true between the bounds.
"""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import on_host
from ..tracer import Tracer, innermost
from .brackets import ARRAY, Chosen, concrete
from .chosen import SLICE, is_recorded
from .selected import Selection
from .slicing import ALL

WHOLE = slice(None)


class Span(NamedTuple):
    """An index with one slice of traced bounds, in two: what else it has, and that slice of what that leaves."""

    rest: tuple[Any, ...] | None
    """None where that is all."""
    axis: int
    """Of what is left, counted from its end."""
    bounds: slice


def span_of(index: Any, ndim: int) -> Span | None:
    """An index with one slice of traced bounds, among ints, slices, None and Ellipsis; None for any other."""
    entries = list(index) if type(index) is tuple else [index]
    traced = [i for i, e in enumerate(entries) if type(e) is slice and _is_traced(e)]
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(traced) != 1 or len(dots) > 1 or not all(map(_is_basic, entries)):
        return None
    at = traced[0]
    missing = ndim - sum(e is not None and e is not Ellipsis for e in entries)
    if missing < 0:
        return None
    place = dots[0] if dots else len(entries)
    bounds, entries[at] = entries[at], WHOLE
    after = sum(e is None or type(e) is slice for e in entries[at + 1 :]) + (missing if place > at else 0)
    alone = all(e is Ellipsis or (type(e) is slice and e == WHOLE) for e in entries)
    return Span(None if alone else tuple(entries), -1 - after, bounds)


def _is_traced(e: slice) -> bool:
    """Whether bounds are ints that differ, which are not asked to be one."""
    step_fits = e.step is None or (type(e.step) is int and e.step > 0)
    bounds = [x for x in (e.start, e.stop) if isinstance(concrete(x), Tracer)]
    return (
        step_fits and bool(bounds) and all(map(_is_int, (e.start, e.stop))) and any(_agreed(x) is None for x in bounds)
    )


def _is_int(x: Any) -> bool:
    if isinstance(x, Tracer):
        return not x.shape and x.dtype.kind in "iu"
    return x is None or isinstance(x, (int, np.integer))


def _is_basic(e: Any) -> bool:
    if e is None or e is Ellipsis or type(e) is slice:
        return True
    return _is_int(e) and not isinstance(e, bool)


def _agreed(x: Any) -> int | None:
    """An int that is one for all rows, where they may be asked; None for any other."""
    values = on_host(innermost(x))
    if is_recorded(x) or not values.size or (values != values.reshape(-1)[0]).any():
        return None
    known = x._asked("index", "one int") if isinstance(x, Tracer) else x
    return None if known is None or isinstance(known, Tracer) else int(known)


def window(z: Any, span: Span) -> Chosen:
    """What the slice chooses of `z`: by integers of one length, or by a mask."""
    ndim, n = len(z.shape), z.shape[span.axis]
    step = span.bounds.step or 1
    start, stop = _clipped(span.bounds.start, 0, n), _clipped(span.bounds.stop, n, n)
    length = np.maximum(stop - start + (step - 1), 0) // step
    known, before, after = _agreed(length), (ALL,) * (ndim + span.axis), (ALL,) * (-1 - span.axis)
    if known is not None:
        return Chosen((*before, ARRAY, *after), (start + step * np.arange(known),), None, True)
    place = np.arange(n)
    mask = (place >= start) & (place < stop)
    mask = mask if step == 1 else mask & ((place - start) % step == 0)
    return Chosen((*before, ("mask", n), *after), (), mask)


def _clipped(bound: Any, missing: int, n: int) -> Any:
    if bound is None:
        return missing
    bound = bound.astype(np.intp) if isinstance(bound, Tracer) else int(bound)
    return np.clip(np.where(bound < 0, bound + n, bound), 0, n)


def selection(z: Any, span: Span, chosen: Chosen) -> Selection:
    """The slice as a selection, in the memory of `z`."""
    return Selection(z, chosen.mask, span.axis, raw=True, call=SLICE, live=True)
