"""Rows for vmapcore/rules/creation.py."""

import numpy as np

import vmapcore.numpy as vnp

from . import Arg, row


def shaped(out, x):
    """Uninitialised memory has no value to compare, but a shape."""
    return np.ones_like(out) * x


FROM_NOTHING = [
    row("zeros", lambda x: np.zeros((2, 3), like=x), (3,)),
    row("ones", lambda x: np.ones(3, dtype=np.int32, like=x), (3,)),
    row("empty", lambda x: shaped(np.empty(3, like=x), x), (3,)),
    row("full", lambda x: np.full((2,), 1.5, like=x), (3,)),
    row("full traced", lambda x: np.full((2, 3), x, like=x), (3,)),
    row("full traced dtype", lambda x: np.full((2, 3), x, dtype=np.complex128, like=x), (3,)),
    row("eye", lambda x: np.eye(3, 4, 1, like=x) @ x, (4,)),
    row("identity", lambda x: np.identity(3, like=x) * x, (3,)),
    row("tri", lambda x: np.tri(3, 4, -1, like=x) * x, (4,)),
    row("arange", lambda x: np.arange(3, like=x) * x, (3,)),
    row("arange step", lambda x: np.arange(1, 4.0, 0.5, dtype=np.float32, like=x), (3,)),
]

LIKE = [
    row("zeros_like", np.zeros_like, (2, 3), kinds="fcib"),
    row("ones_like", np.ones_like, (2, 3), kinds="fcib"),
    row("ones_like dtype", np.ones_like, (2, 3), params={"dtype": np.int16}),
    row("ones_like shape", np.ones_like, (2, 3), params={"shape": 4}),
    row("empty_like", lambda x: shaped(np.empty_like(x), x), (2, 3)),
    row("full_like", np.full_like, (2, 3), params={"fill_value": 2.5}, kinds="fi"),
    row(
        "full_like traced",
        lambda x, y: vnp.full_like(x, y, dtype=np.float64),
        (2, 3),
        (3,),
        loop=lambda x, y: np.full_like(x, y, dtype=np.float64),
    ),
    row("asarray", lambda x: np.asarray(x, like=x), (2, 3)),
    row("asarray nested", lambda x, y: vnp.asarray([[x, 1.0], (y, x)]), (), ()),
    row("asarray dtype", lambda x: np.asarray(x, dtype=np.complex128, like=x), (2, 3)),
    row("array", lambda x: np.array(x, like=x) * x, (2, 3)),
    row("array ndmin", lambda x: np.array(x, ndmin=3, like=x), (2, 3)),
]

BETWEEN = [
    row("linspace", np.linspace, (), (), params={"num": 5}),
    row("linspace of vectors", np.linspace, (3,), (2, 1), params={"num": 4}),
    row("linspace axis", np.linspace, (3,), (2, 3), params={"num": 4, "axis": -1, "endpoint": False}),
    row("linspace from a number", lambda x: np.linspace(1, x, 4), (3,)),
    row("linspace of one", lambda x: np.linspace(x, 2.0, 1), (3,)),
    row("linspace retstep", lambda x, y: np.linspace(x, y, 4, retstep=True), (3,), (3,)),
    row("linspace dtype", lambda x, y: np.linspace(x, y, 4, dtype=np.int64), (3,), (3,)),
    row("linspace of ints", np.linspace, Arg((), "i"), Arg((3,), "i"), params={"num": 5}),
    row("logspace", np.logspace, (), (3,), params={"num": 4}),
    row("logspace base", lambda x, y, b: np.logspace(x, y, 3, base=b, axis=-1), (2,), (2,), Arg((2,), low=0.5)),
    row("logspace endpoint", np.logspace, (2,), (2,), params={"num": 3, "endpoint": False, "base": 2.0}),
    row("geomspace", np.geomspace, Arg((), low=0.5), Arg((3,), low=0.5), params={"num": 4}),
    row(
        "geomspace below zero",
        np.geomspace,
        Arg((2,), low=-3, high=-0.5),
        Arg((2,), low=-3, high=-0.5),
        params={"num": 4, "axis": 1},
    ),
    row("geomspace endpoint", lambda x: np.geomspace(1, x, 3, endpoint=False), Arg((2,), low=0.5)),
]

ROWS = FROM_NOTHING + LIKE + BETWEEN
