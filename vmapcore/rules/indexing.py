"""`x[i]` and `x[i] = v`, for every index that NumPy takes.

Nothing here is a primitive: a plan (`brackets.py`) says which slices (`slicing.py`) and gathers (`gather.py`) do it.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import surely_equal
from ..errors import DTypeError, IndexingError, MutationError, ShapeError, describe
from ..evals.places import OutOfRangeError, said
from ..numpy_protocol import NUMPY, implements
from ..refusals import refuse
from ..tracer import Tracer
from ..views import View, view_of
from ._families import as_new_array, link, operand
from .brackets import CALL, Chosen, IndexPlan, basic_pattern, out_of_range, plan, split, stands_for_scalar
from .chosen import places
from .creation import as_array
from .gather import gather, scatter_set
from .joining import flat
from .selected import Selection, together
from .slicing import slice_read, slice_write
from .spans import Span, span_of, window
from .spans import selection as selected_span


@implements("getitem")
def getitem(x: Any, index: Any) -> Any:
    """`x[index]`."""
    pattern = basic_pattern(index)
    if pattern is not None:
        out = read_view(x, plan(pattern, x.shape))
        return out if x.shape or Ellipsis not in pattern else as_new_array(out)
    if (span := span_of(index, len(x.shape))) is not None:
        return read_span(x, span)
    chosen = split(index)
    p = plan(chosen.pattern, x.shape)
    if chosen.mask is not None:
        return selection(x, p, chosen)
    if not chosen.arrays:
        return read_view(x, p)
    if any(type(i) is Selection for i in chosen.arrays) and (out := at_selected(x, p, chosen)) is not None:
        return out
    out = read(x, p, chosen)
    if (out.shape or Ellipsis in chosen.pattern) and all(map(stands_for_scalar, chosen.arrays)):  # a view, as by ints
        return _view(x, out, p, chosen)
    return out


def _view(x: Any, out: Any, p: IndexPlan, chosen: Chosen) -> Any:
    """What was read of `x` at traced ints, linked to it."""
    row = Row(p, chosen._replace(arrays=tuple([i.snapshot() for i in chosen.arrays])))
    if not isinstance(x, Tracer):
        return _of_plain(out)
    inner = x._trace is not out._trace
    return view_of(x, out, View(row.read, row.refuse)) if inner else link(x, out, row.read, row.write)


def read_span(x: Any, span: Span) -> Any:
    """`x[index]` where one slice has traced bounds."""
    z = x if span.rest is None else getitem(x, span.rest)
    chosen = window(z, span)
    if chosen.mask is not None:
        return selected_span(z, span, chosen)
    p = plan(chosen.pattern, z.shape)
    return _view(z, read(z, p, chosen), p, chosen)


def write_span(x: Any, span: Span, value: Any) -> Any:
    """What `x` is after `x[index] = value` where one slice has traced bounds."""
    z = x if span.rest is None else getitem(x, span.rest)
    chosen = window(z, span)
    z = write(z, plan(chosen.pattern, z.shape), chosen, as_value(value, z.dtype))
    return z if span.rest is None else setitem(x, span.rest, z)


def _of_plain(row: Any) -> Any:
    """A row of a plain array, which has no place for what would be written to the row."""
    return view_of(row.snapshot(), row, View(lambda x: x, None)) if isinstance(row, Tracer) else row


class Row(NamedTuple):
    """The view at an index with traced ints, as they were when it was made."""

    plan: IndexPlan
    chosen: Chosen

    def read(self, x: Any) -> Any:
        return read(x, self.plan, self.chosen)

    def write(self, x: Any, value: Any) -> Any:
        return write(x, self.plan, self.chosen, value)

    def refuse(self, x: Any, value: Any) -> Any:
        """In place of `write` where `x` is of an outer transform."""
        fact = f"a write to this row would go into an array of the outer {x._trace.call}, where it differs by example"
        raise MutationError("x[i]", fact, "", "Write to a .copy() of the row, or of the array")


def selection(x: Any, p: IndexPlan, chosen: Chosen) -> Any:
    """`x[index]` by a mask whose rows choose different numbers of elements."""
    region = _region(x, p)
    region = region.snapshot() if isinstance(region, Tracer) else region.copy()
    mask, shape = flat(chosen.mask.snapshot()), region.shape
    lead, tail = shape[: p.first], shape[len(shape) - p.tail :]
    whole = region if len(chosen.mask.shape) == 1 else region.reshape(lead + mask.shape + tail)
    return Selection(whole, mask, -1 - p.tail, raw=True) if mask.shape[0] else whole


def at_selected(x: Any, p: IndexPlan, chosen: Chosen) -> Any:
    """`x[index]` by selected integers; None where they do not go together."""
    found = together(chosen.arrays)
    if found is None or found.first.parts.axis != -1:
        return None
    some = np.any(found.first.parts.mask)
    indices = [
        np.where(some, i, 0) if type(a) is Selection else i for i, a in zip(found.args, chosen.arrays, strict=True)
    ]
    out = read(x, p, chosen._replace(arrays=tuple(indices), unique=False))
    return found.first.with_whole(out, -1 - p.tail)


def read_view(x: Any, p: IndexPlan) -> Any:
    """`x[index]` for an index without arrays."""
    if not p.view:
        return slice_read(x, index=p.basic, copy=True)
    return link(x, slice_read(x, index=p.basic), p.read, p.write, overwrite=p.overwrite)


@implements("setitem")
def setitem(x: Any, index: Any, value: Any, overwrite: bool = False) -> Any:
    """What `x` is after `x[index] = value`. If `overwrite`, the caller has no use for what it was."""
    x = operand(x)
    pattern = basic_pattern(index)
    if pattern is None and (span := span_of(index, len(x.shape))) is not None:
        return write_span(x, span, value)
    chosen = split(index) if pattern is None else Chosen(pattern)
    p = plan(chosen.pattern, x.shape)
    if _is_own_view(x, value, p, chosen.arrays):
        return x
    value = as_value(value, x.dtype)
    if overwrite and pattern is not None:
        if x.storage is not None:
            x.storage.let_go(x)
        return p.overwrite(x, fitting(value, p.region))
    return write(x, p, chosen, value)


def _is_own_view(x: Any, value: Any, p: IndexPlan, arrays: tuple[Any, ...]) -> bool:
    """Whether `value` is the view of `x` at this very index, as in `x[i] += v`: it was written through already."""
    both = isinstance(x, Tracer) and isinstance(value, Tracer)
    if not both or x.storage is None or value.storage is not x.storage:
        return False
    base, path = x.storage.path(x), x.storage.path(value)
    if len(path) != len(base) + 1 or path[:-1] != base:
        return False
    row = getattr(path[-1].read, "__self__", None)
    if not isinstance(row, Row):
        return not arrays and path[-1].read is p.read
    return row.plan is p and all(
        getattr(i, "value", None) is j.value for i, j in zip(arrays, row.chosen.arrays, strict=True)
    )


def read(x: Any, p: IndexPlan, chosen: Chosen) -> Any:
    """`x[index]` for an index with arrays."""
    result_shape(p, chosen)
    return _with_axis(p, lambda: gather(_region(x, p), *chosen.arrays, paired=0, tail=p.tail, unique=chosen.unique))


def write(x: Any, p: IndexPlan, chosen: Chosen, value: Any) -> Any:
    """What `x` is after `x[index] = value`, for a value of its dtype or a Python number."""
    if chosen.mask is not None:
        if type(value) is Selection and (whole := _whole_of(value, p, chosen.mask)) is not None:
            mask = chosen.mask.reshape(chosen.mask.shape + (1,) * p.tail)
            return edit(x, p, lambda region: np.where(mask, whole, region))
        if not math.prod(chosen.mask.shape):
            return x
        rank = len(np.shape(value))
        of_each = rank > p.tail and value.shape[rank - p.tail - 1] != 1
        if not of_each or (found := places(chosen.mask)) is None:
            return edit(x, p, lambda region: masked(region, chosen.mask, value, p.tail))
        chosen = chosen._replace(arrays=found, mask=None, unique=True)
    value = fitting(value, result_shape(p, chosen))
    if not chosen.arrays:
        return slice_write(x, value, index=p.basic)
    params: dict[str, Any] = {"paired": 0, "tail": p.tail, "unique": chosen.unique}
    return edit(x, p, lambda region: scatter_set(region, value, *chosen.arrays, **params))


def _whole_of(value: Selection, p: IndexPlan, mask: Any) -> Any:
    """What stands in place of all elements for which there is a mask, where those chosen by it are written; or None."""
    whole, own, axis, *_ = value.parts
    if axis != -1 - p.tail or value.ndim > p.first + 1 + p.tail or not surely_equal(flat(mask), own):
        return None
    return whole.reshape(whole.shape[:axis] + mask.shape + whole.shape[len(whole.shape) + axis + 1 :])


def edit(x: Any, p: IndexPlan, change: Callable[[Any], Any]) -> Any:
    """What `x` is after `change` of what the basic part of an index reads, indexed axes together."""
    region = _with_axis(p, lambda: change(_region(x, p)))
    if p.order is not None:
        region = region.transpose(p.back)
    return slice_write(x, region, index=p.basic) if p.basic else region


def _region(x: Any, p: IndexPlan) -> Any:
    region = slice_read(x, index=p.basic) if p.basic else x
    return region if p.order is None else region.transpose(p.order)


def _with_axis(p: IndexPlan, access: Callable[[], Any]) -> Any:
    """Runs `access`, and says which axis of the array an index is out of range for."""
    try:
        return access()
    except OutOfRangeError as error:
        raise said(error, out_of_range(error.index, p.axes[error.position], error.size)) from None


def result_shape(p: IndexPlan, chosen: Chosen) -> tuple[int, ...]:
    """The shape of `x[index]`."""
    if not chosen.arrays:
        return p.region
    shapes = [i.shape for i in chosen.arrays]
    try:
        own = np.broadcast_shapes(*shapes) if len(shapes) > 1 else shapes[0]
    except ValueError:
        fact = f"index arrays of shapes {', '.join(map(str, shapes))} do not broadcast together"
        raise IndexingError(CALL, fact) from None
    return p.region[: p.first] + own + p.region[len(p.region) - p.tail :]


def as_value(value: Any, dtype: Any) -> Any:
    """`value` in the dtype of the array it is written to, cast as NumPy casts there; Python numbers as they are."""
    if type(value) in (bool, int, float):  # not NumPy's float64, which is a float of Python's too
        return value
    if type(value) is not Selection:
        value = as_array(value)
    if value.dtype.kind == "c" and dtype.kind != "c":
        fact = f"the value is {describe(value)} and the array {dtype.name}"
        raise DTypeError("x[i] = v", fact, "", "Write its .real, or np.abs of it")
    return value if value.dtype == dtype else value.astype(dtype)


def fitting(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` without the leading axes of length 1 that `shape` lacks; refuses one that does not broadcast to it."""
    found = getattr(value, "shape", ())
    if found == shape:
        return value
    spare = max(len(found) - len(shape), 0)
    kept = found[spare:]
    if found[:spare] != (1,) * spare or not all(m in (1, n) for m, n in zip(kept[::-1], shape[::-1], strict=False)):
        raise ShapeError("x[i] = v", f"the value is {describe(value)}", f"x[i] has shape {shape}")
    return value.reshape(kept) if spare else value


def masked(region: Any, mask: Any, value: Any, tail: int, ufunc: Any = None) -> Any:
    """`region` with `value`, or `ufunc(region, value)`, where the mask over its axes before the last `tail` is true."""
    if not hasattr(value, "shape"):
        value = region.dtype.type(value)
    rank = len(value.shape)
    if rank > tail:  # the axis of the chosen elements, whose number nobody knows
        at = rank - tail - 1
        if value.shape[at] != 1:
            fact = f"the value is {describe(value)}, with an axis for the elements that the mask chooses"
            remedy = "Write a value of one element, or use np.where(mask, v, x) with v shaped like x"
            raise refuse(mask._trace, "x[mask] = v", fact, f"their number {mask.differs}", remedy, ShapeError)
        value = value.reshape(value.shape[:at] + (1,) * len(mask.shape) + value.shape[at + 1 :])
    value = fitting(value, region.shape)
    if ufunc is not None:
        value = NUMPY["cast"](ufunc(region, value), region.dtype, "same_kind")
    return np.where(mask.reshape(mask.shape + (1,) * tail), value, region)
