"""3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3), compiled: a quarter of the multiplications.

A tile of 6x6 inputs makes 4x4 results: out = A'[(G w G') * (B' x B)]A, where * multiplies number by number, so that
sums over channels are 36 products of matrices. The two gradients are the same form, transposed:
dx = B[(G w G') * (A g A')]B' and dw = G'[(A g A') * (B' x B)]G.

Each function takes `count` tiles from number `first` on, of images (channels, rows, columns, n) = size that have
`across` tiles in a row; n fills whole registers. What lies between is (36, channels, count * n): one matrix for each
place in a tile. Arrays are flat.
"""

from typing import Any

from ..compiled import kernel
from .blocks import product
from .lanes import at_least, larger, load, pick, put, spread, store, width, zeros

GAP = 16
"""Numbers left between the 36 matrices: without, those of common sizes would meet in the same few places of a cache."""


# The four transforms of one line of a tile, in registers.


@kernel
def _input(line: Any) -> Any:
    """B': six to six."""
    a, b, c, d, e, f = line
    p, q, r, s = e - 4 * c, d - 4 * b, e - c, 2 * (d - b)
    return 4 * a - 5 * c + e, p + q, p - q, r + s, r - s, 4 * b - 5 * d + f


@kernel
def _input_back(line: Any) -> Any:
    """B: six to six."""
    a, b, c, d, e, f = line
    p, q, r, s = b + c, c - b, d + e, e - d
    return 4 * a, 4 * (f + q) + 2 * s, -5 * a - 4 * p - r, -5 * f - q - 2 * s, a + p + r, f


@kernel
def _output(line: Any) -> Any:
    """A': six to four."""
    a, b, c, d, e, f = line
    p, q, r, s = b + c, b - c, d + e, d - e
    return a + p + r, q + 2 * s, p + 4 * r, q + 8 * s + f


@kernel
def _output_back(line: Any) -> Any:
    """A: four to six."""
    a, b, c, d = line
    p, q, r, s = a + c, b + d, a + 4 * c, 2 * b + 8 * d
    return a, p + q, p - q, r + s, r - s, d


# Lines of four or six registers in memory, `step` apart.


@kernel
def _four(like: Any, x: Any, i: int, step: int) -> Any:
    return load(like, x, i), load(like, x, i + step), load(like, x, i + 2 * step), load(like, x, i + 3 * step)


@kernel
def _six(like: Any, x: Any, i: int, step: int) -> Any:
    return (
        load(like, x, i),
        load(like, x, i + step),
        load(like, x, i + 2 * step),
        load(like, x, i + 3 * step),
        load(like, x, i + 4 * step),
        load(like, x, i + 5 * step),
    )


@kernel
def _write(v: Any, j: int, step: int, six: Any) -> None:
    store(v, j, six[0])
    store(v, j + step, six[1])
    store(v, j + 2 * step, six[2])
    store(v, j + 3 * step, six[3])
    store(v, j + 4 * step, six[4])
    store(v, j + 5 * step, six[5])


@kernel
def _add(like: Any, x: Any, i: int, n: int, six: Any) -> None:
    a, b, c, d, e, f = _six(like, x, i, n)
    _write(x, i, n, (a + six[0], b + six[1], c + six[2], d + six[3], e + six[4], f + six[5]))


@kernel
def _put(four: Any, more: Any, floor: Any, out: Any, i: int, n: int, wide: int) -> None:
    """Stores max(floor, four + more), as many of them as lie in the image."""
    store(out, i, at_least(four[0] + more, floor))
    if wide > 1:
        store(out, i + n, at_least(four[1] + more, floor))
    if wide > 2:
        store(out, i + 2 * n, at_least(four[2] + more, floor))
    if wide > 3:
        store(out, i + 3 * n, at_least(four[3] + more, floor))


# The same of all lines of a tile, one way and then the other.


@kernel
def input_tile(like: Any, x: Any, i: int, row: int, n: int, v: Any, j: int, step: int) -> None:
    """Writes B' x B of the tile at `i` of x."""
    a, b = _input(_six(like, x, i, row)), _input(_six(like, x, i + n, row))
    c, d = _input(_six(like, x, i + 2 * n, row)), _input(_six(like, x, i + 3 * n, row))
    e, f = _input(_six(like, x, i + 4 * n, row)), _input(_six(like, x, i + 5 * n, row))
    _write(v, j, step, _input((a[0], b[0], c[0], d[0], e[0], f[0])))
    _write(v, j + 6 * step, step, _input((a[1], b[1], c[1], d[1], e[1], f[1])))
    _write(v, j + 12 * step, step, _input((a[2], b[2], c[2], d[2], e[2], f[2])))
    _write(v, j + 18 * step, step, _input((a[3], b[3], c[3], d[3], e[3], f[3])))
    _write(v, j + 24 * step, step, _input((a[4], b[4], c[4], d[4], e[4], f[4])))
    _write(v, j + 30 * step, step, _input((a[5], b[5], c[5], d[5], e[5], f[5])))


