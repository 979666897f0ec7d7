"""Rows for vmapcore/rules/nans.py."""

import numpy as np

from . import Arg, row

TABLE = Arg((3, 3))
SPREAD = Arg((3, 3), distinct=True)
HOLES = np.array([[1.0, np.nan, 1.0], [np.nan, 1.0, 1.0], [1.0, 1.0, 1.0]])
KEPT = np.array([[True, False, True], [True, True, True], [False, True, True]])


def holed(function, **params):
    """`function` of an array in which two elements are NaN."""
    return lambda x: function(np.where(np.isnan(HOLES), np.nan, x), **params)


def rows(name, function, arg, kinds="fi", **options):
    return [
        row(name, function, arg, kinds=kinds, **options),
        row(f"{name} axis=0", function, arg, params={"axis": 0, "keepdims": True}, **options),
        row(f"{name} with NaN", holed(function), arg, **options),
        row(f"{name} with NaN axis=-1", holed(function, axis=-1), arg, **options),
        row(f"{name} with NaN keepdims", holed(function, axis=0, keepdims=True), arg, **options),
    ]


ROWS = [
    *rows("nansum", np.nansum, TABLE, "fcib"),
    row("nansum where", holed(np.nansum, axis=0, where=KEPT, initial=1.0), TABLE),
    row("nansum dtype", holed(np.nansum, dtype=np.float64), TABLE),
    *rows("nanprod", np.nanprod, TABLE, "fcib"),
    *rows("nanmax", np.nanmax, SPREAD),
    row("nanmax initial", holed(np.nanmax, axis=1, initial=0.5, where=KEPT), SPREAD),
    *rows("nanmin", np.nanmin, SPREAD),
    row("nanmin initial", holed(np.nanmin, axis=1, initial=0.5), SPREAD),
    *rows("nanargmax", np.nanargmax, SPREAD, differentiable=False),
    *rows("nanargmin", np.nanargmin, SPREAD, differentiable=False),
    *rows("nanmean", np.nanmean, TABLE, "fcib"),
    row("nanmean where", holed(np.nanmean, axis=1, where=KEPT), TABLE),
    row("nanmean dtype", holed(np.nanmean, axis=1, dtype=np.float64), TABLE),
    *rows("nanvar", np.nanvar, TABLE, "fcib"),
    row("nanvar ddof", holed(np.nanvar, axis=1, ddof=1), TABLE, kinds="fc"),
    row("nanvar where", holed(np.nanvar, axis=1, where=KEPT, correction=0.5), TABLE),
    row(
        "nanvar mean",
        lambda x, m: np.nanvar(np.where(np.isnan(HOLES), np.nan, x + 0 * m), axis=1, mean=m),
        TABLE,
        (3, 1),
    ),
    *rows("nanstd", np.nanstd, TABLE, "fcib"),
    row("nanstd ddof", holed(np.nanstd, axis=1, ddof=1), TABLE),
]
