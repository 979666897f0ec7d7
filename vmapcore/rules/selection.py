"""Choosing between values element by element: where, clip, select, choose, piecewise, nan_to_num.

Every primitive here works element by element and batches as itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, describe
from ..evals.large import elementwise as in_tiles
from ..numpy_protocol import NUMPY, implements
from ..thresholds import LARGE
from ._families import as_new_array, by_element, fit, into, match, operand, pointwise, trailing
from ._work import each
from .casts import cast, join_parts
from .selected import Selection
from .ufuncs import share

# where.


@by_element
def select(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    """`x` where `condition` is true, else `y`."""
    size = getattr(condition, "size", 0)
    if xp is np and size >= LARGE:
        return in_tiles(_blend, condition, x, y)
    if xp is np and size >= BRANCHY:
        return _blend(condition, x, y)
    return xp.where(condition, x, y)


BRANCHY = 8192
"""From this many elements on `_blend` is never slower than `np.where`."""

BITS = {np.dtype(a): np.dtype(b) for a, b in ("?b", "bb", "Bb", "eh", "hh", "fi", "ii", "Ii", "dl", "ll", "Ll", "Fl")}
"""dtype -> signed integers of its size."""


def _blend(mask: Any, x: Any, y: Any) -> Any:
    """`np.where` without a branch per element, which a mask without pattern mispredicts: up to 8 times faster."""
    dtype = np.result_type(x, y)
    bits = BITS.get(dtype)
    if bits is None or mask.dtype != bool:
        return np.where(mask, x, y)
    if type(x) is int and x == 0:
        x, y, chosen = y, 0, np.subtract(mask.view(np.int8), 1)
    else:
        chosen = np.negative(mask.view(np.int8))
    chosen = chosen.astype(bits)  # all bits set or none: the sign extends
    a = np.asarray(x, dtype).view(bits)
    if type(y) is int and y == 0:
        return _and(chosen, a).view(dtype)
    b = np.asarray(y, dtype).view(bits)
    mixed = _and(chosen, a ^ b)
    mixed ^= b
    return mixed.view(dtype)


def _and(a: Any, b: Any) -> Any:
    """`a & b`, in the memory of `a` if it has the shape of the result."""
    return np.bitwise_and(a, b, out=a if np.broadcast_shapes(a.shape, b.shape) == a.shape else None)


select.def_vjp(
    None,
    lambda g, out, condition, x, y: match(select(condition, g, 0), x),
    lambda g, out, condition, x, y: match(select(condition, 0, g), y),
)


@select.def_jvp
def select_jvp(tangents: Any, out: Any, condition: Any, x: Any, y: Any) -> Any:
    _, dx, dy = tangents
    return fit(select(condition, 0 if dx is None else dx, 0 if dy is None else dy), out)


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None and y is None:
        return NUMPY[np.nonzero](condition)
    if x is None or y is None:
        raise ArgumentError("np.where", "got one of x and y", "either both or neither are given")
    return as_new_array(select(condition, x, y))


# clip.


@by_element
def clamp(xp: Any, x: Any, low: Any, high: Any) -> Any:
    """`minimum(maximum(x, low), high)` in one pass."""
    return x.clip(low, high)


def _raised(part: Any, other: Any, out: Any, x: Any, low: Any, high: Any) -> Any:
    """The part of the result that is `part`, which is `x` or `low` as `other` is the other."""
    raised = np.maximum(x, low)
    return share(part, other, raised) * share(raised, high, out)


pointwise(
    clamp,
    lambda out, x, low, high: _raised(x, low, out, x, low, high),
    lambda out, x, low, high: _raised(low, x, out, x, low, high),
    lambda out, x, low, high: share(high, np.maximum(x, low), out),
)


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    dtype: Any = None,
    **options: Any,
) -> Any:
    if options:
        name = next(iter(options))
        raise ArgumentError("np.clip", f"got {name}= with a tracer", "of the options of ufuncs it takes dtype=")
    if (min is not None and a_min is not None) or (max is not None and a_max is not None):
        raise ArgumentError("np.clip", "a bound is given twice", "a_min is min, and a_max is max")
    x = operand(a) if dtype is None else cast(a, dtype, "same_kind")
    low, high = a_min if min is None else min, a_max if max is None else max
    if x.dtype.kind in "iu":  # a Python int that the dtype cannot hold bounds nothing
        limits = np.iinfo(x.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is None or high is None:
        result = np.positive(x) if low is high else np.minimum(x, high) if low is None else np.maximum(x, low)
    else:
        result = clamp(x, low, high)
    return into("np.clip", out, result)


# Several conditions.


@implements(np.select)
def select_(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist) or not len(condlist):
        fact = f"got {len(condlist)} conditions and {len(choicelist)} choices"
        raise ShapeError("np.select", fact, "as many of one as of the other")
    conditions = [operand(c) for c in condlist]
    for c in conditions:
        if c.dtype != bool:
            raise DTypeError("np.select", f"a condition is {describe(c)}", "conditions must be arrays of bool")
    values = [v if isinstance(v, (int, float, complex)) else operand(v) for v in (*choicelist, default)]
    dtype = np.result_type(*values)
    result = cast(values.pop(), dtype)
    for c, v in zip(reversed(conditions), reversed(values), strict=True):
        result = select(c, cast(v, dtype, copy=False), result)
    return as_new_array(result)


@trailing(work=each)
def choose_from(xp: Any, index: Any, *choices: Any, mode: str) -> Any:
    """The element of `choices[index]`."""
    return xp.choose(index, choices, mode=mode)


@choose_from.def_vjp_all
def choose_vjp(i: int, g: Any, out: Any, index: Any, *choices: Any, mode: str) -> Any:
    n = len(choices)
    chosen = index % n if mode == "wrap" else np.clip(index, 0, n - 1) if mode == "clip" else index
    return match(select(chosen == i - 1, g, 0), choices[i - 1])


@choose_from.def_jvp
def choose_jvp(tangents: Any, out: Any, index: Any, *choices: Any, mode: str) -> Any:
    moving = [np.zeros_like(x) if t is None else t for t, x in zip(tangents[1:], choices, strict=True)]
    return fit(choose_from(index, *moving, mode=mode), out)


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError("np.choose", f"mode is {mode!r}", "it must be 'raise', 'wrap' or 'clip'")
    return into("np.choose", out, choose_from(a, *[operand(c) for c in choices], mode=mode))


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """As in NumPy each function sees only the elements it is for: they are taken out and put back by mask."""
    x = operand(x)
    single = isinstance(condlist, (bool, np.bool)) or (len(x.shape) > 0 and np.ndim(condlist[0]) == 0)
    conditions = [cast(c, bool) for c in ([condlist] if single else condlist)]
    if len(funclist) == len(conditions) + 1:
        otherwise = conditions[0]
        for c in conditions[1:]:
            otherwise = otherwise | c
        conditions.append(~otherwise)
    elif len(funclist) != len(conditions):
        fact = f"got {len(conditions)} conditions and {len(funclist)} functions"
        raise ShapeError("np.piecewise", fact, "as many, or one function more")
    y = np.zeros_like(x)
    for c, f in zip(conditions, funclist, strict=True):
        value = f
        if callable(f):
            taken = NUMPY["getitem"](x, c)
            if type(taken) is not Selection and not taken.size:
                continue
            value = f(taken, *args, **kw)
        y = NUMPY["setitem"](y, c, value)
    return as_new_array(y)


# nan_to_num.


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    array = operand(x)
    if array.dtype.kind == "c":
        result = join_parts(*[_finite(part, nan, posinf, neginf) for part in (array.real, array.imag)])
    else:
        result = _finite(array, nan, posinf, neginf) if array.dtype.kind == "f" else array.copy()
    return result if copy else into("np.nan_to_num", array, result)


def _finite(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    limits = np.finfo(x.dtype)
    y = select(np.isnan(x), nan, x)
    y = select(np.equal(x, np.inf), limits.max if posinf is None else posinf, y)
    return cast(select(np.equal(x, -np.inf), limits.min if neginf is None else neginf, y), x.dtype, copy=False)
