"""Direct convolutions of all members of a tile, compiled into one call: what small images and few of them need.

Images lie innermost (channels, rows, columns, images) or outermost (images, channels, rows, columns); the former are
read in place where no columns of zeros belong beside them. Rows above and below an image are no terms of a sum.
Arrays are flat. `lengths` are (members, variants, groups, channels, rows, columns, height, images), where the weights
of each member come in variants; `geometry` is (window's height and width, stride down, dilation down and across, zeros
above, below, left and right, rows and columns of results); `room`, of `needed` numbers, is for what is laid out anew.
Groups of all members are shared in `pieces`.
"""

from typing import Any

from ..compiled import kernel
from ..team import share
from .blocks import COLUMNS, REGISTERS, inner, product, registers, spread_run
from .lanes import bare, behind, number, pick, put, room_for, width, zeros
from .pooling_2x2 import pool_lines

Lengths = tuple[int, int, int, int, int, int, int, int]
Geometry = tuple[int, int, int, int, int, int, int, int, int, int, int]

MOST_ROWS = max(REGISTERS)
SUMS = max([rows * columns for rows, columns in COLUMNS.items()])
"""Numbers for a block of sums."""

LINES = 2
"""Rows of results that are pooled at a time."""


def needed_for(lengths: Lengths, geometry: Geometry, wide: int) -> int:
    """Numbers of `room` that any of the kernels needs for a piece."""
    _, _, _, channels, rows, columns, height, images = lengths
    tall, across, _, _, _, above, below, left, right, down, over = geometry
    laid = channels * (above + rows + below) * (left + columns + right) * images
    run = over * images
    forward = (height + MOST_ROWS - 1) * channels * tall * across + LINES * height * run + wide
    return laid + max(forward, height * down * (2 * run + wide) + SUMS)


@kernel
def lay(x: Any, at: int, step: int, sizes: Any, padding: Any, room: Any, to: int) -> None:
    """Lays images (channels, rows, columns, images) out innermost, amid zeros above, below, left and right.

    `step` is the distance of two images that lie outermost, or 0.
    """
    channels, rows, columns, n = sizes
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
    flipped: bool,
    bias: Any,
    floor: Any,
    out: Any,
    pooled: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
    block: Any,
    pieces: int,
) -> None:
    """out[o, p] = max(floor, bias[o] + sum over windows of w[o] * x), or the maxima of two by two of that.

    `bias` is of all weights' rows, or of those of one group, for all. `block` is how many rows are multiplied at a
    time, and by how many registers. If `flipped`, w is of the convolution whose input
    gradient this is: by other channels first, and its windows run backwards. `places` are those of a sum's terms.
    """
    step = lengths[6] if bias.size > lengths[6] else 0
    args = x, innermost, w, flipped, bias, step, floor, out, pooled, places, needed, lengths, geometry, block
    share(_convolve, lengths[0] * lengths[2], pieces, args)


