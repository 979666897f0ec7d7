"""Copies of arrays whose images lie innermost into ones where they lie outermost, and back: a matrix transposed.

NumPy goes number by number; here a square of registers is transposed at a time, by shuffles.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...thresholds import REORDERED
from .. import compiled, team
from ..compiled import kernel, numba
from ..team import share
from .lanes import behind, pick, put, width, zeros

NUMBER = 0.3
"""Nanoseconds, roughly, for each number."""


def copy(out: Any, x: Any) -> None:
    """out[...] = x for arrays of one shape."""
    if x.size >= REORDERED and compiled.AVAILABLE and out.flags.c_contiguous and out.dtype == x.dtype:
        found = _matrices(x.shape, x.strides, x.dtype)
        if found is not None:
            count, rows, columns = found
            parts = -(-columns // REORDERED)
            pieces = team.pieces(count * parts, x.size * NUMBER)
            _transpose(x.ravel("K"), rows, columns, parts, out.reshape(-1), count * parts, pieces)
            return
    np.copyto(out, x)


def copied(made: Any, out: Any) -> Any:
    """What was made, in `out` if that is given."""
    if out is None:
        return made
    copy(out, made)
    return out


@lru_cache(maxsize=4096)
def _matrices(shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> tuple[int, int, int] | None:
    """How many matrices, their rows and columns, if after some axes that lie outermost the next ones together are the
    rows of a matrix that lies by columns."""
    axes = [i for i, n in enumerate(shape) if n != 1]
    by_place = sorted(axes, key=lambda i: -strides[i])
    lead = next((k for k, (i, j) in enumerate(zip(axes, by_place, strict=True)) if i != j), len(axes))
    inner, reordered = axes[lead:], by_place[lead:]
    k = inner.index(reordered[0]) if reordered else 0
    if not compiled.is_plain_float(dtype) or k == 0 or reordered != inner[k:] + inner[:k]:
        return None
    step = dtype.itemsize
    for i in reversed(by_place):
        if strides[i] != step:
            return None
        step *= shape[i]
    return (
        prod([shape[i] for i in axes[:lead]]),
        prod([shape[i] for i in inner[:k]]),
        prod([shape[i] for i in inner[k:]]),
    )


def square(x: Any, at: int, step: int, out: Any, to: int, to_step: int) -> None:
    """Transposes as many registers as one has numbers, from x into out; they are `step` and `to_step` apart."""
    wide = width(zeros(x))
    for i in range(wide):
        for j in range(wide):
            out[to + j * to_step + i] = x[at + i * step + j]


if numba is not None:
    from ..native.transposes import square


@kernel
def _transpose(x: Any, rows: int, columns: int, parts: int, out: Any, count: int, pieces: int) -> None:
    """Matrices (rows, columns) of such (columns, rows), each in some parts of its columns."""
    share(_transpose_parts, count, pieces, (x, rows, columns, parts, out))


@kernel
def _transpose_parts(begin: int, end: int, x: Any, rows: int, columns: int, parts: int, out: Any) -> None:
    for which in range(begin, end):
        part, start = which % parts, which // parts * rows * columns
        span = columns * part // parts, columns * (part + 1) // parts
        _transpose_columns(behind(x, start), rows, columns, span, behind(out, start))


@kernel
def _transpose_columns(x: Any, rows: int, columns: int, span: Any, out: Any) -> None:
    wide = width(zeros(x))
    whole, high = span[0] + (span[1] - span[0]) // wide * wide, rows // wide * wide
    for c in range(span[0], whole, wide):
        for r in range(0, high, wide):
            square(x, c * rows + r, rows, out, r * columns + c, columns)
    for c in range(whole, span[1]):
        for r in range(high):
            put(out, r * columns + c, pick(x, c * rows + r))
    for r in range(high, rows):
        for c in range(span[0], span[1]):
            put(out, r * columns + c, pick(x, c * rows + r))
