"""Rows for vmapcore/rules/sorting.py."""

import numpy as np

from vmapcore.rules.sorting import gather_along, run_starts, scatter_along

from . import Arg, row

LINE = Arg((4,), distinct=True)
TABLE = Arg((2, 3), distinct=True)
CUBE = Arg((2, 3, 2), distinct=True)
TIES = Arg((2, 5), "i", 0, 3)


def gathered(x, i):
    return gather_along(x, i, axis=-2, unique=False)


def scattered(x, i):
    return scatter_along(x, i, axis=-2, unique=False, length=3)


def scatter_loop(x, i):
    out = np.zeros((3, *x.shape[1:]), x.dtype)
    np.add.at(out, (i, np.arange(x.shape[1])), x)
    return out


def place_of_rank(x, kth, axis=-1):
    """The defined part of an argpartition: the element it has at rank `kth`."""
    return np.take(np.take_along_axis(x, np.argpartition(x, kth, axis), axis), kth, axis)


ROWS = [
    row("sort_complex", np.sort_complex, (4,), kinds="c"),
    row("sort_complex of reals", np.sort_complex, Arg((4,), "i")),
    row("sort", np.sort, TABLE, kinds="fciub"),
    row("sort 1-d", np.sort, LINE),
    row("sort axis=0", np.sort, CUBE, params={"axis": 0}),
    row("sort axis=-2", np.sort, CUBE, params={"axis": -2, "kind": "stable"}, kinds="fc"),
    row("sort axis=None", np.sort, TABLE, params={"axis": None, "stable": True}),
    row("sort with ties", np.sort, TIES),
    row("argsort", np.argsort, TABLE, kinds="fciu", differentiable=False),
    row("argsort axis=0", np.argsort, CUBE, params={"axis": 0}, differentiable=False),
    row("argsort axis=None", np.argsort, TABLE, params={"axis": None}, differentiable=False),
    row("argsort stable", np.argsort, TIES, params={"axis": -1, "kind": "stable"}),
    row("argsort method", lambda x: x.argsort(-2), CUBE, differentiable=False),
    row("partition kth=2", lambda x: np.partition(x, 2)[..., 2], TABLE, kinds="fi"),
    row("partition", np.partition, Arg((2,), distinct=True), params={"kth": 0}, kinds="fci"),
    row("partition axis=0", np.partition, TABLE, params={"kth": -1, "axis": 0}),
    row("partition axis=None", lambda x: np.partition(x, (1, 3), axis=None)[[1, 3]], TABLE),
    row("argpartition", np.argpartition, Arg((2,), distinct=True), params={"kth": 1}, kinds="fi", differentiable=False),
    row("argpartition kth=(0, 2)", place_of_rank, TABLE, params={"kth": (0, 2), "axis": -1}, kinds="fi"),
    row("argpartition axis=0", place_of_rank, CUBE, params={"kth": 1, "axis": 1}),
    row("lexsort", lambda x, y: np.lexsort((x, y)), Arg((5,)), Arg((5,), "i", 0, 2), differentiable=False),
    row("lexsort of rows", np.lexsort, TIES),
    row("lexsort axis=0", lambda x, y: np.lexsort((x, y), axis=0), TIES, TIES),
    row("maximum.accumulate", lambda x: np.maximum.accumulate(x), CUBE, kinds="fi"),
    row("maximum.accumulate axis=-1", lambda x: np.maximum.accumulate(x, axis=-1), Arg((2, 4), distinct=True)),
    row("minimum.accumulate", lambda x: np.minimum.accumulate(x, axis=1), Arg((2, 4), distinct=True), kinds="fi"),
    row("run_starts", lambda x: run_starts(np.maximum.accumulate(x), axis=-1), LINE, differentiable=False),
    row(
        "gather_along",
        gathered,
        TABLE,
        Arg((4, 3), "i", 0, 2),
        kinds="fci",
        loop=lambda x, i: np.take_along_axis(x, i, -2),
    ),
    row("scatter_along", scattered, TABLE, Arg((2, 3), "i", 0, 3), kinds="fc", loop=scatter_loop),
]
