"""Rows for vmapcore/rules/calculus.py."""

import numpy as np

from . import Arg, row

LINE = Arg((5,))
TABLE = Arg((3, 4))
CUBE = Arg((2, 3, 2))
POINTS = np.array([-3.0, -1.0, 0.5, 0.75, 3.0])


def rising(x):
    """Increasing coordinates from any numbers."""
    return np.cumsum(np.abs(x) + 0.5)


ROWS = [
    row("diff", np.diff, TABLE, kinds="fciub"),
    row("diff n=2", np.diff, TABLE, params={"n": 2, "axis": 0}, kinds="fi"),
    row("diff n=0", lambda x: np.diff(x, n=0) * 1, LINE),
    row("diff axis=-2", np.diff, CUBE, params={"axis": -2}),
    row("diff prepend", np.diff, TABLE, params={"prepend": 0, "append": 1.0}),
    row("diff append", lambda x, y: np.diff(x, axis=0, append=y), TABLE, (2, 4)),
    row("ediff1d", np.ediff1d, TABLE, kinds="fci"),
    row("ediff1d ends", lambda x, y: np.ediff1d(x, to_end=y, to_begin=np.float32(0)), LINE, (2,)),
    row("trapezoid", np.trapezoid, TABLE, kinds="fci"),
    row("trapezoid dx", np.trapezoid, CUBE, params={"dx": 0.5, "axis": 1}),
    row("trapezoid x", lambda y, x: np.trapezoid(y, x, axis=0), TABLE, (3,)),
    row("trapezoid x of every row", lambda y, x: np.trapezoid(y, x), TABLE, (3, 4)),
    row("gradient", np.gradient, LINE, kinds="fci"),
    row("gradient of a table", np.gradient, TABLE),
    row("gradient axis", np.gradient, CUBE, params={"axis": (1, 0)}),
    row("gradient spacing", lambda f: np.gradient(f, 0.5, axis=-1), TABLE),
    row("gradient spacings", lambda f: np.gradient(f, 0.5, 2, axis=(1, 0)), TABLE),
    row("gradient edge_order", np.gradient, TABLE, params={"axis": 1, "edge_order": 2}),
    row("gradient coordinates", lambda f, x: np.gradient(f, rising(x), axis=0), Arg((4, 2)), (4,)),
    row("gradient plain coordinates", lambda f: np.gradient(f, POINTS), LINE),
    row("gradient coordinates edge_order", lambda f, x: np.gradient(f, rising(x), edge_order=2), LINE, LINE),
    row("unwrap", lambda x: np.unwrap(3 * x), TABLE, kinds="fi"),
    row("unwrap axis=0", lambda x: np.unwrap(x, axis=0, period=1.5, discont=1.0), TABLE),
    row("unwrap int", lambda x: np.unwrap(x, period=4), Arg((6,), "i", 0, 9)),
    row("unwrap odd", lambda x: np.unwrap(x, period=5), Arg((6,), "i", 0, 9)),
    row("interp", lambda x, f: np.interp(x, POINTS, f), (3,), LINE, kinds="f"),
    row("interp points", lambda x, p, f: np.interp(x, rising(p) - 1.5, f), (2, 3), LINE, LINE, tol=10),  # short steps
    row("interp a number", lambda x, f: np.interp(x, POINTS, f), (), LINE),
    row("interp beyond", lambda x, f: np.interp(4 * x, POINTS, f, left=-1, right=7.0), Arg((6,)), LINE),
    row("interp period", lambda x, f: np.interp(x, POINTS, f, period=2.5), (4,), LINE),
    row("interp complex", lambda x, f: np.interp(x, POINTS, f + 1j), (4,), LINE),
    row("interp one point", lambda x, f: np.interp(x, np.array([0.5]), f), (4,), (1,)),
    *[
        row(f"convolve {mode}", np.convolve, LINE, (3,), params={"mode": mode}, kinds="fc")
        for mode in ("full", "same", "valid")
    ],
    *[
        row(f"convolve {mode} long", np.convolve, (2,), LINE, params={"mode": mode})
        for mode in ("full", "same", "valid")
    ],
    row("convolve kinds", np.convolve, LINE, LINE, kinds="iub"),
    *[
        row(f"correlate {mode}", np.correlate, LINE, (4,), params={"mode": mode}, kinds="fc")
        for mode in ("full", "same", "valid")
    ],
    *[
        row(f"correlate {mode} long", np.correlate, (2,), LINE, params={"mode": mode}, kinds="fc")
        for mode in ("full", "same", "valid")
    ],
]
