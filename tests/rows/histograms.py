"""Rows for vmapcore/rules/histograms.py."""

import numpy as np

from . import Arg, row

LINE = Arg((6,))
EDGES = [-2.0, -0.5, 0.0, 1.5]


def counts(function):
    """Counts alone: they do not move, and edges have rows of their own."""
    return lambda *args: function(*args)[0]


EDGES_OF_TWO = [(-2, 2)] * 2
FIXED = {"differentiable": False}


def histogram_2d(x, y):
    return np.histogram2d(x, y, [3, 2], [(-1, 1), (-2, 2)])


ROWS = [
    row("histogram", counts(lambda x: np.histogram(x, 4)), LINE, kinds="fi", **FIXED),
    row("histogram edges", lambda x: np.histogram(x, 4)[1], Arg((6,), distinct=True)),
    row("histogram range", counts(lambda x: np.histogram(x, 4, (-1, 1))), (2, 3), kinds="fi", **FIXED),
    row(
        "histogram weights",
        counts(lambda x, w: np.histogram(x, EDGES, weights=w)),
        *(LINE, LINE),
        differentiable=(False, True),
    ),
    row("histogram density", lambda w: np.histogram(np.arange(6.0), 3, weights=w, density=True)[0], Arg((6,), low=0.5)),
    row("histogram traced edges", counts(lambda x, e: np.histogram(x, np.sort(e))), LINE, Arg((4,)), **FIXED),
    row("histogram_bin_edges", np.histogram_bin_edges, Arg((6,), distinct=True), params={"bins": 3}),
    row("histogram_bin_edges of ints", lambda x: np.histogram_bin_edges(x, bins=3), Arg((6,), "i", 0, 9)),
    row("histogram2d", counts(histogram_2d), LINE, LINE, **FIXED),
    row("histogram2d density", counts(lambda x, y: np.histogram2d(x, y, 2, EDGES_OF_TWO, True)), LINE, LINE, **FIXED),
    row("histogramdd", counts(lambda x: np.histogramdd(x, [2, EDGES], [(-2, 2), None])), (6, 2), **FIXED),
]
