"""Rows for vmapcore/rules/selection.py."""

import numpy as np

from . import Arg, row

MASK, INDEX = Arg((2, 3), "b"), Arg((3,), "i", 0, 2)

WHERE = [
    row("where", np.where, MASK, (2, 3), (2, 3), kinds="fci"),
    row("where of rows and columns", np.where, Arg((2, 1), "b"), (3,), (2, 3)),
    row("where x > 0", lambda x, y: np.where(x > 0, x, y), (3,), ()),
    row("where with numbers", lambda c, x: np.where(c, x, 2) + np.where(c, 0, x), MASK, (2, 3), kinds="fci"),
    row("where of numbers", lambda c: np.where(c, 1.5, 0), MASK),
    row("where mixing dtypes", lambda c, x, i: np.where(c, x, i), MASK, (3,), Arg((2, 3), "i")),
    row("where of many", lambda c, x, y: np.where(c, x, y), Arg((90, 100), "b"), (100,), (), kinds="fc"),
    row("where of many, else 0", lambda c, x: np.where(c, x, 0) - np.where(c, 0, x), Arg((9000,), "b"), (9000,)),
    row("where, positions", lambda x: x * len(np.where(np.ones(3))[0]), (3,)),
]

CLIP = [
    row("clip", np.clip, (2, 3), Arg((3,), low=-1, high=0), Arg((), low=0, high=1)),
    row("clip crossed bounds", np.clip, (2, 3), Arg((3,), low=0, high=1), Arg((), low=-1, high=0)),
    row("clip by numbers", lambda x: np.clip(x, -1, 1), (2, 3), kinds="fi"),
    row("clip by numbers out of range", lambda x: np.clip(x, -1, 1000), Arg((3,), "u", 0, 9)),
    row("clip a_min", lambda x, low: np.clip(x, low, None), (2, 3), (3,)),
    row("clip max=", lambda x, high: np.clip(x, max=high), (2, 3), (3,)),
    row("clip without bounds", lambda x: np.clip(x, None, None), (3,)),
    row("clip min= max= out=", lambda x: np.clip(x, min=-1, max=1, out=np.zeros_like(x)), (3,)),
    row("x.clip(0)", lambda x: x.clip(0), (3,)),
]

SEVERAL = [
    row("select", lambda c, d, x, y: np.select([c, d], [x, y], 3), MASK, Arg((3,), "b"), (3,), (2, 3), kinds="fci"),
    row("select default=", lambda x: np.select([x > 1, x > 0], [x, 2], default=-1.0), (3,)),
    row("choose", lambda i, x, y: np.choose(i, [x, y]), INDEX, (2, 3), (), kinds="fci"),
    row("choose from an array", np.choose, INDEX, (2, 3)),
    row("choose mode=wrap", lambda i, x, y: np.choose(i, [x, y], mode="wrap"), Arg((3,), "i", -3, 5), (3,), (2, 3)),
    row("choose mode=clip", lambda i, x, y: np.choose(i, [x, y], mode="clip"), Arg((3,), "i", -3, 5), (3,), (2, 3)),
    row("choose out=", lambda i, x: np.choose(i, [x, 2], out=np.zeros_like(x * i)), INDEX, (3,)),
    row(
        "piecewise",
        lambda x: np.piecewise(
            x, [np.array([True, False, True])], [lambda v, k: np.sin(k * v), lambda v, k: v.sum()], 3
        ),
        (3,),
    ),
]

NONFINITE = np.array([np.nan, np.inf, -np.inf, 1.0])

NAN_TO_NUM = [
    row("nan_to_num", lambda x: np.nan_to_num(x * NONFINITE), Arg((4,), low=0.5), kinds="f", differentiable=False),
    row("nan_to_num of finite numbers", np.nan_to_num, (2, 3), kinds="fci"),
    row(
        "nan_to_num nan= posinf= neginf=",
        lambda x: np.nan_to_num(x + NONFINITE.astype(x.dtype), nan=0.5, posinf=2.0, neginf=-3.0),
        (4,),
    ),
    row("nan_to_num copy=False", lambda x: np.nan_to_num(x + 0, copy=False), (3,)),
    row(
        "nan_to_num of complex numbers",
        lambda x: np.nan_to_num(x + np.where([True, False], np.nan, 0), posinf=1),
        (2,),
        kinds="c",
    ),
]

ROWS = WHERE + CLIP + SEVERAL + NAN_TO_NUM
