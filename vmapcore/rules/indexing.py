"""Reading and writing by index: what goes between the brackets, slices, and `x[i]`, `x[i] = v` as a whole.

An index is split into its pattern, which is hashable, and its integer arrays. A `Plan`, made once per pattern and
shape, says what to do: a basic read (`slice_read`), then on what remains a gather of adjacent axes (`gather.py`).

- slice_read, slice_place: patterns are for trailing axes, so the batch in front is untouched;
- slice_write: the same, once the array has the batch and the value is aligned with it.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import primitive
from ..errors import ConcretizationError, DTypeError, IndexingError, ShapeError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import linear, link, match, operand, spread, trailing
from .gather import OutOfRangeError, gather, scatter_set

ALL = (None, None, None)
"""`:` in a pattern, where a slice is the tuple of its start, stop and step."""
ARRAY = "array"
"""Stands in a pattern for an integer array."""
NEW = "new"
"""Stands in a pattern for an integer array on a new axis, which is what a mask without axes is."""
CALL = "x[i]"


# The primitives of basic indexing. A pattern of theirs has ints, slices as tuples, and None.


@functools.lru_cache(maxsize=4096)
def _brackets(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """What NumPy takes for a pattern on trailing axes."""
    return (Ellipsis, *[slice(*e) if isinstance(e, tuple) else e for e in index])


@functools.lru_cache(maxsize=4096)
def _ranks(index: tuple[Any, ...]) -> tuple[int, int]:
    """How many axes a pattern covers, and how many more or fewer the result has."""
    added, removed = index.count(None), sum([isinstance(e, int) for e in index])
    return len(index) - added, added - removed


@primitive
def slice_read(xp: Any, x: Any, *, index: tuple[Any, ...], copy: bool = False) -> Any:
    """A view of `x` by basic indexing of its last axes, or a copy as of the scalar that NumPy makes of one element."""
    return x[_brackets(index)].copy() if copy else x[_brackets(index)]


@primitive
def slice_place(xp: Any, v: Any, *, index: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros with `v` at a basic index: the transpose of `slice_read`. `shape` is that of the axes indexed."""
    lead = v.shape[: v.ndim - len(shape) - _ranks(index)[1]]
    out = xp.zeros(lead + shape, v.dtype)
    out[_brackets(index)] = v
    return out


@primitive
def slice_write(xp: Any, x: Any, v: Any, *, index: tuple[Any, ...]) -> Any:
    """A copy of `x` with `v` written at a basic index of its last axes."""
    out = xp.array(x)
    out[_brackets(index)] = v
    return out


def slice_read_transpose(g: Any, out: Any, x: Any, *, index: tuple[Any, ...], copy: bool = False) -> Any:
    return slice_place(g, index=index, shape=x.shape[len(x.shape) - _ranks(index)[0] :])


linear(slice_read, slice_read_transpose)
trailing(linear(slice_place, lambda g, out, v, *, index, shape: slice_read(g, index=index)))


@slice_read.def_vmap
def slice_read_vmap(size: int, mapped: Sequence[bool], x: Any, **params: Any) -> Any:
    return slice_read.eval(np, x, **params) if type(x) is np.ndarray else slice_read(x, **params)


slice_write.def_vjp(
    lambda g, out, x, v, *, index: slice_write(g, 0, index=index),
    lambda g, out, x, v, *, index: match(slice_read(g, index=index), v),
)


@slice_write.def_jvp
def slice_write_jvp(tangents: Sequence[Any], out: Any, x: Any, v: Any, *, index: tuple[Any, ...]) -> Any:
    dx, dv = tangents
    if dx is not None:
        return slice_write(dx, 0 if dv is None else dv, index=index)
    region = slice_read(out, index=index)
    return slice_read_transpose(np.broadcast_to(dv, region.shape), None, out, index=index)


@slice_write.def_vmap
def slice_write_vmap(size: int, mapped: Sequence[bool], x: Any, v: Any, *, index: tuple[Any, ...]) -> Any:
    x = spread(size, mapped[0], x)
    missing = len(x.shape) + _ranks(index)[1] - len(v.shape) if mapped[1] else 0
    if missing:
        v = v.reshape(v.shape[:1] + (1,) * missing + v.shape[1:])
    return slice_write(x, v, index=index)


# From brackets to a pattern and arrays.


class Chosen(NamedTuple):
    """An index, split: the arrays of `pattern` are in `arrays`, but for a mask that differs between examples."""

    pattern: tuple[Any, ...]
    arrays: tuple[Any, ...] = ()
    mask: Any = None
    unique: bool = False


