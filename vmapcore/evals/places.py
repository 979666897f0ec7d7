"""Reading and writing at integer indices, in arrays whose axes are as `rules/gather.py` says."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import IndexingError
from ..refusals import Error, kept

FULL = slice(None)
MANY = 256  # indices from which one pass over them, to make them one flat index, pays


class OutOfRangeError(IndexingError):
    """An index lies outside the axis it is for; `position` counts the indexed axes."""

    def __init__(self, position: int, index: int, size: int) -> None:
        super().__init__("x[i]", f"index {index} is out of range for an axis of size {size}")
        self.position, self.index, self.size = position, index, size
        self.traces: list[Any] = []  # on whose values it hangs


BY_VALUES = (OutOfRangeError, np.linalg.LinAlgError)
"""What any operation raises for some values and not for others."""


def hangs_on(trace: Any, error: Exception) -> None:
    """Notes that an error hangs on values of `trace`, which other examples or calls have not: not to be caught."""
    if isinstance(error, OutOfRangeError):
        error.traces.append(trace)  # until it is known which array that is
    else:
        kept(trace, error)


def said(error: OutOfRangeError, other: Error) -> Error:
    """Returns an error that says the same in other words."""
    for trace in error.traces:
        kept(trace, other)
    return other


def max_rank(indices: Sequence[Any], mapped: Sequence[bool] | None = None) -> int:
    """How many axes the broadcast indices have; for one example, where `mapped` says which have the batch."""
    ranks = [len(i.shape) for i in indices]
    return max(ranks if mapped is None else [r - m for r, m in zip(ranks, mapped, strict=True)])


def as_indices(xp: Any, indices: Sequence[Any]) -> Any:
    """The indices as arrays of `xp`, of the one integer type that NumPy indexes with."""
    return [i if type(i) is xp.ndarray and i.dtype == np.intp else xp.asarray(i).astype(np.intp) for i in indices]


def axis_sizes(x: Any, indices: Sequence[Any], paired: int, tail: int) -> tuple[int, ...]:
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


def flat_index(xp: Any, indices: Sequence[Any], sizes: tuple[int, ...]) -> Any:
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


def read(xp: Any, x: Any, at: Sequence[Any], paired: int, tail: int) -> Any:
    """The elements of `x` at integer indices."""
    if len(at) == 1 and not paired and (xp is not np or (x.flags.c_contiguous and x.size)):
        return _checked(lambda: x.take(at[0], -1 - tail), at, x.shape[-1 - tail :])
    sizes = axis_sizes(x, at, paired, tail)
    if xp is np and at[0].size >= MANY and x.flags.c_contiguous:
        lead = x.shape[: x.ndim - tail - len(sizes)]
        flat = x.reshape(lead + (math.prod(sizes),) + x.shape[x.ndim - tail :])
        return flat.take(flat_index(xp, at, sizes), -1 - tail)
    return _checked(lambda: x[_address(xp, x, at, paired, tail)], at, sizes[paired:])


def write(xp: Any, out: Any, v: Any, indices: Sequence[Any], paired: int, tail: int, unique: bool) -> Any:
    """Writes `v` in place into `out`, and returns it; of several values for one place, the last."""
    sizes = axis_sizes(out, indices, paired, tail)
    if not unique and getattr(v, "ndim", 0) > tail:
        if xp is np:  # NumPy writes in the order of memory, which is that of the indices where they are contiguous
            indices = tuple([np.ascontiguousarray(i) if i.ndim > 1 else i for i in indices])
            v = np.ascontiguousarray(v)
        else:
            v = _winners(xp, v, indices, sizes, paired, tail)

    def assign() -> None:
        out[_address(xp, out, indices, paired, tail)] = v

    _checked(assign, indices, sizes[paired:])
    return out


def add(xp: Any, out: Any, v: Any, indices: Any, paired: int, tail: int, unique: bool) -> Any:
    """Adds `v` in place to `out`, which is contiguous, and returns it."""
    sizes = axis_sizes(out, indices, paired, tail)
    rank = max_rank(indices)
    if xp is not np:
        return _add_atomically(xp, out, v, _address(xp, out, indices, paired, tail))
    if unique or rank == paired or (out.ndim == rank == 1):
        at = _address(xp, out, indices, paired, tail) if out.ndim > 1 else indices[0]

        def change() -> None:
            if unique or rank == paired:
                out[at] += v
            else:
                np.add.at(out, at, v)

        _checked(change, indices, sizes[paired:])
        return out
    flat = flat_index(np, indices, sizes)
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


def last_named(xp: Any, flat: Any, size: int) -> Any:
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
    flat = flat_index(xp, indices, sizes)
    lead = v.shape[: max(v.ndim - tail - flat.ndim, 0)]
    end = v.shape[v.ndim - tail :] if tail else ()
    v = xp.broadcast_to(v, lead + flat.shape + end).reshape(*lead, flat.size, *end)
    return v.take(last_named(xp, flat, math.prod(sizes))[flat], -1 - tail)
