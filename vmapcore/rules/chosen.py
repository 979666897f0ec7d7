"""Arrays of which a mask chooses elements along one axis: what they are padded with, their extrema, their places.

The mask has that axis and broadcasts over those before it, so every primitive here batches as itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import on_host
from ..core import Trace, at_end, primitive
from ..errors import ConcretizationError, IndexingError, VmapcoreError, callers_line, describe
from ..evals.reductions import kept_shape
from ..refusals import BOOL, TRUTH, refuse
from ..tracer import Tracer, innermost
from ._families import match, spread, trailing
from ._work import each, per_input
from .brackets import CALL
from .reductions import reduce_sum

SLICE = "x[i:j]"

SAFE = {"b": True, "f": 0.5, "c": 0.5}
"""What stands where nothing is chosen: no ufunc of NumPy's has a pole there. For integers, 1."""


@trailing(work=each)
def repeat_chosen(xp: Any, x: Any, mask: Any, *, axis: int) -> Any:
    """`x` with the first element that `mask` chooses along `axis` in place of all that it leaves out.

    So what is computed of each element anew is at those places what it is at that one: no pole, and no warning, that
    the chosen elements do not have.
    """
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, chosen = xp.broadcast_to(x, shape), xp.broadcast_to(mask, shape)
    if not shape[axis]:
        return x.copy()
    first = xp.argmax(mask, axis, keepdims=True)
    element = xp.take_along_axis(x, xp.broadcast_to(first, kept_shape(shape, (axis,))), axis)
    found = xp.take_along_axis(mask, first, axis)
    return xp.where(chosen, x, xp.where(found, element, x.dtype.type(SAFE.get(x.dtype.kind, 1))))


repeat_chosen.def_vjp(lambda g, out, x, mask, *, axis: match(np.where(mask, g, 0), x), None)
repeat_chosen.def_jvp(lambda tangents, out, x, mask, *, axis: np.where(mask, tangents[0], 0))


@primitive
def repeat_taken(xp: Any, x: Any, mask: Any) -> Any:
    """`x` for the rows in `mask`, whose axes are the first of `x`; for others what the first of those rows has.

    Of numbers that no row has, what `repeat_chosen` puts there; of arrays, what they are.
    """
    kept = x.shape[mask.ndim :]
    flat, chosen = x.reshape((mask.size, *kept)), mask.reshape((mask.size,) + (1,) * len(kept))
    if kept and not mask.any():
        return x.copy()
    return repeat_chosen.eval(xp, flat, chosen, axis=-1 - len(kept)).reshape(x.shape)


repeat_taken.def_facts(work=each)


@repeat_taken.def_vmap
def _repeat_taken_vmap(size: int, mapped: Sequence[bool], x: Any, mask: Any) -> Any:
    return repeat_taken(spread(size, mapped[0], x), spread(size, mapped[1], mask))


def _if_taken(g: Any, x: Any, mask: Any) -> Any:
    return np.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), g, 0)


repeat_taken.def_vjp(lambda g, out, x, mask: match(_if_taken(g, x, mask), x), None)
repeat_taken.def_jvp(lambda tangents, out, x, mask: _if_taken(tangents[0], x, mask))


@trailing(work=per_input(1))
def extremum_of_chosen(xp: Any, x: Any, mask: Any, *, largest: bool) -> Any:
    """The largest or smallest element that `mask` chooses along the last axis; an error where it chooses none."""
    if not mask.any(-1).all():
        raise ValueError(NONE_LEFT.format("maximum" if largest else "minimum"))
    y = xp.where(mask, x, _beyond(x.dtype, largest))
    return y.max(-1) if largest else y.min(-1)


NONE_LEFT = "zero-size array to reduction operation {} which has no identity"
"""What NumPy says."""


def _beyond(dtype: Any, largest: bool) -> Any:
    """What no element of `dtype` is less than, or greater than."""
    if dtype.kind in "fc":
        return dtype.type(-np.inf if largest else np.inf) * (dtype.type(1 + 1j) if dtype.kind == "c" else 1)
    if dtype.kind == "b":
        return np.bool_(not largest)
    return dtype.type(np.iinfo(dtype).min if largest else np.iinfo(dtype).max)


def _ties(out: Any, x: Any, mask: Any) -> tuple[Any, Any]:
    """Where chosen elements attain the extremum `out`, and how many do; NaN of an extremum that is NaN."""
    tied = np.equal(x, out.reshape((*out.shape, 1))) & mask
    count = reduce_sum(tied.astype(x.dtype), axis=(-1,), keepdims=True)
    return tied, np.where(count == 0, np.nan, count)


