"""Rows for vmapcore/rules/elementwise.py."""

import numpy as np

from . import Arg, row

X = Arg((2, 3))
NEAR = Arg((3,), low=1 - 2e-5, high=1 + 2e-5)


def into_new(function):
    return lambda x: function(x, out=np.zeros_like(x))


ROWS = [
    row("round", np.round, X, kinds="fci"),
    row("round decimals=1", np.round, X, params={"decimals": 1}, kinds="fc"),
    row("round decimals=-1", np.round, Arg((3,), "i", -40, 40), params={"decimals": -1}),
    row("x.round(1)", lambda x: x.round(1), X),
    row("round out=", into_new(np.round), X),
    row("around", np.around, X, kinds="fci"),
    row("fix", np.fix, X, kinds="fi"),
    row("fix out=", into_new(np.fix), X),
    row("isclose", np.isclose, NEAR, NEAR, kinds="fc", differentiable=False),
    row("isclose rtol= atol=", lambda x, y, t: np.isclose(x, y, t, atol=0), NEAR, NEAR, Arg((), low=0, high=1e-5)),
    row("isclose equal_nan=True", lambda x: np.isclose(x * np.nan, np.nan, equal_nan=True), X),
    row("allclose", np.allclose, NEAR, NEAR, kinds="fi", differentiable=False),
    row("array_equal", np.array_equal, Arg((), "i", 0, 2), Arg((), "i", 0, 2)),
    row("array_equal of other shapes", lambda x, y: x * np.array_equal(x, y), (3,), ()),
    row("array_equal equal_nan=True", lambda x: np.array_equal(x * np.nan, x * np.nan, equal_nan=True), X),
    row("array_equiv", np.array_equiv, Arg((2,), "i", 0, 2), Arg((), "i", 0, 2)),
    row("array_equiv of shapes that do not fit", lambda x, y: x * np.array_equiv(x, y), (3,), (2,)),
    row("isposinf", lambda x: np.isposinf(np.where(x > 0, np.inf, x)), X, differentiable=False),
    row("isneginf", lambda x: np.isneginf(np.where(x > 0, -np.inf, x)), X, differentiable=False),
    row("isposinf of integers", np.isposinf, Arg((3,), "i")),
    row("sinc", np.sinc, Arg((2, 3), low=-4, high=4), kinds="fci"),
    row("sinc near 0", np.sinc, Arg((2, 3), low=-1e-3, high=1e-3), kinds="fc"),
    row("sinc at 0", lambda x: np.sinc(x - x), X),
    row("i0", np.i0, Arg((2, 3), low=-9, high=9), kinds="fi"),
    row("i0 of large numbers", lambda x: np.i0(x) / np.exp(np.abs(x)), Arg((3,), low=10, high=60)),
    row("real_if_close", np.real_if_close, X, kinds="fc"),
]
