"""Rows for vmapcore/rules/ordered.py."""

import numpy as np

from . import Arg, row
from .indexing import in_place

POSITIVE = Arg((2, 4), low=0.5)
SPREAD = Arg((2, 4), low=0.5, distinct=True)
STARTS = np.array([0, 3, 1, 1])
PLACES = [1, 0, 1]
LOW, SPREAD_LOW = Arg((3, 2), low=0.5), Arg((3, 2), low=0.5, distinct=True)
INTS = Arg((3,), "i", 1, 9)


ROWS = [
    *[
        row(f"{ufunc.__name__}.{name}", fun, POSITIVE)
        for ufunc in (np.subtract, np.divide)
        for name, fun in {
            "reduce": lambda x, ufunc=ufunc: ufunc.reduce(x, axis=-1),
            "reduce axis=0": lambda x, ufunc=ufunc: ufunc.reduce(x, keepdims=True, initial=2.0),
            "accumulate": lambda x, ufunc=ufunc: ufunc.accumulate(x, axis=1),
        }.items()
    ],
    row("arctan2.accumulate", lambda x: np.arctan2.accumulate(x), POSITIVE),
    row("power.accumulate", lambda x: np.power.accumulate(x, axis=1), Arg((2, 3), low=0.5, high=1.5)),
    row("subtract.reduce complex", lambda x: np.subtract.reduce(x), (3, 2), kinds="ci"),
    row("lcm.reduce", lambda x: np.lcm.reduce(x, axis=1), Arg((2, 3), "i", 1, 9)),
    *[
        row(f"{ufunc.__name__}.reduceat", lambda x, ufunc=ufunc: ufunc.reduceat(x, STARTS, axis=-1), SPREAD)
        for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp, np.hypot, np.fmax, np.fmin)
    ],
    row("add.reduceat axis=0", lambda x: np.add.reduceat(x, [0, 2]), (3, 2), kinds="fci"),
    row("add.reduceat indices", lambda x, i: np.add.reduceat(x, i, -1), (2, 4), Arg((3,), "i", 0, 4)),
    row("subtract.reduceat", lambda x: np.subtract.reduceat(x, [0, 2]), (3, 2), differentiable=False),
    *[
        in_place(f"{ufunc.__name__}.at", lambda x, v, ufunc=ufunc: ufunc.at(x, PLACES, v), LOW, SPREAD_LOW)
        for ufunc in (np.hypot, np.logaddexp, np.logaddexp2, np.fmax, np.fmin)
    ],
    in_place("arctan2.at", lambda x, v: np.arctan2.at(x, PLACES, v), LOW, LOW, differentiable=False),
    *[
        in_place(f"{ufunc.__name__}.at", lambda x, v, ufunc=ufunc: ufunc.at(x, PLACES, v), INTS, INTS)
        for ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm)
    ],
]
