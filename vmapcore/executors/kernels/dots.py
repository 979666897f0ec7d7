"""Sums of products along memory: three rows by four, each sum in a register of its own until its end.

A row is `rows` runs of `run` numbers. Of the three, the runs lie one after the other as whole registers (`spread_run`):
the last register of a run overlaps the one before, and has zeros there. The four are read where they lie.
"""

from typing import Any

from ..compiled import kernel
from .lanes import apart, fma_each, load, pick, put, total, width, zeros


@kernel
def registers(like: Any, run: int) -> int:
    """Numbers that a run of `run` takes in whole registers."""
    wide = width(like)
    return (run + wide - 1) // wide * wide


@kernel
def spread_run(x: Any, start: int, step: int, run: int, room: Any, to: int) -> None:
    """Lays `run` numbers of x, `step` apart, out as whole registers."""
    wide = width(zeros(x))
    whole = run // wide * wide
    for k in range(whole):
        put(room, to + k, pick(x, start + k * step))
    if whole < run:
        zero = x.dtype.type(0)
        seen = whole + wide - run
        for k in range(seen):
            put(room, to + whole + k, zero)
        for k in range(seen, wide):
            put(room, to + whole + k, pick(x, start + (run - wide + k) * step))


@kernel
def dots(
    g: Any, at: int, step: int, x: Any, i: int, places: Any, k: int, down: int, rows: int, run: int, sums: Any, to: int
) -> None:
    """Writes 12 sums into `sums`: of rows of g at `at`, `step` apart, by rows of x at `i` + places[k] and the next 3.

    Runs of x lie `down` apart. A run has at least a register of numbers.
    """
    apart()
    like = zeros(x)
    wide = width(like)
    a0, a1, a2, a3 = like, like, like, like
    b0, b1, b2, b3 = like, like, like, like
    c0, c1, c2, c3 = like, like, like, like
    p0, p1, p2, p3 = i + pick(places, k), i + pick(places, k + 1), i + pick(places, k + 2), i + pick(places, k + 3)
    for _ in range(rows):
        for begin in range(0, run, wide):
            j = min(begin, run - wide)
            u, v, w = load(like, g, at), load(like, g, at + step), load(like, g, at + 2 * step)
            n = load(like, x, p0 + j)
            a0, b0, c0 = fma_each(u, n, a0), fma_each(v, n, b0), fma_each(w, n, c0)
            n = load(like, x, p1 + j)
            a1, b1, c1 = fma_each(u, n, a1), fma_each(v, n, b1), fma_each(w, n, c1)
            n = load(like, x, p2 + j)
            a2, b2, c2 = fma_each(u, n, a2), fma_each(v, n, b2), fma_each(w, n, c2)
            n = load(like, x, p3 + j)
            a3, b3, c3 = fma_each(u, n, a3), fma_each(v, n, b3), fma_each(w, n, c3)
            at += wide
        p0 += down
        p1 += down
        p2 += down
        p3 += down
    _write(sums, to, a0, a1, a2, a3)
    _write(sums, to + 4, b0, b1, b2, b3)
    _write(sums, to + 8, c0, c1, c2, c3)


@kernel
def _write(sums: Any, to: int, v0: Any, v1: Any, v2: Any, v3: Any) -> None:
    put(sums, to, total(v0))
    put(sums, to + 1, total(v1))
    put(sums, to + 2, total(v2))
    put(sums, to + 3, total(v3))
