"""Stacks of matrix products in one call: operands are read where they lie, and a result is cut from below at once.

BLAS is called once per member and copies both operands into blocks of its own first: where rows are few, or both
operands lie along the sum, that takes as long as the products.
"""

from typing import Any

import numpy as np

from ...thresholds import STACKED_DEPTH, STACKED_NUMBERS, STACKED_TERMS
from .. import compiled, team
from ..compiled import kernel
from ..team import share
from .blocks import COLUMNS, REGISTERS, block_of, inner, product, registers, spread_run
from .lanes import WIDE, bare, behind, lanes, number, pick, put, room_for, zeros

MOST_ROWS = 128
"""BLAS's own blocks of more rows are as good."""

if WIDE == 64:
    LEAST_COLUMNS, FEW_ROWS, FEW_RESULTS, FEW_TERMS = 256, 32, 1024, 1_000_000
    LONG = {False: (2, 64), True: (1, 32)}
else:
    LEAST_COLUMNS, FEW_ROWS, FEW_RESULTS, FEW_TERMS = 64, 8, 0, 0
    LONG = {False: (16, 128), True: (1, 64)}
"""Least columns, most rows, and results and terms up to which BLAS has loops of its own for this processor, which copy
nothing. And how long sums must be: for each row, and at least, by whether there is a bias or a floor."""

CHUNK = 1024
"""Numbers of a sum whose operands stay in a cache."""

TERM = 0.02
"""Nanoseconds, roughly, of a product that is added up."""


