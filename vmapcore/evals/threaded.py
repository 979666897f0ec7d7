"""Products of large matrices on the worker threads: BLAS gets pieces of them, each on one thread.

Two OpenBLAS threads wait for each other in a loop, so a product beside any other load takes up to fifty times as long.
"""

import functools
import itertools
import math
from typing import Any

import numpy as np

from .. import memory, threads
from ..thresholds import EAGER_PRODUCT, LARGE, TASKS
from .products import blocks, multiplied


def product(function: str, x: Any, y: Any) -> Any:
    """`np.dot` of two matrices, `np.matmul` or `blocks` of stacks of them, or `np.multiply`, as `function` says."""
    if function == "blocks":
        return blocks(x, y)
    if (
        function == "multiply"
        or x.ndim < 2
        or y.ndim < 2
        or max(x.size * y.shape[-1], y.size * x.shape[-2]) < EAGER_PRODUCT
    ):
        return getattr(np, function)(x, y)
    dtype = x.dtype if x.dtype == y.dtype else np.result_type(x, y)
    return in_pieces(x, y) if dtype.char in "fdFD" else getattr(np, function)(x, y)


def in_pieces(x: Any, y: Any, out: Any = None) -> Any:
    """`np.matmul(x, y, out=out)`, a piece at a time of an axis that stacks enough products, or else of the longest."""
    left, right = x if x.ndim > 1 else x[None], y if y.ndim > 1 else y[:, None]
    shape = (*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1])
    if out is None:
        whole = memory.empty(np, shape, np.result_type(x, y))
        out = whole[(..., *[0 if a.ndim < 2 else slice(None) for a in (x, y)])]
    else:
        whole = out if y.ndim > 1 else out[..., None]
        whole = whole if x.ndim > 1 else whole[..., None, :]
    axis = next((i for i, n in enumerate(shape[:-2]) if n >= TASKS), None)
    if axis is None:
        axis = max(range(len(shape)), key=lambda i: shape[i])
    axis -= len(shape)

    def multiply(state: None, piece: slice) -> None:
        rows = _cut(left, axis, piece) if axis != -1 else left
        columns = _cut(right, axis, piece) if axis != -2 else right
        np.matmul(rows, columns, out=_cut(whole, axis, piece))

    threads.run([functools.partial(multiply, piece=piece) for piece in _pieces(shape[axis])], lambda: None)
    return out


def _cut(x: Any, axis: int, piece: slice) -> Any:
    """A part of an operand along an axis counted from the end; all of one that broadcasts along it."""
    if x.ndim < -axis or x.shape[axis] == 1:
        return x
    return x[(..., piece, *[slice(None)] * (-1 - axis))]


def products(names: str, x: Any, y: Any) -> Any:
    """`np.einsum(names, x, y)` of two terms; of a large result, a piece of its first axis at a time."""
    x_term, y_term, out_term = names.replace("->", ",").split(",")
    size = dict(zip(x_term, x.shape, strict=True)) | dict(zip(y_term, y.shape, strict=True))
    shape = tuple([size[c] for c in out_term])
    if math.prod(shape) < LARGE:
        return multiplied(names, x, y)
    out = memory.empty(np, shape, x.dtype if x.dtype == y.dtype else np.result_type(x, y))
    first = out_term[0]

    def cut(a: Any, term: str, piece: slice) -> Any:
        return a[(slice(None),) * term.index(first) + (piece,)] if first in term else a

    def multiply(state: None, piece: slice) -> None:
        multiplied(names, cut(x, x_term, piece), cut(y, y_term, piece), out[piece])

    threads.run([functools.partial(multiply, piece=piece) for piece in _pieces(len(out))], lambda: None)
    return out


def _pieces(length: int) -> list[slice]:
    ends = [length * i // TASKS for i in range(TASKS + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(ends) if a < b]
