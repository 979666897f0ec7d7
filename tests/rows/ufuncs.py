"""Rows for vmapcore/rules/ufuncs.py."""

import numpy as np

from . import Arg, row


def unary(ufunc, low=-2.0, high=2.0, kinds="f", **options):
    return row(ufunc.__name__, ufunc, Arg((2, 3), low=low, high=high), kinds=kinds, **options)


def binary(ufunc, low=-2.0, high=2.0, kinds="f", **options):
    x, y = Arg((2, 3), low=low, high=high), Arg((3,), low=low, high=high)
    return row(ufunc.__name__, ufunc, x, y, kinds=kinds, **options)


SMOOTH = [
    unary(np.negative, kinds="fci"),
    unary(np.positive, kinds="fci"),
    unary(np.absolute, kinds="fcib"),
    unary(np.fabs),
    unary(np.sign, kinds="fi"),
    row("sign of complex numbers", np.sign, (2, 3), kinds="c"),
    unary(np.square, kinds="fciu"),
    unary(np.sqrt, 0.1, kinds="fc"),
    unary(np.cbrt, 0.1),
    unary(np.reciprocal, 0.5, kinds="fc"),
    unary(np.conjugate, kinds="fci"),
    unary(np.exp, kinds="fci"),
    unary(np.exp2, kinds="fc"),
    unary(np.expm1, kinds="fc"),
    unary(np.log, 0.2, kinds="fc"),
    unary(np.log2, 0.2, kinds="fc"),
    unary(np.log10, 0.2, kinds="fc"),
    unary(np.log1p, -0.5, kinds="fc"),
    unary(np.sin, kinds="fc"),
    unary(np.cos, kinds="fc"),
    unary(np.tan, -1, 1, kinds="fc"),
    unary(np.arcsin, -0.9, 0.9, kinds="fc"),
    unary(np.arccos, -0.9, 0.9, kinds="fc"),
    unary(np.arctan, -0.9, 0.9, kinds="fc"),
    unary(np.sinh, kinds="fc"),
    unary(np.cosh, kinds="fc"),
    unary(np.tanh, -1, 1, kinds="fc"),
    unary(np.arcsinh, -0.9, 0.9, kinds="fc"),
    unary(np.arccosh, 1.2, 3, kinds="fc"),
    unary(np.arctanh, -0.9, 0.9, kinds="fc"),
    unary(np.deg2rad),
    unary(np.radians),
    unary(np.rad2deg),
    unary(np.degrees),
    unary(np.modf),
    unary(np.frexp),
    binary(np.add, kinds="fcib"),
    binary(np.subtract, kinds="fci"),
    binary(np.multiply, kinds="fcib"),
    binary(np.divide, 0.5, 3, kinds="fci"),
    binary(np.power, 0.2, 3, kinds="fciu"),
    binary(np.float_power, 0.2, 3, kinds="fci"),
    binary(np.hypot),
    binary(np.arctan2, 0.3),
    binary(np.copysign),
    binary(np.nextafter),
    binary(np.remainder, 0.6, 5, kinds="fi"),
    binary(np.fmod, 0.6, 5, kinds="fi"),
    binary(np.divmod, 0.6, 5, kinds="fi"),
    binary(np.maximum, kinds="fci"),
    binary(np.minimum, kinds="fci"),
    binary(np.fmax, kinds="fci"),
    binary(np.fmin, kinds="fci"),
    binary(np.logaddexp),
    binary(np.logaddexp2),
    row("ldexp", np.ldexp, (2, 3), Arg((3,), "i", -3, 4)),
    row("heaviside", np.heaviside, Arg((3,), "i", -1, 2), (2, 3)),
]

STEPS = [
    *[unary(ufunc) for ufunc in (np.floor, np.ceil, np.trunc, np.spacing)],
    unary(np.rint, kinds="fc"),
    binary(np.floor_divide, 0.6, 5, kinds="fi"),
]

DISCRETE = [
    *[
        binary(ufunc, -1, 1, kinds="fcib", differentiable=False)
        for ufunc in (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
    ],
    *[
        binary(ufunc, 0, 1, kinds="fib", differentiable=False)
        for ufunc in (np.logical_and, np.logical_or, np.logical_xor)
    ],
    *[
        binary(ufunc, 0, 9, kinds="iub", differentiable=False)
        for ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)
    ],
    *[
        binary(ufunc, 0, 5, kinds="iu", differentiable=False)
        for ufunc in (np.left_shift, np.right_shift, np.gcd, np.lcm)
    ],
    *[unary(ufunc, kinds="fci", differentiable=False) for ufunc in (np.isnan, np.isinf, np.isfinite, np.logical_not)],
    unary(np.signbit, differentiable=False),
    unary(np.invert, kinds="iub", differentiable=False),
    unary(np.bitwise_count, kinds="iu", differentiable=False),
    row("isnat", lambda x: np.isnat(x.astype("datetime64[s]")), Arg((3,), "i", 0, 9)),
]


