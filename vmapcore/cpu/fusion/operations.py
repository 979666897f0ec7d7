"""What the ufuncs that fuse look like in Python that Numba compiles, by kind of dtype.

`{0}`, `{1}` stand for arguments, all of one dtype that `{t}` names. Results are NumPy's bit for bit, signed zeros, nan
and inf included, but for those of functions in `ULPS`. The exponential, the logarithm and the hyperbolic tangent are
this package's own, made to run on vectors (`mathematics.py`); other functions are the C library's, which NumPy calls as
well where it has none of its own for the processor.

Without a template, so that only NumPy's source has them: division with remainder of any dtype, shifts, powers of
integers, whose corner cases Numba does otherwise; `logaddexp`, `nextafter`, `spacing`, `gcd` and `lcm`, which are rare.
"""

from typing import Any, NamedTuple

ULPS = {
    **dict.fromkeys(["exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "hypot"], 2),
    **dict.fromkeys(["sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2"], 2),
    **dict.fromkeys(["sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"], 2),
    "cbrt": 3,
}
"""The largest distance of loops from the exact result, in units in the last place. NumPy's own functions are off by up
to 3 more: which they are depends on the processor."""


SLOWER = frozenset(("sin", "cos", "cbrt", "arctanh"))
"""Functions of float32 that NumPy has on vectors and the C library has not: half as fast in loops."""


class Operation(NamedTuple):
    """Templates for floats, signed and unsigned integers, truth values; empty where there is none."""

    real: str = ""
    integer: str = ""
    truth: str = ""
    cost: int = 1
    """Nanoseconds per element, roughly: from 4 on it is not worth doing twice."""


def same(template: str, cost: int = 1) -> Operation:
    return Operation(template, template, template, cost)


def function(name: str, cost: int = 8) -> Operation:
    return Operation(f"{name}({{0}})", cost=cost)


UFUNCS: dict[str, Operation] = {
    "add": Operation("{0} + {1}", "{0} + {1}", "{0} | {1}"),
    "subtract": Operation("{0} - {1}", "{0} - {1}"),
    "multiply": Operation("{0} * {1}", "{0} * {1}", "{0} & {1}"),
    "divide": Operation("{0} / {1}", cost=2),
    "negative": Operation("-{0}", "-{0}"),
    "positive": Operation("{0}", "{0}"),
    "square": Operation("{0} * {0}", "{0} * {0}"),
    "sqrt": function("np.sqrt", 2),
    "reciprocal": Operation("{t}(1) / {0}", cost=2),
    "absolute": Operation("abs({0})", "{0} if {0} >= {t}(0) else -{0}", "{0}"),
    "fabs": Operation("abs({0})"),
    "copysign": Operation("math.copysign({0}, {1})"),
    "heaviside": Operation("({0} if {0} != {0} else ({1} if {0} == 0 else ({t}(1) if {0} > 0 else {t}(0))))"),
    "maximum": Operation("{0} if ({0} > {1}) | ({0} != {0}) else {1}", "{0} if {0} > {1} else {1}", "{0} | {1}"),
    "minimum": Operation("{0} if ({0} < {1}) | ({0} != {0}) else {1}", "{0} if {0} < {1} else {1}", "{0} & {1}"),
    "fmax": Operation("{0} if ({0} > {1}) | ({1} != {1}) else {1}", "{0} if {0} > {1} else {1}", "{0} | {1}"),
    "fmin": Operation("{0} if ({0} < {1}) | ({1} != {1}) else {1}", "{0} if {0} < {1} else {1}", "{0} & {1}"),
    "hypot": Operation("math.hypot({0}, {1})", cost=8),
    "arctan2": Operation("math.atan2({0}, {1})", cost=8),
    "power": Operation("{0} ** {1}", cost=8),
    "fmod": Operation("np.fmod({0}, {1})", cost=8),
    "remainder": Operation(cost=8),
    "floor_divide": Operation(cost=8),
    "exp": function("exp", 4),
    "log": function("log", 4),
    "tanh": function("tanh", 4),
    "exp2": function("np.exp2"),
    "expm1": function("math.expm1"),
    "log2": function("math.log2"),
    "log10": function("math.log10"),
    "log1p": function("math.log1p"),
    "sin": function("math.sin"),
    "cos": function("math.cos"),
    "tan": function("math.tan"),
    "arcsin": function("math.asin"),
    "arccos": function("math.acos"),
    "arctan": function("math.atan"),
    "sinh": function("math.sinh"),
    "cosh": function("math.cosh"),
    "arcsinh": function("math.asinh"),
    "arccosh": function("math.acosh"),
    "arctanh": function("math.atanh"),
    "cbrt": function("np.cbrt"),
    "deg2rad": Operation("{0} * ({t}(np.pi) / {t}(180))"),
    "radians": Operation("{0} * ({t}(np.pi) / {t}(180))"),
    "rad2deg": Operation("{0} * ({t}(180) / {t}(np.pi))"),
    "degrees": Operation("{0} * ({t}(180) / {t}(np.pi))"),
    "equal": same("{0} == {1}"),
    "not_equal": same("{0} != {1}"),
    "less": same("{0} < {1}"),
    "less_equal": same("{0} <= {1}"),
    "greater": same("{0} > {1}"),
    "greater_equal": same("{0} >= {1}"),
    "logical_and": same("({0} != {t}(0)) & ({1} != {t}(0))"),
    "logical_or": same("({0} != {t}(0)) | ({1} != {t}(0))"),
    "logical_xor": same("({0} != {t}(0)) != ({1} != {t}(0))"),
    "logical_not": same("{0} == {t}(0)"),
    "bitwise_and": Operation("", "{0} & {1}", "{0} & {1}"),
    "bitwise_or": Operation("", "{0} | {1}", "{0} | {1}"),
    "bitwise_xor": Operation("", "{0} ^ {1}", "{0} != {1}"),
    "invert": Operation("", "~{0}", "not {0}"),
    "left_shift": Operation(),
    "right_shift": Operation(),
    "isnan": Operation("{0} != {0}", "False", "False"),
    "isfinite": Operation("abs({0}) < np.inf", "True", "True"),
    "isinf": Operation("abs({0}) == np.inf", "False", "False"),
    "signbit": Operation("math.copysign({t}(1), {0}) < {t}(0)"),
    "floor": Operation("np.floor({0})", "{0}", "{0}"),
    "ceil": Operation("np.ceil({0})", "{0}", "{0}"),
    "trunc": Operation("np.trunc({0})", "{0}", "{0}"),
    "rint": Operation("np.rint({0})"),
    "sign": Operation(
        "{t}(1) if {0} > 0 else ({t}(-1) if {0} < 0 else ({t}(0) if {0} == 0 else {0}))",
        "{t}({0} > {t}(0)) - {t}({0} < {t}(0))",
    ),
    "logaddexp": Operation(cost=16),
    "logaddexp2": Operation(cost=16),
    "nextafter": Operation(),
    "spacing": Operation(),
    "gcd": Operation(cost=8),
    "lcm": Operation(cost=8),
}

ASTRAY = frozenset({"negative", "isnan", "isfinite", "isinf", "signbit"})
"""Of which NumPy loses results that go into an array with gaps between its elements, on some processors (2.4)."""

EXPENSIVE = 4
"""Cost from which a number is kept rather than computed twice."""


def template(operation: str, dtype: Any) -> str:
    """The template for arguments of `dtype`; empty if there is none."""
    known = UFUNCS.get(operation, Operation())
    return known.real if dtype.kind == "f" else known.truth if dtype.kind == "b" else known.integer


def cost(operation: str) -> int:
    return UFUNCS[operation].cost if operation in UFUNCS else 1
