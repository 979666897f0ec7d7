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

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Memory, Primitive, facts, primitive
from ..errors import IndexingError
from ._families import linear, match, spread
from ._work import each, nothing, of_scatter, parts
from .slicing import on

FULL = slice(None)
MANY = 256  # indices from which one pass over them, to make them one flat index, pays


class OutOfRangeError(IndexingError):
    """An index lies outside the axis it is for; `position` counts the indexed axes."""

    def __init__(self, position: int, index: int, size: int) -> None:
        super().__init__("x[i]", f"index {index} is out of range for an axis of size {size}")
        self.position, self.index, self.size = position, index, size


# The primitives.


@facts(work=nothing, memory=Memory.COPY)
@primitive
def gather(xp: Any, x: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """The elements of `x` at integer indices."""
    at = _own(xp, indices)
    if len(at) == 1 and not paired and (xp is not np or (x.flags.c_contiguous and x.size)):
        return _checked(lambda: x.take(at[0], -1 - tail), at, x.shape[-1 - tail :])
    sizes = x.shape[x.ndim - tail - len(at) - paired : x.ndim - tail]
    if xp is np and at[0].size >= MANY and x.flags.c_contiguous:
        lead = x.shape[: x.ndim - tail - len(sizes)]
        flat = x.reshape(lead + (math.prod(sizes),) + x.shape[x.ndim - tail :])
        return flat.take(_flat(xp, at, sizes), -1 - tail)
    return _checked(lambda: x[_address(xp, x, at, paired, tail)], at, sizes[paired:])


@facts(work=of_scatter, memory=Memory.COPY)
@primitive
def scatter_place(xp: Any, v: Any, *indices: Any, shape: tuple[int, ...], paired: int, tail: int, unique: bool) -> Any:
    """Zeros with `v` added at integer indices: the transpose of `gather`. `shape` is that of all but the lead."""
    indices = _own(xp, indices)
    lead = v.shape[: v.ndim - tail - max_rank(indices)]
    return _add(xp, xp.zeros(lead + shape, v.dtype), v, indices, paired, tail, unique)


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
    return _add(xp, x.copy(), on(xp, v), _own(xp, indices), paired, tail, unique)


@facts(work=nothing, memory=Memory.COPY)
@primitive
def scatter_set(xp: Any, x: Any, v: Any, *indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """A copy of `x` with `v` written at integer indices."""
    indices, v = _own(xp, indices), on(xp, v)
    out = x.copy()
    sizes = _sizes(x, indices, paired, tail)
    if not unique and getattr(v, "ndim", 0) > tail:
        if xp is np:  # NumPy writes in the order of memory, which is that of the indices where they are contiguous
            indices = tuple([np.ascontiguousarray(i) if i.ndim > 1 else i for i in indices])
            v = np.ascontiguousarray(v)
        else:
            v = _winners(xp, v, indices, sizes, paired, tail)

    def write() -> None:
        out[_address(xp, out, indices, paired, tail)] = v

    _checked(write, indices, sizes[paired:])
    return out


@facts(work=each)
@primitive
def last_writes(xp: Any, *indices: Any, shape: tuple[int, ...], paired: int) -> Any:
    """Which of the indices are the last to name their place, among axes of lengths `shape`."""
    flat = _flat(xp, _own(xp, indices), shape)
    return _last(xp, flat, math.prod(shape))[flat] == xp.arange(flat.size).reshape(flat.shape)


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
    shape = _sizes(out, indices, paired, tail)
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


def max_rank(indices: Sequence[Any], mapped: Sequence[bool] | None = None) -> int:
    """How many axes the broadcast indices have; for one example, where `mapped` says which have the batch."""
    ranks = [len(i.shape) for i in indices]
    return max(ranks if mapped is None else [r - m for r, m in zip(ranks, mapped, strict=True)])


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


# Evaluation.


def _own(xp: Any, indices: Sequence[Any]) -> Any:
    """The indices as arrays of `xp`, of the one integer type that NumPy indexes with."""
    return [i if type(i) is xp.ndarray and i.dtype == np.intp else xp.asarray(i).astype(np.intp) for i in indices]


def _sizes(x: Any, indices: Sequence[Any], paired: int, tail: int) -> tuple[int, ...]:
    """The lengths of the paired and indexed axes."""
    end = len(x.shape) - tail
    return x.shape[end - len(indices) - paired : end]


def _address(xp: Any, x: Any, indices: Sequence[Any], paired: int, tail: int) -> tuple[Any, ...]:
    """What to put between the brackets of `x`."""
    own = tuple(indices)
    first = x.ndim - tail - len(own) - paired
    if paired:
        own = _lanes(xp, max_rank(own), x.shape[first : first + paired]) + own
    return (Ellipsis, *own, *(FULL,) * tail) if first else own


def _lanes(xp: Any, rank: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    """An index for each paired axis, that pairs it."""
    return (_kept_grid if xp is np else grid)(xp, rank, sizes)


def grid(xp: Any, rank: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    """An index for each of the first of `rank` axes, whose lengths are `sizes`, that names each element in turn."""
    return tuple([xp.arange(n).reshape((n,) + (1,) * (rank - 1 - j)) for j, n in enumerate(sizes)])


_kept_grid = functools.lru_cache(maxsize=64)(grid)


def _flat(xp: Any, indices: Sequence[Any], sizes: tuple[int, ...]) -> Any:
    """One index into the paired and indexed axes made one."""
    paired = len(sizes) - len(indices)
    every = list(_lanes(xp, max_rank(indices), sizes[:paired]))
    every += [_from_start(xp, i, n, k) for k, (i, n) in enumerate(zip(indices, sizes[paired:], strict=True))]
    flat = every[0]
    for i, n in zip(every[1:], sizes[1:], strict=True):
        flat = flat * n + i
    return flat


def _from_start(xp: Any, i: Any, n: int, position: int) -> Any:
    """The index counted from the start; in NumPy, checked: in one pass where none is negative, huge as unsigned."""
    if xp is not np:
        return xp.where(i < 0, i + n, i)
    if i.size == 0 or i.view(np.uintp).max() < n:
        return i
    if i.min() < -n or i.max() >= n:
        raise _out_of_range([i], (n,), position)
    return np.where(i < 0, i + n, i)


def _checked(access: Callable[[], Any], indices: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Runs `access`, and says of which axis an index is out of range."""
    try:
        return access()
    except IndexError:
        raise _out_of_range(indices, sizes) from None


def _out_of_range(indices: Sequence[Any], sizes: Sequence[int], first: int = 0) -> IndexingError:
    for k, (i, n) in enumerate(zip(indices, sizes, strict=False)):
        bad = i[(i < -n) | (i >= n)]
        if bad.size:
            return OutOfRangeError(first + k, int(bad.flat[0]), n)
    shapes = ", ".join([str(i.shape) for i in indices])
    return IndexingError("x[i]", f"indices of shapes {shapes} do not broadcast together")


def _add(xp: Any, out: Any, v: Any, indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """Adds `v` in place to `out`, which is contiguous, and returns it."""
    sizes = _sizes(out, indices, paired, tail)
    rank = max_rank(indices)
    if xp is not np:
        return _add_atomically(xp, out, v, _address(xp, out, indices, paired, tail))
    if unique or rank == paired or (out.ndim == rank == 1):
        address = _address(xp, out, indices, paired, tail) if out.ndim > 1 else indices[0]

        def write() -> None:
            if unique or rank == paired:
                out[address] += v
            else:
                np.add.at(out, address, v)

        _checked(write, indices, sizes[paired:])
        return out
    flat = _flat(np, indices, sizes)
    lead, end = out.shape[: out.ndim - tail - len(sizes)], out.shape[out.ndim - tail :]
    v = np.broadcast_to(v, lead + flat.shape + end).reshape(math.prod(lead), flat.size, math.prod(end))
    _add_rows(out.reshape(math.prod(lead), math.prod(sizes), math.prod(end)), flat.reshape(-1), v)
    return out


def _add_rows(out: Any, flat: Any, v: Any) -> None:
    """`np.add.at(out, (slice(None), flat), v)`, in rounds that name no place twice where their rows are long enough."""
    rounds = flat.size
    if v.size >= 16 * flat.size:
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.where(np.r_[True, ordered[1:] != ordered[:-1]][: flat.size], np.arange(flat.size), 0)
        turn = np.arange(flat.size) - np.maximum.accumulate(starts)
        rounds = int(turn.max(initial=-1)) + 1
    if rounds * 4096 <= v.size:  # a round costs about as much as adding that many elements one by one
        for k in range(rounds):
            now = order[turn == k]
            out[:, flat[now]] += v[:, now]
        return
    lines, places, columns = out.shape
    at = (np.arange(lines)[:, None, None] * places + flat[:, None]) * columns + np.arange(columns)
    np.add.at(out.reshape(-1), at.reshape(-1), v.reshape(-1))


def _add_atomically(xp: Any, out: Any, v: Any, address: Any) -> Any:
    if out.dtype.kind in "fc":
        xp.add.at(out, address, v)
        return out
    # Of integer types, this one has an atomic addition and room for the others, and wraps as they do.
    total = out.astype(xp.uint64)
    xp.add.at(total, address, xp.asarray(v).astype(xp.uint64))
    return total.astype(out.dtype)


def _last(xp: Any, flat: Any, size: int) -> Any:
    """For each of `size` places, the ordinal of the last index that names it."""
    last = xp.zeros(size, np.intp if xp is np else xp.int32)
    ordinals = xp.arange(flat.size, dtype=last.dtype)
    if xp is np:
        last[flat.reshape(-1)] = ordinals
    else:
        xp.maximum.at(last, flat.reshape(-1), ordinals)
    return last


def _winners(xp: Any, v: Any, indices: Any, sizes: tuple[int, ...], paired: int, tail: int) -> Any:
    """`v` with, for every index, the value of the last that names the same place: writes in any order then agree."""
    flat = _flat(xp, indices, sizes)
    lead = v.shape[: max(v.ndim - tail - flat.ndim, 0)]
    end = v.shape[v.ndim - tail :] if tail else ()
    v = xp.broadcast_to(v, lead + flat.shape + end).reshape(*lead, flat.size, *end)
    return v.take(_last(xp, flat, math.prod(sizes))[flat], -1 - tail)