@kernel
def _convolve(
    begin: int,
    end: int,
    x: Any,
    innermost: bool,
    w: Any,
    flipped: bool,
    bias: Any,
    bias_step: int,
    floor: Any,
    out: Any,
    pooled: bool,
    places: Any,
    needed: int,
    lengths: Any,
    geometry: Any,
    block: Any,
) -> None:
    """Some of the groups of all members."""
    room = room_for(x, needed)
    _, variants, groups, channels, rows, columns, height, n = lengths
    tall, across, _, _, _, _, _, left, right, down, over = geometry
    line, depth = (left + columns + right) * n, channels * tall * across
    size, run = channels * rows * columns * n, over * n
    window = tall * across
    steps = (window, height * window, -across, -1) if flipped else (depth, window, across, 1)
    packed = channels * rows * line
    lines = packed + (height + MOST_ROWS - 1) * depth
    direct = innermost and left + right == 0
    made = height * (down // 2 * (over // 2) * n if pooled else down * run)
    for own in range(begin, end):
        m, group = own // groups, own % groups
        source, at = bare(x), own * size
        if not direct:
            start, step = at, 0
            if not innermost:
                start, step = m * groups * size + group * (size // n), groups * (size // n)
            lay(x, start, step, (channels, rows, columns, n), (0, 0, left, right), room, 0)
            source, at = bare(room), 0
        for v in range(variants):
            which = (m * variants + v) * groups + group
            first = which * height * depth + (window - 1 if flipped else 0)
            _pack(w, first, steps, (height, channels, tall, across), block[0], room, packed)
            more, to = behind(bias, which * bias_step), which * made
            _results(source, at, room, packed, lines, more, floor, out, to, pooled, places, lengths, geometry, block)


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
    block: Any,
) -> None:
    """The lines of the results of one member and group: into `out`, or by twos into `room` to be pooled from there."""
    _, _, _, channels, rows, columns, height, n = lengths
    tall, across, stride, dilation, _, above, _, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    for p in range(down // 2 * 2 if pooled else down):
        top = p * stride - above
        i0, i1 = _taps(top, dilation, tall, rows)
        k = i0 * channels * across
        into, step = (lines + p % LINES * height * run, run) if pooled else (to + p * run, down * run)
        first, summed = packed + k * block[0], (i1 - i0) * channels * across
        made, start = bare(room) if pooled else bare(out), at + top * line
        rest = height, floor, x, start, behind(places, k), summed, made, into, step, run
        product(room, first, depth * block[0], block, bias, *rest)
        if pooled and p % 2:
            more = (down // 2 - 1 - p // 2) * (over // 2) * n >= width(zeros(x))  # of this row, written later
            for o in range(height):
                pair, half = lines + o * run, to + (o * (down // 2) + p // 2) * (over // 2) * n
                pool_lines(room, pair, pair + height * run, over // 2, n, out, half, more)


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
    block: Any,
    pieces: int,
) -> None:
    """out[o, k] = sum of g[o] * x at places[k], or that more; `block` is how many o by how many k at a time."""
    args = x, x_innermost, g, g_innermost, out, accumulate, places, needed, lengths, geometry, block
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
    block: Any,
) -> None:
    """Some of the groups of all members."""
    room = room_for(x, needed)
    _, _, groups, channels, rows, columns, height, n = lengths
    tall, across, stride, _, _, above, below, left, right, down, over = geometry
    line, depth, run = (left + columns + right) * n, channels * tall * across, over * n
    size, cotangents = channels * rows * columns * n, height * down * run
    laid = channels * (above + rows + below) * line
    whole = registers(zeros(x), run)
    direct = x_innermost and above + below + left + right == 0
    for which in range(begin, end):
        m, group = which // groups, which % groups
        source, at = bare(x), which * size
        if not direct:
            start, step = at, 0
            if not x_innermost:
                start, step = m * groups * size + group * (size // n), groups * (size // n)
            lay(x, start, step, (channels, rows, columns, n), (above, below, left, right), room, 0)
            source, at = bare(room), 0
        _spread(g, g_innermost, m, group, groups, (height, down, over, n), cotangents, whole, room, laid)
        to, sizes = which * height * depth, (down, whole, run, stride * line, height, depth)
        _sums(source, at, places, bare(room), laid, sizes, out, to, accumulate, block)


@kernel
def _sums(
    x: Any, at: int, places: Any, room: Any, laid: int, sizes: Any, out: Any, to: int, accumulate: bool, block: Any
) -> None:
    """The gradient of the weights of one member and group."""
    down, whole, run, step, height, depth = sizes
    side, across = block
    sums = laid + height * down * whole
    for begin in range(0, height, side):
        o = min(begin, height - side)
        for first in range(0, depth, across):
            k = min(first, depth - across)
            start, into = laid + o * down * whole, to + o * depth + k
            if not accumulate:
                inner(side, room, start, down * whole, x, at, places, k, step, down, run, out, into, depth)
                continue
            inner(side, room, start, down * whole, x, at, places, k, step, down, run, room, sums, across)
            # ends of rows and of columns come twice, and are added once
            for i in range(begin - o, side):
                for j in range(first - k, across):
                    which = into + i * depth + j
                    put(out, which, pick(out, which) + pick(room, sums + i * across + j))


@kernel
def _spread(
    g: Any, innermost: bool, m: int, group: int, groups: int, sizes: Any, count: int, whole: int, room: Any, to: int
) -> None:
    """Lays cotangents out in whole registers for each row; by way of the place behind them if they lie outermost."""
    height, down, over, n = sizes
    source, at = bare(g), (m * groups + group) * count
    if not innermost:
        source, at = bare(room), to + height * down * whole
        lay(g, m * groups * count + group * (count // n), groups * (count // n), sizes, (0, 0, 0, 0), room, at)
    for row in range(height * down):
        spread_run(source, at + row * over * n, 1, over * n, room, to + row * whole)