def _extremum_vjp(g: Any, out: Any, x: Any, mask: Any, *, largest: bool) -> Any:
    tied, count = _ties(out, x, mask)
    return match(np.where(tied, g.reshape((*g.shape, 1)) / count, np.where(mask, 0 * count, 0)), x)


extremum_of_chosen.def_vjp(_extremum_vjp, None)


@extremum_of_chosen.def_jvp
def _extremum_jvp(tangents: Sequence[Any], out: Any, x: Any, mask: Any, *, largest: bool) -> Any:
    tied, count = _ties(out, x, mask)
    return reduce_sum(np.where(tied, tangents[0], 0) / count, axis=(-1,), keepdims=False)


@trailing(work=per_input(1), zero_derivative=True)
def place_chosen(xp: Any, mask: Any, *, k: int, reducing: str = "") -> Any:
    """The place of the `k`-th element that `mask` chooses along its last axis, counted from the end if `k < 0`.

    If there is none, the error is that of an index, or of what is said to be `reducing`.
    """
    count = xp.count_nonzero(mask, -1)
    if not (count > (k if k >= 0 else -1 - k)).all():
        raise ValueError(reducing) if reducing else IndexError(f"index {k} is out of bounds for axis 0")
    if k < 0:
        return mask.shape[-1] - 1 - place_chosen.eval(xp, mask[..., ::-1], k=-1 - k)
    return xp.argmax(mask & (xp.cumsum(mask, -1) == k + 1), -1)


# Where all are, if rows choose as many.


def places(mask: Any) -> tuple[Any, ...] | None:
    """Where a traced mask is true, an array per axis; None if that are not as many for all who go on from here."""
    flat = mask.reshape(-1)
    count = np.count_nonzero(flat)
    known = count._asked("index", "one int") if isinstance(count, Tracer) else count
    if known is None:
        return None
    first = np.argsort(~flat, stable=True)[: int(known)]
    return (first,) if len(mask.shape) == 1 else tuple(np.unravel_index(first, mask.shape))


def unknown_count(call: str, mask: Any) -> VmapcoreError:
    """The error for asking for the length of what `call` made by a mask that differs between the examples."""
    fact = f"the mask {describe(mask)} {mask.differs}, and so would the number of elements it chooses"
    remedy = "Use np.where(mask, x, other), or where= of reductions"
    if call not in (CALL, SLICE):
        fact, remedy = (
            f"the length of its result {mask.differs}",
            f"Use {call}(..., size=n) of vmapcore.numpy",
        )
    if call == SLICE:
        fact = f"a slice from or to a value that {mask.differs}, and its length might differ too"
        remedy = "Index with start + np.arange(length), or use np.where with a mask"
    allowed = "what is chosen may be written back, reduced, and used element by element, but its length is not known"
    kind = IndexingError if call in (CALL, SLICE) else ConcretizationError
    return refuse(mask._trace, call, fact, allowed, remedy + mask.apart, kind)


# What only some rows can do.


def require(fine: Any, error: Exception, call: str) -> None:
    """Raises `error` where `fine`, traced, is false for all for whom the function goes on; rows that differ are asked.

    Where nobody can be asked, it is an error that no function can catch and go on from. In other calls of a plan, it is
    the operation that needs it who raises.
    """
    fine = at_end(fine)
    values = on_host(innermost(fine))
    if values.all():
        return
    answer = fine._asked(BOOL, TRUTH) if isinstance(fine, Tracer) else fine
    if answer is None and (values.any() or is_recorded(fine)):
        fact = f"NumPy raises for some of the examples and not for others ({error}), at {callers_line()}"
        raise refuse(fine._trace, call, fact, "", f"Use where= and initial=, or np.where{fine.apart}")
    if answer is None or not on_host(innermost(answer)).all():
        raise error


def agreed(x: Any) -> bool:
    """`bool(x)`, and no question where it is the same for all; of what is recorded a question, unless it is false."""
    values = on_host(innermost(x))
    if not values.any():
        return False
    return True if values.all() and values.size and not is_recorded(x) else bool(x)


def is_recorded(x: Any) -> bool:
    """Whether `x` is a value of which other calls have others."""
    while isinstance(x, Tracer):
        trace: Trace = x._trace
        if trace.records:
            return True
        x = x.value
    return False
