"""Direct convolutions of all members of a tile, compiled into one call: what small images and few of them need.

Images lie innermost (channels, rows, columns, images) or outermost (images, channels, rows, columns); the former are
read in place where no columns of zeros belong beside them. Rows above and below an image are no terms of a sum.
Arrays are flat. `lengths` are (members, variants, groups, channels, rows, columns, height, images), where the weights
of each member come in variants; `geometry` is (window's height and width, stride down, dilation down and across, zeros
above, below, left and right, rows and columns of results); `room`, of `needed` numbers, is for what is laid out anew.
A `layer` is (places of a sum's terms, needed, lengths, geometry, block): a block is how many rows are multiplied at a
time, and by how many registers. Groups of all members are shared in `pieces`.
"""

from typing import Any

from ..compiled import kernel
from ..team import share
from .blocks import REGISTERS, inner, product, registers, spread_run
from .lanes import bare, behind, number, pick, put, room_for, width, zeros
from .pooling_2x2 import pool_lines

Lengths = tuple[int, int, int, int, int, int, int, int]
Geometry = tuple[int, int, int, int, int, int, int, int, int, int, int]

MOST_ROWS = max(REGISTERS)
LINES = 2
"""Rows of results that are pooled at a time."""


def needed_for(lengths: Lengths, geometry: Geometry, wide: int) -> int:
    """Numbers of `room` that any of the kernels needs for a piece."""
    _, _, _, channels, rows, columns, height, images = lengths
    tall, across, _, _, _, above, below, left, right, down, over = geometry
    laid = channels * (above + rows + below) * (left + columns + right) * images
    run = over * images
    forward = (height + MOST_ROWS - 1) * channels * tall * across + LINES * height * run + wide
    return laid + max(forward, height * down * (2 * run + wide))


@kernel
def _lay(x: Any, innermost: bool, own: int, groups: int, sizes: Any, padding: Any, room: Any, to: int) -> None:
    """Lays images (channels, rows, columns, images) of one group out innermost, amid zeros on all sides."""
    channels, rows, columns, n = sizes
    size, group = channels * rows * columns * n, channels * rows * columns
    above, below, left, right = padding
    across = (left + columns + right) * n
    zero = number(x, 0)
    if above + below + left + right:
        for k in range(channels * (above + rows + below) * across):
            put(room, to + k, zero)
    run = columns * n
    for c in range(channels):
        for r in range(rows):
            into = to + (c * (above + rows + below) + above + r) * across + left * n
            if innermost:
                start = own * size + (c * rows + r) * run
                for k in range(run):
                    put(room, into + k, pick(x, start + k))
            else:
                start = own // groups * groups * size + own % groups * group + (c * rows + r) * columns
                for i in range(n):
                    for q in range(columns):
                        put(room, into + q * n + i, pick(x, start + i * groups * group + q))


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
def convolve(x: Any, innermost: bool, w: Any, flipped: bool, finish: Any, out: Any, layer: Any, pieces: int) -> None:
    """out[o, p] = max(floor, bias[o] + sum over windows of w[o] * x), or the maxima of two by two of that.

    `finish` is (bias, floor, whether to pool); the bias of all weights' rows, or of those of one group, for all. If
    `flipped`, w is of the convolution whose input gradient this is: by other channels first, and its windows run
    backwards.
    """
    bias, floor, pooled = finish
    _, _, lengths, _, _ = layer
    step = lengths[6] if bias.size > lengths[6] else 0
    args = x, innermost, w, flipped, (bias, step, floor, pooled), out, layer
    share(_convolve, lengths[0] * lengths[2], pieces, args)


