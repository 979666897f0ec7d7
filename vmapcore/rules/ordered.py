"""`reduce`, `accumulate`, `reduceat` and `at` of any ufunc of two arguments, one number after the other.

What combines numbers in any grouping has quicker ways: `folds.py`, `reductions.py`, `cumulative.py`, `at.py`. The
derivative of a running result is a linear recurrence, with the ufunc's partial derivatives for coefficients.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError, OptionError
from ..evals.reductions import kept_shape
from ..numpy_protocol import NUMPY
from ._families import into, match, operand, trailing
from ._ints import last_axes
from ._work import each, per_input
from .cumulative import along, previous, recurrence, single_axis
from .folds import in_loop_dtype
from .indexing import getitem
from .joining import flat
from .reductions import masked, others
from .ufuncs import bounded, length_of

# All, and all up to each.


@trailing(work=per_input(1))
def scan_in_order(xp: Any, x: Any, *, ufunc: Any, axis: int, dtype: Any) -> Any:
    """What `ufunc` makes of everything up to each position along `axis`."""
    return on(xp, ufunc).accumulate(x.copy(), axis, dtype)


@trailing(work=per_input(1))
def fold_in_order(xp: Any, x: Any, *, ufunc: Any, axis: tuple[int, ...], dtype: Any, keepdims: bool) -> Any:
    """What `ufunc` makes of everything along `axis`.

    It is the last of what runs, as NumPy's `reduce` of one contiguous line has wrong numbers for `arctan2` and `power`.
    """
    if len(axis) == 1 and x.shape[axis[0]]:
        last = on(xp, ufunc).accumulate(x.copy(), axis[0], dtype)[along(axis[0], -1, None)]
        return last if keepdims else last.squeeze(axis[0])
    return on(xp, ufunc).reduce(x, axis, dtype, keepdims=keepdims)


def on(xp: Any, ufunc: Any) -> Any:
    """The ufunc of the library `xp`."""
    return ufunc if xp is np else getattr(xp, ufunc.__name__)


def _coefficients(out: Any, x: Any, ufunc: Any, axis: int) -> tuple[Any, Any]:
    """By how much a running result moves with the one before it and with its own element, which the first one is."""
    x = x.astype(out.dtype)
    before, later = out[along(axis, None, -1)], (x[along(axis, 1, None)], out[along(axis, 1, None)])
    slopes = _slopes(ufunc, later[1], before, later[0])
    first = x[along(axis, None, 1)]
    return tuple(  # type: ignore[return-value]
        [np.concatenate([np.full_like(first, start), s], axis) for start, s in zip((0, 1), slopes, strict=True)]
    )


def _slopes(ufunc: Any, out: Any, x: Any, y: Any) -> list[Any]:
    """The partial derivatives of an elementwise operation."""
    vjps = getattr(NUMPY.get(ufunc), "vjps", ())
    if vjps == ():
        raise MissingRuleError(f"np.{ufunc.__name__}", "has no derivative", "", "Write the loop with what has one")
    one, none = np.ones_like(out), np.zeros_like(out)
    return [none if vjps is None or vjp is None else vjp(one, out, x, y) for vjp in (vjps or (None, None))]


def _scan_vjp(g: Any, out: Any, x: Any, *, ufunc: Any, axis: int, dtype: Any) -> Any:
    a, b = _coefficients(out, x, ufunc, axis)
    following = previous(a, axis=axis, reverse=True, fill=0)
    return match(recurrence(following, g, axis=axis, reverse=True) * b, x)


def _scan_jvp(tangents: Sequence[Any], out: Any, x: Any, *, ufunc: Any, axis: int, dtype: Any) -> Any:
    a, b = _coefficients(out, x, ufunc, axis)
    return recurrence(a, b * tangents[0], axis=axis, reverse=False)


scan_in_order.def_vjp(_scan_vjp)
scan_in_order.def_jvp(_scan_jvp)


def _running(x: Any, ufunc: Any, axis: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    """The parameters and results of the scan whose last is a fold."""
    if len(axis) != 1:
        raise MissingRuleError(f"np.{ufunc.__name__}.reduce", f"has no derivative over the axes {axis}")
    params = {"ufunc": ufunc, "axis": axis[0], "dtype": dtype}
    return {"out": scan_in_order(x, **params), "params": params}


@fold_in_order.def_vjp
def fold_vjp(g: Any, out: Any, x: Any, *, ufunc: Any, axis: Any, dtype: Any, keepdims: bool) -> Any:
    run, at = _running(x, ufunc, axis, dtype), axis[0]
    last = g.reshape(kept_shape(x.shape, axis))
    before = np.zeros_like(last, shape=run["out"][along(at, None, -1)].shape)
    return _scan_vjp(np.concatenate([before, last], at), run["out"], x, **run["params"])


@fold_in_order.def_jvp
def fold_jvp(tangents: Any, out: Any, x: Any, *, ufunc: Any, axis: Any, dtype: Any, keepdims: bool) -> Any:
    run = _running(x, ufunc, axis, dtype)
    return _scan_jvp(tangents, run["out"], x, **run["params"])[along(axis[0], -1, None)].reshape(out.shape)


def reduce(
    ufunc: Any,
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    call = f"np.{ufunc.__name__}.reduce"
    x = in_loop_dtype(call, ufunc, a, dtype)
    axes = last_axes(axis, len(x.shape), call)
    if len(axes) > 1 and ufunc.identity is None:
        raise OptionError(call, f"axis is {axis}", "it goes along one axis, as its order matters")
    if where is not True and ufunc.identity is None:
        raise OptionError(call, "got where= with a tracer", f"np.{ufunc.__name__} has no identity")
    x = masked(call, x, where, ufunc.identity)
    if initial is not None and len(axes) != 1:
        raise OptionError(call, "got initial= with several axes", "it comes before the elements of one")
    if initial is not None:
        first = np.broadcast_to(operand(initial).astype(x.dtype), kept_shape(x.shape, axes))
        x = np.concatenate([first, x], axes[0])
    return into(call, out, fold_in_order(x, ufunc=ufunc, axis=axes, dtype=_name(dtype), keepdims=bool(keepdims)))


def accumulate(ufunc: Any, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    call = f"np.{ufunc.__name__}.accumulate"
    x, last = single_axis(in_loop_dtype(call, ufunc, a, dtype), axis, call)
    return into(call, out, scan_in_order(x, ufunc=ufunc, axis=last, dtype=_name(dtype)))


def _name(dtype: Any) -> Any:
    return None if dtype is None else np.dtype(dtype).str


# Pieces.


@trailing(work=per_input(1))
def fold_pieces(xp: Any, x: Any, starts: Any, *, ufunc: Any, dtype: Any) -> Any:
    """What `ufunc` makes of the elements from each of `starts` to the next, or of one where the next is not greater."""
    fold = on(xp, ufunc).reduceat
    n, m = x.shape[-1], starts.shape[-1]
    if starts.size and not (starts.min() >= 0 and starts.max() < n):
        raise IndexError(f"an index of reduceat is out of bounds for an axis of size {n}")
    lead = np.broadcast_shapes(x.shape[:-1], starts.shape[:-1])
    if starts.ndim == 1 or not m:
        out = fold(x.copy(), starts.reshape(-1)[:m], -1, dtype)
        return out if out.shape == (*lead, m) else xp.empty((*lead, 0), out.dtype)
    x, starts = (xp.broadcast_to(v, (*lead, v.shape[-1])).reshape(-1, v.shape[-1]) for v in (x, starts))
    rows = xp.arange(len(x))[:, None] * (n + 1)
    # rows one after the other, with an element between them, where the last piece of each ends
    line = xp.concatenate([x, x[:, :1]], -1).reshape(-1)
    ends = xp.concatenate([starts + rows, rows + n], -1).reshape(-1)
    return fold(line, ends, 0, dtype).reshape(len(x), m + 1)[:, :m].reshape(*lead, m)


def _tied(values: Any, out: Any, within: Any) -> Any:
    """The share of each element in an extremum."""
    tied = np.equal(values, out) & within
    count = np.count_nonzero(tied, axis=-1, keepdims=True)
    return np.where(tied, 1 / np.where(count == 0, np.nan, count), np.where(count == 0, np.nan, 0))


PIECES: dict[Any, Callable[[Any, Any, Any], Any]] = {
    np.add: lambda x, out, within: np.ones_like(x),
    np.multiply: lambda x, out, within: others(np.where(within, x, 1), -1),
    np.maximum: _tied,
    np.minimum: _tied,
    np.fmax: _tied,
    np.fmin: _tied,
    np.logaddexp: lambda x, out, within: np.exp(np.where(within, x - bounded(out), 0)),
    np.hypot: lambda x, out, within: x / length_of(out),
}
"""By how much the result of a piece moves with each of its elements."""


def _moves(out: Any, x: Any, starts: Any, ufunc: Any) -> Any:
    """The derivative of each piece by each element."""
    if ufunc not in PIECES:
        name = f"np.{ufunc.__name__}.reduceat"
        raise MissingRuleError(name, "has no derivative", f"those of {', '.join(u.__name__ for u in PIECES)} have")
    n = x.shape[-1]
    after = np.concatenate([starts[..., 1:], np.full_like(starts[..., :1], n)], -1)
    ends = np.where(after > starts, after, starts + 1)
    element = np.arange(n)
    within = (element >= starts[..., None]) & (element < ends[..., None])
    x = np.broadcast_to(x[..., None, :].astype(out.dtype), (*out.shape, n))
    return np.where(within, PIECES[ufunc](x, out[..., None], within), 0).astype(out.dtype)


@fold_pieces.def_jvp
def pieces_jvp(tangents: Any, out: Any, x: Any, starts: Any, *, ufunc: Any, dtype: Any) -> Any:
    return (_moves(out, x, starts, ufunc) * tangents[0][..., None, :]).sum(-1)


fold_pieces.def_vjp(
    lambda g, out, x, starts, *, ufunc, dtype: match((_moves(out, x, starts, ufunc) * g[..., None]).sum(-2), x), None
)


def reduceat(ufunc: Any, a: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    call = f"np.{ufunc.__name__}.reduceat"
    x, last = single_axis(in_loop_dtype(call, ufunc, a, dtype), axis, call)
    starts = operand(indices)
    starts = starts if starts.size else starts.astype(np.intp)
    if len(starts.shape) != 1 or starts.dtype.kind not in "iu":
        raise OptionError(
            call, f"indices is an array of {starts.dtype} of shape {starts.shape}", "it must be 1-d, of ints"
        )
    result = fold_pieces(np.moveaxis(x, last, -1), starts, ufunc=ufunc, dtype=_name(dtype))
    return into(call, out, np.moveaxis(result, -1, last))


# Updates.


@trailing(work=each)
def update_in_order(xp: Any, x: Any, v: Any, places: Any, *, ufunc: Any) -> Any:
    """A copy of the lines `x`, updated by `ufunc` with each of `v` in turn at its place."""
    lead = np.broadcast_shapes(x.shape[:-1], v.shape[:-1], places.shape[:-1])
    n = x.shape[-1]
    if not v.shape[-1] or not n:
        return xp.broadcast_to(x, (*lead, n)).copy()
    y, v, places = (xp.broadcast_to(u, (*lead, u.shape[-1])).reshape(-1, u.shape[-1]) for u in (x, v, places))
    y = y.copy()
    on(xp, ufunc).at(y.reshape(-1), (places + n * xp.arange(len(y))[:, None]).reshape(-1), v.reshape(-1))
    return y.reshape(*lead, n)


def _no_derivative(*args: Any, ufunc: Any) -> Any:
    raise MissingRuleError(f"np.{ufunc.__name__}.at", "has no derivative", "", "Write the loop over x[i]")


update_in_order.def_vjp(_no_derivative, _no_derivative, None)
update_in_order.def_jvp(_no_derivative)


def at(ufunc: Any, a: Any, indices: Any, b: Any) -> None:
    x = operand(a)
    places = getitem(np.arange(x.size).reshape(x.shape), indices)
    values = np.broadcast_to(operand(b), np.shape(places))
    new = update_in_order(flat(x), flat(values), flat(operand(places)), ufunc=ufunc)
    into(f"np.{ufunc.__name__}.at", a, new.reshape(x.shape))


NUMPY.update({"reduce": reduce, "accumulate": accumulate, "reduceat": reduceat, "at": at})
