"""Products of weights with rows of an array, read where they lie: the one inner loop of compiled convolutions.

out[o, j] = max(floor, bias[o] + sum over k of w[o, k] * x[start + place(steps, k) + j])

for j in a run of numbers that lie together. A block of results, some rows `o` by some registers of `j`, is summed at a
time. `steps` is an array of places, or one int, the distance between equally distant ones.
"""

from typing import Any

import numpy as np

from ..compiled import kernel, numba
from .lanes import WIDE, number, pick, place, put, width, zeros

if numba is not None:
    from ..native import inner_loops

REGISTERS: dict[int, int] = {3: 4, 4: 4, 6: 4, 8: 3} if WIDE == 64 else {3: 3, 4: 3}
"""How many rows may be multiplied at a time, and by how many registers at most: sums that fill the processor's 32 or 16
registers, and none waits for the sum before. There must be at least as many rows."""

COLUMNS: dict[int, int] = {3: 6, 4: 6} if WIDE == 64 else {3: 4}
"""For sums along memory: how many rows of one side by how many of the other."""


def block_of(height: int, table: dict[int, int] = REGISTERS) -> tuple[int, int]:
    """How many rows at a time are the fewest in all, of which the last may be multiplied twice; and what the table has
    for so many."""
    fitting = [rows for rows in table if rows <= height]
    rows = min(fitting, key=lambda rows: (-(-height // rows) * rows, -rows))
    return rows, table[rows]


@kernel
def product(block: Any, packed: Any, finish: Any, source: Any, into: Any) -> None:
    """Writes rows of results, as many at a time as `block`, of `block_of`, says. All arrays are flat.

    Args:
        packed: weights, from which number on, and how many numbers on the next ones are: a block's side by side.
        finish: bias, rows, floor.
        source: x, start, steps, and how many terms a sum has.
        into: `out`, from which number on, the distance of rows, and the length of each, at least a register.
    """
    rows, most = block
    x, start, steps, depth = source
    out, to, step, run = into
    wide = width(zeros(x))
    count = (run + wide - 1) // wide
    parts = (count + most - 1) // most
    for part in range(parts):  # the last register may overlap the one before
        begin, end = count * part // parts, count * (part + 1) // parts
        j = min(begin * wide, run - wide)
        last = min((end - 1) * wide, run - wide) - j
        outer(rows, end - begin, packed, finish, (x, start + j, steps, depth), (out, to + j, step, last))


def outer(rows: int, registers: int, packed: Any, finish: Any, source: Any, into: Any) -> None:
    """All rows, `rows` at a time, of so many registers; the last of them begins at number `last`."""
    (w, first, next_block), (bias, height, floor) = packed, finish
    (x, start, steps, depth), (out, to, step, last) = source, into
    wide = width(zeros(x))
    for o in range(height):
        begin = min(o // rows * rows, height - rows)
        for c in range(registers):
            j = last if c == registers - 1 else c * wide
            total = np.full(wide, bias[o])
            for k in range(depth):
                i = start + place(steps, k) + j
                total += w[first + o // rows * next_block + k * rows + o - begin] * x[i : i + wide]
            out[to + o * step + j : to + o * step + j + wide] = np.maximum(total, floor)


def inner(rows: int, columns: int, left: Any, right: Any, lengths: Any, into: Any) -> None:
    """Writes rows by columns, of a size in `COLUMNS`, of sums of products along memory.

    The rows of g = left[0] are at `at`, `step` apart; those of x = right[0] at `start` + place(steps, k) and the next
    ones. A row is `runs` runs of `run` numbers, at least a register of them. In x runs lie `down` apart; in g they lie
    one after the other as whole registers, as `spread_run` lays them out: the last register of a run overlaps the one
    before, and has zeros there. Sums go to sums = into[0] at `to`, a row every `stride` numbers.
    """
    (g, at, step), (x, start, steps, k, down) = left, right
    (runs, run), (sums, to, stride) = lengths, into
    wide = width(zeros(x))
    whole = (run + wide - 1) // wide
    for r in range(rows):
        for c in range(columns):
            total = 0
            for q in range(runs * whole):
                first = min(q % whole * wide, run - wide)
                new = slice(q % whole * wide - first, wide)  # of the last register, what the one before has not
                i = start + place(steps, k + c) + q // whole * down + first
                u = at + r * step + q * wide
                total += np.dot(g[u : u + wide][new], x[i : i + wide][new])
            sums[to + r * stride + c] = total


@kernel
def registers(like: Any, run: int) -> int:
    """Numbers that a run of `run` takes in whole registers."""
    wide = width(like)
    return (run + wide - 1) // wide * wide


@kernel
def spread_run(x: Any, start: int, step: int, run: int, room: Any, to: int) -> None:
    """Lays `run` numbers of x, `step` apart, out as whole registers: the last one overlaps, with zeros there."""
    wide = width(zeros(x))
    whole = run // wide * wide
    for k in range(whole):
        put(room, to + k, pick(x, start + k * step))
    if whole < run:
        seen = whole + wide - run
        for k in range(seen):
            put(room, to + whole + k, number(x, 0))
        for k in range(seen, wide):
            put(room, to + whole + k, pick(x, start + (run - wide + k) * step))


if numba is not None:
    outer = inner_loops.outer([(r, c) for r, most in REGISTERS.items() for c in range(1, most + 1)])
    inner = inner_loops.inner([*COLUMNS.items()])
