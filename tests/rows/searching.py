"""Rows for vmapcore/rules/searching.py."""

import numpy as np

from . import Arg, row

COUNTS = Arg((6,), "i", 0, 4)


def sorted_first(function, **params):
    """`function` of its first argument sorted."""
    return lambda a, v: function(np.sort(a), v, **params)


def sorter(a, v):
    return np.searchsorted(a, v, sorter=np.argsort(a))


def with_nan(a, v):
    return np.searchsorted(np.sort(np.where(a > 1, np.nan, a)), np.where(v > 1, np.nan, v), side="right")


ROWS = [
    row(
        "searchsorted",
        lambda v: np.searchsorted(np.array([-1.0, 0.0, 1.0]), v),
        (2, 3),
        kinds="fi",
        differentiable=False,
    ),
    row("searchsorted both", sorted_first(np.searchsorted), (5,), (3,), kinds="fi", differentiable=False),
    row("searchsorted a number", sorted_first(np.searchsorted), (4,), (), differentiable=False),
    row("searchsorted right", sorted_first(np.searchsorted, side="right"), COUNTS, Arg((2, 3), "i", -1, 5)),
    row("searchsorted left", sorted_first(np.searchsorted, side="left"), COUNTS, Arg((2, 3), "i", -1, 5)),
    row("searchsorted sorter", sorter, (5,), (3,), differentiable=False),
    row("searchsorted with NaN", with_nan, (7,), (5,), differentiable=False),
    row("searchsorted method", lambda a: np.sort(a).searchsorted([0.5, -1.0], "right"), (5,), differentiable=False),
    row("digitize", lambda x, b: np.digitize(x, np.sort(b)), (2, 3), (4,), differentiable=False),
    row("digitize falling", lambda x, b: np.digitize(x, np.sort(b)[::-1]), COUNTS, COUNTS),
    row("digitize right", lambda x, b: np.digitize(x, np.sort(b), right=True), COUNTS, COUNTS),
    row("digitize plain bins", lambda x: np.digitize(x, np.array([1.0, 0.0, -1.0])), (2, 3), differentiable=False),
    row("isin", np.isin, Arg((2, 3), "i", 0, 5), Arg((4,), "i", 0, 5)),
    row("isin invert", np.isin, COUNTS, Arg((2, 2), "i", 0, 9), params={"invert": True}),
    row("isin nothing", lambda x: np.isin(x, []), COUNTS),
]
