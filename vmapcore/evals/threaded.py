"""Products of large matrices on the worker threads: BLAS gets pieces of them, each on one thread.

Two OpenBLAS threads wait for each other in a loop, so a product beside any other load takes up to fifty times as long.
"""

import functools
import itertools
import math
from typing import Any

import numpy as np

from .. import memory, threads
from ..thresholds import EAGER_PIECES, EAGER_PRODUCT, LARGE
from .products import multiplied


def product(function: str, x: Any, y: Any) -> Any:
    """`np.dot` of two matrices, `np.matmul` of two stacks of them, or `np.multiply`, as `function` says."""
    if (
        function == "multiply"
        or x.ndim < 2
        or y.ndim < 2
        or max(x.size * y.shape[-1], y.size * x.shape[-2]) < EAGER_PRODUCT
    ):
        return getattr(np, function)(x, y)
    dtype = x.dtype if x.dtype == y.dtype else np.result_type(x, y)
    if dtype.char not in "fdFD":
        return getattr(np, function)(x, y)
    out = memory.empty(np, (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), dtype)
    tasks = []
    for piece in _pieces(len(out)):
        if out.ndim == 2:
            rows, columns = x[piece], y
        else:
            rows, columns = (a[piece] if a.ndim == out.ndim and len(a) > 1 else a for a in (x, y))
        tasks.append(functools.partial(_multiply, rows, columns, out[piece]))
    threads.run(tasks, lambda: None)
    return out


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
    ends = [length * i // EAGER_PIECES for i in range(EAGER_PIECES + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(ends) if a < b]


def _multiply(x: Any, y: Any, out: Any, state: None) -> None:
    np.matmul(x, y, out=out)
