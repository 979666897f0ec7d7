"""Maximum pooling and its transpose for one tile, the images innermost: x (C, *size, n), out (C, *out, n).

Compiled kernels, for two axes, go window by window; without Numba it is one element of all windows at a time.
A cotangent goes to the first maximum of its window, as `rules.pooling` says: the first element that is not less than
the maximum. If x is a relu's result its mask can be applied at once: what is no more than 0 gets 0.
"""

import itertools
from functools import lru_cache
from typing import Any

import numpy as np

from ...evals.windows import Windows, taps
from ...rules.pooling import BITS
from .. import compiled, team
from ..team import share
from .lanes import larger, load, number, pick, put, room_for, store, where_less, width, zeros
from .pooling_2x2 import pool_2x2, scatter_2x2

NUMBER = 0.5
"""Nanoseconds, roughly, for each number that is pooled."""


def max_pool(x: Any, out: Any, win: Windows) -> None:
    """Writes the maximum of each window of x into `out`; both are C-contiguous."""
    if compilable(x, len(win.size)):
        if _is_2x2(win):
            pool_2x2(x.reshape(-1), x.shape, out.reshape(-1), _pieces(x))
            return
        geometry = x.shape, out.shape, win.kernel, win.stride, _low(win), win.dilation
        _pool(x.reshape(-1), out.reshape(-1), *geometry, _pieces(x))
        return
    positions = _positions(win)
    there, inside = positions[0]
    if there[1:3] == _everywhere(win):
        out[...] = x[inside]
    else:
        out[...] = -np.inf
        np.maximum(out[there], x[inside], out=out[there])
    for there, inside in positions[1:]:
        np.maximum(out[there], x[inside], out=out[there])


def max_pool_scatter(g: Any, x: Any, out: Any, result: Any, win: Windows, relu: bool = False) -> None:
    """Writes into `result` g at the first maximum of each window of x and 0 elsewhere; `out` is max_pool of x.

    If `relu`, only where that maximum is larger than 0.
    """
    native = compilable(x, len(win.size))
    is_2x2 = native and _is_2x2(win)
    if not is_2x2 or any(n % 2 for n in win.size):
        result[...] = 0
    if native:
        flat = g.reshape(-1), x.reshape(-1), out.reshape(-1), result.reshape(-1)
        if is_2x2:
            scatter_2x2(*flat, x.shape, relu, _pieces(x))
            return
        _scatter(*flat, x.shape, out.shape, win.kernel, win.stride, _low(win), win.dilation, relu, _pieces(x))
        return
    bits = BITS[g.dtype.itemsize]
    by_winner = relu and bool(np.isnan(out).any())  # which is not the largest of its window then
    sent = np.where(out > 0, g, g.dtype.type(0)) if relu and not by_winner else g
    free = np.full(out.shape, -1, np.int8)
    for there, inside in _positions(win):
        won = np.less(x[inside], out[there]).view(np.int8)
        won -= 1  # -1 for those that are not less
        won &= free[there]
        free[there] ^= won
        if by_winner:
            won &= np.negative((x[inside] > 0).view(np.int8))
        result[inside] += np.bitwise_and(sent[there].view(bits), won).view(g.dtype)


def _pieces(x: Any) -> int:
    return team.pieces(len(x), x.size * NUMBER)


def compilable(x: Any, axes: int) -> bool:
    """Whether there is a kernel for windows over so many axes."""
    return compiled.AVAILABLE and axes == 2 and compiled.is_plain_float(x.dtype) and x.size > 0


def _is_2x2(win: Windows) -> bool:
    return win.kernel == win.stride == (2, 2) and win.dilation == (1, 1) and not win.is_padded


def _low(win: Windows) -> tuple[int, int]:
    return win.padding[0][0], win.padding[1][0]


def _everywhere(win: Windows) -> tuple[slice, ...]:
    return tuple([slice(0, n) for n in win.out])


@lru_cache(maxsize=256)
def _positions(win: Windows) -> list[tuple[Any, Any]]:
    """For each element of a window: which windows have it inside the array, and where it is then."""
    every = slice(None)
    geometry = zip(win.size, win.kernel, win.stride, win.padding, win.dilation, strict=True)
    each = [taps(n, k, s, p, d) for n, k, s, p, d in geometry]
    return [
        ((every, *[t[0] for t in tap], every), (every, *[t[1] for t in tap], every)) for tap in itertools.product(*each)
    ]


