"""np.pad, mode by mode, as functions: positions known beforehand, statistics, ramps. Zero padding is a primitive."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, OptionError, ShapeError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import operand
from ._ints import as_ints, last_axis
from .creation import as_array, linspace
from .joining import concatenate, cut, pad
from .layout import broadcast_to, copy, flip, moveaxis
from .repeating import gather

GATHERED = ("edge", "reflect", "symmetric", "wrap")
STATISTICS: dict[str, Callable[..., Any]] = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}
OPTIONS = {
    "constant": "constant_values",
    "linear_ramp": "end_values",
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
    **dict.fromkeys(STATISTICS, "stat_length"),
}


@implements(np.pad)
def pad_(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """`np.pad`; what mode "empty" leaves undefined is zero."""
    x = operand(array)
    if mode not in ("constant", "empty", "linear_ramp", *GATHERED, *STATISTICS):
        allowed = "functions and unknown names cannot be traced"
        raise ArgumentError("np.pad", f"mode is {mode!r}", allowed, "Join the parts with np.concatenate")
    unknown = set(kwargs) - {OPTIONS.get(mode, "")}
    if unknown:
        fact = f"got {', '.join(sorted(unknown))} with mode {mode!r}"
        raise ArgumentError("np.pad", fact, f"it takes {OPTIONS.get(mode, 'no option')}")
    widths = _widths(pad_width, len(x.shape))
    option: Any = kwargs.get(OPTIONS.get(mode, ""))
    if "reflect_type" in kwargs and option not in ("even", "odd"):
        raise OptionError("np.pad", f"reflect_type is {option!r}", "it must be 'even' or 'odd'")
    is_number = not isinstance(option, (Tracer, list, tuple)) and np.ndim(option) == 0
    if mode == "empty" or (mode == "constant" and is_number):
        value = 0 if option is None else option.item() if hasattr(option, "item") else option
        return pad(x, widths=tuple([(before, after, 0) for before, after in widths]), value=value)
    sides: Callable[..., Any] = SIDES.get(mode, _statistics)
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        if not x.shape[axis] and mode != "constant":
            raise ShapeError("np.pad", f"axis {axis} of {describe(x)} is empty", f"mode {mode!r} takes values from it")
        if mode in GATHERED and option in (None, "even"):
            x = gather(x, np.pad(np.arange(x.shape[axis]), (before, after), mode=mode), axis)
        elif mode in GATHERED:
            x = _odd(mode, x, axis - len(x.shape), before, after)
        else:
            x = concatenate(*sides(mode, x, axis, before, after, option), axis=axis - len(x.shape))
    return x if any(map(any, widths)) else copy(x)


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """How much to put before and after each axis."""
    if isinstance(pad_width, dict):
        every = {last_axis(axis, ndim, "np.pad"): width for axis, width in pad_width.items()}
        return [_widths(every.get(axis, 0), 1)[0] for axis in range(-ndim, 0)]
    pairs: Any
    try:
        pairs = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    except ValueError:
        raise ShapeError("np.pad", f"pad_width is {pad_width!r}", f"it must broadcast to shape ({ndim}, 2)") from None
    widths = [(before, after) for before, after in (as_ints("np.pad", "pad_width", pair) for pair in pairs)]
    if any(min(pair) < 0 for pair in widths):
        raise ShapeError("np.pad", f"pad_width is {pad_width!r}", "it must not be negative")
    return widths


def _odd(mode: Any, x: Any, axis: int, before: int, after: int) -> Any:
    """`x` reflected at the points at its ends, again and again as in NumPy, until there is enough."""
    n, apart = x.shape[axis], int(mode == "reflect")
    while before or after:
        length = x.shape[axis]
        whole = (length - apart) // (n - apart) * (n - apart) if n > 1 else 0
        if not whole:
            return gather(x, np.pad(np.arange(length), (before, after), mode="edge"), axis)
        counts = min(whole, before), min(whole, after)
        starts = apart, length - apart - counts[1]
        sides = [cut(x, axis=axis, start=i, stop=i + m) for i, m in zip(starts, counts, strict=True)]
        edges = [cut(x, axis=axis, start=i, stop=i + 1) for i in (0, length - 1)]
        first, last = (NUMPY["cast"](2 * e - flip(s, axes=(axis,)), x.dtype) for e, s in zip(edges, sides, strict=True))
        x, before, after = concatenate(first, x, last, axis=axis), before - counts[0], after - counts[1]
    return x


def _side(x: Any, axis: int, count: int, value: Any) -> Any:
    """`value`, which may have length 1 along `axis`, as `count` elements of `x` along it."""
    return broadcast_to(NUMPY["cast"](value, x.dtype), shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))


def _pair(x: Any, option: Any, axis: int) -> tuple[Any, Any]:
    """The two values that a nested option of `np.pad` has for `axis`."""
    table = np.broadcast_to(as_array(option, x), (len(x.shape), 2))
    return table[axis, 0], table[axis, 1]


def _constants(mode: str, x: Any, axis: int, before: int, after: int, option: Any) -> Any:
    first, last = _pair(x, option, axis)
    return _side(x, axis, before, first), x, _side(x, axis, after, last)


def _ramps(mode: str, x: Any, axis: int, before: int, after: int, option: Any) -> Any:
    ends = _pair(x, 0 if option is None else option, axis)
    parts = []
    for end, edge, count in zip(ends, (0, x.shape[axis] - 1), (before, after), strict=True):
        ramp = linspace(end, np.take(x, edge, axis=axis), num=count, endpoint=False)
        ramp = np.floor(ramp) if x.dtype.kind in "iu" else ramp
        parts.append(_side(x, axis, count, moveaxis(ramp, -1, axis)))
    return parts[0], x, flip(parts[1], axes=(axis - len(x.shape),))


def _statistics(mode: str, x: Any, axis: int, before: int, after: int, option: Any) -> Any:
    n = x.shape[axis]
    lengths = [n, n] if option is None else [min(v, n) for v in _widths(option, len(x.shape))[axis]]
    parts = []
    for start, stop, count in ((0, lengths[0], before), (n - lengths[1], n, after)):
        part = cut(x, axis=axis - len(x.shape), start=start, stop=stop)
        value = STATISTICS[mode](part, axis=axis, keepdims=True)
        parts.append(_side(x, axis, count, np.round(value) if x.dtype.kind in "iu" else value))
    return parts[0], x, parts[1]


SIDES: dict[str, Callable[..., Any]] = {"constant": _constants, "linear_ramp": _ramps}
