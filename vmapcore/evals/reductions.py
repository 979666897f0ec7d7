"""Shapes of reductions, and kernels for NumPy where what is reduced lies in many short rows.

NumPy spends 20 to 150 ns on starting each row. So the shortest are taken element by element, each of all rows at once;
`np.einsum` starts rows faster; extrema, whose order does not matter, are taken over rows turned into columns. All that
goes a cacheful at a time. Only evals call these, on arrays.
"""

import functools
import math
from typing import Any

import numpy as np

from ..thresholds import IN_A_ROW, MANY_ROWS, ROWS_AS_COLUMNS

LONGEST_SUM = 128
"""Rows up to this length are added up faster by `np.einsum`, and as exactly: it has several accumulators too."""

LONGEST_EXTREMUM = 16
"""Rows up to this length have their extrema found faster as columns."""

NARROW = 32
"""The length of rows that are added up element by element, up to which `np.einsum` is faster."""

SHORT = 4
"""The length up to which rows are taken element by element."""


@functools.lru_cache(maxsize=4096)
def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with length 1 on the negative axes `axis`."""
    n = len(shape)
    return tuple([1 if i - n in axis else length for i, length in enumerate(shape)])


def reduced_shape(shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """`shape` without the negative axes `axis`, or with length 1 there if `keepdims`."""
    if keepdims:
        return kept_shape(shape, axis)
    n = len(shape)
    return tuple([length for i, length in enumerate(shape) if i - n not in axis])


def total(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """`x.sum(axis, keepdims=keepdims)`, of floats as exactly as NumPy adds up a single row, however they lie.

    NumPy adds by pairs along the innermost axis in memory, and one after the other along others. Where these are long,
    blocks are added up first: short sums, of longer rows, so that it is up to 20 times as fast.
    """
    if xp is not np or x.size < MANY_ROWS or x.dtype.kind not in "fc":
        return x.sum(axis, keepdims=keepdims)
    rows = _rows(x, axis, LONGEST_SUM) if x.dtype.kind == "f" else None
    if rows is not None:
        sums = _by_elements(np.add, rows) if rows.shape[1] <= SHORT else np.einsum("ij->i", rows)
        return sums.reshape(reduced_shape(x.shape, axis, keepdims))
    at = long_axis(x.shape, x.strides, axis)
    if not at:
        if axis == (-2,) and x.dtype.kind == "f" and 1 < x.shape[-1] <= NARROW and x.flags.c_contiguous:
            sums = np.einsum("ijk->ik", x.reshape(-1, *x.shape[-2:]))  # one after the other, as NumPy
            return sums.reshape(reduced_shape(x.shape, axis, keepdims))
        return x.sum(axis, keepdims=keepdims)
    if x.dtype.char == "e":  # whose rows NumPy adds up in single precision
        return total(xp, x.astype(np.float32), axis, keepdims).astype(np.float16)
    blocks, rest = in_blocks(x, at)
    terms = blocks.sum(at - 1)
    terms[_first(rest.shape[at], at)] += rest
    return total(xp, terms, axis, keepdims)


@functools.lru_cache(maxsize=4096)
def long_axis(shape: tuple[int, ...], strides: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """The longest of the axes `axis` if NumPy adds up too many terms along them one after the other, else 0."""
    order = sorted([a for a in range(-len(shape), 0) if shape[a] > 1], key=lambda a: -abs(strides[a]))
    reach = 0
    while order and order[-1] in axis and reach in (0, abs(strides[order[-1]])):  # those it adds up by pairs
        reach = abs(strides[order[-1]]) * shape[order[-1]]
        order.pop()
    apart = [a for a in order if a in axis]
    if math.prod([shape[a] for a in apart]) <= 2 * IN_A_ROW:
        return 0
    return max(apart, key=lambda a: shape[a])


def in_blocks(x: Any, at: int) -> tuple[Any, Any]:
    """Views of `x` with the axis `at` as rows of blocks, fewer rows than `IN_A_ROW`, and of the rest, no whole row."""
    n = x.shape[at]
    blocks = -(-n // IN_A_ROW)
    rows = n // blocks
    shape = list(x.shape)
    shape[at:] = [rows, blocks, *shape[at:][1:]]
    return x[_first(rows * blocks, at)].reshape(shape), x[(..., slice(rows * blocks, None), *[slice(None)] * (-1 - at))]


def _first(n: int, at: int) -> tuple[Any, ...]:
    return (..., slice(n), *[slice(None)] * (-1 - at))


def largest(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """`x.max(axis, keepdims=keepdims)`."""
    return _extremum(xp, x, axis, keepdims, "max", np.maximum)


def smallest(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """`x.min(axis, keepdims=keepdims)`."""
    return _extremum(xp, x, axis, keepdims, "min", np.minimum)


def _extremum(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool, name: str, larger: Any) -> Any:
    by_columns = xp is np and x.size >= MANY_ROWS and x.dtype.kind in "fiu"
    rows = _rows(x, axis, LONGEST_EXTREMUM) if by_columns else None
    if rows is None:
        return getattr(x, name)(axis, keepdims=keepdims)
    shape = reduced_shape(x.shape, axis, keepdims)
    if rows.shape[1] <= SHORT:
        return _by_elements(larger, rows).reshape(shape)
    out = np.empty(len(rows), x.dtype)
    for i in range(0, len(rows), ROWS_AS_COLUMNS):
        larger.reduce(np.ascontiguousarray(rows[i : i + ROWS_AS_COLUMNS].T), 0, out=out[i : i + ROWS_AS_COLUMNS])
    return out.reshape(shape)


def _by_elements(ufunc: Any, rows: Any) -> Any:
    """The elements of each row put together from the left, as NumPy does."""
    out = np.empty(len(rows), rows.dtype)
    for i in range(0, len(rows), 4 * ROWS_AS_COLUMNS):
        first, *others = rows[i : i + 4 * ROWS_AS_COLUMNS].T
        for x in others:
            first = ufunc(first, x, out=out[i : i + 4 * ROWS_AS_COLUMNS])
    return out


def _rows(x: Any, axis: tuple[int, ...], longest: int) -> Any:
    """`x` as a matrix with a row for each reduction; None where rows are not contiguous, or longer than `longest`."""
    if not axis or axis[0] != -len(axis) or not x.flags.c_contiguous:
        return None
    length = math.prod(x.shape[axis[0] :])
    return x.reshape(-1, length) if 1 < length <= longest and x.size >= MANY_ROWS * length else None
