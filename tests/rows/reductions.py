"""Rows for vmapcore/rules/reductions.py."""

import numpy as np

from vmapcore.rules.reductions import repeat_along

from . import Arg, row

LINE = Arg((3,))
TABLE = Arg((2, 3))
CUBE = Arg((2, 3, 2))
SPREAD = Arg((2, 3), distinct=True)
SPREAD_CUBE = Arg((2, 3, 2), distinct=True)
MASK = Arg((2, 3), "b")
KEPT = np.array([True, False, True])


def of_last_axis(method):
    return lambda x: method(x, axis=-1)


def repeated(x):
    return repeat_along(x, axis=(-2,), sizes=(4,), keepdims=False)


def axes(name, function, arg, **options):
    """A row for each way to say which axes to reduce."""
    return [
        row(
            f"{name}{' ' if params else ''}{' '.join(f'{k}={v}' for k, v in params.items())}",
            function,
            arg,
            params=params,
            **options,
        )
        for params in (
            {},
            {"axis": 0},
            {"axis": 1},
            {"axis": -1},
            {"axis": (0, -1)},
            {"axis": (-2, 0)},
            {"axis": ()},
            {"axis": -2, "keepdims": True},
            {"axis": (2, 1), "keepdims": True},
            {"keepdims": True},
        )
    ]


