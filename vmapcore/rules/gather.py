"""Integer arrays as indices: gather, its transpose, and writes.

An array here is `(*lead, *paired, *indexed, *tail)`. Each of the `indexed` axes has an integer array, which is
`(*paired, *own)`, and `(*lead, *paired, *own, *tail)` is read or written: on a paired axis an array and its indices
advance together. `lead` is free, `paired` and `tail` are counted by parameters. So there are three ways to batch:

- the array mapped, the indices not: the batch is one more leading axis;
- the indices mapped, the array not: the batch is the first of the indices' own axes;
- both mapped: the batch is one more paired axis, the first.

`unique` promises that no place is named twice. Of writes to one place, the last wins. NumPy refuses an index that is
out of range; CuPy wraps it around, here as elsewhere.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Memory, Primitive, facts, primitive
from ..evals.places import add, as_indices, axis_sizes, flat_index, last_named, max_rank, read, write
from ._families import linear, match, spread
from ._work import each, nothing, of_scatter, parts
from .slicing import on

# The primitives.


@facts(work=nothing, memory=Memory.COPY)
@primitive
def gather(xp: Any, x: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """The elements of `x` at integer indices."""
    return read(xp, x, as_indices(xp, indices), paired, tail)


@facts(work=of_scatter, memory=Memory.COPY)
@primitive
def scatter_place(xp: Any, v: Any, *indices: Any, shape: tuple[int, ...], paired: int, tail: int, unique: bool) -> Any:
    """Zeros with `v` added at integer indices: the transpose of `gather`. `shape` is that of all but the lead."""
    indices = as_indices(xp, indices)
    lead = v.shape[: v.ndim - tail - max_rank(indices)]
    return add(xp, xp.zeros(lead + shape, v.dtype), v, indices, paired, tail, unique)


def _scatter_add_work(ins: Any, outs: Any, *, paired: int, tail: int, **params: Any) -> float:
    """A sum for every place that is named. What is added may yet broadcast."""
    shape, indices = outs[0].shape, [i.shape for i in ins[2:]]
    end = len(shape) - tail
    first = end - len(indices) - paired
    pairs = shape[first : first + paired] + (1,) * (max(map(len, indices)) - paired)
    return (
        math.prod(shape[:first]) * math.prod(np.broadcast_shapes(pairs, *indices)) * math.prod(shape[end:]) * parts(ins)
    )


@facts(work=_scatter_add_work)
@primitive
def scatter_add(xp: Any, x: Any, v: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """A copy of `x` with `v` added at integer indices, as often as they name a place."""
    return add(xp, x.copy(), on(xp, v), as_indices(xp, indices), paired, tail, unique)


@facts(work=nothing, memory=Memory.COPY)
@primitive
def scatter_set(xp: Any, x: Any, v: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """A copy of `x` with `v` written at integer indices."""
    return write(xp, x.copy(), on(xp, v), as_indices(xp, indices), paired, tail, unique)


@facts(work=each)
@primitive
def last_writes(xp: Any, *indices: Any, shape: tuple[int, ...], paired: int) -> Any:
    """Which of the indices are the last to name their place, among axes of lengths `shape`."""
    flat = flat_index(xp, as_indices(xp, indices), shape)
    return last_named(xp, flat, math.prod(shape))[flat] == xp.arange(flat.size).reshape(flat.shape)


# Derivatives.


@linear(gather)
def gather_transpose(g: Any, out: Any, x: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    shape = x.shape[len(x.shape) - paired - len(indices) - tail :]
    return scatter_place(g, *indices, shape=shape, paired=paired, tail=tail, unique=unique)


linear(scatter_place)(lambda g, out, v, *indices, shape, **params: gather(g, *indices, **params))
scatter_add.def_vjp(
    lambda g, out, x, v, *indices, **params: g,
    lambda g, out, x, v, *indices, **params: match(gather(g, *indices, **params), v),
)


@scatter_add.def_jvp
def scatter_add_jvp(tangents: Sequence[Any], out: Any, x: Any, v: Any, *indices: Any, **params: Any) -> Any:
    dx, dv = tangents[:2]
    if dv is None:
        return dx
    return _place(out, dv, indices, **params) if dx is None else scatter_add(dx, dv, *indices, **params)


scatter_set.def_vjp(
    lambda g, out, x, v, *indices, **params: scatter_set(g, 0, *indices, **params),
    lambda g, out, x, v, *indices, **params: match(
        _where_kept(gather(g, *indices, **params), out, indices, **params), v
    ),
)


@scatter_set.def_jvp
def scatter_set_jvp(tangents: Sequence[Any], out: Any, x: Any, v: Any, *indices: Any, **params: Any) -> Any:
    dx, dv = tangents[:2]
    if dx is not None:
        return scatter_set(dx, 0 if dv is None else dv, *indices, **params)
    return _place(out, _where_kept(dv, out, indices, **params), indices, **params)


last_writes.def_zero_derivative()


def _where_kept(updates: Any, out: Any, indices: Sequence[Any], *, paired: int, tail: int, unique: bool) -> Any:
    """Returns `updates` with zero for those that a later one overwrote."""
    if unique or max_rank(indices) == paired:
        return updates
    shape = axis_sizes(out, indices, paired, tail)
    kept = last_writes(*indices, shape=shape, paired=paired)
    return np.where(kept.reshape(kept.shape + (1,) * tail), updates, 0)


def _place(out: Any, v: Any, indices: Sequence[Any], *, paired: int, tail: int, unique: bool) -> Any:
    """`v`, which may yet broadcast, added to zeros shaped like `out`."""
    axes = paired + len(indices) + tail
    lead, shape = out.shape[: len(out.shape) - axes], out.shape[len(out.shape) - axes :]
    own = np.broadcast_shapes(*[i.shape for i in indices], shape[:paired] + (1,) * (max_rank(indices) - paired))
    v = np.broadcast_to(v, lead + own + shape[len(shape) - tail :])
    return scatter_place(v, *indices, shape=shape, paired=paired, tail=tail, unique=unique)


# Batching.


@gather.def_vmap
def gather_vmap(size: int, mapped: Any, x: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    if not any(mapped[1:]):  # x only: one more leading axis
        return gather(x, *indices, paired=paired, tail=tail, unique=unique)
    lead = len(x.shape) - mapped[0] - paired - len(indices) - tail
    own = _batch_first(mapped[1:], indices)
    if mapped[0]:  # both: one more paired axis
        return _move(gather(_move(x, 0, lead), *own, paired=paired + 1, tail=tail, unique=unique), lead, 0)
    # indices only: the first of their own axes, and examples may name the same place
    own = [_move(i, 0, paired) for i in own]
    return _move(gather(x, *own, paired=paired, tail=tail, unique=False), lead + paired, 0)


@scatter_place.def_vmap
def scatter_place_vmap(
    size: int, mapped: Any, v: Any, *indices: Any, shape: tuple[int, ...], paired: int, **params: Any
) -> Any:
    if not any(mapped[1:]):  # v only: one more leading axis
        return scatter_place(v, *indices, shape=shape, paired=paired, **params)
    # the indices too: one more paired axis
    rank = max_rank(indices, mapped[1:])
    v = spread(size, mapped[0], v)
    lead = len(v.shape) - 1 - rank - params["tail"]
    own = _batch_first(mapped[1:], indices)
    return _move(scatter_place(_move(v, 0, lead), *own, shape=(size, *shape), paired=paired + 1, **params), lead, 0)


def _write_vmap(made: Primitive) -> Callable[..., Any]:
    """The batching rule of a primitive that writes `v` into `x`."""

    def write_vmap(size: int, mapped: Any, x: Any, v: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
        x = spread(size, mapped[0], x)
        lead = len(x.shape) - 1 - paired - len(indices) - tail
        rank = lead + max_rank(indices, mapped[2:]) + tail
        if mapped[1]:
            v = v.reshape(v.shape[:1] + (1,) * (rank + 1 - len(v.shape)) + v.shape[1:])
        if not any(mapped[2:]):  # x or v: one more leading axis
            return made(x, v, *indices, paired=paired, tail=tail, unique=unique)
        # the indices too: one more paired axis, of length 1 in a v that is not mapped
        if mapped[1]:
            v = _move(v, 0, lead)
        elif hasattr(v, "shape") and len(v.shape) > rank - lead:
            at = len(v.shape) - (rank - lead)
            v = v.reshape(v.shape[:at] + (1,) + v.shape[at:])
        own = _batch_first(mapped[2:], indices)
        return _move(made(_move(x, 0, lead), v, *own, paired=paired + 1, tail=tail, unique=unique), lead, 0)

    return write_vmap


scatter_add.vmap = _write_vmap(scatter_add)
scatter_set.vmap = _write_vmap(scatter_set)


@last_writes.def_vmap
def last_writes_vmap(size: int, mapped: Any, *indices: Any, shape: tuple[int, ...], paired: int) -> Any:
    # any of the indices: one more paired axis
    return last_writes(*_batch_first(mapped, indices), shape=(size, *shape), paired=paired + 1)


def _batch_first(mapped: Sequence[bool], indices: Sequence[Any]) -> list[Any]:
    """Gives all indices one rank, and the batch on axis 0, of length 1 where they have none."""
    rank = max_rank(indices, mapped)
    return [
        i.reshape((i.shape[:1] if m else (1,)) + (1,) * (rank + m - len(i.shape)) + i.shape[m:])
        for i, m in zip(indices, mapped, strict=True)
    ]


def _move(x: Any, source: int, target: int) -> Any:
    if source == target:
        return x
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(target, source)
    return x.transpose(order)
