"""What may stand between the brackets: an index, understood.

An index is split into its pattern, which is hashable, and its integer arrays. A `IndexPlan`, made once per pattern and
shape, says what to do: a basic read (`slicing.py`), then on what remains a gather of adjacent axes (`gather.py`).
Nothing here is a primitive.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConcretizationError, IndexingError, describe
from ..refusals import refuse
from ..tracer import Tracer
from ..views import is_contiguous
from .creation import as_array
from .slicing import ALL, Pattern, slice_overwrite, slice_read, slice_write

ARRAY = "array"
"""Stands in a pattern for an integer array."""
NEW = "new"
"""Stands in a pattern for an integer array on a new axis, which is what a mask without axes is."""
CALL = "x[i]"


# From brackets to a pattern and arrays.


class Chosen(NamedTuple):
    """An index, split: the arrays of `pattern` are in `arrays`, but for a mask that differs between examples."""

    pattern: Pattern
    arrays: tuple[Any, ...] = ()
    mask: Any = None
    unique: bool = False


def basic_pattern(index: Any) -> Pattern | None:
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
    """Splits what the user wrote between the brackets; `basic_pattern` is quicker where it can."""
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
        fact = f"a mask {describe(mapped[0])} that {mapped[0].differs} stands beside another array"
        why, remedy = "each time it would choose another number of elements", "Use np.where with one mask for all"
        raise refuse(mapped[0]._trace, CALL, fact, why, remedy, IndexingError)
    return Chosen(tuple(pattern), tuple(arrays), mapped[0] if mapped else None, _is_unique(arrays, masks, mapped))


def _is_unique(arrays: list[Any], masks: list[Any], mapped: list[Any]) -> bool:
    """Whether no place is named twice: one mask does not, until what broadcasts with its places repeats them."""
    if len(masks) != 1 or mapped:
        return False
    return sum([bool(a.shape) for a in arrays]) == max(masks[0].ndim, 1)


def _bound(e: Any) -> int | None:
    """One of the three parts of a slice."""
    if e is None or type(e) is int:
        return e
    try:
        return operator.index(e)
    except ConcretizationError:
        fact = f"a slice from or to {describe(e)}, which {e.differs}"
        remedy = "Index with start + np.arange(length), or use np.where with a mask"
        raise refuse(e._trace, CALL, fact, "its length might differ too", remedy, IndexingError) from None
    except TypeError:
        raise IndexingError(CALL, f"a slice has the bound {describe(e)}", "bounds are ints or None") from None


def _split_array(e: Any, pattern: list[Any], arrays: list[Any], masks: list[Any]) -> None:
    """Adds an entry that is no plain int, slice, None or Ellipsis."""
    if isinstance(e, (int, np.integer)) and not isinstance(e, bool):
        pattern.append(int(e))
        return
    array = concrete(e if isinstance(e, Tracer) else as_array(e))
    if isinstance(e, (list, tuple)) and array.size == 0:
        array = array.astype(np.intp)
    kind = array.dtype.kind
    if kind in "iu" and not isinstance(array, Tracer) and stands_for_scalar(e):
        pattern.append(int(array))
        return
    if kind == "b":
        if isinstance(array, Tracer):
            masks.append(array if array.shape else array.reshape((1,)))
        else:
            masks.append(array)
            arrays += array.reshape(array.shape or (1,)).nonzero()
        pattern.extend([("mask", n) for n in array.shape] or [NEW])
    elif kind in "iu":
        pattern.append(ARRAY)
        arrays.append(array)
    else:
        fact = f"the index is {describe(e)}"
        raise IndexingError(CALL, fact, "indices are ints, slices, None, Ellipsis, and arrays of ints or bools")


def stands_for_scalar(i: Any) -> bool:
    """Whether `i` stands for one of NumPy's scalars, and not for an array, such as one of no axes."""
    return isinstance(i, Tracer) and not i.shape and not is_contiguous(i)


def concrete(x: Any) -> Any:
    """The plain array of ints or bools behind a tracer that has only one, else the tracer as it is."""
    plain = x
    while isinstance(plain, Tracer):
        plain = plain._known("a plain array")
    return x if plain is None else plain


# From a pattern to a plan.


class IndexPlan(NamedTuple):
    """What an index means for an array of one shape."""

    basic: Pattern
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
    overwrite: Callable[[Any, Any], Any]


@functools.lru_cache(maxsize=4096)
def plan(pattern: Pattern, shape: tuple[int, ...]) -> IndexPlan:
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
    return IndexPlan(
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
        overwrite=functools.partial(slice_overwrite, index=index),
    )


def _is_array(e: Any) -> bool:
    return e in (ARRAY, NEW) or (isinstance(e, tuple) and len(e) == 2)


def _without_ellipsis(pattern: Pattern, ndim: int) -> Pattern:
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
            raise out_of_range(e, axis, n)
        return e, None
    if isinstance(e, tuple) and len(e) == 3:
        return e, len(range(*slice(*e).indices(n)))
    if isinstance(e, tuple) and e[1] != n:
        raise IndexingError(CALL, f"a mask has {e[1]} entries for axis {axis}, which has size {n}")
    return None if e is None or e == NEW else ALL, n


def out_of_range(index: int, axis: int, size: int) -> IndexingError:
    return IndexingError(CALL, f"index {index} is out of range for axis {axis}, which has size {size}")


def _adjacent(pattern: Pattern) -> bool:
    """Whether no slice, None or Ellipsis stands between the arrays; beside them, an int counts as one."""
    advanced = [i for i, e in enumerate(pattern) if _is_array(e) or isinstance(e, int)]
    return not advanced or advanced[-1] - advanced[0] == len(advanced) - 1
