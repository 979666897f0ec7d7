"""The functions of `scipy.integrate` that integrate samples, as NumPy code."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..rules.calculus import trapezoid
from ..rules.casts import inexact
from ..rules.creation import asarray


def _last(x: Any, axis: int) -> Any:
    """An array with an axis moved to the end."""
    return np.moveaxis(x, axis, -1)


def _steps(call: str, y: Any, x: Any, dx: Any, axis: int) -> Any:
    """The distances of samples, along the last axis of `y`."""
    count = y.shape[-1]
    if x is None:
        dx = asarray(dx)
        return np.broadcast_to(dx if not dx.shape else _last(dx, axis), (*y.shape[:-1], max(count - 1, 0)))
    x = asarray(x)
    d = np.diff(x) if len(x.shape) == 1 else np.diff(_last(x, axis))
    if d.shape[-1] + 1 != count:
        raise ShapeError(call, f"x is {describe(x)}", f"y has {count} samples along the axis")
    return d


def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    if initial is not None and (np.ndim(initial) or initial != 0):
        raise OptionError("scipy.integrate.cumulative_trapezoid", f"initial is {initial!r}", "it must be 0 or None")
    y = _last(inexact(asarray(y)), axis)
    d = _steps("scipy.integrate.cumulative_trapezoid", y, x, dx, axis)
    found = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    if initial is not None:
        found = np.concatenate([np.zeros_like(found, shape=(*found.shape[:-1], 1)), found], axis=-1)
    return np.moveaxis(found, -1, axis)


def _simpson_pairs(y: Any, h: Any) -> Any:
    """By Simpson's rule, over an even number of steps."""
    h0, h1 = h[..., :-1:2], h[..., 1::2]
    y0, y1, y2 = y[..., :-2:2], y[..., 1:-1:2], y[..., 2::2]
    both, ratio = h0 + h1, _over(h0, h1)
    terms = y0 * (2 - _over(1.0, ratio)) + y1 * both * _over(both, h0 * h1) + y2 * (2 - ratio)
    return np.sum(both / 6 * terms, axis=-1)


def _over(x: Any, y: Any) -> Any:
    """`x / y`, which is 0 where `y` is."""
    zero = y == 0
    return np.where(zero, 0, x / np.where(zero, 1, y))


def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """Of an even number of samples, the last step is Cartwright's (Journal of Mathematical Sciences, 2017)."""
    y = _last(inexact(asarray(y)), axis)
    h = _steps("scipy.integrate.simpson", y, x, dx, axis)
    count = y.shape[-1]
    if count % 2:
        return _simpson_pairs(y, h)
    if count == 2:
        return h[..., 0] * (y[..., 0] + y[..., 1]) / 2
    h0, h1 = h[..., -2], h[..., -1]
    last = _over(2 * h1**2 + 3 * h0 * h1, 6 * (h1 + h0)) * y[..., -1]
    last = last + _over(h1**2 + 3 * h0 * h1, 6 * h0) * y[..., -2] - _over(h1**3, 6 * h0 * (h0 + h1)) * y[..., -3]
    return _simpson_pairs(y[..., :-1], h[..., :-1]) + last


def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    y = _last(inexact(asarray(y)), axis)
    h = _steps("scipy.integrate.cumulative_simpson", y, x, dx, axis)
    if y.shape[-1] < 3:
        found = np.cumsum(h * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    else:
        first = _simpson_first(y, h)
        second = _simpson_first(y[..., ::-1], h[..., ::-1])[..., ::-1]
        steps = np.arange(y.shape[-1] - 1)  # of a pair the first; the last of all where it has no second
        is_first = (steps % 2 == 0) & (steps < len(steps) - 1)
        firsts = np.concatenate([first, first[..., -1:]], axis=-1)
        seconds = np.concatenate([second[..., :1], second], axis=-1)
        found = np.cumsum(np.where(is_first, firsts, seconds), axis=-1)
    if initial is not None:
        initial = asarray(initial)
        initial = _last(initial, axis) if initial.shape else np.broadcast_to(initial, (*found.shape[:-1], 1))
        found = np.concatenate([initial, found + initial], axis=-1)
    return np.moveaxis(found, -1, axis)


def _simpson_first(y: Any, h: Any) -> Any:
    """Over the first step of each pair."""
    h0, h1 = h[..., :-1], h[..., 1:]
    part = h0 / (h0 + h1)
    more = part * h0 / h1
    return h0 / 6 * ((3 - part) * y[..., :-2] + (3 + more + part) * y[..., 1:-1] - more * y[..., 2:])


def romb(y: Any, dx: Any = 1.0, axis: int = -1) -> Any:
    y = _last(inexact(asarray(y)), axis)
    steps = y.shape[-1] - 1
    if steps < 1 or steps & (steps - 1):
        raise ShapeError(
            "scipy.integrate.romb", f"there are {steps + 1} samples", "one more than a power of 2 is needed"
        )
    h = steps * asarray(dx)
    row = [(y[..., 0] + y[..., -1]) / 2 * h]
    while steps > 1:
        new = [0.5 * (row[0] + h * np.sum(y[..., steps // 2 :: steps], axis=-1))]
        for j, before in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - before) / (4**j - 1))
        row, steps, h = new, steps // 2, h / 2
    return row[-1]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "trapezoid": trapezoid,
    "simpson": simpson,
    "cumulative_trapezoid": cumulative_trapezoid,
    "cumulative_simpson": cumulative_simpson,
    "romb": romb,
}
