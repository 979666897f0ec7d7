"""Rows for vmapcore/rules/quantiles.py."""

import numpy as np

from vmapcore.rules.quantiles import METHODS

from . import Arg, row

LINE = Arg((5,), distinct=True)
TABLE = Arg((2, 5), distinct=True)
CUBE = Arg((2, 3, 2), distinct=True)
HOLES = np.array([[1.0, np.nan, 1.0, 1.0, np.nan], [np.nan, 1.0, 1.0, 1.0, 1.0]])
Q = Arg((2,), low=0.3, high=0.45)
WEIGHTED = [
    (np.quantile, (2, 5), 0.3, None),
    (np.quantile, (5,), [[0, 0.37], [0.81, 1]], 1),
    (np.quantile, (5, 2), np.float32(0.43), (1, 0)),
    (np.nanquantile, (2, 5), 0.3, -1),
    (np.percentile, (2, 5), [0, 37.0], 0),
    (np.nanpercentile, (2, 5), 47, 0),
]


def holed(function, **params):
    """`function` of an array in which some elements are NaN."""
    return lambda x: function(np.where(np.isnan(HOLES), np.nan, x), **params)


def over_ends(function):
    """`function` over the first and last of three axes, with room for none between, where NumPy fails to reshape."""
    return lambda x, axis, **params: function(
        np.moveaxis(x, 0, 1).reshape(x.shape[1], x.shape[0] * x.shape[2]), axis=1, **params
    )


ROWS = [
    row("median", np.median, LINE, kinds="fi"),
    row("median of an even number", np.median, CUBE, kinds="fi"),
    row("median of bools", np.median, Arg((2, 5), "b"), params={"axis": 1}),
    row("median axis=0", np.median, CUBE, params={"axis": 0}),
    row("median axis=(0, -1)", np.median, CUBE, params={"axis": (0, -1)}, loop=over_ends(np.median)),
    row("median axis=(1, 0)", np.median, TABLE, params={"axis": (1, 0), "keepdims": True}),
    row("median axis=1", np.median, CUBE, params={"axis": 1, "keepdims": True}),
    row("median with NaN", holed(np.median, axis=0), TABLE, differentiable=False),
    row("nanmedian", np.nanmedian, TABLE, kinds="fi"),
    row("nanmedian with NaN", holed(np.nanmedian, axis=1), TABLE),
    row("nanmedian keepdims", holed(np.nanmedian, axis=(0, 1), keepdims=True), TABLE),
    row("quantile", np.quantile, LINE, params={"q": 0.3}, kinds="fi"),
    row("quantile of NumPy's float", np.quantile, TABLE, params={"q": np.float64(0.3), "axis": 1}, kinds="fi"),
    row("quantile 0", np.quantile, TABLE, params={"q": 0, "axis": 1}, kinds="fi"),
    row("quantile 1.0", np.quantile, TABLE, params={"q": 1.0, "axis": 0}),
    row("quantile of many", np.quantile, TABLE, params={"q": [0.1, 0.55, 1.0], "axis": 1, "keepdims": True}),
    row("quantile of a table", lambda x: np.quantile(x, np.array([[0.1, 0.9]]), axis=0), CUBE),
    row("quantile axis=(0, -1)", np.quantile, CUBE, params={"q": 0.7, "axis": (0, -1)}, loop=over_ends(np.quantile)),
    row("quantile with NaN", holed(np.quantile, q=0.4, axis=0), TABLE, differentiable=False),
    row("quantile of traced q", lambda x, q: np.quantile(x, q), LINE, Q),
    row(
        "quantile of one traced q",
        lambda x, q: np.quantile(x, q, axis=1, keepdims=True),
        TABLE,
        Arg((), low=0.3, high=0.45),
    ),
    *[
        row(
            f"quantile {method}",
            np.quantile,
            TABLE,
            params={"q": [0.13, 0.4, 0.9], "axis": -1, "method": method},
            kinds="fi",
        )
        for method in METHODS
    ],
    row("nanquantile", np.nanquantile, LINE, params={"q": 0.3}, kinds="fi"),
    row("nanquantile with NaN", holed(np.nanquantile, q=[0.2, 0.8], axis=1), TABLE),
    row("nanquantile 1.0", holed(np.nanquantile, q=1.0, axis=1), TABLE),
    row("nanquantile lower", holed(np.nanquantile, q=0.3, axis=0, method="lower", keepdims=True), TABLE),
    row(
        "nanquantile of traced q",
        lambda x, q: np.nanquantile(np.where(np.isnan(HOLES), np.nan, x), q, axis=1),
        TABLE,
        Q,
    ),
    *[
        row(
            f"{function.__name__} weights axis={axis}",
            lambda x, w, function=function, axis=axis, q=q: function(
                x, q, axis, weights=w, method="inverted_cdf", keepdims=True
            ),
            TABLE,
            Arg(shape, low=1, high=3),
            kinds="fi",
        )
        for function, shape, q, axis in WEIGHTED
    ],
    row(
        "nanquantile weights with NaN",
        lambda x, w: np.nanquantile(
            np.where(np.isnan(HOLES), np.nan, x), [0, 0.4], 1, weights=w, method="inverted_cdf"
        ),
        TABLE,
        Arg((2, 5), low=1, high=3),
    ),
    row(
        "quantile weights, traced q",
        lambda x, w, q: np.quantile(x, q, 1, weights=w, method="inverted_cdf"),
        TABLE,
        Arg((5,), low=1, high=3),
        Q,
    ),
    row("percentile", np.percentile, LINE, params={"q": 30}, kinds="fi"),
    row("percentile of many", np.percentile, TABLE, params={"q": [5, 50.5], "axis": 0, "method": "midpoint"}),
    row("nanpercentile", np.nanpercentile, TABLE, params={"q": 40.0, "axis": 1}, kinds="fi"),
]
