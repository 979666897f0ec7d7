"""Axes, shapes and counts as a caller writes them, made into ints: the one place that knows how they may be spelled.

An int is whatever `__index__` says is one, but no bool; several are written as any sequence, an array too.
"""

import functools
import operator
from typing import Any

from ..errors import ArgumentError, AxisError, ShapeError, VmapcoreError, describe


def as_int(call: str, what: str, value: Any) -> int:
    """Returns the argument `what` as an int."""
    if type(value) is int:
        return value
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except VmapcoreError:
        raise
    except TypeError:
        pass
    raise ArgumentError(call, f"{what} is {describe(value)}", "it must be an int")


def is_row(value: Any) -> bool:
    """Whether `value` is a sequence, such as a tuple, a range or an array with axes."""
    return isinstance(value, (tuple, list)) or (hasattr(value, "__iter__") and getattr(value, "ndim", 1) > 0)


def as_ints(call: str, what: str, values: Any) -> tuple[int, ...]:
    """Returns an argument that is an int or a sequence of them as a tuple."""
    return tuple([as_int(call, what, v) for v in (values if is_row(values) else (values,))])


def axis_ints(axis: Any, call: str, what: str = "axis") -> Any:
    """An axis argument as an int, a tuple of ints, or None."""
    if axis is None or type(axis) is int:
        return axis
    return as_ints(call, what, axis) if is_row(axis) else as_int(call, what, axis)


def last_axes(axis: Any, ndim: int, call: str) -> tuple[int, ...]:
    """Returns an axis argument as sorted negative ints; `None` is every axis."""
    return _last_axes(axis if type(axis) is int else axis_ints(axis, call), ndim, call)


@functools.lru_cache(maxsize=4096)
def _last_axes(axis: int | tuple[int, ...] | None, ndim: int, call: str) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(-ndim, 0))
    axes = axis if isinstance(axis, tuple) else (axis,)
    found = sorted({_last_axis(a, ndim, call) for a in axes})
    if len(found) != len(axes):
        raise AxisError(call, f"axis {axis} names an axis twice")
    return tuple(found)


def last_axis(axis: Any, ndim: int, call: str, what: str = "axis") -> int:
    """Returns an argument that is one axis as a negative int."""
    return _last_axis(as_int(call, what, axis), ndim, call)


def _last_axis(axis: int, ndim: int, call: str) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(call, f"axis {axis} is out of range for {ndim} axes", f"expected {-ndim} <= axis < {ndim}")
    return axis - ndim if axis >= 0 else axis


def listed_axes(axis: Any, ndim: int, call: str, what: str = "axis") -> tuple[int, ...]:
    """Returns an axis argument as negative ints in the order in which they are named; `None` is every axis."""
    axes = axis_ints(axis, call, what)
    axes = range(-ndim, 0) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    return tuple([_last_axis(a, ndim, call) for a in axes])


def named_axes(axis: Any, ndim: int, call: str) -> tuple[int, ...]:
    """Returns an axis argument as `listed_axes` does; none may be named twice."""
    axes = axis_ints(axis, call)
    last_axes(axes, ndim, call)
    return listed_axes(axes, ndim, call)


def as_size(call: str, what: str, value: Any) -> int:
    """Returns the argument `what` as an int from 0."""
    return as_sizes(call, what, as_int(call, what, value))[0]


def as_sizes(call: str, what: str, values: Any) -> tuple[int, ...]:
    """Returns an argument that is a size or a sequence of them as a tuple."""
    sizes = as_ints(call, what, values)
    if sizes and min(sizes) < 0:
        raise ShapeError(call, f"{what} {values!r} has a negative size")
    return sizes
