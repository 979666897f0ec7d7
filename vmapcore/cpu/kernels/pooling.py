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
        _pool(x.reshape(-1), out.reshape(-1), _geometry(x, out, win), _pieces(x))
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
        _scatter(flat, _geometry(x, out, win), relu, _pieces(x))
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


def _geometry(x: Any, out: Any, win: Windows) -> Any:
    """What the compiled kernels are told of two axes: shapes, and for each axis kernel, stride, padding, dilation."""
    axes = zip(win.kernel, win.stride, [low for low, _ in win.padding], win.dilation, strict=True)
    return x.shape, out.shape, *axes


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
def _clip(q: int, axis: Any, length: int) -> Any:
    """Where window number q begins along an axis of this length, inside of it, and how many elements it has there."""
    kernel, stride, low, dilation = axis
    start = q * stride - low
    if start >= 0 and start + (kernel - 1) * dilation < length:
        return start, kernel
    first = max(0, -(start // dilation))
    return start + first * dilation, min(kernel, (length - 1 - start) // dilation + 1) - first


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
def _pool(x: Any, out: Any, geometry: Any, pieces: int) -> None:
    share(_pool_channels, geometry[0][0], pieces, (x, out, geometry))


@compiled.kernel
def _pool_channels(begin: int, end: int, x: Any, out: Any, geometry: Any) -> None:
    """Down each column of windows first, into `line`, then along it."""
    (_, rows, columns, n), (_, down, across, _), vertical, horizontal = geometry
    line = room_for(x, columns * n)
    to = begin * down * across * n
    for c in range(begin, end):
        for p in range(down):
            top, high = _clip(p, vertical, rows)
            start, step = (c * rows + top) * columns * n, vertical[3] * columns * n
            _larger_lines(x, start, step, high, line, 0, columns * n)
            if n < width(zeros(x)):
                _along(line, columns, n, out, to, across, horizontal)
            else:
                for q in range(across):
                    left, wide = _clip(q, horizontal, columns)
                    _larger_lines(line, left * n, horizontal[3] * n, wide, out, to + q * n, n)
            to += across * n


@compiled.kernel
def _along(line: Any, columns: int, n: int, out: Any, to: int, across: int, horizontal: Any) -> None:
    """The maxima of the windows over `line`, of few images, number by number."""
    for q in range(across):
        left, wide = _clip(q, horizontal, columns)
        for k in range(left * n, left * n + n):
            best = pick(line, k)
            for j in range(1, wide):
                v = pick(line, k + j * horizontal[3] * n)
                best = v if (v > best) | (v != v) else best
            put(out, to, best)
            to += 1


@compiled.kernel
def _scatter(arrays: Any, geometry: Any, relu: bool, pieces: int) -> None:
    """`arrays` are (g, x, out, result)."""
    share(_scatter_channels, geometry[0][0], pieces, (arrays, geometry, relu))


@compiled.kernel
def _scatter_channels(begin: int, end: int, arrays: Any, geometry: Any, relu: bool) -> None:
    (_, rows, columns, n), (_, down, across, _), vertical, horizontal = geometry
    at = begin * down * across * n
    for c in range(begin, end):
        for p in range(down):
            top, high = _clip(p, vertical, rows)
            for q in range(across):
                left, wide = _clip(q, horizontal, columns)
                start = ((c * rows + top) * columns + left) * n
                lines, line = (high, vertical[3] * columns * n), (wide, horizontal[3] * n)
                _scatter_window(arrays, at, start, lines, line, n, relu)
                at += n


@compiled.kernel
def _scatter_window(arrays: Any, at: int, start: int, lines: Any, line: Any, n: int, relu: bool) -> None:
    """Hands the cotangent `rest` to the first element that is not less than the maximum: the next ones get nothing.

    `lines` and `line` are how many elements a window has each way, and how far they are apart.
    """
    (g, x, out, result), (high, down), (wide, right) = arrays, lines, line
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
