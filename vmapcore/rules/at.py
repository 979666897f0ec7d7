"""Updates by index that name a place more than once: `at(x)[i].add(v)` and NumPy's `np.add.at`.

Nothing here is a primitive. Sums are `scatter_add`. For products and extrema the values are sorted by place and
combined over the values before them of the same place, in log2(n) steps; written in that order, the last one wins,
and it holds them all. So they batch and have derivatives of every order, also where a factor is zero.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, describe
from ..evals.places import max_rank
from ..numpy_protocol import NUMPY, implements
from ._families import into, operand
from .brackets import plan, split
from .creation import as_array
from .gather import gather, scatter_add, scatter_set
from .indexing import edit, fitting, getitem, masked, result_shape, setitem
from .slicing import ALL, slice_read, slice_write


class Place:
    """A place in an array: `at(x)[index]`. Its methods return the whole array, with that place changed."""

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array = array
        self.index = index

    def get(self) -> Any:
        """Returns what is there now: `x[index]`."""
        return getitem(self.array, self.index)

    def set(self, value: Any) -> Any:
        """Returns the array after `x[index] = value`."""
        return setitem(self.array, self.index, value)

    def apply(self, fun: Callable[[Any], Any]) -> Any:
        """Returns the array after `x[index] = fun(x[index])`."""
        return self.set(fun(self.get()))

    def add(self, value: Any) -> Any:
        """Returns the array after `np.add.at(x, index, value)`."""
        return updated(np.add, self.array, self.index, value)

    def subtract(self, value: Any) -> Any:
        """Returns the array after `np.subtract.at(x, index, value)`."""
        return updated(np.subtract, self.array, self.index, value)

    def multiply(self, value: Any) -> Any:
        """Returns the array after `np.multiply.at(x, index, value)`."""
        return updated(np.multiply, self.array, self.index, value)

    def divide(self, value: Any) -> Any:
        """Returns the array after `np.divide.at(x, index, value)`."""
        return updated(np.divide, self.array, self.index, value)

    def max(self, value: Any) -> Any:
        """Returns the array after `np.maximum.at(x, index, value)`."""
        return updated(np.maximum, self.array, self.index, value)

    def min(self, value: Any) -> Any:
        """Returns the array after `np.minimum.at(x, index, value)`."""
        return updated(np.minimum, self.array, self.index, value)


class At:
    """What `at(x)` returns, waiting for its index."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> Place:
        return Place(self.array, index)


def at(x: Any) -> At:
    """Changes an array by index without writing to it, whether it is traced or not.

    Law:  y = at(x)[i].set(v)  is  y = x.copy(); y[i] = v

    `at(x)[i]` has the methods `set`, `add`, `subtract`, `multiply`, `divide`, `max`, `min`, `apply` and `get`. Where an
    index names a place more than once, all its values count, as in `np.add.at`; of those `set`, the last wins. A
    boolean mask may differ between the examples of a `vmap`.

    Args:
        x: an array, which stays as it is.

    Returns:
        An object to put an index on.

    Example:
        >>> x = np.zeros(3)
        >>> at(x)[[0, 2, 2]].add(1.0)
        array([1., 0., 2.])
        >>> at(x)[1:].set([5.0, 6.0])
        array([0., 5., 6.])
        >>> x
        array([0., 0., 0.])
    """
    return At(operand(x))


def updated(ufunc: Any, x: Any, index: Any, value: Any) -> Any:
    """What `x` is after `ufunc.at(x, index, value)`."""
    chosen = split(index)
    x = operand(x)
    p = plan(chosen.pattern, x.shape)
    value = _operand_of(ufunc, x, value)
    if chosen.mask is not None:
        return edit(x, p, lambda region: masked(region, chosen.mask, value, p.tail, ufunc))
    value = fitting(value, result_shape(p, chosen))
    if not chosen.arrays:
        return slice_write(x, _combine(ufunc, slice_read(x, index=p.basic), value), index=p.basic)
    params: dict[str, Any] = {"paired": 0, "tail": p.tail, "unique": chosen.unique}
    if ufunc in (np.add, np.subtract):
        value = value if ufunc is np.add else -value
        return edit(x, p, lambda region: scatter_add(region, value, *chosen.arrays, **params))
    return edit(x, p, lambda region: _update_region(ufunc, region, value, chosen.arrays, **params))


