"""Sums and maxima of many short rows, which NumPy's reductions take one row at a time: 3 to 20 times faster.

Only evals call these, on arrays.
"""

from typing import Any

import numpy as np

SHORT = 32
"""The longest row that is short."""

MANY = 64
"""The fewest rows that are worth it."""


def _short_rows(xp: Any, x: Any, axis: tuple[int, ...]) -> bool:
    if xp is not np or axis != (-1,) or not x.ndim or x.dtype.char not in "fd":
        return False
    n = x.shape[-1]
    return 0 < n <= SHORT and x.size >= MANY * n


def row_sums(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """`x.sum(axis, keepdims=True)`."""
    if _short_rows(xp, x, axis):
        return np.einsum("...i->...", x)[..., None]
    return x.sum(axis, keepdims=True)


def row_maxima(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """`x.max(axis, keepdims=True)`."""
    if _short_rows(xp, x, axis):
        columns = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T)
        return columns.max(0).reshape((*x.shape[:-1], 1))
    return x.max(axis, keepdims=True)