def with_scalar(name, fun, low=-2.0, high=2.0, kinds="fci", **options):
    """An operator with a Python number on one side, which leaves the dtype of the array alone."""
    return row(f"operator {name}", fun, Arg((2, 3), low=low, high=high), kinds=kinds, **options)


OPERATORS = [
    with_scalar("x + 2", lambda x: x + 2),
    with_scalar("2.5 + x", lambda x: 2.5 + x),
    with_scalar("x - 2", lambda x: x - 2),
    with_scalar("2 - x", lambda x: 2 - x),
    with_scalar("x * 2.5", lambda x: x * 2.5),
    with_scalar("1j * x", lambda x: 1j * x),
    with_scalar("x / 3", lambda x: x / 3),
    with_scalar("3 / x", lambda x: 3 / x, 0.6, 3),
    with_scalar("x // 2", lambda x: x // 2, kinds="fi"),
    with_scalar("7 % x", lambda x: 7 % x, 1.1, 1.3, kinds="f"),
    with_scalar("x % 2", lambda x: x % 2, kinds="fi"),
    with_scalar("divmod(x, 2)", lambda x: divmod(x, 2), kinds="fi"),
    with_scalar("x ** 2", lambda x: x**2),
    with_scalar("x ** 3", lambda x: x**3),
    with_scalar("x ** 1", lambda x: x**1),
    with_scalar("x ** 0", lambda x: x**0),
    with_scalar("x ** 0.5", lambda x: x**0.5, 0.2),
    with_scalar("x ** -1", lambda x: x**-1, 0.6, kinds="fc"),
    with_scalar("x ** -1.5", lambda x: x**-1.5, 0.5),
    with_scalar("x ** 2j", lambda x: x**2j, 0.5),
    with_scalar("2 ** x", lambda x: 2**x, 0),
    with_scalar("1j ** x", lambda x: 1j**x, 0),
    with_scalar("-x", lambda x: -x),
    with_scalar("+x", lambda x: +x),
    with_scalar("abs(x)", abs),
    with_scalar("x < 1", lambda x: x < 1, kinds="fi", differentiable=False),
    with_scalar("1 == x", lambda x: 1 == x, differentiable=False),  # noqa: SIM300  the reflected one is meant
    with_scalar("~x & 3 | x ^ 1", lambda x: ~x & 3 | x ^ 1, kinds="iu", differentiable=False),
    with_scalar("x << 2 >> 1", lambda x: x << 2 >> 1, 0, kinds="iu", differentiable=False),
    with_scalar("maximum(x, 0)", lambda x: np.maximum(x, 0), kinds="fi"),
    with_scalar("minimum(0.5, x)", lambda x: np.minimum(0.5, x), kinds="fi"),
    row("operator maximum(x, 0) of many", lambda x: np.maximum(x, 0), (5000,)),
    row("operator minimum(0.5, x) of many", lambda x: np.minimum(0.5, x), (5000,)),
    with_scalar("arctan2(1, x)", lambda x: np.arctan2(1, x), kinds="f"),
    with_scalar("hypot(x, 2)", lambda x: np.hypot(x, 2), kinds="f"),
    with_scalar("logaddexp(x, 0)", lambda x: np.logaddexp(x, 0), kinds="f"),
    with_scalar("copysign(x, -1)", lambda x: np.copysign(x, -1), kinds="f"),
    with_scalar("nested x ** x ** 2", lambda x: x ** (x**2), 0.5, 1.5, kinds="f"),
]

BROADCAST = [
    row("add of a column and a row", np.add, (2, 1), (1, 3)),
    row("add of a number", np.add, (), (3,)),
    row("multiply of a column and a row", np.multiply, (2, 1), (1, 3), kinds="fc"),
    row("multiply of a matrix and a number", np.multiply, (2, 3), ()),
    row("divide of a number", np.divide, (), Arg((3,), low=0.5)),
    row("power by integers", np.power, Arg((2, 3), low=0.5), Arg((3,), "i", -2, 3)),
    row("power by truth values", np.power, Arg((2, 3), low=0.5), Arg((3,), "b")),
    row("power of integers", np.power, Arg((2, 3), "i", 1, 4), (3,)),
    row("maximum of a column and a row", np.maximum, (2, 1), (1, 3)),
    row("add of real and complex", lambda x, y: x + y * (1 + 2j), (2, 3), (3,), kinds="fc"),
    row("where= and out=", lambda x, y: np.add(x, y, where=y > 0, out=np.zeros_like(x - y)), (2, 3), (2, 3)),
    row("dtype=", lambda x, y: np.add(x, y, dtype=np.float64), (2, 3), (3,)),
    row("dtype= of a comparison", lambda x: np.less(x, 1, dtype=bool), (2, 3), kinds="fi", differentiable=False),
    row("dtype= with a number", lambda x: np.divide(x, 3, dtype=np.float32), Arg((3,), "i")),
    row("dtype= with a list", lambda x: np.ldexp(x, [1, 2, 3], dtype=np.float64), (3,)),
]

ROWS = SMOOTH + STEPS + DISCRETE + OPERATORS + BROADCAST