def basic_pattern(index: Any) -> tuple[Any, ...] | None:
    """The pattern of an index made of plain ints, slices, None and Ellipsis; else None. The way of most indices."""
    if type(index) is int:
        return (index,)
    pattern: list[Any] = []
    for e in index if type(index) is tuple else (index,):
        if type(e) is slice:
            part = (e.start, e.stop, e.step)
            for bound in part:
                if bound is not None and type(bound) is not int:
                    return None
            pattern.append(part)
        elif type(e) is int or e is None or e is Ellipsis:
            pattern.append(e)
        else:
            return None
    return tuple(pattern)


def split(index: Any) -> Chosen:
    """Splits what the user wrote between the brackets."""
    basic = basic_pattern(index)
    if basic is not None:
        return Chosen(basic)
    pattern: list[Any] = []
    arrays: list[Any] = []
    masks: list[Any] = []
    for e in index if type(index) is tuple else (index,):
        if type(e) is int or e is None or e is Ellipsis:
            pattern.append(e)
        elif type(e) is slice:
            pattern.append((_bound(e.start), _bound(e.stop), _bound(e.step)))
        else:
            _split_array(e, pattern, arrays, masks)
    mapped = [m for m in masks if isinstance(m, Tracer)]
    if mapped and (arrays or len(masks) > 1):
        raise IndexingError(
            CALL,
            f"a mask {describe(mapped[0])} that differs between the examples stands beside another array",
            "each example would choose another number of elements",
            "Use np.where with one mask for all",
        )
    return Chosen(tuple(pattern), tuple(arrays), mapped[0] if mapped else None, len(masks) == 1 and not mapped)


def _bound(e: Any) -> int | None:
    """One of the three parts of a slice."""
    if e is None or type(e) is int:
        return e
    try:
        return operator.index(e)
    except ConcretizationError:
        raise IndexingError(
            CALL,
            f"a slice from or to {describe(e)}, which differs between the examples",
            "its length might differ too",
            "Index with start + np.arange(length), or use np.where with a mask",
        ) from None
    except TypeError:
        raise IndexingError(CALL, f"a slice has the bound {describe(e)}", "bounds are ints or None") from None


def _split_array(e: Any, pattern: list[Any], arrays: list[Any], masks: list[Any]) -> None:
    """Adds an entry that is no plain int, slice, None or Ellipsis."""
    if isinstance(e, (int, np.integer)) and not isinstance(e, bool):
        pattern.append(int(e))
        return
    array = as_array(e)
    if isinstance(e, (list, tuple)) and array.size == 0:
        array = array.astype(np.intp)
    kind = array.dtype.kind
    if kind == "b":
        mask = concrete_mask(array)
        if isinstance(mask, Tracer):
            masks.append(mask if mask.shape else mask.reshape((1,)))
        else:
            masks.append(mask)
            arrays += mask.reshape(mask.shape or (1,)).nonzero()
        pattern.extend([("mask", n) for n in mask.shape] or [NEW])
    elif kind in "iu":
        pattern.append(ARRAY)
        arrays.append(array)
    else:
        raise IndexingError(
            CALL, f"the index is {describe(e)}", "indices are ints, slices, None, Ellipsis, and arrays of ints or bools"
        )


def as_array(value: Any) -> Any:
    """Returns an array of `value`, which may be nested lists with tracers among them."""
    if hasattr(value, "shape"):
        return value
    if isinstance(value, (list, tuple)) and has_tracer(value):
        return np.stack([as_array(v) for v in value])
    return np.asarray(value)


def has_tracer(value: Any) -> bool:
    """Whether a nested list holds a tracer."""
    return any(has_tracer(v) if isinstance(v, (list, tuple)) else isinstance(v, Tracer) for v in value)


def concrete_mask(mask: Any) -> Any:
    """The plain mask behind a tracer that has only one, else the mask as it is."""
    plain = mask
    while isinstance(plain, Tracer):
        try:
            plain = plain._concrete(CALL, "a mask of known count")
        except ConcretizationError:
            return mask
    return plain


# From a pattern to a plan.


class Plan(NamedTuple):
    """What an index means for an array of one shape."""

    basic: tuple[Any, ...]
    """The basic part, as a pattern on trailing axes; empty where it reads everything."""
    view: bool
    """Whether NumPy's result is a view, not a scalar."""
    region: tuple[int, ...]
    """The shape that the basic part reads, with its axes in `order`."""
    order: tuple[int, ...] | None
    """The order of axes that brings the indexed ones together; None where they are."""
    back: tuple[int, ...]
    """The inverse of `order`."""
    first: int
    """How many axes of the region come before the indexed ones."""
    tail: int
    """How many come after them."""
    axes: tuple[int, ...]
    """The axes of the array that the integer arrays index."""
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]