@compiled.kernel
def _clip(start: int, step: int, count: int, length: int) -> Any:
    """Which of `count` places, from `start` on in steps, lie between 0 and `length`: the first, and the one behind."""
    if start >= 0 and start + (count - 1) * step < length:
        return 0, count
    return max(0, -(start // step)), min(count, (length - 1 - start) // step + 1)


@compiled.kernel
def _larger_lines(x: Any, start: int, step: int, count: int, out: Any, to: int, run: int) -> None:
    """out[to + k] = the maximum of `count` numbers x[start + k], `step` apart, for k in a run."""
    one = zeros(x)
    wide = width(one)
    if run < wide:
        for k in range(run):
            best = pick(x, start + k)
            for i in range(1, count):
                v = pick(x, start + k + i * step)
                best = v if (v > best) | (v != v) else best
            put(out, to + k, best)
        return
    k = 0
    while k < run:
        k = min(k, run - wide)  # the last register may overlap the one before
        most = load(one, x, start + k)
        for i in range(1, count):
            most = larger(most, load(one, x, start + k + i * step))
        store(out, to + k, most)
        k += wide


@compiled.kernel
def _pool(
    x: Any, out: Any, size: Any, shape: Any, kernel: Any, stride: Any, low: Any, dilation: Any, pieces: int
) -> None:
    share(_pool_channels, size[0], pieces, (x, out, size, shape, kernel, stride, low, dilation))


@compiled.kernel
def _pool_channels(
    begin: int, end: int, x: Any, out: Any, size: Any, shape: Any, kernel: Any, stride: Any, low: Any, dilation: Any
) -> None:
    """Down each column of windows first, into `line`, then along it."""
    _, rows, columns, n = size
    line = room_for(x, columns * n)
    to = begin * shape[1] * shape[2] * n
    for c in range(begin, end):
        for p in range(shape[1]):
            top = p * stride[0] - low[0]
            i0, i1 = _clip(top, dilation[0], kernel[0], rows)
            start = (c * rows + top + i0 * dilation[0]) * columns * n
            _larger_lines(x, start, dilation[0] * columns * n, i1 - i0, line, 0, columns * n)
            if n < width(zeros(x)):
                _along(line, columns, n, out, to, shape[2], kernel[1], stride[1], low[1], dilation[1])
            else:
                for q in range(shape[2]):
                    left = q * stride[1] - low[1]
                    j0, j1 = _clip(left, dilation[1], kernel[1], columns)
                    _larger_lines(line, (left + j0 * dilation[1]) * n, dilation[1] * n, j1 - j0, out, to + q * n, n)
            to += shape[2] * n


@compiled.kernel
def _along(
    line: Any, columns: int, n: int, out: Any, to: int, count: int, kernel: int, stride: int, low: int, dilation: int
) -> None:
    """The maxima of the windows over `line`, of few images, number by number."""
    for q in range(count):
        left = q * stride - low
        j0, j1 = _clip(left, dilation, kernel, columns)
        start = (left + j0 * dilation) * n
        for k in range(start, start + n):
            best = pick(line, k)
            for j in range(1, j1 - j0):
                v = pick(line, k + j * dilation * n)
                best = v if (v > best) | (v != v) else best
            put(out, to, best)
            to += 1


@compiled.kernel
def _scatter(
    g: Any,
    x: Any,
    out: Any,
    result: Any,
    size: Any,
    shape: Any,
    kernel: Any,
    stride: Any,
    low: Any,
    dilation: Any,
    relu: bool,
    pieces: int,
) -> None:
    args = g, x, out, result, size, shape, kernel, stride, low, dilation, relu
    share(_scatter_channels, size[0], pieces, args)


@compiled.kernel
def _scatter_channels(
    begin: int,
    end: int,
    g: Any,
    x: Any,
    out: Any,
    result: Any,
    size: Any,
    shape: Any,
    kernel: Any,
    stride: Any,
    low: Any,
    dilation: Any,
    relu: bool,
) -> None:
    _, rows, columns, n = size
    down, right = dilation[0] * columns * n, dilation[1] * n
    at = begin * shape[1] * shape[2] * n
    for c in range(begin, end):
        for p in range(shape[1]):
            top = p * stride[0] - low[0]
            i0, i1 = _clip(top, dilation[0], kernel[0], rows)
            for q in range(shape[2]):
                left = q * stride[1] - low[1]
                j0, j1 = _clip(left, dilation[1], kernel[1], columns)
                start = ((c * rows + top + i0 * dilation[0]) * columns + left + j0 * dilation[1]) * n
                _scatter_window(g, x, out, result, at, start, i1 - i0, down, j1 - j0, right, n, relu)
                at += n


@compiled.kernel
def _scatter_window(
    g: Any,
    x: Any,
    out: Any,
    result: Any,
    at: int,
    start: int,
    high: int,
    down: int,
    wide: int,
    right: int,
    n: int,
    relu: bool,
) -> None:
    """Hands the cotangent `rest` to the first element that is not less than the maximum: the next ones get nothing."""
    none = zeros(x)
    whole = n - n % width(none)
    for k in range(0, whole, width(none)):
        most, rest = load(none, out, at + k), load(none, g, at + k)
        if relu:  # in a window with a NaN the first gets it
            rest = where_less(none, most, rest, where_less(none, load(none, x, start + k), rest, none))
        for i in range(high):
            for j in range(wide):
                place = start + k + i * down + j * right
                v = load(none, x, place)
                store(result, place, load(none, result, place) + where_less(v, most, none, rest))
                rest = where_less(v, most, rest, none)
    zero = number(x, 0)
    for k in range(whole, n):
        top = pick(out, at + k)
        left = zero if relu and not (top > zero or pick(x, start + k) > zero) else pick(g, at + k)
        for i in range(high):
            for j in range(wide):
                place = start + k + i * down + j * right
                less = pick(x, place) < top
                put(result, place, pick(result, place) + (zero if less else left))
                left = left if less else zero
