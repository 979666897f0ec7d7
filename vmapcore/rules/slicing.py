"""Basic indexing: reading and writing slices.

A pattern says what is between the brackets, hashably, for the last axes of an array: an entry is an int, a slice as
the tuple of its start, stop and step, or None.

- slice_read, slice_place: the pattern is for trailing axes, so they batch as themselves;
- slice_write: the same, once the array has the batch and the value is aligned with it.
"""

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Memory, facts, primitive
from ..tracer import Tracer
from ._families import linear, match, spread, trailing
from ._work import nothing

Pattern = tuple[Any, ...]
ALL = (None, None, None)
"""`:` in a pattern."""


@functools.lru_cache(maxsize=4096)
def brackets(index: Pattern) -> tuple[Any, ...]:
    """What NumPy takes for a pattern on trailing axes."""
    return (Ellipsis, *[slice(*e) if isinstance(e, tuple) else e for e in index])


def on(xp: Any, v: Any) -> Any:
    """A value to write, in the library of what it is written to: a list was made an array by NumPy."""
    return v if xp is np or not isinstance(v, np.ndarray) else xp.asarray(v)


@functools.lru_cache(maxsize=4096)
def _ranks(index: Pattern) -> tuple[int, int]:
    """How many axes a pattern covers, and how many more or fewer the result has."""
    added, removed = index.count(None), sum([isinstance(e, int) for e in index])
    return len(index) - added, added - removed


@trailing(work=nothing, memory=Memory.VIEW, formula=True)
def slice_read(xp: Any, x: Any, *, index: Pattern, copy: bool = False) -> Any:
    """A view of `x` by basic indexing of its last axes, or a copy as of the scalar that NumPy makes of one element."""
    return x[brackets(index)].copy() if copy else x[brackets(index)]


@trailing(work=nothing, memory=Memory.COPY)
def slice_place(xp: Any, v: Any, *, index: Pattern, shape: tuple[int, ...]) -> Any:
    """Zeros with `v` at a basic index: the transpose of `slice_read`. `shape` is that of the axes indexed."""
    lead = v.shape[: v.ndim - len(shape) - _ranks(index)[1]]
    out = xp.zeros(lead + shape, v.dtype)
    out[brackets(index)] = v
    return out


@facts(work=nothing, memory=Memory.IN_PLACE)
@primitive
def slice_write(xp: Any, x: Any, v: Any, *, index: Pattern, own: bool = False) -> Any:
    """A copy of `x` with `v` written at a basic index of its last axes; `x` itself if nobody else has it."""
    out = x if own else xp.array(x, order="C")
    out[brackets(index)] = on(xp, v)
    return out


@linear(slice_read)
def slice_read_transpose(g: Any, out: Any, x: Any, *, index: Pattern, copy: bool = False) -> Any:
    return slice_place(g, index=index, shape=x.shape[len(x.shape) - _ranks(index)[0] :])


linear(slice_place)(lambda g, out, v, *, index, shape: slice_read(g, index=index))


slice_write.def_vjp(
    lambda g, out, x, v, *, index, own=False: slice_write(g, 0, index=index),
    lambda g, out, x, v, *, index, own=False: match(slice_read(g, index=index), v),
)


@slice_write.def_jvp
def slice_write_jvp(tangents: Sequence[Any], out: Any, x: Any, v: Any, *, index: Pattern, own: bool = False) -> Any:
    dx, dv = tangents
    if dx is not None:
        return slice_write(dx, 0 if dv is None else dv, index=index)
    region = slice_read(out, index=index)
    return slice_read_transpose(np.broadcast_to(dv, region.shape), None, out, index=index)


@slice_write.def_vmap
def slice_write_vmap(size: int, mapped: Sequence[bool], x: Any, v: Any, *, index: Pattern, own: bool = False) -> Any:
    x = spread(size, mapped[0], x)
    missing = len(x.shape) + _ranks(index)[1] - len(v.shape) if mapped[1] else 0
    if missing:
        v = v.reshape(v.shape[:1] + (1,) * missing + v.shape[1:])
    return slice_write(x, v, index=index, own=own and mapped[0])


# Writing without a copy.


def slice_overwrite(x: Any, v: Any, *, index: Pattern) -> Any:
    """`slice_write` that goes into the memory of the tracer `x`, no more wanted, if nobody else refers to it."""
    return slice_write(x, v, index=index, own=_is_sole_owner(x, v))


def _references(x: Any) -> int:
    """How often the value of a tracer is referred to, from here too. A view of an array refers to it."""
    inner = x.value
    return sys.getrefcount(inner)


class _Box:
    """What has one value, as a tracer does."""

    def __init__(self) -> None:
        self.value = object()


ALONE = _references(_Box())


def _is_sole_owner(x: Any, v: Any) -> bool:
    """Whether nobody but the tracer `x` refers to its array, and no trace will read it or `v` again."""
    traces = []
    while isinstance(x, Tracer):
        if _references(x) != ALONE or not x._trace.overwrites:
            return False
        traces.append(x._trace)
        x = x.value
    while isinstance(v, Tracer):
        if v._trace not in traces:
            return False
        v = v.value
    return type(x) is np.ndarray and x.flags.owndata and x.flags.writeable