@kernel
def input_tile_back(like: Any, m: Any, j: int, step: int, out: Any, i: int, row: int, n: int) -> None:
    """Adds B m B' to the tile at `i` of out."""
    line = 6 * step
    a, b = _input_back(_six(like, m, j, line)), _input_back(_six(like, m, j + step, line))
    c, d = _input_back(_six(like, m, j + 2 * step, line)), _input_back(_six(like, m, j + 3 * step, line))
    e, f = _input_back(_six(like, m, j + 4 * step, line)), _input_back(_six(like, m, j + 5 * step, line))
    _add(like, out, i, n, _input_back((a[0], b[0], c[0], d[0], e[0], f[0])))
    _add(like, out, i + row, n, _input_back((a[1], b[1], c[1], d[1], e[1], f[1])))
    _add(like, out, i + 2 * row, n, _input_back((a[2], b[2], c[2], d[2], e[2], f[2])))
    _add(like, out, i + 3 * row, n, _input_back((a[3], b[3], c[3], d[3], e[3], f[3])))
    _add(like, out, i + 4 * row, n, _input_back((a[4], b[4], c[4], d[4], e[4], f[4])))
    _add(like, out, i + 5 * row, n, _input_back((a[5], b[5], c[5], d[5], e[5], f[5])))


@kernel
def output_tile(like: Any, m: Any, j: int, step: int) -> Any:
    """A' m A, as four rows of four registers."""
    line = 6 * step
    a, b = _output(_six(like, m, j, line)), _output(_six(like, m, j + step, line))
    c, d = _output(_six(like, m, j + 2 * step, line)), _output(_six(like, m, j + 3 * step, line))
    e, f = _output(_six(like, m, j + 4 * step, line)), _output(_six(like, m, j + 5 * step, line))
    return (
        _output((a[0], b[0], c[0], d[0], e[0], f[0])),
        _output((a[1], b[1], c[1], d[1], e[1], f[1])),
        _output((a[2], b[2], c[2], d[2], e[2], f[2])),
        _output((a[3], b[3], c[3], d[3], e[3], f[3])),
    )


@kernel
def output_tile_back(like: Any, g: Any, i: int, row: int, n: int, v: Any, j: int, step: int) -> None:
    """Writes A g A' of the tile at `i` of g."""
    a, b = _output_back(_four(like, g, i, row)), _output_back(_four(like, g, i + n, row))
    c, d = _output_back(_four(like, g, i + 2 * n, row)), _output_back(_four(like, g, i + 3 * n, row))
    _write(v, j, step, _output_back((a[0], b[0], c[0], d[0])))
    _write(v, j + 6 * step, step, _output_back((a[1], b[1], c[1], d[1])))
    _write(v, j + 12 * step, step, _output_back((a[2], b[2], c[2], d[2])))
    _write(v, j + 18 * step, step, _output_back((a[3], b[3], c[3], d[3])))
    _write(v, j + 24 * step, step, _output_back((a[4], b[4], c[4], d[4])))
    _write(v, j + 30 * step, step, _output_back((a[5], b[5], c[5], d[5])))


# The same of many tiles.


@kernel
def inputs(x: Any, size: Any, v: Any, first: int, count: int, across: int) -> None:
    """Writes B' x B; x reaches over the last tiles."""
    channels, rows, columns, n = size
    like, run = zeros(x), count * n
    for c in range(channels):
        for t in range(count):
            down, right = divmod(first + t, across)
            i, j = ((c * rows + 4 * down) * columns + 4 * right) * n, c * run + t * n
            for k in range(0, n, width(like)):
                input_tile(like, x, i + k, columns * n, n, v, j + k, channels * run + GAP)


