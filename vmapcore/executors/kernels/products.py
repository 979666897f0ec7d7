"""Products of weights with rows of an array, read where they lie: the one inner loop of compiled convolutions.

out[o, j] = max(floor, bias[o] + sum over k of w[o, k] * x[start + place(steps, k) + j])

for j in a run of numbers that lie together. Four results `o`, or three, by three registers of `j` are summed at a time.
`steps` is an array of places, or one int, the distance between equally distant ones.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ..compiled import kernel
from .lanes import apart, at_least, bare, fma, load, pick, place, spread, store, width, zeros, zeros_pair

ROWS = 4
"""How many rows of weights are multiplied at a time; there must be at least as many."""


def rows_of(height: int) -> int:
    """How many rows at a time, 3 or 4, are the fewest in all: the last ones may be multiplied twice."""
    return 3 if -(-height // 3) * 3 < -(-height // 4) * 4 else 4


def packed(w: Any, out: Any) -> None:
    """Copies weights (..., O, K) into `out` of `packed_shape`: rows side by side, the last ones perhaps twice."""
    np.copyto(out, np.take(w, _blocks(w.shape[-2]), axis=-2).swapaxes(-1, -2))


def packed_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of weights (..., O, K) in blocks (..., O/4, K, 4)."""
    *lead, height, depth = shape
    return (*lead, -(-height // ROWS), depth, ROWS)


@lru_cache(maxsize=256)
def _blocks(height: int) -> Any:
    starts = np.minimum(np.arange(0, height, ROWS), height - ROWS)
    return starts[:, None] + np.arange(ROWS)


@kernel
def product(
    w: Any,
    first: int,
    block: int,
    rows: int,
    bias: Any,
    floor: Any,
    x: Any,
    start: int,
    steps: Any,
    depth: int,
    out: Any,
    to: int,
    step: int,
    run: int,
) -> None:
    """Writes rows of `run` results, at least a register, to `out` at `to`, a row every `step` numbers.

    `w` are packed weights, flat, from `first` on, `rows` side by side, the next ones `block` numbers on. All arrays are
    flat.
    """
    height = bias.size
    ws, bs, xs, ks, outs = bare(w), bare(bias), bare(x), bare(steps), bare(out)
    pair, one = zeros_pair(x), zeros(x)
    wide = width(one)
    j = 0
    while j < run:  # the last registers may overlap those before
        count = _registers(run - j, run, wide)
        j = min(j, run - count * wide)
        more = start + j, ks, depth, outs, to + j, step
        if rows == 3:
            if count == 3:
                _three_by_three(ws, first, block, bs, height, floor, xs, *more)
            elif count == 2:
                _three(pair, ws, first, block, bs, height, floor, xs, *more)
            else:
                _three(one, ws, first, block, bs, height, floor, xs, *more)
        elif count == 3:
            _four_by_three(ws, first, block, bs, height, floor, xs, *more)
        elif count == 2:
            _four(pair, ws, first, block, bs, height, floor, xs, *more)
        else:
            _four(one, ws, first, block, bs, height, floor, xs, *more)
        j += count * wide


@kernel
def _registers(left: int, run: int, wide: int) -> int:
    """How many registers to take of `left` numbers: four are two and two, since one alone waits for its own sums."""
    if left > 2 * wide and (left <= 3 * wide or left > 4 * wide) and run >= 3 * wide:
        return 3
    return 2 if left > wide and run >= 2 * wide else 1


@kernel
def _four_by_three(
    w: Any,
    first: int,
    block: int,
    bias: Any,
    height: int,
    floor: Any,
    x: Any,
    start: int,
    steps: Any,
    depth: int,
    out: Any,
    to: int,
    step: int,
) -> None:
    apart()
    one = zeros(x)
    wide = width(one)
    for begin in range(0, height, 4):
        o, at = min(begin, height - 4), first + begin // 4 * block
        into = to + o * step
        a = spread(one, pick(bias, o))
        b = spread(one, pick(bias, o + 1))
        c = spread(one, pick(bias, o + 2))
        d = spread(one, pick(bias, o + 3))
        a0, a1, a2 = a, a, a
        b0, b1, b2 = b, b, b
        c0, c1, c2 = c, c, c
        d0, d1, d2 = d, d, d
        for k in range(depth):
            i = start + place(steps, k)
            x0, x1, x2 = load(one, x, i), load(one, x, i + wide), load(one, x, i + 2 * wide)
            s = pick(w, at)
            a0, a1, a2 = fma(s, x0, a0), fma(s, x1, a1), fma(s, x2, a2)
            s = pick(w, at + 1)
            b0, b1, b2 = fma(s, x0, b0), fma(s, x1, b1), fma(s, x2, b2)
            s = pick(w, at + 2)
            c0, c1, c2 = fma(s, x0, c0), fma(s, x1, c1), fma(s, x2, c2)
            s = pick(w, at + 3)
            d0, d1, d2 = fma(s, x0, d0), fma(s, x1, d1), fma(s, x2, d2)
            at += 4
        _write(out, into, floor, a0, a1, a2)
        _write(out, into + step, floor, b0, b1, b2)
        _write(out, into + 2 * step, floor, c0, c1, c2)
        _write(out, into + 3 * step, floor, d0, d1, d2)


@kernel
def _write(out: Any, to: int, floor: Any, v0: Any, v1: Any, v2: Any) -> None:
    store(out, to, at_least(v0, floor))
    store(out, to + width(v0), at_least(v1, floor))
    store(out, to + 2 * width(v0), at_least(v2, floor))


@kernel
def _four(
    like: Any,
    w: Any,
    first: int,
    block: int,
    bias: Any,
    height: int,
    floor: Any,
    x: Any,
    start: int,
    steps: Any,
    depth: int,
    out: Any,
    to: int,
    step: int,
) -> None:
    apart()
    for begin in range(0, height, 4):
        o, at = min(begin, height - 4), first + begin // 4 * block
        into = to + o * step
        a = spread(like, pick(bias, o))
        b = spread(like, pick(bias, o + 1))
        c = spread(like, pick(bias, o + 2))
        d = spread(like, pick(bias, o + 3))
        for k in range(depth):
            v = load(like, x, start + place(steps, k))
            a, b = fma(pick(w, at), v, a), fma(pick(w, at + 1), v, b)
            c, d = fma(pick(w, at + 2), v, c), fma(pick(w, at + 3), v, d)
            at += 4
        store(out, into, at_least(a, floor))
        store(out, into + step, at_least(b, floor))
        store(out, into + 2 * step, at_least(c, floor))
        store(out, into + 3 * step, at_least(d, floor))


@kernel
def _three_by_three(
    w: Any,
    first: int,
    block: int,
    bias: Any,
    height: int,
    floor: Any,
    x: Any,
    start: int,
    steps: Any,
    depth: int,
    out: Any,
    to: int,
    step: int,
) -> None:
    apart()
    one = zeros(x)
    wide = width(one)
    for begin in range(0, height, 3):
        o, at = min(begin, height - 3), first + begin // 3 * block
        into = to + o * step
        a = spread(one, pick(bias, o))
        b = spread(one, pick(bias, o + 1))
        c = spread(one, pick(bias, o + 2))
        a0, a1, a2 = a, a, a
        b0, b1, b2 = b, b, b
        c0, c1, c2 = c, c, c
        for k in range(depth):
            i = start + place(steps, k)
            x0, x1, x2 = load(one, x, i), load(one, x, i + wide), load(one, x, i + 2 * wide)
            s = pick(w, at)
            a0, a1, a2 = fma(s, x0, a0), fma(s, x1, a1), fma(s, x2, a2)
            s = pick(w, at + 1)
            b0, b1, b2 = fma(s, x0, b0), fma(s, x1, b1), fma(s, x2, b2)
            s = pick(w, at + 2)
            c0, c1, c2 = fma(s, x0, c0), fma(s, x1, c1), fma(s, x2, c2)
            at += 3
        _write(out, into, floor, a0, a1, a2)
        _write(out, into + step, floor, b0, b1, b2)
        _write(out, into + 2 * step, floor, c0, c1, c2)


@kernel
def _three(
    like: Any,
    w: Any,
    first: int,
    block: int,
    bias: Any,
    height: int,
    floor: Any,
    x: Any,
    start: int,
    steps: Any,
    depth: int,
    out: Any,
    to: int,
    step: int,
) -> None:
    apart()
    for begin in range(0, height, 3):
        o, at = min(begin, height - 3), first + begin // 3 * block
        into = to + o * step
        a = spread(like, pick(bias, o))
        b = spread(like, pick(bias, o + 1))
        c = spread(like, pick(bias, o + 2))
        for k in range(depth):
            v = load(like, x, start + place(steps, k))
            a, b = fma(pick(w, at), v, a), fma(pick(w, at + 1), v, b)
            c = fma(pick(w, at + 2), v, c)
            at += 3
        store(out, into, at_least(a, floor))
        store(out, into + step, at_least(b, floor))
        store(out, into + 2 * step, at_least(c, floor))
