"""Copies of arrays whose images lie innermost into ones where they lie outermost, and back: a matrix turned.

NumPy goes number by number; here a square of registers is turned at a time, by shuffles.
"""

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from .. import compiled
from ..compiled import kernel
from .lanes import pick, put, width, zeros

LEAST = 1 << 12
"""Numbers from which it pays."""


def copy(out: Any, x: Any) -> None:
    """out[...] = x for arrays of one shape."""
    if x.size >= LEAST and compiled.AVAILABLE and out.flags.c_contiguous and out.dtype == x.dtype:
        found = _matrix(x.shape, x.strides, x.dtype)
        if found is not None:
            _turn(x.ravel("K"), *found, out.reshape(-1))
            return
    np.copyto(out, x)


@lru_cache(maxsize=4096)
def _matrix(shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> tuple[int, int] | None:
    """Rows and columns, if the first axes together are the rows of a matrix that lies by columns."""
    if dtype.char not in "fd":
        return None
    for k in range(1, len(shape)):
        order = [*range(k, len(shape)), *range(k)]
        step = dtype.itemsize
        for i in reversed(order):
            if shape[i] != 1 and strides[i] != step:
                break
            step *= shape[i]
        else:
            rows = step // dtype.itemsize // int(np.prod(shape[k:]))
            return (rows, step // dtype.itemsize // rows) if rows > 1 else None
    return None


def square(x: Any, at: int, step: int, out: Any, to: int, to_step: int) -> None:
    """Turns as many registers as one has numbers, from x into out; they are `step` and `to_step` apart."""
    wide = width(zeros(x))
    for i in range(wide):
        for j in range(wide):
            out[to + j * to_step + i] = x[at + i * step + j]


if compiled.numba is not None:
    square = import_module(".turns", __package__).square


@kernel
def _turn(x: Any, rows: int, columns: int, out: Any) -> None:
    """out (rows, columns) of x (columns, rows)."""
    wide = width(zeros(x))
    whole, high = columns // wide * wide, rows // wide * wide
    for c in range(0, whole, wide):
        for r in range(0, high, wide):
            square(x, c * rows + r, rows, out, r * columns + c, columns)
    for c in range(whole, columns):
        for r in range(high):
            put(out, r * columns + c, pick(x, c * rows + r))
    for r in range(high, rows):
        for c in range(columns):
            put(out, r * columns + c, pick(x, c * rows + r))
