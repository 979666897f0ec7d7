"""Direct convolutions of all members of a tile, compiled into one call: what small images and few of them need.

Images lie innermost (channels, rows, columns, images) or outermost (images, channels, rows, columns); the former are
read in place where no columns of zeros belong beside them. Rows above and below an image are no terms of a sum.
Arrays are flat. `lengths` are (members, variants, groups, channels, rows, columns, height, images), where the weights
of each member come in variants; `geometry` is (window's height and width, stride down, dilation down and across, zeros
above, below, left and right, rows and columns of results); `room`, of `needed` numbers, is for what is laid out anew.
Groups of all members are shared in `pieces`.
"""

from typing import Any

import numpy as np

from ..compiled import kernel
from ..team import share
from .dots import dots, registers, spread_run
from .halves import pool_lines
from .lanes import bare, pick, put, zeros
from .products import product

Lengths = tuple[int, int, int, int, int, int, int, int]
Geometry = tuple[int, int, int, int, int, int, int, int, int, int, int]

LINES = 2
"""Rows of results that are pooled at a time."""


def room_for(lengths: Lengths, geometry: Geometry, wide: int) -> int:
    """Numbers of `room` that any of the kernels needs for a piece."""
    _, _, _, channels, rows, columns, height, images = lengths
    tall, across, _, _, _, above, below, left, right, down, over = geometry
    laid = channels * (above + rows + below) * (left + columns + right) * images
    run = over * images
    forward = (height + 3) * channels * tall * across + LINES * height * run
    return laid + max(forward, height * down * (2 * run + wide) + 12)


@kernel
def lay(x: Any, at: int, step: int, sizes: Any, padding: Any, room: Any, to: int) -> None:
    """Lays images (channels, rows, columns, images) out innermost, amid zeros above, below, left and right.

    `step` is the distance of two images that lie outermost, or 0.
    """
    channels, rows, columns, n = sizes
    above, below, left, right = padding
    across = (left + columns + right) * n
    zero = x.dtype.type(0)
    if above + below + left + right:
        for k in range(channels * (above + rows + below) * across):
            put(room, to + k, zero)
    run = columns * n
    for c in range(channels):
        for r in range(rows):
            into = to + (c * (above + rows + below) + above + r) * across + left * n
            if step == 0:
                start = at + (c * rows + r) * run
                for k in range(run):
                    put(room, into + k, pick(x, start + k))
            else:
                start = at + (c * rows + r) * columns
                for i in range(n):
                    for q in range(columns):
                        put(room, into + q * n + i, pick(x, start + i * step + q))


