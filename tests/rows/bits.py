"""Rows for vmapcore/rules/bits.py."""

import numpy as np

from . import Arg, row
from .indexing import in_place

BYTES = Arg((2, 3), "u", 0, 255)
FLAGS = Arg((2, 9), "b")


def bits(x):
    return x.view(f"i{x.dtype.itemsize}")


ROWS = [
    row("packbits", np.packbits, FLAGS),
    row("packbits axis", np.packbits, FLAGS, params={"axis": 1, "bitorder": "little"}),
    row("unpackbits", np.unpackbits, BYTES),
    row("unpackbits axis", np.unpackbits, BYTES, params={"axis": 0}),
    row("unpackbits count", np.unpackbits, BYTES, params={"axis": -1, "count": -2, "bitorder": "little"}),
    row("view", bits, (2, 3), differentiable=False),
    row("view back", lambda x: bits(x).view(x.dtype) + x.view(), (3,), differentiable=False),
    in_place("view written", lambda x: bits(x).__setitem__(0, 0), (3,), differentiable=False),
    row("flat", lambda x: x.flat[1:4] * x.flat[0] + sum(v for v in x.flat), (2, 3)),
    in_place("flat written", lambda x, v: x.flat.__setitem__(slice(1, None, 2), v), (2, 3), (2,)),
    in_place("flat all", lambda x, v: setattr(x, "flat", v), (2, 3), (2,)),
    in_place("shape", lambda x: setattr(x, "shape", (3, 2)), (2, 3)),
]
