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
        flat = laid.reshape(-1), steps, (y.swapaxes(1, 2) if self.along else y).reshape(-1)
        more = self.none if bias is None else bias.ravel(), self.floors[relu]
        _multiply(*flat, *more, out.reshape(-1), self.sizes, self.along, self.block, self.pieces)


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
def _multiply(
    x: Any,
    steps: Any,
    y: Any,
    bias: Any,
    floor: Any,
    out: Any,
    sizes: Any,
    along: bool,
    block: Any,
    pieces: int,
) -> None:
    bias_step = -1 if bias.size == 0 else sizes[3] if bias.size > sizes[3] else 0
    args = x, steps, y, bias, bias_step, floor, out, sizes, block
    if along:
        share(_along, sizes[0] * sizes[4], pieces, args)
    else:
        share(_across, sizes[0] * sizes[4], pieces, args)


@kernel
def _across(
    begin: int,
    end: int,
    x: Any,
    steps: Any,
    y: Any,
    bias: Any,
    bias_step: int,
    floor: Any,
    out: Any,
    sizes: Any,
    block: Any,
) -> None:
    """y by rows: registers of columns, and rows of x packed side by side."""
    _, rows, depth, columns, parts = sizes
    side, height = block[0], max(rows, 3)
    zeros_at = (height + side - 1) // side * side * depth
    spare = zeros_at + height
    room = room_for(x, spare + (height * columns if rows < height else 0))
    for o in range(height):
        put(room, zeros_at + o, number(x, 0))
    packed = -1
    for which in range(begin, end):
        d, part = which // parts, which % parts
        left, right = columns * part // parts, columns * (part + 1) // parts
        if d != packed:
            _pack(x, d * steps[0], steps, (rows, depth, height, side), room)
            packed = d
        start, to = d * depth * columns + left, d * rows * columns + left
        made, at = (bare(room), spare) if rows < height else (bare(out), to)
        rest = height, number(x, -np.inf), y, start, columns, depth, made, at, columns, right - left
        product(room, 0, side * depth, block, behind(room, zeros_at), *rest)
        first = d * max(bias_step, 0) + left
        for o in range(rows):
            for k in range(right - left):
                value = pick(made, at + o * columns + k)
                put(out, to + o * columns + k, _finished(value, bias, bias_step, first + k, floor))


@kernel
def _pack(x: Any, at: int, steps: Any, sizes: Any, room: Any) -> None:
    """The rows of one member, `side` side by side; rows that are too few become zeros, the last ones may come twice."""
    rows, depth, height, side = sizes
    to = 0
    for begin in range(0, height, side):
        first = min(begin, height - side)
        for k in range(depth):
            for o in range(first, first + side):
                put(room, to, pick(x, at + o * steps[1] + k * steps[2]) if o < rows else number(x, 0))
                to += 1


@kernel
def _finished(value: Any, bias: Any, bias_step: int, at: int, floor: Any) -> Any:
    more = value + pick(bias, at) if bias_step >= 0 else value
    return floor if more < floor else more


@kernel
def _along(
    begin: int,
    end: int,
    x: Any,
    steps: Any,
    y: Any,
    bias: Any,
    bias_step: int,
    floor: Any,
    out: Any,
    sizes: Any,
    block: Any,
) -> None:
    """y by columns: registers of the numbers of a sum."""
    _, rows, depth, columns, parts = sizes
    side, across = block
    height, whole = max(rows, side), registers(zeros(x), depth)
    as_it_lies = steps[2] == 1 and whole == depth and rows == height
    laid = 0 if as_it_lies else height * whole
    room = room_for(x, laid + side * across)
    for k in range(rows * whole, laid):
        put(room, k, number(x, 0))
    there = -1
    for which in range(begin, end):
        d, part = which // parts, which % parts
        if not as_it_lies and d != there:
            for o in range(rows):
                spread_run(x, d * steps[0] + o * steps[1], steps[2], depth, room, o * whole)
            there = d
        source, at = (bare(x), d * steps[0]) if as_it_lies else (bare(room), 0)
        span = columns * part // parts, columns * (part + 1) // parts
        finish = bias, d * max(bias_step, 0), bias_step, floor
        more = out, d * rows * columns, room, laid, span, sizes, block, whole
        _sums(source, at, y, d * columns * depth, finish, *more)


@kernel
def _sums(
    x: Any,
    x_at: int,
    y: Any,
    y_at: int,
    finish: Any,
    out: Any,
    to: int,
    room: Any,
    sums: int,
    span: Any,
    sizes: Any,
    block: Any,
    whole: int,
) -> None:
    """Some columns of one member, a chunk of the sums after the other."""
    _, rows, depth, columns, _ = sizes
    side, across = block
    for begin in range(0, depth, CHUNK):
        run = min(CHUNK, depth - begin)
        for c in range(span[0], span[1], across):
            column = min(c, span[1] - across)
            for r in range(0, rows, side):
                row = max(min(r, rows - side), 0)
                at, start, into = x_at + row * whole + begin, y_at + column * depth + begin, to + row * columns + column
                if begin == 0 and side <= rows:
                    inner(side, x, at, whole, y, start, depth, 0, 0, 1, run, out, into, columns)
                    continue
                inner(side, x, at, whole, y, start, depth, 0, 0, 1, run, room, sums, across)
                # ends of rows and of columns come twice, and are added once
                for i in range(r - row, min(side, rows - row)):
                    for j in range(c - column, across):
                        before = pick(out, into + i * columns + j) if begin else number(x, 0)
                        put(out, into + i * columns + j, before + pick(room, sums + i * across + j))
    bias, first, bias_step, floor = finish
    for r in range(rows):
        for k in range(span[0], span[1]):
            into = to + r * columns + k
            put(out, into, _finished(pick(out, into), bias, bias_step, first + k, floor))
