"""Rows for vmapcore/rules/cumulative.py."""

import numpy as np

from vmapcore.rules.cumulative import previous, recurrence

from . import Arg, row

LINE = Arg((4,))
TABLE = Arg((2, 3))
CUBE = Arg((2, 3, 2))
NAN = np.array([1.0, np.nan, 1.0])


def with_zeros(function, **params):
    """`function` of an array with a zero, and with two, among its factors."""

    def f(x):
        return function(x * np.array([1.0, 0.0, 1.0]), **params) + function(x * np.array([0.0, 1.0, 0.0]), **params)

    return f


def primitive(made, **params):
    def f(*args):
        return made(*args, **params)

    return f


def loop(a, b):
    """h[i] = a[i] * h[i - 1] + b[i] along the last axis."""
    h = np.zeros(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    for i in range(h.shape[-1]):
        h[..., i] = b[..., i] + (a[..., i] * h[..., i - 1] if i else 0)
    return h


ROWS = [
    row("cumsum", np.cumsum, TABLE, kinds="fciub"),
    row("cumsum 1-d", np.cumsum, LINE, kinds="fc"),
    row("cumsum of a number", np.cumsum, ()),
    row("cumsum of a number axis=0", np.cumsum, (), params={"axis": 0}),
    row("cumsum axis=0", np.cumsum, CUBE, params={"axis": 0}),
    row("cumsum axis=1", np.cumsum, CUBE, params={"axis": 1}),
    row("cumsum axis=-2", np.cumsum, CUBE, params={"axis": -2}),
    row("cumsum dtype", np.cumsum, TABLE, params={"axis": 1, "dtype": np.float32}, kinds="fi", differentiable=False),
    row("cumsum int8", np.cumsum, Arg((4,), "i", 0, 3), params={"dtype": np.int8}),
    row("cumsum method", lambda x: x.cumsum(1), TABLE),
    row("logaddexp.accumulate", lambda x: np.logaddexp.accumulate(x, axis=-1), TABLE),
    row("add.accumulate", lambda x: np.add.accumulate(x), TABLE),
    row("cumprod", np.cumprod, TABLE, kinds="fciub"),
    row("cumprod axis=0", np.cumprod, CUBE, params={"axis": 0}),
    row("cumprod axis=-2", np.cumprod, CUBE, params={"axis": -2}, kinds="fc"),
    row("cumprod with zeros", with_zeros(np.cumprod, axis=-1), TABLE, kinds="fc"),
    row("cumprod dtype", np.cumprod, Arg((4,), "i", 1, 4), params={"dtype": float}),
    row("cumulative_sum", np.cumulative_sum, LINE, kinds="fci"),
    row("cumulative_sum include_initial", np.cumulative_sum, TABLE, params={"axis": 0, "include_initial": True}),
    row("cumulative_sum axis=-1", np.cumulative_sum, TABLE, params={"axis": -1, "dtype": np.float64}),
    row("cumulative_prod", np.cumulative_prod, LINE),
    row("cumulative_prod include_initial", np.cumulative_prod, TABLE, params={"axis": -1, "include_initial": True}),
    row("nancumsum", np.nancumsum, TABLE, kinds="fi"),
    row("nancumsum with NaN", lambda x: np.nancumsum(np.where(np.isnan(NAN), np.nan, x), axis=0), TABLE),
    row("nancumprod", np.nancumprod, TABLE, kinds="fi"),
    row("nancumprod with NaN", lambda x: np.nancumprod(np.where(np.isnan(NAN), np.nan, x), axis=-1), TABLE),
    row("previous", primitive(previous, axis=-1, reverse=False, fill=1), TABLE),
    row("previous reverse", primitive(previous, axis=-2, reverse=True, fill=0), TABLE),
    row("recurrence", primitive(recurrence, axis=-1, reverse=False), TABLE, TABLE, kinds="fc", loop=loop),
    row("recurrence broadcast", primitive(recurrence, axis=-1, reverse=False), (3,), TABLE, loop=loop),
    row(
        "recurrence reverse",
        primitive(recurrence, axis=-1, reverse=True),
        TABLE,
        (1, 3),
        loop=lambda a, b: loop(a[..., ::-1], b[..., ::-1])[..., ::-1],
    ),
    row(
        "recurrence axis=-2",
        primitive(recurrence, axis=-2, reverse=False),
        TABLE,
        TABLE,
        loop=lambda a, b: loop(a.T, b.T).T,
    ),
]