@kernel
def _taps(top: int, dilation: int, tall: int, rows: int) -> Any:
    """The first element of a window that lies in an image, and the one behind the last."""
    first = 0 if top >= 0 else min(tall, -(top // dilation))
    return first, max(first, min(tall, (rows - 1 - top) // dilation + 1))


@kernel
def _pack(w: Any, at: int, steps: Any, sizes: Any, side: int, room: Any, to: int) -> None:
    """Weights by (blocks of `side` rows, window's row, channel, window's column, row in its block)."""
    height, channels, tall, across = sizes
    for begin in range(0, height, side):
        first = min(begin, height - side)
        for i in range(tall):
            for c in range(channels):
                for j in range(across):
                    start = at + first * steps[0] + c * steps[1] + i * steps[2] + j * steps[3]
                    for o in range(side):
                        put(room, to + o, pick(w, start + o * steps[0]))
                    to += side


@kernel
def convolve(
    x: Any,
    innermost: bool,
    w: Any,
    turned: bool,
    bias: Any,
    floor: Any,
    out: Any,
    pooled: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
    side: int,
    pieces: int,
) -> None:
    """out[o, p] = max(floor, bias[o] + sum over windows of w[o] * x), or the maxima of two by two of that.

    `bias` is of all weights' rows, or of those of one group, for all. If `turned`, w is of the convolution whose input
    gradient this is: by other channels first, and its windows run backwards. `places` are those of a sum's terms.
    """
    args = x, innermost, w, turned, bias, floor, out, pooled, places, needed, lengths, geometry, side
    share(_convolve, lengths[0] * lengths[2], pieces, args)


@kernel
def _convolve(
    begin: int,
    end: int,
    x: Any,
    innermost: bool,
    w: Any,
    turned: bool,
    bias: Any,
    floor: Any,
    out: Any,
    pooled: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
    side: int,
) -> None:
    """Some of the groups of all members."""
    room = np.empty(needed, x.dtype)
    _, variants, groups, channels, rows, columns, height, n = lengths
    tall, across, _, _, _, _, _, left, right, down, over = geometry
    line, depth = (left + columns + right) * n, channels * tall * across
    size, run = channels * rows * columns * n, over * n
    window = tall * across
    steps = (window, height * window, -across, -1) if turned else (depth, window, across, 1)
    packed = channels * rows * line
    lines = packed + (height + 3) * depth
    direct = innermost and left + right == 0
    made = height * (down // 2 * (over // 2) * n if pooled else down * run)
    for own in range(begin, end):
        m, group = own // groups, own % groups
        source, at = x, own * size
        if not direct:
            start, step = at, 0
            if not innermost:
                start, step = m * groups * size + group * (size // n), groups * (size // n)
            lay(x, start, step, (channels, rows, columns, n), (0, 0, left, right), room, 0)
            source, at = room, 0
        for v in range(variants):
            which = (m * variants + v) * groups + group
            first = which * height * depth + (window - 1 if turned else 0)
            _pack(w, first, steps, (height, channels, tall, across), side, room, packed)
            more = bias[which * height : (which + 1) * height] if bias.size > height else bias
            to = which * made
            _results(source, at, room, packed, lines, more, floor, out, to, pooled, places, lengths, geometry, side)


@kernel
def _results(
    x: Any,
    at: int,
    room: Any,
    packed: int,
    lines: int,
    bias: Any,
    floor: Any,
    out: Any,
    to: int,
    pooled: bool,
    places: Any,
    lengths: Any,
    geometry: Any,
    side: int,
) -> None:
    """The lines of the results of one member and group: into `out`, or by twos into `room` to be pooled from there."""
    _, _, _, channels, rows, columns, height, n = lengths
    tall, across, stride, dilation, _, above, _, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    for p in range(down // 2 * 2 if pooled else down):
        top = p * stride - above
        i0, i1 = _taps(top, dilation, tall, rows)
        k = i0 * channels * across
        into, step = (lines + p % 2 * height * run, run) if pooled else (to + p * run, down * run)
        first, summed = packed + k * side, (i1 - i0) * channels * across
        made, start = (room if pooled else out), at + top * line
        product(room, first, depth * side, side, bias, floor, x, start, places[k:], summed, made, into, step, run)
        if pooled and p % 2:
            for o in range(height):
                pair, half = lines + o * run, to + (o * (down // 2) + p // 2) * (over // 2) * n
                pool_lines(room, pair, pair + height * run, over // 2, n, out, half)


@kernel
def weight_grads(
    x: Any,
    x_innermost: bool,
    g: Any,
    g_innermost: bool,
    out: Any,
    accumulate: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
    pieces: int,
) -> None:
    """out[o, k] = sum of g[o] * x at places[k], or that more."""
    args = x, x_innermost, g, g_innermost, out, accumulate, places, needed, lengths, geometry
    share(_weight_grads, lengths[0] * lengths[2], pieces, args)


@kernel
def _weight_grads(
    begin: int,
    end: int,
    x: Any,
    x_innermost: bool,
    g: Any,
    g_innermost: bool,
    out: Any,
    accumulate: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
) -> None:
    """Some of the groups of all members."""
    room = np.empty(needed, x.dtype)
    _, _, groups, channels, rows, columns, height, n = lengths
    tall, across, stride, _, _, above, below, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    size, cotangents = channels * rows * columns * n, height * down * run
    laid = channels * (above + rows + below) * line
    whole = registers(zeros(x), run)
    direct = x_innermost and above + below + left + right == 0
    for which in range(begin, end):
        m, group = which // groups, which % groups
        source, at = x, which * size
        if not direct:
            start, step = at, 0
            if not x_innermost:
                start, step = m * groups * size + group * (size // n), groups * (size // n)
            lay(x, start, step, (channels, rows, columns, n), (above, below, left, right), room, 0)
            source, at = room, 0
        _spread(g, g_innermost, m, group, groups, (height, down, over, n), cotangents, whole, room, laid)
        _sums(source, at, places, room, laid, down, whole, run, stride * line, which, height, depth, out, accumulate)


@kernel
def _sums(
    x: Any,
    at: int,
    places: Any,
    room: Any,
    laid: int,
    down: int,
    whole: int,
    run: int,
    step: int,
    which: int,
    height: int,
    depth: int,
    out: Any,
    accumulate: bool,
) -> None:
    """The gradient of the weights of one member and group, three rows by four places at a time."""
    sums = laid + height * down * whole
    for begin in range(0, height, 3):
        o = min(begin, height - 3)
        for first in range(0, depth, 4):
            k = min(first, depth - 4)
            start = laid + o * down * whole
            dots(bare(room), start, down * whole, bare(x), at, bare(places), k, step, down, run, bare(room), sums)
            # ends of rows and of columns come twice, and are added once
            for i in range(begin - o, 3):
                to = (which * height + o + i) * depth + k
                for j in range(first - k, 4):
                    before = pick(out, to + j) if accumulate else x.dtype.type(0)
                    put(out, to + j, before + pick(room, sums + 4 * i + j))


@kernel
def _spread(
    g: Any, innermost: bool, m: int, group: int, groups: int, sizes: Any, count: int, whole: int, room: Any, to: int
) -> None:
    """Lays cotangents out in whole registers for each row; by way of the place behind them if they lie outermost."""
    height, down, over, n = sizes
    source, at = g, (m * groups + group) * count
    if not innermost:
        source, at = room, to + height * down * whole
        lay(g, m * groups * count + group * (count // n), groups * (count // n), sizes, (0, 0, 0, 0), room, at)
    for row in range(height * down):
        spread_run(source, at + row * over * n, 1, over * n, room, to + row * whole)
