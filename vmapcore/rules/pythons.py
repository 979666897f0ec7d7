"""What Python makes of numbers where NumPy makes something else: ints that do not wrap round, and what it refuses.

Traced ints are of int64, floats of float64. NumPy's operations serve where values say that they make the same; where
they do not, one primitive has Python make it, number by number, or raise.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import on_host
from ..core import Primitive, Vjps
from ..errors import TooLargeError
from ..tracer import Tracer, innermost
from ._families import match, trailing
from ._work import each, nothing, per_input

ROOM = 2.0**62
"""What no int is in size that surely has room, if computed in floats."""

SMALL = 2.0**30
"""What most ints are, so that products of two have room."""

EXACT = 2.0**53
"""From which on not every int is a float."""

Function = Callable[..., Any]


def _raises(made: Primitive) -> Primitive:
    """Declares that whether an operation raises hangs on values."""
    made.raises = True
    return made


# Primitives.


@_raises
@trailing(work=each, zero_derivative=True)
def by_python(xp: Any, *args: Any, function: Function, dtype: Any) -> Any:
    """What `function` of Python makes of numbers, one after the other, in `dtype`."""
    arrays = np.broadcast_arrays(*map(on_host, args))
    made = [function(*numbers) for numbers in zip(*[a.reshape(-1).tolist() for a in arrays], strict=True)]
    return xp.asarray(np.array(made, dtype).reshape(arrays[0].shape))


@_raises
@trailing(work=per_input(1))
def exact_sum(xp: Any, x: Any) -> Any:
    """`math.fsum` along the last axis, which rounds once."""
    lead = x.shape[:-1]
    rows = on_host(x).reshape(math.prod(lead), x.shape[-1])
    return xp.asarray(np.array([math.fsum(row) for row in rows.tolist()], float).reshape(lead))


exact_sum.def_vjp(lambda g, out, x: np.broadcast_to(g.reshape((*g.shape, 1)), x.shape))
exact_sum.def_jvp(lambda tangents, out, x: np.sum(tangents[0], -1))


@_raises
@trailing(work=nothing)
def made_by(xp: Any, out: Any, *args: Any, function: Function, of: tuple[type, ...]) -> Any:
    """`out`, which NumPy made of `args`, unless Python's `function` of these numbers, in the types `of`, raises."""
    shape = np.broadcast_shapes(out.shape, *map(np.shape, args))
    numbers = [np.broadcast_to(on_host(a), shape) for a in args]
    bad = ~np.isfinite(np.broadcast_to(on_host(out), shape))
    for one in zip(*[x[bad].tolist() for x in numbers], strict=True):
        found = function(*[kind(x) for kind, x in zip(of, one, strict=True)])
        if type(found) is complex and complex not in of:
            raise _of_other_type(function.__name__, f"{function.__name__}{one} is {found}", "float")
    return xp.broadcast_to(out, shape).copy()


made_by.vjps = Vjps(lambda i: None if i else lambda g, out, *args, **params: match(g, args[0]))
made_by.def_jvp(lambda tangents, out, *args, **params: tangents[0])


# Functions of Python's, of which results are of 64 bits.


def is_int64(value: int) -> bool:
    """Whether an int is one that is traced."""
    return -(2**63) <= value < 2**63


def too_large(call: str, value: Any) -> TooLargeError:
    """The error for an int of Python's that no traced one is."""
    remedy = "Compute it in floats, or row by row, by branches='loop'"
    return TooLargeError(call, f"an int is {value!s:.60}", "traced ints have 64 bits", remedy)


def _of_other_type(call: str, fact: str, kind: str) -> TooLargeError:
    return TooLargeError(call, fact, f"what it makes of other numbers is {kind}", "Make the numbers complex or floats")


def fitting(call: str, value: int) -> int:
    """Returns an int, if it is one that is traced."""
    if not is_int64(value):
        raise too_large(call, value)
    return value


