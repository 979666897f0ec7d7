"""Repeating, padding, rolling, inserting, and grids: functions over a few primitives of the files above.

What rearranges by positions known beforehand takes them with `np.take`. `roll` is the one primitive: it works along a
negative axis and batches as itself.
"""

import math
from typing import Any

import numpy as np

from ..core import Memory
from ..errors import ArgumentError, ShapeError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import as_new_array, linear, of_rank, operand, trailing
from ._ints import as_int, as_ints, as_size, as_sizes, is_row, last_axis
from ._work import nothing
from .creation import as_array, library
from .cumulative import along, single_axis
from .joining import concatenate, cut, flat, stack
from .layout import Shape, broadcast_arrays, broadcast_to_, copy, moveaxis, reshape, reshape_
from .taking import line


@trailing(work=nothing, memory=Memory.COPY)
def roll(xp: Any, x: Any, *, shift: int, axis: int) -> Any:
    """`x` shifted along `axis` by `shift`; what leaves at one end comes in at the other."""
    n = x.shape[axis]
    shift %= max(n, 1)
    out = xp.empty_like(x)
    out[along(axis, shift, None)] = x[along(axis, None, n - shift)]
    out[along(axis, None, shift)] = x[along(axis, n - shift, None)]
    return out


linear(roll)(lambda g, out, x, *, shift, axis: roll(g, shift=-shift, axis=axis))


@trailing(work=nothing, memory=Memory.COPY)
def repeat(xp: Any, x: Any, *, repeats: int, axis: int) -> Any:
    """Every element along `axis` `repeats` times in a row."""
    return x.repeat(repeats, axis)


@linear(repeat)
def repeat_vjp(g: Any, out: Any, x: Any, *, repeats: int, axis: int) -> Any:
    split = axis + len(x.shape)
    return np.sum(reshape(g, shape=(*x.shape[: split + 1], repeats, *x.shape[split + 1 :])), axis=split + 1)


@trailing(work=nothing, memory=Memory.COPY)
def tile(xp: Any, x: Any, *, reps: Shape) -> Any:
    """`x` repeated as a whole, `reps` times along its last axes."""
    return xp.tile(x, reps)


@linear(tile)
def tile_vjp(g: Any, out: Any, x: Any, *, reps: Shape) -> Any:
    lead = len(x.shape) - len(reps)
    pairs = [n for pair in zip(reps, x.shape[lead:], strict=True) for n in pair]
    return np.sum(reshape(g, shape=(*x.shape[:lead], *pairs)), axis=tuple(range(lead, lead + len(pairs), 2)))


def gather(x: Any, positions: Any, axis: int) -> Any:
    """The elements of `x` at `positions`, known ints, along `axis`."""
    return np.take(x, library(x).asarray(positions), axis=axis)


@implements(np.roll)
def roll_(a: Any, shift: Any, axis: Any = None) -> Any:
    a = operand(a)
    if axis is None:
        return as_new_array(reshape(roll_(flat(a), shift, 0), shape=a.shape))
    shifts = list(shift) if is_row(shift) else [shift]
    axes = list(axis) if is_row(axis) else [axis]
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ShapeError("np.roll", f"shift has {len(shifts)} entries and axis {len(axes)}", "they must match")
    pairs = list(np.broadcast(np.arange(len(shifts)), np.arange(len(axes))))
    for i, j in pairs:
        by, last = shifts[i], last_axis(axes[j], len(a.shape), "np.roll")
        if isinstance(by, Tracer):
            n = a.shape[last]
            a = NUMPY[np.take](a, (library(a).arange(n) - by) % max(n, 1), axis=last)
        else:
            a = roll(a, shift=as_int("np.roll", "shift", by), axis=last)
    return a if pairs else copy(a)