@kernel
def inputs_back(m: Any, out: Any, size: Any, first: int, count: int, across: int) -> None:
    """Adds B m B' to out, which reaches over the last tiles."""
    channels, rows, columns, n = size
    like, run = zeros(m), count * n
    for c in range(channels):
        for t in range(count):
            down, right = divmod(first + t, across)
            i, j = ((c * rows + 4 * down) * columns + 4 * right) * n, c * run + t * n
            for k in range(0, n, width(like)):
                input_tile_back(like, m, j + k, channels * run + GAP, out, i + k, columns * n, n)


@kernel
def outputs_back(g: Any, size: Any, v: Any, first: int, count: int, across: int) -> None:
    """Writes A g A'; g reaches over the last tiles."""
    height, rows, columns, n = size
    like, run = zeros(g), count * n
    for o in range(height):
        for t in range(count):
            down, right = divmod(first + t, across)
            i, j = ((o * rows + 4 * down) * columns + 4 * right) * n, o * run + t * n
            for k in range(0, n, width(like)):
                output_tile_back(like, g, i + k, columns * n, n, v, j + k, height * run + GAP)


@kernel
def outputs(m: Any, bias: Any, floor: Any, out: Any, size: Any, first: int, count: int, across: int) -> None:
    """Writes max(floor, A' m A + bias)."""
    height, rows, columns, n = size
    like, run, row = zeros(m), count * n, columns * n
    for o in range(height):
        more = spread(like, pick(bias, o))
        for t in range(count):
            down, right = divmod(first + t, across)
            wide, high = min(4, columns - 4 * right), min(4, rows - 4 * down)
            i, j = ((o * rows + 4 * down) * columns + 4 * right) * n, o * run + t * n
            for k in range(0, n, width(like)):
                a, b, c, d = output_tile(like, m, j + k, height * run + GAP)
                _put(a, more, floor, out, i + k, n, wide)
                if high > 1:
                    _put(b, more, floor, out, i + k + row, n, wide)
                if high > 2:
                    _put(c, more, floor, out, i + k + 2 * row, n, wide)
                if high > 3:
                    _put(d, more, floor, out, i + k + 3 * row, n, wide)


@kernel
def pooled_outputs(m: Any, bias: Any, floor: Any, out: Any, size: Any, first: int, count: int, across: int) -> None:
    """Writes the maxima of 2x2 windows of max(floor, A' m A + bias): rounding keeps order, so they come first."""
    height, rows, columns, n = size
    like, run, row = zeros(m), count * n, columns * n
    for o in range(height):
        more = spread(like, pick(bias, o))
        for t in range(count):
            down, right = divmod(first + t, across)
            wide, high = columns - 2 * right, rows - 2 * down
            i, j = ((o * rows + 2 * down) * columns + 2 * right) * n, o * run + t * n
            for k in range(0, n, width(like)):
                a, b, c, d = output_tile(like, m, j + k, height * run + GAP)
                if high > 0:
                    _put_pooled(a, b, more, floor, out, i + k, n, wide)
                if high > 1:
                    _put_pooled(c, d, more, floor, out, i + k + row, n, wide)


@kernel
def _put_pooled(a: Any, b: Any, more: Any, floor: Any, out: Any, i: int, n: int, wide: int) -> None:
    if wide > 0:
        store(out, i, at_least(larger(larger(a[0], a[1]), larger(b[0], b[1])) + more, floor))
    if wide > 1:
        store(out, i + n, at_least(larger(larger(a[2], a[3]), larger(b[2], b[3])) + more, floor))


@kernel
def pack(w: Any, groups: int, sizes: Any, steps: Any, rows: int, out: Any) -> None:
    """The nine numbers of each window as nine matrices, whose rows are packed: `rows` side by side."""
    height, depth = sizes
    to = 0
    for group in range(groups):
        for k in range(9):
            for begin in range(0, height, rows):
                first = group * height * depth * 9 + min(begin, height - rows) * steps[0] + k
                for c in range(depth):
                    for o in range(rows):
                        put(out, to, pick(w, first + c * steps[1] + o * steps[0]))
                        to += 1


@kernel
def products(u: Any, block: Any, none: Any, low: Any, v: Any, depth: int, m: Any, run: int) -> None:
    """The 36 products of u (36, O, depth), packed by `block` rows, and v (36, depth, run).

    `none` are O zeros, `low` the least number.
    """
    height = none.size
    next_block = block[0] * depth
    matrix = (height + block[0] - 1) // block[0] * next_block
    for p in range(36):
        source = v, p * (depth * run + GAP), run, depth
        into = m, p * (height * run + GAP), run, run
        product(block, (u, p * matrix, next_block), (none, height, low), source, into)
