"""Differences, gradients and integrals of sampled functions, interpolation, 1-d convolution.

Plain functions but for `slide`, the product of a sequence with another at every place where it fits in; that batches as
itself and is its own derivative.
"""

from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError
from ..numpy_protocol import implements
from ._families import as_scalar, bilinear, match, operand, trailing
from ._ints import as_int, last_axis, named_axes
from ._work import SUMMAND, complexes
from .cumulative import along, converted
from .searching import search
from .sorting import argsort_along, gather_along

# Differences and integrals.


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    n = as_int("np.diff", "n", n)
    if n < 0:
        raise OptionError("np.diff", f"n is {n}", "it must be 0 or more")
    x = operand(a)
    if not x.shape:
        raise ShapeError("np.diff", "the array has no axis", "it needs one")
    if n == 0:
        return x
    last = last_axis(axis, len(x.shape), "np.diff")
    parts = [operand(v) for v in (prepend, x, append) if v is not None]
    if len(parts) > 1:
        one = (*x.shape[:last], 1, *x.shape[last:][1:])  # a number is one element everywhere
        x = np.concatenate([v if v.shape else np.broadcast_to(v, one) for v in parts], last)
    for _ in range(n):
        after, before = x[along(last, 1, None)], x[along(last, None, -1)]
        x = after != before if x.dtype == bool else after - before
    return x


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = operand(ary).reshape(-1)
    ends = [
        None if v is None else operand(v).reshape(-1).astype(x.dtype, casting="same_kind") for v in (to_begin, to_end)
    ]
    steps = x[1:] - x[:-1]
    parts = [v for v in (ends[0], steps, ends[1]) if v is not None]
    return np.concatenate(parts) if len(parts) > 1 else steps


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = operand(y)
    last = last_axis(axis, len(y.shape), "np.trapezoid")
    width = dx
    if x is not None:
        x = operand(x)
        width = diff(x).reshape((-1,) + (1,) * (-1 - last)) if len(x.shape) == 1 else diff(x, axis=last)
    return (width * (y[along(last, 1, None)] + y[along(last, None, -1)]) / 2.0).sum(last)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = operand(f)
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    named = named_axes(axis, len(x.shape), "np.gradient")
    if len(varargs) not in (0, 1, len(named)):
        raise OptionError("np.gradient", f"got {len(varargs)} spacings for {len(named)} axes", "one, or one for each")
    if edge_order not in (1, 2):
        raise OptionError("np.gradient", f"edge_order is {edge_order!r}", "it must be 1 or 2")
    if len(varargs) == 1 and len(named) > 1 and np.ndim(varargs[0]):
        raise OptionError("np.gradient", f"got coordinates of one axis for {len(named)} axes", "", "Give them for each")
    spacings = varargs * len(named) if len(varargs) == 1 else varargs or (1.0,) * len(named)
    results = [_gradient(x, h, a, edge_order) for a, h in zip(named, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _gradient(x: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside, one-sided ones of order `edge_order` at the ends."""
    n = x.shape[axis]
    if n < edge_order + 1:
        raise ShapeError("np.gradient", f"there are {n} elements along an axis", f"it needs {edge_order + 1}")
    steps = _steps(operand(spacing), n, axis) if np.ndim(spacing) else None

    def at(start: int, stop: int | None) -> Any:
        return x[along(axis, start, stop)]

    def step(start: int, stop: int | None) -> Any:
        return spacing if steps is None else steps[along(axis, start, stop)]

    if steps is None:
        inner = (at(2, None) - at(0, -2)) / (2.0 * spacing)
    else:
        left, right = step(0, -1), step(1, None)
        weights = -right / (left * (left + right)), (right - left) / (left * right), left / (right * (left + right))
        inner = weights[0] * at(0, -2) + weights[1] * at(1, -1) + weights[2] * at(2, None)
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / step(0, 1), (at(-1, None) - at(-2, -1)) / step(-1, None)
    else:
        first = _edge(at(0, 1), at(1, 2), at(2, 3), step(0, 1), step(1, 2))
        last = -_edge(at(-1, None), at(-2, -1), at(-3, -2), step(-1, None), step(-2, -1))
    return converted(np.concatenate((first, inner, last), axis), x.dtype)


def _edge(f0: Any, f1: Any, f2: Any, h: Any, k: Any) -> Any:
    """The derivative at the first of three points, `h` and `k` apart, exact for parabolas."""
    return (-(2.0 * h + k) / (h * (h + k))) * f0 + ((h + k) / (h * k)) * f1 - (h / (k * (h + k))) * f2


def _steps(coordinates: Any, n: int, axis: int) -> Any:
    if coordinates.shape != (n,):
        raise ShapeError("np.gradient", f"coordinates have shape {coordinates.shape}", f"the axis has {n} elements")
    coordinates = coordinates if coordinates.dtype.kind in "fc" else coordinates.astype(np.float64)
    return diff(coordinates).reshape((-1,) + (1,) * (-1 - axis))


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    x = operand(p)
    last = last_axis(axis, len(x.shape), "np.unwrap")
    step = diff(x, axis=last)
    dtype = np.result_type(step, period)
    half, odd = divmod(period, 2) if dtype.kind in "iu" else (period / 2, False)
    wrapped = np.mod(step + half, period) - half
    if not odd:  # a step of half a period keeps its sign
        wrapped = np.where((wrapped == -half) & (step > 0), half, wrapped)
    moved = np.where(np.abs(step) < (period / 2 if discont is None else discont), 0, wrapped - step)
    rest = x[along(last, 1, None)] + np.cumsum(moved, last)
    return np.concatenate((converted(x[along(last, None, 1)], dtype), converted(rest, dtype)), last)


# Interpolation and polynomials.


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, points, values = converted(x, np.float64), converted(xp, np.float64), operand(fp)
    values = converted(values, np.complex128 if values.dtype.kind == "c" else np.float64)
    if len(points.shape) != 1 or points.shape != values.shape or not points.shape[0]:
        fact = f"xp has shape {points.shape}, fp {values.shape}"
        raise ShapeError("np.interp", fact, "both need one axis, of one length")
    if period is not None:
        left = right = None
        x, points, values = _wrapped(x, points, values, abs(period))
    flat, last = x.reshape(-1), points.shape[0] - 1
    i = np.clip(search(points, flat, side="right") - 1, 0, max(last - 1, 0))
    x0, f0 = (gather_along(v, i, axis=-1, unique=False) for v in (points, values))
    x1, f1 = (gather_along(v, np.minimum(i + 1, last), axis=-1, unique=False) for v in (points, values))
    step = x1 - x0
    result = (f1 - f0) / np.where(step == 0, 1, step) * (flat - x0) + f0 if last else f0
    result = np.where(flat >= points[-1:], values[-1:], result)
    result = np.where(flat < points[:1], values[:1] if left is None else left, result)
    if right is not None:
        result = np.where(flat > points[-1:], right, result)
    return as_scalar(result.reshape(x.shape))


def _wrapped(x: Any, points: Any, values: Any, period: Any) -> tuple[Any, Any, Any]:
    """All of one period, with a neighbour from the periods beside it at either end."""
    points = points % period
    order = argsort_along(points, axis=-1, stable=False)
    points, values = (gather_along(v, order, axis=-1, unique=True) for v in (points, values))
    points = np.concatenate((points[-1:] - period, points, points[:1] + period))
    return x % period, points, np.concatenate((values[-1:], values, values[:1]))


# Convolution.


def _slide_work(ins: Any, outs: Any) -> float:
    """Every element of the result sums over the shorter sequence."""
    return SUMMAND[complexes(ins)] * outs[0].size * ins[1].shape[-1]


@trailing(work=_slide_work)
def slide(xp: Any, a: Any, v: Any) -> Any:
    """`out[k] = sum(a[k + j] * v[j])` along the last axes, for every k that keeps within the longer `a`."""
    taps = v.shape[-1]
    places = a.shape[-1] - taps + 1
    if v.ndim == 1 and taps <= places:  # a sequence of sequences is one, but for what lies across the seams
        a = xp.ascontiguousarray(a)
        joined = xp.convolve(a.reshape(-1), v[::-1])[taps - 1 :] if a.size else a.astype(xp.result_type(a, v))
        return joined.reshape(a.shape)[..., :places]
    windows = xp.lib.stride_tricks.as_strided(a, (*a.shape[:-1], places, taps), (*a.strides, a.strides[-1]))
    return xp.matmul(windows, v[..., None])[..., 0]


bilinear(
    slide,
    lambda g, out, a, v: match(slide(_padded(g, v.shape[-1] - 1, v.shape[-1] - 1), v[..., ::-1]), a),
    lambda g, out, a, v: match(slide(a, g), v),
)


def _padded(x: Any, before: int, after: int) -> Any:
    return np.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(before, after)]) if before or after else x


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = (_sequence("np.convolve", x) for x in (a, v))
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return slide(_in_mode("np.convolve", a, v, mode), v[::-1])


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = _sequence("np.correlate", a), np.conjugate(_sequence("np.correlate", v))
    if v.shape[0] > a.shape[0]:
        return slide(_in_mode("np.correlate", v, a, mode), a)[::-1]
    return slide(_in_mode("np.correlate", a, v, mode), v)


def _sequence(call: str, x: Any) -> Any:
    x = operand(x)
    if len(x.shape) > 1 or x.shape == (0,):
        raise ShapeError(call, f"an array has shape {x.shape}", "it must have one axis, not empty")
    return x.reshape(1) if not x.shape else x


def _in_mode(call: str, a: Any, v: Any, mode: str) -> Any:
    """The longer sequence `a` with the zeros around it that `mode` asks for."""
    n = v.shape[0]
    ends = {"full": (n - 1, n - 1), "same": (n // 2, n - 1 - n // 2), "valid": (0, 0)}
    if mode not in ends:
        raise OptionError(call, f"mode is {mode!r}", f"it must be one of {', '.join(ends)}")
    return _padded(a, *ends[mode])