@functools.lru_cache(maxsize=4096)
def plan(pattern: tuple[Any, ...], shape: tuple[int, ...]) -> Plan:
    """Works out an index into an array of `shape`, and refuses what is out of range."""
    basic: list[Any] = []
    region: list[int] = []
    indexed: list[int] = []
    axes: list[int] = []
    axis = 0
    for e in _without_ellipsis(pattern, len(shape)):
        added = e is None or e == NEW
        part, length = _part(e, axis, 1 if added else shape[axis])
        if _is_array(e):
            indexed.append(len(region))
            axes.append(axis)
        basic.append(part)
        if length is not None:
            region.append(length)
        axis += not added
    while basic and basic[0] == ALL:
        del basic[0]
    rank = len(region)
    first, order = indexed[0] if indexed else 0, list(range(rank))
    if not _adjacent(pattern):
        first, order = 0, [*indexed, *[i for i in range(rank) if i not in indexed]]
    index = tuple(basic)
    return Plan(
        basic=index,
        view=bool(region) or Ellipsis in pattern,
        region=tuple([region[i] for i in order]),
        order=None if order == list(range(rank)) else tuple(order),
        back=tuple([order.index(i) for i in range(rank)]),
        first=first,
        tail=rank - first - len(indexed),
        axes=tuple(axes),
        read=functools.partial(slice_read, index=index),
        write=functools.partial(slice_write, index=index),
    )


def _is_array(e: Any) -> bool:
    return e in (ARRAY, NEW) or (isinstance(e, tuple) and len(e) == 2)