def _operand_of(ufunc: Any, x: Any, value: Any) -> Any:
    """`value` as an array; in the dtype of `x` for sums. Refuses one whose result NumPy would not cast back."""
    weak = isinstance(value, (bool, int, float, complex))
    value = value if weak else as_array(value)
    found = np.result_type(x.dtype, value if weak else value.dtype)
    if ufunc is np.divide and found.kind in "biu":
        found = np.dtype(float)
    if not np.can_cast(found, x.dtype, "same_kind"):
        fact = f"the value is {describe(value)}, so the result is {found.name}"
        raise DTypeError(f"np.{ufunc.__name__}.at", fact, f"the array is {describe(x)}", "Cast one of them with astype")
    if weak:
        return found.type(value)
    return NUMPY["cast"](value, x.dtype, "same_kind") if ufunc in (np.add, np.subtract) else value


def _combine(ufunc: Any, old: Any, value: Any) -> Any:
    new = ufunc(old, value)
    return new if new.dtype == old.dtype else NUMPY["cast"](new, old.dtype, "same_kind")


def _update_region(
    ufunc: Any, region: Any, value: Any, indices: Sequence[Any], *, paired: int, tail: int, unique: bool
) -> Any:
    """`ufunc.at` on adjacent axes before the last `tail`."""
    old = gather(region, *indices, paired=0, tail=tail, unique=unique)
    if not unique and max_rank(indices):
        own = np.broadcast_shapes(*[i.shape for i in indices])
        count, end = math.prod(own), old.shape[len(old.shape) - tail :]
        value = np.broadcast_to(value, old.shape) if value.shape else np.full_like(old, value, value.dtype)
        value = value.reshape(old.shape[: len(old.shape) - tail - len(own)] + (count,) + end)
        indices = [np.broadcast_to(i, own).reshape(count) for i in indices]
        places = _places(indices, region.shape[len(region.shape) - tail - len(indices) :])
        order = np.argsort(places, kind="stable")
        places, *indices = [gather(i, order, paired=0, tail=0, unique=True) for i in (places, *indices)]
        value = gather(value, order, paired=0, tail=tail, unique=True)
        value = _running(np.multiply if ufunc is np.divide else ufunc, value, places, tail)
        old = gather(region, *indices, paired=0, tail=tail, unique=False)
    return scatter_set(region, _combine(ufunc, old, value), *indices, paired=0, tail=tail, unique=unique)


def _places(indices: Sequence[Any], sizes: Sequence[int]) -> Any:
    """One number for each place that the indices name; a gather has checked that they are in range."""
    places: Any = 0
    for i, n in zip(indices, sizes, strict=False):
        i = i.astype(np.intp)
        places = places * n + np.where(i < 0, i + n, i)
    return places


def _running(ufunc: Any, value: Any, places: Any, tail: int) -> Any:
    """`value` combined with all before it of the same place, where places are sorted: spans of 1, 2, 4, ... values."""
    count, step = places.shape[0], 1
    after = (ALL,) * tail
    while step < count:
        later, earlier = (step, None, None), (None, -step, None)
        same = slice_read(places, index=(later,)) == slice_read(places, index=(earlier,))
        same = same.reshape(same.shape + (1,) * tail)
        head = slice_read(value, index=((None, step, None), *after))
        rest = slice_read(value, index=(later, *after))
        before = slice_read(value, index=(earlier, *after))
        neutral = rest if ufunc.identity in (None, -1) else rest.dtype.type(ufunc.identity)  # -1 of bitwise_and
        before = np.where(same, before, neutral)
        value = np.concatenate([head, ufunc(before, rest)], -1 - tail)
        step *= 2
    return value


def _at_method(ufunc: Any, a: Any, indices: Any, b: Any) -> None:
    into(f"np.{ufunc.__name__}.at", a, updated(ufunc, a, indices, b))


GROUPING = (
    *(np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.gcd),
    *(np.logaddexp, np.logaddexp2, np.bitwise_and, np.bitwise_or, np.bitwise_xor),
)
"""What combines values in any grouping, before they are combined with what is there."""

for _ufunc in GROUPING:
    implements((_ufunc, "at"))(functools.partial(_at_method, _ufunc))
