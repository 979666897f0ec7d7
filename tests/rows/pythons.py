"""Rows for vmapcore/rules/pythons.py."""

import math

import numpy as np

from vmapcore.rules.pythons import by_python, exact_sum, made_by

from . import Arg, row

FLOAT = np.dtype(float)


def whole_part(x):
    return by_python(x, function=math.floor, dtype=np.dtype(int))


ROWS = [
    row(
        "by_python",
        whole_part,
        Arg((2, 3), low=-9, high=9),
        differentiable=False,
        loop=lambda x: np.floor(x).astype(int),
    ),
    row(
        "by_python of two",
        lambda x, y: by_python(x, y, function=max, dtype=np.dtype(int)),
        Arg((2, 3), "i", -9, 9),
        Arg((3,), "i", -9, 9),
        loop=np.maximum,
    ),
    row("exact_sum", lambda x: exact_sum(x.astype(FLOAT)), (2, 3), loop=lambda x: np.sum(x.astype(FLOAT), -1)),
    row(
        "made_by",
        lambda x: made_by(np.log(x), x, function=math.log, of=(float,)),
        Arg((3,), low=0.5, high=4),
        loop=np.log,
    ),
]