def _without_ellipsis(pattern: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """The pattern with an entry for every axis."""
    covered = len(pattern) - sum([e is None or e is Ellipsis or e == NEW for e in pattern])
    if covered > ndim:
        raise IndexingError(CALL, f"there are {covered} indices for an array of {ndim} axes")
    if pattern.count(Ellipsis) > 1:
        raise IndexingError(CALL, "the index has more than one Ellipsis")
    at = pattern.index(Ellipsis) if Ellipsis in pattern else len(pattern)
    return pattern[:at] + (ALL,) * (ndim - covered) + pattern[at + 1 :]


def _part(e: Any, axis: int, n: int) -> tuple[Any, int | None]:
    """What the basic part has for an entry, and the length of the axis it leaves, if any."""
    if isinstance(e, int):
        if not -n <= e < n:
            raise _beyond(e, axis, n)
        return e, None
    if isinstance(e, tuple) and len(e) == 3:
        return e, len(range(*slice(*e).indices(n)))
    if isinstance(e, tuple) and e[1] != n:
        raise IndexingError(CALL, f"a mask has {e[1]} entries for axis {axis}, which has size {n}")
    return None if e is None or e == NEW else ALL, n


def _beyond(index: int, axis: int, size: int) -> IndexingError:
    return IndexingError(CALL, f"index {index} is out of range for axis {axis}, which has size {size}")


def _adjacent(pattern: tuple[Any, ...]) -> bool:
    """Whether no slice, None or Ellipsis stands between the arrays; beside them, an int counts as one."""
    advanced = [i for i, e in enumerate(pattern) if _is_array(e) or isinstance(e, int)]
    return not advanced or advanced[-1] - advanced[0] == len(advanced) - 1


# Reading and writing.


@implements("getitem")
def getitem(x: Any, index: Any) -> Any:
    """`x[index]`."""
    pattern = basic_pattern(index)
    if pattern is not None:
        return read_view(x, plan(pattern, x.shape))
    chosen = split(index)
    p = plan(chosen.pattern, x.shape)
    if chosen.mask is not None:
        raise unknown_count(CALL, chosen.mask)
    if not chosen.arrays:
        return read_view(x, p)
    out = read(x, p, chosen)
    if out.shape and all(isinstance(i, Tracer) and not i.shape for i in chosen.arrays):  # as scalars do: a view
        frozen = chosen._replace(arrays=tuple([i.snapshot() for i in chosen.arrays]))
        return link(x, out, lambda base: read(base, p, frozen), lambda base, v: write(base, p, frozen, v))
    return out


def unknown_count(call: str, mask: Any) -> IndexingError:
    """The error for reading by a mask that differs between the examples."""
    return IndexingError(
        call,
        f"the mask {describe(mask)} differs between the examples, and so would the number of elements it chooses",
        "",
        "Use np.where(mask, x, other), or where= of np.sum and other reductions",
    )


def read_view(x: Any, p: Plan) -> Any:
    """`x[index]` for an index without arrays."""
    if not p.view:
        return slice_read(x, index=p.basic, copy=True)
    return link(x, slice_read(x, index=p.basic), p.read, p.write)


@implements("setitem")
def setitem(x: Any, index: Any, value: Any) -> Any:
    """What `x` is after `x[index] = value`."""
    chosen = split(index)
    x = operand(x)
    p = plan(chosen.pattern, x.shape)
    if _is_own_view(x, value, p):
        return x
    return write(x, p, chosen, as_value(value, x.dtype))


def _is_own_view(x: Any, value: Any, p: Plan) -> bool:
    """Whether `value` is the view of `x` at this very index, as in `x[i] += v`: it was written through already."""
    if (
        not isinstance(x, Tracer)
        or not isinstance(value, Tracer)
        or x.storage is None
        or value.storage is not x.storage
    ):
        return False
    base, path = x.storage.path(x), x.storage.path(value)
    return len(path) == len(base) + 1 and path[:-1] == base and path[-1].read is p.read


def read(x: Any, p: Plan, chosen: Chosen) -> Any:
    """`x[index]` for an index with arrays."""
    result_shape(p, chosen)
    return _with_axis(p, lambda: gather(_region(x, p), *chosen.arrays, paired=0, tail=p.tail, unique=chosen.unique))


def write(x: Any, p: Plan, chosen: Chosen, value: Any) -> Any:
    """What `x` is after `x[index] = value`, for a value of its dtype or a Python number."""
    if chosen.mask is not None:
        return edit(x, p, lambda region: masked(region, chosen.mask, value, p.tail))
    value = fitting(value, result_shape(p, chosen))
    if not chosen.arrays:
        return slice_write(x, value, index=p.basic)
    params: dict[str, Any] = {"paired": 0, "tail": p.tail, "unique": chosen.unique}
    return edit(x, p, lambda region: scatter_set(region, value, *chosen.arrays, **params))


def edit(x: Any, p: Plan, change: Callable[[Any], Any]) -> Any:
    """What `x` is after `change` of what the basic part of an index reads, indexed axes together."""
    region = _with_axis(p, lambda: change(_region(x, p)))
    if p.order is not None:
        region = region.transpose(p.back)
    return slice_write(x, region, index=p.basic) if p.basic else region


def _region(x: Any, p: Plan) -> Any:
    region = slice_read(x, index=p.basic) if p.basic else x
    return region if p.order is None else region.transpose(p.order)


def _with_axis(p: Plan, access: Callable[[], Any]) -> Any:
    """Runs `access`, and says which axis of the array an index is out of range for."""
    try:
        return access()
    except OutOfRangeError as error:
        raise _beyond(error.index, p.axes[error.position], error.size) from None


def result_shape(p: Plan, chosen: Chosen) -> tuple[int, ...]:
    """The shape of `x[index]`."""
    if not chosen.arrays:
        return p.region
    shapes = [i.shape for i in chosen.arrays]
    try:
        own = np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexingError(
            CALL, f"index arrays of shapes {', '.join(map(str, shapes))} do not broadcast together"
        ) from None
    return p.region[: p.first] + own + p.region[len(p.region) - p.tail :]


def as_value(value: Any, dtype: Any) -> Any:
    """`value` in the dtype of the array it is written to, cast as NumPy casts there; Python numbers as they are."""
    if isinstance(value, (bool, int, float)):
        return value
    value = as_array(value)
    if value.dtype.kind == "c" and dtype.kind != "c":
        raise DTypeError(
            "x[i] = v",
            f"the value is {describe(value)} and the array {dtype.name}",
            "",
            "Write its .real, or np.abs of it",
        )
    return value if value.dtype == dtype else NUMPY["cast"](value, dtype, "unsafe")


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
            raise ShapeError(
                "x[mask] = v",
                f"the value is {describe(value)}, with an axis for the elements that the mask chooses",
                "their number differs between the examples",
                "Write a value of one element, or use np.where(mask, v, x) with v shaped like x",
            )
        value = value.reshape(value.shape[:at] + (1,) * len(mask.shape) + value.shape[at + 1 :])
    value = fitting(value, region.shape)
    if ufunc is not None:
        value = NUMPY["cast"](ufunc(region, value), region.dtype, "same_kind")
    return np.where(mask.reshape(mask.shape + (1,) * tail), value, region)
