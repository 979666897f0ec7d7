"""Windows of two by two, next to one another, in lines of images that lie innermost: maxima, and their transpose.

Registers are written whole, from left to right: what is too much of one is written over by the next. So a few images
take as few instructions as a register of them.
"""

from typing import Any

from ..compiled import kernel
from ..team import share
from .lanes import larger, load, number, pick, put, store, where_less, width, zeros


@kernel
def _few(n: int, wide: int, count: int, reach: int) -> int:
    """How many of `count` windows of n images, from the left, may be a register that reaches to at most `reach`."""
    return max(0, min(count, (reach - wide) // n + 1))


@kernel
def _pool_at(one: Any, x: Any, i: int, j: int, n: int, out: Any, to: int) -> None:
    """A register of maxima, of the windows whose rows begin at `i` and `j`."""
    above = larger(load(one, x, i), load(one, x, i + n))
    store(out, to, larger(above, larger(load(one, x, j), load(one, x, j + n))))


@kernel
def pool_lines(x: Any, top: int, low: int, count: int, n: int, out: Any, to: int, more: bool) -> None:
    """Maxima of `count` windows in the lines of x at `top` and `low`, of n images.

    If there is `more`, a register of x may be read behind the lines, and one of `out` overwritten behind the maxima.
    """
    one = zeros(x)
    wide = width(one)
    if n >= wide:
        for q in range(count):
            for begin in range(0, n, wide):
                k = 2 * q * n + min(begin, n - wide)
                _pool_at(one, x, top + k, low + k, n, out, to + k - q * n)
        return
    whole = count if more else _few(n, wide, count, count * n)
    for q in range(whole):
        _pool_at(one, x, top + 2 * q * n, low + 2 * q * n, n, out, to + q * n)
    for q in range(whole, count):
        for k in range(2 * q * n, 2 * q * n + n):
            best = pick(x, top + k)
            for place in (top + n + k, low + k, low + n + k):
                v = pick(x, place)
                best = v if (v > best) | (v != v) else best
            put(out, to + k - q * n, best)


@kernel
def _scatter_at(none: Any, g: Any, x: Any, out: Any, result: Any, at: int, i: int, j: int, n: int, relu: bool) -> None:
    """A register of cotangents, to the windows whose rows begin at `i` and `j`."""
    most, rest = load(none, out, at), load(none, g, at)
    a, b, c, d = load(none, x, i), load(none, x, i + n), load(none, x, j), load(none, x, j + n)
    if relu:  # in a window with a NaN the first gets it
        rest = where_less(none, most, rest, where_less(none, a, rest, none))
    store(result, i, where_less(a, most, none, rest))
    rest = where_less(a, most, rest, none)
    store(result, i + n, where_less(b, most, none, rest))
    rest = where_less(b, most, rest, none)
    store(result, j, where_less(c, most, none, rest))
    rest = where_less(c, most, rest, none)
    store(result, j + n, where_less(d, most, none, rest))


@kernel
def _scatter_lines(
    g: Any, x: Any, out: Any, result: Any, at: int, left: int, top: int, low: int, count: int, n: int, relu: bool
) -> None:
    """Writes g from `at` on, where `left` numbers are left, to the first element of its window that is not less than
    the maximum, and 0 to the others."""
    none = zeros(x)
    wide = width(none)
    if n >= wide:
        for q in range(count):
            for begin in range(0, n, wide):
                k = min(begin, n - wide)
                i = 2 * q * n + k
                _scatter_at(none, g, x, out, result, at + q * n + k, top + i, low + i, n, relu)
        return
    whole = min(_few(2 * n, wide, count, 2 * count * n - n), _few(n, wide, count, left))
    for q in range(whole):
        _scatter_at(none, g, x, out, result, at + q * n, top + 2 * q * n, low + 2 * q * n, n, relu)
    zero = number(x, 0)
    for q in range(whole, count):
        for k in range(2 * q * n, 2 * q * n + n):
            most = pick(out, at + k - q * n)
            shut = relu and not (most > zero or pick(x, top + k) > zero)
            rest = zero if shut else pick(g, at + k - q * n)
            for place in (top + k, top + n + k, low + k, low + n + k):
                less = pick(x, place) < most
                put(result, place, zero if less else rest)
                rest = rest if less else zero


@kernel
def pool_2x2(x: Any, size: Any, out: Any, pieces: int) -> None:
    """Maxima of all windows of x (channels, rows, columns, images); channels are shared in pieces."""
    share(_pool_2x2, size[0], pieces, (x, size, out))


@kernel
def _pool_2x2(begin: int, end: int, x: Any, size: Any, out: Any) -> None:
    _, rows, columns, n = size
    wide, to = width(zeros(x)), begin * (rows // 2) * (columns // 2) * n
    for c in range(begin, end):
        for p in range(rows // 2):
            top = (c * rows + 2 * p) * columns * n
            more = ((end - c) * (rows // 2) - p - 1) * (columns // 2) * n >= wide  # of this piece, written later
            pool_lines(x, top, top + columns * n, columns // 2, n, out, to, more)
            to += columns // 2 * n


@kernel
def scatter_2x2(g: Any, x: Any, out: Any, result: Any, size: Any, relu: bool, pieces: int) -> None:
    """The transpose of `pool_2x2`; where no window is, `result` stays."""
    share(_scatter_2x2, size[0], pieces, (g, x, out, result, size, relu))


@kernel
def _scatter_2x2(begin: int, end: int, g: Any, x: Any, out: Any, result: Any, size: Any, relu: bool) -> None:
    channels, rows, columns, n = size
    each = (rows // 2) * (columns // 2) * n
    at = begin * each
    for c in range(begin, end):
        for p in range(rows // 2):
            top = (c * rows + 2 * p) * columns * n
            _scatter_lines(g, x, out, result, at, channels * each - at, top, top + columns * n, columns // 2, n, relu)
            at += columns // 2 * n