INTS: dict[str, tuple[Function, Any]] = {
    "+": (operator.add, np.add),
    "-": (operator.sub, np.subtract),
    "*": (operator.mul, np.multiply),
    "/": (operator.truediv, np.divide),
    "//": (operator.floordiv, np.floor_divide),
    "%": (operator.mod, np.remainder),
    "**": (operator.pow, np.power),
    "<<": (operator.lshift, np.left_shift),
    ">>": (operator.rshift, np.right_shift),
    "neg": (operator.neg, np.negative),
    "abs": (operator.abs, np.absolute),
}
"""Operators: Python's, and NumPy's, which makes the same of ints where nothing is too large."""


def _of_ints(name: str, *numbers: int) -> int:
    if name == "<<" and numbers[0] and numbers[1] > 64:
        raise too_large(name, f"{numbers[0]} << {numbers[1]}")
    if name == "**" and numbers[1] * math.log2(max(abs(numbers[0]), 1)) > 65:
        raise too_large(name, f"{numbers[0]} ** {numbers[1]}")
    made = INTS[name][0](*numbers)
    if type(made) is not int:
        raise _of_other_type(name, f"{numbers[0]} ** {numbers[1]} is a float", "an int")
    return fitting(name, made)


OF_INTS = {name: functools.partial(_of_ints, name) for name in INTS}

COMPARED: dict[str, tuple[Function, Any]] = {
    "<": (operator.lt, np.less),
    "<=": (operator.le, np.less_equal),
    ">": (operator.gt, np.greater),
    ">=": (operator.ge, np.greater_equal),
    "==": (operator.eq, np.equal),
    "!=": (operator.ne, np.not_equal),
}
"""The same of comparisons, which NumPy makes of an int and a float as floats."""

WHOLE: dict[str, tuple[Function, Any]] = {
    "int": (int, np.trunc),
    "round": (round, np.rint),
    "floor": (math.floor, np.floor),
    "ceil": (math.ceil, np.ceil),
    "trunc": (math.trunc, np.trunc),
}
"""The same of what makes ints of floats."""


def _as_whole(name: str, x: float) -> int:
    return fitting(name, WHOLE[name][0](x))


AS_WHOLE = {name: functools.partial(_as_whole, name) for name in WHOLE}


def rounded(x: Any, digits: int) -> Any:
    """Python's `round(x, digits)`, which rounds the decimals that a number has, and not those of a product."""
    made = round(x, digits)
    return fitting("round", made) if type(made) is int else made


@functools.cache
def in_dtype(dtype: Any) -> Function:
    """What makes numbers of `dtype` of Python's ints, and raises where they are out of its bounds, as NumPy does."""
    return functools.partial(np.array, dtype=dtype)


# Whether values say that NumPy makes the same.


def recorded(x: Any) -> Any:
    """The recorded value in a tracer, with the axes of all transforms inside; None if there is none."""
    while isinstance(x, Tracer):
        if x._trace.records:
            return x
        x = x.value
    return None


def surely(fine: Callable[..., Any], *xs: Any) -> bool:
    """Whether `fine`, a truth value of arrays, is true of these values; then a recording notes that it has to be.

    Values may be of more rows than those for whom the function runs.
    """
    if not bool(fine(*[on_host(innermost(x)) for x in xs])):
        return False
    found = [recorded(x) for x in xs]
    if any(r is not None for r in found):
        given = [innermost(x) if r is None else r for x, r in zip(xs, found, strict=True)]
        next(r for r in found if r is not None)._trace.expect(lambda: fine(*given))
    return True


def extent(x: Any) -> tuple[Any, Any]:
    """The least and the largest of numbers, as floats."""
    if isinstance(x, Tracer):
        x = x if x.dtype == np.float64 else x.astype(float)
        return (np.min(x), np.max(x)) if x.shape else (x, x)
    if not np.ndim(x):
        return float(x), float(x)
    return (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)


def bounded(x: Any, least: float) -> float:
    """What traced numbers are at most in size, in calls of a plan too: `least`, or more where values need it.

    Infinity of what is none, and of a NaN.
    """
    low, high = extent(on_host(innermost(x)))
    most = max(-low, high)
    if not most < ROOM:
        return math.inf
    bound = max(least, 2.0 ** math.ceil(math.log2(most + 1)))
    if (record := recorded(x)) is not None:
        record._trace.expect(lambda: _at_most(bound, record))
    return bound


def _at_most(bound: float, x: Any) -> Any:
    low, high = extent(x)
    return (low >= -bound) & (high <= bound)