@implements(np.repeat)
def repeat_(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a = operand(a)
    repeats = known("np.repeat", "repeats", repeats)
    a, axis = single_axis(a, axis, "np.repeat")
    counts = as_ints("np.repeat", "repeats", repeats)
    if (counts and min(counts) < 0) or len(counts) not in (1, a.shape[axis]):
        raise ShapeError("np.repeat", f"repeats is {repeats}", "it must be a count, or one for each element, from 0")
    if len(counts) == 1:
        return repeat(a, repeats=counts[0], axis=axis)
    return gather(a, np.repeat(np.arange(a.shape[axis]), counts), axis)


def known(call: str, name: str, value: Any) -> Any:
    """Returns an argument that the shape of the result depends on; raises if it is traced, and nobody knows it."""
    if not isinstance(value, Tracer):
        return value
    found = value.answered()
    if found is None:
        fact = f"{name} is the traced {describe(value)}"
        allowed = "it must be known, for the shape of the result"
        raise ArgumentError(call, fact, allowed, "Compute it outside the transform, or use np.where or np.take")
    return found


@implements(np.tile)
def tile_(A: Any, reps: Any) -> Any:
    A = operand(A)
    counts = as_sizes("np.tile", "reps", reps)
    return as_new_array(tile(of_rank(A, len(counts)), reps=counts))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    a = flat(operand(a))
    shape = as_sizes("np.resize", "new_shape", new_shape)
    size, n = math.prod(shape), a.shape[0]
    if not size or not n:
        return np.zeros_like(a, shape=shape)
    return as_new_array(reshape(cut(tile(a, reps=(-(-size // n),)), axis=-1, start=0, stop=size), shape=shape))


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    arr = operand(arr)
    obj = known("np.delete", "obj", obj)
    arr, axis = line("np.delete", arr, axis)
    return gather(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    arr = operand(arr)
    obj = known("np.insert", "obj", obj)
    arr, axis = line("np.insert", arr, axis)
    n = arr.shape[axis]
    values = NUMPY["cast"](as_array(values, arr), arr.dtype)
    values = of_rank(values, len(arr.shape))
    if not isinstance(obj, slice) and np.ndim(obj) == 0:
        values = moveaxis(values, 0, axis)
    count = np.zeros(n + 1, bool)[obj].size  # positions may be n, past the last element
    if count == 1:
        count = values.shape[axis]
    order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    added = broadcast_to_(values, (*arr.shape[:axis], count, *arr.shape[axis:][1:]))
    return gather(concatenate(arr, added, axis=axis), order, axis)


# Grids.


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ArgumentError("np.meshgrid", f"indexing is {indexing!r}", "it must be 'xy' or 'ij'")
    order = list(range(len(xi)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    grids: Any = [reshape_(x, (1,) * i + (-1,) + (1,) * (len(xi) - 1 - i)) for i, x in zip(order, xi, strict=True)]
    if not sparse:
        grids = broadcast_arrays(*grids)
    return tuple([np.copy(x) for x in grids]) if copy else grids


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    grids = []
    for i, x in enumerate(args):
        x = operand(x)
        if len(x.shape) != 1:
            raise ShapeError("np.ix_", f"argument {i} is {describe(x)}", "it must have one axis")
        if not isinstance(x, Tracer) and x.size == 0:
            x = x.astype(np.intp)
        if x.dtype.kind == "b":
            x = np.nonzero(x)[0]
        grids.append(reshape_(x, (1,) * i + (-1,) + (1,) * (len(args) - 1 - i)))
    return tuple(grids)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = operand(x)
    if len(x.shape) != 1:
        raise ShapeError("np.vander", f"the array is {describe(x)}", "it must have one axis")
    x = NUMPY["cast"](x, np.promote_types(x.dtype, int))
    count = x.shape[0] if N is None else as_size("np.vander", "N", N)
    powers = [np.ones_like(x)]
    for _ in range(1, count):
        powers.append(x if len(powers) == 1 else powers[-1] * x)
    if not count:
        return np.zeros_like(x, shape=(x.shape[0], 0))
    return stack(*(powers if increasing else powers[::-1]), axis=-1)
