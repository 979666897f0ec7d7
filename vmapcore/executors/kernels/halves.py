"""Windows of two by two, next to one another, in lines of images that lie innermost: maxima, and their transpose.

Registers are written whole, from left to right: what is too much of one is written over by the next. So a few images
take as few instructions as a register of them.
"""

from typing import Any

from ..compiled import kernel
from .lanes import larger, load, pick, put, store, where_less, width, zeros


@kernel
def pool_lines(x: Any, top: int, low: int, count: int, n: int, out: Any, to: int) -> None:
    """Maxima of `count` windows in the lines of x at `top` and `low`, of n images."""
    one = zeros(x)
    wide = width(one)
    end = to + count * n
    for q in range(count):
        i, j = top + 2 * q * n, low + 2 * q * n
        k = 0
        while k < n and (n >= wide or to + wide <= end):
            k = min(k, max(n - wide, 0))
            above = larger(load(one, x, i + k), load(one, x, i + n + k))
            store(out, to + k, larger(above, larger(load(one, x, j + k), load(one, x, j + n + k))))
            k += wide
        while k < n:
            best = pick(x, i + k)
            for place in (i + n + k, j + k, j + n + k):
                v = pick(x, place)
                best = v if (v > best) | (v != v) else best
            put(out, to + k, best)
            k += 1
        to += n


@kernel
def _scatter_lines(
    g: Any, x: Any, out: Any, result: Any, at: int, top: int, low: int, count: int, n: int, relu: bool
) -> None:
    """Writes g from `at` on to the first element of its window that is not less than the maximum, 0 to the others."""
    none = zeros(x)
    wide = width(none)
    zero = x.dtype.type(0)
    for q in range(count):
        i, j = top + 2 * q * n, low + 2 * q * n
        k = 0
        while k < n and (n >= wide or (at + wide <= out.size and (2 * q + 1) * n + wide <= 2 * count * n)):
            k = min(k, max(n - wide, 0))
            most, rest = load(none, out, at + k), load(none, g, at + k)
            if relu:
                rest = where_less(none, most, rest, none)
            for place in (i + k, i + n + k, j + k, j + n + k):
                v = load(none, x, place)
                store(result, place, where_less(v, most, none, rest))
                rest = where_less(v, most, rest, none)
            k += wide
        while k < n:
            top_one = pick(out, at + k)
            left = zero if relu and not top_one > zero else pick(g, at + k)
            for place in (i + k, i + n + k, j + k, j + n + k):
                less = pick(x, place) < top_one
                put(result, place, zero if less else left)
                left = left if less else zero
            k += 1
        at += n


@kernel
def pool_halves(x: Any, size: Any, out: Any) -> None:
    """Maxima of all windows of x (channels, rows, columns, images)."""
    channels, rows, columns, n = size
    to = 0
    for c in range(channels):
        for p in range(rows // 2):
            top = (c * rows + 2 * p) * columns * n
            pool_lines(x, top, top + columns * n, columns // 2, n, out, to)
            to += columns // 2 * n


@kernel
def scatter_halves(g: Any, x: Any, out: Any, result: Any, size: Any, relu: bool) -> None:
    """The transpose of `pool_halves`; where no window is, `result` stays."""
    channels, rows, columns, n = size
    at = 0
    for c in range(channels):
        for p in range(rows // 2):
            top = (c * rows + 2 * p) * columns * n
            _scatter_lines(g, x, out, result, at, top, top + columns * n, columns // 2, n, relu)
            at += columns // 2 * n