@kernel
def _convolve(
    begin: int, end: int, x: Any, innermost: bool, w: Any, flipped: bool, finish: Any, out: Any, layer: Any
) -> None:
    """Some of the groups of all members."""
    bias, bias_step, floor, pooled = finish
    _, needed, lengths, geometry, block = layer
    room = room_for(x, needed)
    _, variants, groups, channels, rows, columns, height, n = lengths
    tall, across, _, _, _, _, _, left, right, down, over = geometry
    line, depth = (left + columns + right) * n, channels * tall * across
    run, window = over * n, tall * across
    steps = (window, height * window, -across, -1) if flipped else (depth, window, across, 1)
    packed = channels * rows * line
    lines = packed + (height + MOST_ROWS - 1) * depth
    made = height * (down // 2 * (over // 2) * n if pooled else down * run)
    for own in range(begin, end):
        source, at = bare(x), own * channels * rows * columns * n
        if not (innermost and left + right == 0):
            _lay(x, innermost, own, groups, (channels, rows, columns, n), (0, 0, left, right), room, 0)
            source, at = bare(room), 0
        for v in range(variants):
            which = (own // groups * variants + v) * groups + own % groups
            first = which * height * depth + (window - 1 if flipped else 0)
            _pack(w, first, steps, (height, channels, tall, across), block[0], room, packed)
            own_finish = behind(bias, which * bias_step), floor, pooled
            _results(source, at, (room, packed, lines), own_finish, out, which * made, layer)


@kernel
def _results(x: Any, at: int, rooms: Any, finish: Any, out: Any, to: int, layer: Any) -> None:
    """The lines of the results of one member and group: into `out`, or by twos into a room to be pooled from there.

    `rooms` is (room, where in it packed weights are, where lines to be pooled).
    """
    room, packed, lines = rooms
    bias, floor, pooled = finish
    places, _, lengths, geometry, block = layer
    _, _, _, channels, rows, columns, height, n = lengths
    tall, across, stride, dilation, _, above, _, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    for p in range(down // 2 * 2 if pooled else down):
        top = p * stride - above
        i0, i1 = _taps(top, dilation, tall, rows)
        k = i0 * channels * across
        into, step = (lines + p % LINES * height * run, run) if pooled else (to + p * run, down * run)
        source = x, at + top * line, behind(places, k), (i1 - i0) * channels * across
        weights = room, packed + k * block[0], depth * block[0]
        product(block, weights, (bias, height, floor), source, (bare(room) if pooled else bare(out), into, step, run))
        if pooled and p % 2:
            more = (down // 2 - 1 - p // 2) * (over // 2) * n >= width(zeros(x))  # of this row, written later
            for o in range(height):
                pair, half = lines + o * run, to + (o * (down // 2) + p // 2) * (over // 2) * n
                pool_lines(room, pair, pair + height * run, over // 2, n, out, half, more)


@kernel
def weight_grads(x: Any, x_innermost: bool, g: Any, g_innermost: bool, out: Any, layer: Any, pieces: int) -> None:
    """out[o, k] = sum of g[o] * x at places[k]; the block is how many o by how many k at a time."""
    _, _, lengths, _, _ = layer
    share(_weight_grads, lengths[0] * lengths[2], pieces, (x, x_innermost, g, g_innermost, out, layer))


@kernel
def _weight_grads(
    begin: int, end: int, x: Any, x_innermost: bool, g: Any, g_innermost: bool, out: Any, layer: Any
) -> None:
    """Some of the groups of all members."""
    places, needed, lengths, geometry, block = layer
    room = room_for(x, needed)
    _, _, groups, channels, rows, columns, height, n = lengths
    tall, across, stride, _, _, above, below, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    laid = channels * (above + rows + below) * line
    whole = registers(zeros(x), run)
    direct = x_innermost and above + below + left + right == 0
    for which in range(begin, end):
        source, at = bare(x), which * channels * rows * columns * n
        if not direct:
            sizes = channels, rows, columns, n
            _lay(x, x_innermost, which, groups, sizes, (above, below, left, right), room, 0)
            source, at = bare(room), 0
        _spread(g, g_innermost, which, groups, (height, down, over, n), whole, room, laid)
        for begin_row in range(0, height, block[0]):  # ends of rows and of columns come twice
            o = min(begin_row, height - block[0])
            for first in range(0, depth, block[1]):
                k = min(first, depth - block[1])
                sides = (bare(room), laid + o * down * whole, down * whole), (source, at, places, k, stride * line)
                into = out, (which * height + o) * depth + k, depth
                inner(block[0], block[1], sides[0], sides[1], (down, run), into)


@kernel
def _spread(g: Any, innermost: bool, own: int, groups: int, sizes: Any, whole: int, room: Any, to: int) -> None:
    """Lays cotangents out in whole registers for each row; by way of the place behind them if they lie outermost."""
    height, down, over, n = sizes
    source, at = bare(g), own * height * down * over * n
    if not innermost:
        source, at = bare(room), to + height * down * whole
        _lay(g, innermost, own, groups, sizes, (0, 0, 0, 0), room, at)
    for row in range(height * down):
        spread_run(source, at + row * over * n, 1, over * n, room, to + row * whole)
