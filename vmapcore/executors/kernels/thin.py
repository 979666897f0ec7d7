"""Stacks of thin matrix products in one call: few rows, or a short sum, by matrices that are read once.

BLAS is called once per member, copies both operands into blocks first and leaves most of a block empty.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from .. import compiled, team
from ..compiled import kernel
from ..team import share
from .dots import dots, registers, spread_run
from .lanes import bare, lanes, pick, put, zeros
from .products import product, rows_of

LEAST_NUMBERS, LEAST_DEPTH, LEAST_COLUMNS = 1 << 14, 32, 64
"""For smaller y calls cost more than what they save; shorter sums and rows leave registers half empty."""


TERM = 0.05
"""Nanoseconds, roughly, of a product that is added up."""


def fits(x: Any, y: Any) -> bool:
    """Whether `matmul` takes x (d, rows, depth) and y (d, depth, columns) and is faster than BLAS.

    That is a matter of shapes and of how the arrays lie. By columns of y, three rows are summed at a time.
    """
    if not takes(x, y) or y.size < LEAST_NUMBERS or y.shape[1] < LEAST_DEPTH:
        return False
    if y.flags.c_contiguous:
        return bool(y.shape[2] >= LEAST_COLUMNS and 2 <= x.shape[1] <= 8)
    return x.shape[1] in (2, 3)


def takes(x: Any, y: Any) -> bool:
    """Whether `matmul` takes them."""
    if not x.ndim == y.ndim == 3 or x.dtype != y.dtype or x.dtype.char not in "fd" or not compiled.AVAILABLE:
        return False
    if len(x) != len(y) or not x.size or not y.size:
        return False
    least = lanes(x.dtype)
    if y.flags.c_contiguous:
        return bool(y.shape[2] >= least)
    return bool(y.swapaxes(1, 2).flags.c_contiguous and y.shape[1] >= least and y.shape[2] >= 4)


def matmul(x: Any, y: Any, out: Any) -> None:
    """Writes the products of x (d, rows, depth) and y (d, depth, columns) into `out`, which is C-contiguous."""
    members, rows, depth = x.shape
    columns = y.shape[2]
    if x.flags.c_contiguous:
        laid, steps = x.reshape(-1), (rows * depth, depth, 1)
    else:
        turned = x.swapaxes(1, 2)  # a view of what `x` views, or else a copy
        laid, steps = np.ascontiguousarray(turned).reshape(-1), (rows * depth, 1, rows)
    sizes = members, rows, depth, columns
    pieces = team.pieces(members, members * rows * depth * columns * TERM)
    if y.flags.c_contiguous:
        none, low = _start(max(rows, 3), x.dtype)
        _multiply(laid, steps, y.reshape(-1), none, low, out.reshape(-1), sizes, rows_of(len(none)), pieces)
    else:
        _multiply_turned(laid, steps, y.swapaxes(1, 2).reshape(-1), out.reshape(-1), sizes, pieces)


@lru_cache(maxsize=256)
def _start(rows: int, dtype: Any) -> tuple[Any, Any]:
    return np.zeros(rows, dtype), dtype.type(-np.inf)


@kernel
def _multiply(x: Any, steps: Any, y: Any, none: Any, low: Any, out: Any, sizes: Any, side: int, pieces: int) -> None:
    """y by rows: registers of columns, and few rows of x."""
    share(_by_rows, sizes[0], pieces, (x, steps, y, none, low, out, sizes, side))


@kernel
def _by_rows(
    begin: int, end: int, x: Any, steps: Any, y: Any, none: Any, low: Any, out: Any, sizes: Any, side: int
) -> None:
    _, rows, depth, columns = sizes
    height = none.size
    blocks = (height + side - 1) // side
    room = np.empty(blocks * side * depth + 3 * columns, x.dtype)
    places = np.arange(depth) * columns
    zero = x.dtype.type(0)
    for d in range(begin, end):
        for b in range(blocks):
            first = min(b * side, height - side)
            for o in range(side):
                at, to = d * steps[0] + (first + o) * steps[1], b * side * depth + o
                for k in range(depth):
                    put(room, to + k * side, pick(x, at + k * steps[2]) if first + o < rows else zero)
        if rows == height:
            source, to = out, d * rows * columns
        else:
            source, to = room, blocks * side * depth
        start = d * depth * columns
        product(room, 0, side * depth, side, none, low, y, start, places, depth, source, to, columns, columns)
        if rows < height:
            for k in range(rows * columns):
                put(out, d * rows * columns + k, pick(room, to + k))


@kernel
def _multiply_turned(x: Any, steps: Any, y: Any, out: Any, sizes: Any, pieces: int) -> None:
    """y by columns: registers of the numbers of a sum."""
    share(_by_columns, sizes[0], pieces, (x, steps, y, out, sizes))


@kernel
def _by_columns(begin: int, end: int, x: Any, steps: Any, y: Any, out: Any, sizes: Any) -> None:
    _, rows, depth, columns = sizes
    whole = registers(zeros(x), depth)
    height = (rows + 2) // 3 * 3
    room = np.empty(height * whole + 12, x.dtype)
    places = np.arange(4) * depth
    sums = height * whole
    zero = x.dtype.type(0)
    for k in range(rows * whole, height * whole):
        put(room, k, zero)
    for d in range(begin, end):
        for o in range(rows):
            spread_run(x, d * steps[0] + o * steps[1], steps[2], depth, room, o * whole)
        for begin in range(0, columns, 4):
            first = min(begin, columns - 4)
            for o in range(0, rows, 3):
                dots(
                    bare(room),
                    o * whole,
                    whole,
                    bare(y),
                    (d * columns + first) * depth,
                    bare(places),
                    0,
                    0,
                    1,
                    depth,
                    bare(room),
                    sums,
                )
                for i in range(min(3, rows - o)):
                    to = (d * rows + o + i) * columns + first
                    for j in range(4):
                        put(out, to + j, pick(room, sums + 4 * i + j))
