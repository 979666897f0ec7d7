"""Rows for vmapcore/rules/statistics.py."""

import numpy as np

from . import Arg, row

LINE = Arg((4,))
TABLE = Arg((2, 3))
CUBE = Arg((2, 3, 2))
MASK = Arg((2, 3), "b")
WEIGHTS = Arg((3,), low=0.5, high=2.0)
KEPT = np.array([True, False, True])


def spread_rows(name, function):
    """Rows for var and std, which have the same options."""
    return [
        row(name, function, TABLE, kinds="fciub"),
        row(f"{name} axis=0", function, CUBE, params={"axis": 0}, kinds="fci"),
        row(f"{name} axis=(0, -1)", function, CUBE, params={"axis": (0, -1), "keepdims": True}),
        row(f"{name} ddof", function, TABLE, params={"axis": -1, "ddof": 1}, kinds="fc"),
        row(f"{name} correction", function, TABLE, params={"axis": -1, "correction": 0.5}),
        row(f"{name} dtype", function, TABLE, params={"axis": 1, "dtype": np.float64}, kinds="fi"),
        row(f"{name} of float16", lambda x: function(x.astype(np.float16), axis=1), TABLE, differentiable=False),
        row(f"{name} where", function, TABLE, params={"axis": 1, "where": KEPT}, kinds="fc"),
        row(f"{name} mean", lambda x, m: function(x, axis=1, mean=m, ddof=1), TABLE, (2, 1)),
        row(f"{name} method", lambda x: getattr(x, name)(0), TABLE),
    ]


ROWS = [
    *spread_rows("var", np.var),
    *spread_rows("std", np.std),
    row("average", np.average, TABLE, kinds="fcib"),
    row("average axis=0", np.average, TABLE, params={"axis": 0, "keepdims": True}),
    row("average returned", lambda x: np.average(x, axis=1, returned=True), TABLE),
    row("average weights", lambda x, w: np.average(x, weights=w), Arg((3,)), WEIGHTS, kinds="f"),
    row("average weights axis=1", lambda x, w: np.average(x, 1, w, returned=True), TABLE, WEIGHTS),
    row("average weights axis=(2, 1)", lambda x, w: np.average(x, (2, 1), w), CUBE, Arg((2, 3), low=0.5)),
    row(
        "average int weights",
        lambda x, w: np.average(x, 1, w, keepdims=True),
        TABLE,
        Arg((2, 3), "i", 1, 4),
        kinds="fi",
    ),
    row("cov", np.cov, TABLE, kinds="fci"),
    row("cov 1-d", np.cov, LINE),
    row("cov y", lambda m, y: np.cov(m, y, bias=True), TABLE, (3,)),
    row("cov y by column", lambda m, y: np.cov(m, y, rowvar=False), (4, 2), (4, 1)),
    row("cov ddof", np.cov, Arg((3, 2)), params={"rowvar": False, "ddof": 0}),
    row("cov fweights", lambda m, f: np.cov(m, fweights=f), TABLE, Arg((3,), "i", 1, 4)),
    row("cov aweights", lambda m, w: np.cov(m, aweights=w), TABLE, WEIGHTS),
    row(
        "cov both weights",
        lambda m, f, w: np.cov(m, fweights=f, aweights=w, ddof=1),
        TABLE,
        Arg((3,), "i", 1, 4),
        WEIGHTS,
    ),
    row("cov dtype", lambda m: np.cov(m, dtype=np.float32), TABLE, differentiable=False),
    row("corrcoef", np.corrcoef, Arg((2, 4)), kinds="fc"),
    row("corrcoef y", lambda x, y: np.corrcoef(x, y), LINE, LINE),
    row("corrcoef rowvar", np.corrcoef, Arg((4, 2)), params={"rowvar": False}),
    row("bincount", np.bincount, Arg((6,), "i", 0, 4), params={"minlength": 5}),
    row("bincount of uint8", np.bincount, Arg((6,), "u", 0, 4), params={"minlength": 4}),
    row("bincount weights", lambda x, w: np.bincount(x, w, minlength=4), Arg((6,), "i", 0, 4), Arg((6,))),
]