ROWS = [
    *axes("sum", np.sum, CUBE),
    row("sum of kinds", np.sum, TABLE, kinds="fciub"),
    row("sum of kinds axis=0", np.sum, TABLE, params={"axis": 0}, kinds="fciub"),
    row("sum of a number", np.sum, (), kinds="fcb"),
    row("sum dtype", np.sum, TABLE, params={"axis": 0, "dtype": np.float64}, kinds="fib"),
    row("sum dtype int", np.sum, TABLE, params={"dtype": np.int32}, kinds="fi", differentiable=False),
    row("sum dtype complex", np.sum, LINE, params={"dtype": complex}),
    row("sum initial", np.sum, TABLE, params={"axis": 1, "initial": 2.5}, kinds="fi"),
    row("sum where", lambda x, m: np.sum(x, axis=0, where=m), TABLE, MASK, kinds="fcib"),
    row("sum where broadcast", np.sum, TABLE, params={"where": KEPT, "keepdims": True}),
    row("sum method", lambda x: x.sum(-1, keepdims=True), TABLE),
    row("add.reduce", lambda x: np.add.reduce(x), TABLE, kinds="fi"),
    row("add.reduce axis=None", lambda x: np.add.reduce(x, axis=None), TABLE),
    *axes("prod", np.prod, CUBE, tol=10),  # twelve factors
    row("prod of kinds", np.prod, TABLE, kinds="fciub"),
    row("prod of kinds axis=-1", np.prod, TABLE, params={"axis": -1}, kinds="fciub"),
    row("prod of a number", np.prod, (), kinds="fc"),
    row("prod with a zero", lambda x: np.prod(x * np.array([1.0, 0.0, 1.0])), LINE, kinds="fc"),
    row("prod with two zeros", lambda x: np.prod(x * np.array([0.0, 0.0, 1.0]), axis=-1), TABLE),
    row("prod dtype", np.prod, TABLE, params={"axis": 0, "dtype": np.float64}, kinds="fi"),
    row("prod initial", np.prod, TABLE, params={"axis": 1, "initial": 2.0}, kinds="fi"),
    row("prod where", lambda x, m: np.prod(x, axis=1, where=m), TABLE, MASK, kinds="fi"),
    row("multiply.reduce", lambda x: np.multiply.reduce(x, axis=1), TABLE),
    *axes("max", np.max, SPREAD_CUBE),
    row("max of kinds", np.max, SPREAD, params={"axis": 0}, kinds="fciu"),
    row("max of bools", np.max, MASK, params={"axis": 1}),
    row("max of a number", np.max, ()),
    row("max initial", np.max, SPREAD, params={"axis": 1, "initial": 0.5}, kinds="fi"),
    row("max where", lambda x, m: np.max(x, axis=0, initial=-9, where=m), SPREAD, MASK, kinds="fi"),
    row("max method", lambda x: x.max(), SPREAD),
    row("maximum.reduce", lambda x: np.maximum.reduce(x, axis=-1), SPREAD),
    row("amax", np.amax, SPREAD, params={"axis": 1}),
    *axes("min", np.min, SPREAD_CUBE),
    row("min of kinds", np.min, SPREAD, params={"axis": -1}, kinds="fciu"),
    row("min initial", np.min, SPREAD, params={"axis": 1, "initial": 0.5, "keepdims": True}, kinds="fi"),
    row("min where", lambda x, m: np.min(x, axis=0, initial=9, where=m), SPREAD, MASK, kinds="fi"),
    row("minimum.reduce", lambda x: np.minimum.reduce(x, axis=0), SPREAD),
    row("amin", np.amin, SPREAD),
    row("any", np.any, Arg((2, 3), "b"), params={"axis": 0}),
    row("any of kinds", np.any, TABLE, params={"axis": (0, -1), "keepdims": True}, kinds="fciub", differentiable=False),
    row("any where", lambda x, m: np.any(x, axis=1, where=m), MASK, MASK),
    row("any axis=None", np.any, MASK),
    row("maximum.reduce dtype", lambda x: np.maximum.reduce(x, axis=1, dtype=np.float64), SPREAD),
    row("logical_or.reduce initial", lambda x: np.logical_or.reduce(x, axis=1, initial=True), MASK),
    row("logical_or.reduce", lambda x: np.logical_or.reduce(x, axis=1), MASK),
    row("all", np.all, Arg((2, 3), "b"), params={"axis": 0}),
    row("all of kinds", np.all, TABLE, params={"axis": -1, "keepdims": True}, kinds="fciub", differentiable=False),
    row("all where", lambda x, m: np.all(x, axis=1, where=m), MASK, MASK),
    row("all axis=None", np.all, MASK),
    row("logaddexp.reduce", lambda x: np.logaddexp.reduce(x), TABLE),
    row("logaddexp.reduce options", lambda x: np.logaddexp.reduce(x, axis=None, keepdims=True, initial=1.0), TABLE),
    row("logaddexp.reduce where", lambda x: np.logaddexp.reduce(x, axis=1, where=np.arange(x.shape[1]) > 0), TABLE),
    *[
        row(f"{ufunc.__name__}.{method}", of_last_axis(getattr(ufunc, method)), SPREAD, kinds=kind)
        for kind, ufuncs in {
            "f": (np.logaddexp2, np.hypot, np.fmax, np.fmin),
            "i": (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd),
        }.items()
        for ufunc in ufuncs
        for method in ("reduce", "accumulate")
    ],
    row("logical_and.reduce", lambda x: np.logical_and.reduce(x, axis=0), MASK),
    row("argmax", np.argmax, SPREAD, kinds="fiu", differentiable=False),
    row("argmax axis=0", np.argmax, SPREAD, params={"axis": 0}, kinds="fc", differentiable=False),
    row("argmax keepdims", np.argmax, SPREAD, params={"axis": -1, "keepdims": True}, differentiable=False),
    row("argmax keepdims axis=None", np.argmax, SPREAD, params={"keepdims": True}, differentiable=False),
    row("argmax with ties", np.argmax, MASK, params={"axis": 1}),
    row("argmin", np.argmin, SPREAD, kinds="fiu", differentiable=False),
    row("argmin axis=-2", np.argmin, SPREAD, params={"axis": -2}, differentiable=False),
    row("argmin keepdims", np.argmin, SPREAD, params={"axis": 1, "keepdims": True}, differentiable=False),
    row("count_nonzero", np.count_nonzero, TABLE, kinds="fciub", differentiable=False),
    row("count_nonzero axis=(0, 1)", np.count_nonzero, MASK, params={"axis": (0, 1), "keepdims": True}),
    row("count_nonzero axis=0", np.count_nonzero, MASK, params={"axis": 0}),
    row("ptp", np.ptp, SPREAD, kinds="fi"),
    row("ptp axis=0", np.ptp, SPREAD, params={"axis": 0, "keepdims": True}),
    row("ptp axis=(0, 1)", np.ptp, SPREAD, params={"axis": (0, 1)}),
    *axes("mean", np.mean, CUBE),
    row("mean of kinds", np.mean, TABLE, params={"axis": -1}, kinds="fciub"),
    row("mean of a number", np.mean, (), kinds="fc"),
    row("mean of float16", lambda x: np.mean(x.astype(np.float16), axis=0), TABLE, differentiable=False),
    row("mean dtype", np.mean, TABLE, params={"axis": 0, "dtype": np.float32}, kinds="fi", differentiable=False),
    row("mean dtype int", np.mean, Arg((2, 3), "i", -9, 9), params={"axis": 0, "dtype": int}),
    row("mean where", lambda x, m: np.mean(x, axis=0, where=np.logical_or(m, True)), TABLE, MASK, kinds="fi"),
    row("mean where broadcast", np.mean, TABLE, params={"axis": 1, "where": KEPT, "keepdims": True}),
    row("mean method", lambda x: x.mean((0, 1)), TABLE),
    row(
        "repeat_along",
        repeated,
        TABLE,
        kinds="fc",
        loop=lambda x: np.broadcast_to(x[:, None], (x.shape[0], 4, x.shape[1])),
    ),
]