class Stack:
    """x @ y for x (d, rows, depth) and y (d, depth, columns) that lie as these do, perhaps plus a bias, rectified."""

    def __init__(self, x: Any, y: Any) -> None:
        members, rows, depth = x.shape
        columns = y.shape[2]
        self.along = not y.flags.c_contiguous
        self.block = block_of(max(rows, 3), COLUMNS if self.along else REGISTERS)
        least = self.block[1] if self.along else 4 * lanes(x.dtype)
        terms = rows * depth * columns
        parts = max(1, min(columns // least, terms // STACKED_TERMS))
        self.sizes = members, rows, depth, columns, parts  # columns are divided into parts
        self.pieces = team.pieces(members * parts, members * terms * TERM)
        self.none = np.empty(0, x.dtype)
        self.floors = x.dtype.type(-np.inf), x.dtype.type(0)

    def __call__(self, x: Any, y: Any, out: Any, bias: Any = None, relu: bool = False) -> None:
        """Writes into `out`, C-contiguous; `bias` is (columns,) or (d, columns)."""
        _, rows, depth, _, _ = self.sizes
        if x.flags.c_contiguous:
            laid, steps = x, (rows * depth, depth, 1)
        else:
            transposed = x.swapaxes(1, 2)  # a view of what `x` views, or else a copy
            laid, steps = np.ascontiguousarray(transposed), (rows * depth, 1, rows)
        columns = (y.swapaxes(1, 2) if self.along else y).reshape(-1)
        finish = self.none if bias is None else bias.ravel(), self.floors[relu]
        shape = self.sizes, self.block
        _multiply((laid.reshape(-1), *steps), columns, self.along, finish, out.reshape(-1), shape, self.pieces)


def stack(x: Any, y: Any, finished: bool = False) -> Stack | None:
    """What multiplies such stacks, if it is faster than BLAS: a matter of shapes and of how the arrays lie.

    If there is a bias, or a floor, the call saves others.
    """
    if not takes(x, y) or y.size < STACKED_NUMBERS >> 3 * finished or x.shape[1] < 2 or y.shape[1] < STACKED_DEPTH:
        return None
    _, rows, depth = x.shape
    columns = y.shape[2]
    if y.flags.c_contiguous:
        fits = columns >= LEAST_COLUMNS and (rows == 3 or (rows <= FEW_ROWS and rows * depth * columns > FEW_TERMS))
    elif rows == 3 or (rows == 2 and not FEW_RESULTS):
        fits = True
    else:
        for_each, least = LONG[finished]
        long = depth >= max(least, for_each * rows)
        fits = long and x.flags.c_contiguous and rows <= MOST_ROWS and rows * columns > FEW_RESULTS
    return Stack(x, y) if fits else None


def takes(x: Any, y: Any) -> bool:
    """Whether there is a `Stack` for them."""
    if (
        not x.ndim == y.ndim == 3
        or x.dtype != y.dtype
        or not compiled.is_plain_float(x.dtype)
        or not compiled.AVAILABLE
    ):
        return False
    if len(x) != len(y) or not x.size or not y.size:
        return False
    least = lanes(x.dtype)
    if y.flags.c_contiguous:
        return bool(y.shape[2] >= least)
    _, across = block_of(max(x.shape[1], 3), COLUMNS)
    return bool(y.swapaxes(1, 2).flags.c_contiguous and y.shape[1] >= least and y.shape[2] >= across)


@kernel
def _multiply(x: Any, y: Any, along: bool, finish: Any, out: Any, shape: Any, pieces: int) -> None:
    """`x` is numbers with the distances of members, rows and terms; `finish` a bias and a floor."""
    (bias, floor), (sizes, _) = finish, shape
    bias_step = -1 if bias.size == 0 else sizes[3] if bias.size > sizes[3] else 0
    args = x, y, (bias, bias_step, floor), out, shape
    if along:
        share(_along, sizes[0] * sizes[4], pieces, args)
    else:
        share(_across, sizes[0] * sizes[4], pieces, args)


@kernel
def _across(begin: int, end: int, left: Any, y: Any, finish: Any, out: Any, shape: Any) -> None:
    """y by rows: registers of columns, and rows of x packed side by side."""
    (_, rows, depth, columns, parts), block = shape
    x, x_member, x_row, x_term = left
    side, height = block[0], max(rows, 3)
    zeros_at = (height + side - 1) // side * side * depth
    spare = zeros_at + height
    room = room_for(x, spare + (height * columns if rows < height else 0))
    for o in range(height):
        put(room, zeros_at + o, number(x, 0))
    packed = -1
    for which in range(begin, end):
        d, part = which // parts, which % parts
        first, last = columns * part // parts, columns * (part + 1) // parts
        if d != packed:
            _pack(x, d * x_member, x_row, x_term, (rows, depth, height, side), room)
            packed = d
        to = d * rows * columns + first
        made, at = (bare(room), spare) if rows < height else (bare(out), to)
        none, source = behind(room, zeros_at), (y, d * depth * columns + first, columns, depth)
        into = made, at, columns, last - first
        product(block, (room, 0, side * depth), (none, height, number(x, -np.inf)), source, into)
        for o in range(rows):
            for k in range(last - first):
                value = pick(made, at + o * columns + k)
                put(out, to + o * columns + k, _finished(value, finish, d, first + k))


@kernel
def _pack(x: Any, at: int, row: int, term: int, sizes: Any, room: Any) -> None:
    """The rows of one member, `side` side by side; rows that are too few become zeros, the last ones may come twice."""
    rows, depth, height, side = sizes
    to = 0
    for begin in range(0, height, side):
        first = min(begin, height - side)
        for k in range(depth):
            for o in range(first, first + side):
                put(room, to, pick(x, at + o * row + k * term) if o < rows else number(x, 0))
                to += 1


@kernel
def _finished(value: Any, finish: Any, d: int, column: int) -> Any:
    """A number of member `d` with its bias, cut from below."""
    bias, bias_step, floor = finish
    more = value + pick(bias, d * bias_step + column) if bias_step >= 0 else value
    return floor if more < floor else more


@kernel
def _along(begin: int, end: int, left: Any, y: Any, finish: Any, out: Any, shape: Any) -> None:
    """y by columns: registers of the numbers of a sum."""
    (_, rows, depth, columns, parts), (side, across) = shape
    x, x_member, x_row, x_term = left
    height, whole = max(rows, side), registers(zeros(x), depth)
    as_it_lies = x_term == 1 and whole == depth and rows == height
    laid = 0 if as_it_lies else height * whole
    room = room_for(x, laid + side * across)
    for k in range(rows * whole, laid):
        put(room, k, number(x, 0))
    there = -1
    for which in range(begin, end):
        d, part = which // parts, which % parts
        if not as_it_lies and d != there:
            for o in range(rows):
                spread_run(x, d * x_member + o * x_row, x_term, depth, room, o * whole)
            there = d
        source, at = (bare(x), d * x_member) if as_it_lies else (bare(room), 0)
        span = columns * part // parts, columns * (part + 1) // parts
        _sums((source, at, whole), y, d, span, finish, out, (room, laid), shape)


@kernel
def _sums(left: Any, y: Any, d: int, span: Any, finish: Any, out: Any, spare: Any, shape: Any) -> None:
    """Some columns of one member, a chunk of the sums after the other; `spare` is a room, and a place for a block."""
    (_, rows, depth, columns, _), (side, across) = shape
    (x, x_at, whole), (room, sums) = left, spare
    for begin in range(0, depth, CHUNK):
        lengths = 1, min(CHUNK, depth - begin)
        for c in range(span[0], span[1], across):
            column = min(c, span[1] - across)
            right = y, (d * columns + column) * depth + begin, depth, 0, 0
            for r in range(0, rows, side):
                row = max(min(r, rows - side), 0)
                packed, into = (x, x_at + row * whole + begin, whole), (d * rows + row) * columns + column
                if begin == 0 and side <= rows:
                    inner(side, across, packed, right, lengths, (out, into, columns))
                    continue
                inner(side, across, packed, right, lengths, (room, sums, across))
                # ends of rows and of columns come twice, and are added once
                for i in range(r - row, min(side, rows - row)):
                    for j in range(c - column, across):
                        before = pick(out, into + i * columns + j) if begin else number(x, 0)
                        put(out, into + i * columns + j, before + pick(room, sums + i * across + j))
    for r in range(rows):
        for k in range(span[0], span[1]):
            into = (d * rows + r) * columns + k
            put(out, into, _finished(pick(out, into), finish, d, k))
