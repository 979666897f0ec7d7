"""Sorting, partitions and running extrema: operations that pick elements along an axis.

Each works along one trailing axis and batches as itself; its derivative is a gather or the transpose of one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Memory, Primitive
from ..errors import ConcretizationError, OptionError, callers_line
from ..evals.places import grid
from ..numpy_protocol import ACCUMULATE, NUMPY, implements
from ..refusals import refuse
from ..tracer import Tracer
from ._families import into, linear, match, of_one_rank, operand, trailing
from ._ints import as_ints, last_axis
from ._work import nothing, of_scatter, of_sort, per_input
from .cumulative import along, converted, in_spans, single_axis

# Picking elements along an axis, and its transpose.


@trailing(work=nothing, memory=Memory.COPY)
def gather_along(xp: Any, x: Any, indices: Any, *, axis: int, unique: bool) -> Any:
    """`np.take_along_axis` with leading axes broadcast. `unique` promises that no element is picked twice."""
    return xp.take_along_axis(*of_one_rank(x, indices), axis)


@trailing(work=of_scatter, memory=Memory.COPY)
def scatter_along(xp: Any, x: Any, indices: Any, *, axis: int, unique: bool, length: int) -> Any:
    """Zeros of length `length` along `axis`, with each element of `x` added at its index: the transpose of a gather."""
    x, indices = xp.broadcast_arrays(*of_one_rank(x, indices))
    if xp is np and not unique and x.dtype.kind == "f":
        return _binned(x, indices, axis, length)
    shape = list(x.shape)
    shape[axis] = length
    out = xp.zeros(shape, x.dtype)
    where = list(grid(xp, len(shape), tuple(shape)))
    where[axis] = indices
    if unique:
        out[tuple(where)] = x
    else:
        xp.add.at(out, tuple(where), x)
    return out


def _binned(x: Any, indices: Any, axis: int, length: int) -> Any:
    """The sums as those of one long histogram, which NumPy adds up several times faster than `np.add.at`."""
    x, indices = (np.moveaxis(v, axis, -1) for v in (x, indices))
    lead = x.shape[:-1]
    rows = math.prod(lead)
    bins = indices.reshape(rows, x.shape[-1]) + length * np.arange(rows)[:, None]
    sums = np.bincount(bins.reshape(-1), x.reshape(-1), rows * length)
    return np.moveaxis(sums.astype(x.dtype, copy=False).reshape((*lead, length)), -1, axis)


@linear(gather_along)
def gather_vjp(g: Any, out: Any, x: Any, indices: Any, *, axis: int, unique: bool) -> Any:
    return match(scatter_along(g, indices, axis=axis, unique=unique, length=x.shape[axis]), x)


linear(scatter_along)(lambda g, out, x, indices, *, length, **params: match(gather_along(g, indices, **params), x))


def picks(made: Primitive, positions: Callable[..., Any], *, unique: bool) -> None:
    """Declares that `made` picks elements along `axis`, those at `positions(out, x, axis=axis, **params)`."""

    def pick_vjp(g: Any, out: Any, x: Any, *, axis: int, **params: Any) -> Any:
        at = positions(out, x, axis=axis, **params)
        return scatter_along(g, at, axis=axis, unique=unique, length=x.shape[axis])

    @made.def_jvp
    def pick_jvp(tangents: Sequence[Any], out: Any, x: Any, *, axis: int, **params: Any) -> Any:
        return gather_along(tangents[0], positions(out, x, axis=axis, **params), axis=axis, unique=unique)

    made.def_vjp(pick_vjp)


# Sorting.


@trailing(work=of_sort, zero_derivative=True)
def argsort_along(xp: Any, x: Any, *, axis: int, stable: bool) -> Any:
    """The order that sorts `x` along `axis`."""
    return xp.argsort(x, axis, kind="stable" if stable else None)


@trailing(work=of_sort)
def sort_along(xp: Any, x: Any, *, axis: int, stable: bool) -> Any:
    """`x` sorted along `axis`."""
    return xp.sort(x, axis, kind="stable" if stable else None)


@trailing(work=per_input(2), zero_derivative=True)
def argpartition_along(xp: Any, x: Any, *, axis: int, kth: tuple[int, ...]) -> Any:
    """An order of `x` along `axis` that has the elements of ranks `kth` in place."""
    return xp.argpartition(x, kth, axis)


@trailing(work=per_input(2))
def partition_along(xp: Any, x: Any, *, axis: int, kth: tuple[int, ...]) -> Any:
    """`x` reordered along `axis` so that the elements of ranks `kth` are in place."""
    return xp.partition(x, kth, axis)


def _partitioned(out: Any, x: Any, *, axis: int, kth: tuple[int, ...]) -> Any:
    """Where a partition took its elements from: where one has a rank in the result, it has it in `x`."""
    ranked, order = (argsort_along(v, axis=axis, stable=True) for v in (out, x))
    return scatter_along(order, ranked, axis=axis, unique=True, length=x.shape[axis])


picks(sort_along, lambda out, x, **params: argsort_along(x, **params), unique=True)
picks(partition_along, _partitioned, unique=True)


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> Any:
    x, last = _sorted_axis("np.sort", a, axis, order)
    return sort_along(x, axis=last, stable=_is_stable("np.sort", kind, stable))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    x = np.sort(operand(a))
    return x if x.dtype.kind == "c" else x.astype(np.complex64 if x.dtype.char in "bhBH" else np.complex128)


@implements(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> Any:
    x, last = _sorted_axis("np.argsort", a, axis, order)
    return argsort_along(x, axis=last, stable=_is_stable("np.argsort", kind, stable))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    x, last = _sorted_axis("np.partition", a, axis, order)
    return partition_along(x, axis=last, kth=_ranks("np.partition", kth))


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    x, last = _sorted_axis("np.argpartition", a, axis, order)
    return argpartition_along(x, axis=last, kth=_ranks("np.argpartition", kth))


def _sorted_axis(call: str, a: Any, axis: Any, order: Any) -> tuple[Any, int]:
    if order is not None:
        raise OptionError(call, "got order=", "it is for structured arrays only")
    return single_axis(operand(a), axis, call)


def _is_stable(call: str, kind: Any, stable: bool | None) -> bool:
    if kind is not None and stable is not None:
        raise OptionError(call, "got both kind= and stable=", "one says all")
    return bool(stable) or kind in ("stable", "mergesort")


def _ranks(call: str, kth: Any) -> tuple[int, ...]:
    try:
        return as_ints(call, "kth", kth)
    except ConcretizationError:
        traced = next(k for k in (kth if np.ndim(kth) else (kth,)) if isinstance(k, Tracer))
        fact = f"kth is traced, at {callers_line()}"
        raise refuse(traced._trace, call, fact, "it must be ints", "Sort, and take the element") from None


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    if not len(keys):
        raise OptionError("np.lexsort", "there are no keys", "it needs one")
    if not np.ndim(keys[0]):
        return np.zeros_like(operand(keys[0]), np.intp)
    order: Any = None
    for key in keys:  # the last is the most significant, so that stable sorts by each in turn do it
        x, last = operand(key), last_axis(axis, np.ndim(key), "np.lexsort")
        if order is None:
            order = argsort_along(x, axis=last, stable=True)
        else:
            ranked = gather_along(x, order, axis=last, unique=True)
            order = gather_along(order, argsort_along(ranked, axis=last, stable=True), axis=last, unique=True)
    return order


# Running extrema.


@trailing(work=per_input(1))
def running(xp: Any, x: Any, *, axis: int, extremum: str) -> Any:
    """The largest element up to each position along `axis`; the smallest for the `extremum` "minimum"."""
    larger = getattr(xp, extremum)
    return larger.accumulate(x, axis) if xp is np else in_spans(xp, larger, x, axis)


@trailing(work=per_input(1), zero_derivative=True)
def run_starts(xp: Any, extrema: Any, *, axis: int) -> Any:
    """For every element of a running extremum the position at which it was first met. NaN, once met, stays."""
    place = xp.arange(extrema.shape[axis]).reshape((-1,) + (1,) * (-1 - axis))
    before, after = extrema[along(axis, None, -1)], extrema[along(axis, 1, None)]
    fresh = xp.ones(extrema.shape, bool)
    fresh[along(axis, 1, None)] = (after != before) & (before == before)
    return running.eval(xp, xp.where(fresh, place, 0), axis=axis, extremum="maximum")


picks(running, lambda out, x, *, axis, extremum: run_starts(out, axis=axis), unique=False)


def _implement_accumulate(ufunc: Any) -> None:
    """Makes `running` what `ufunc.accumulate` is on tracers."""
    call = f"np.{ufunc.__name__}.accumulate"

    def accumulate(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        x, last = single_axis(converted(a, dtype), axis, call)
        return into(call, out, running(x, axis=last, extremum=ufunc.__name__))

    ACCUMULATE[ufunc] = ufunc, "accumulate"
    NUMPY[ufunc, "accumulate"] = accumulate


for _ufunc in (np.maximum, np.minimum):
    _implement_accumulate(_ufunc)
