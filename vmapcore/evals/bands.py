"""Systems of equations by their band, many at a time: one step of elimination for all, then the next."""

from math import prod
from typing import Any

import numpy as np

TOGETHER = 1024
"""Systems that go together, whose rows stay in a cache."""

CALL, ROW, STEP, ENTRY = 9.0, 0.08, 30.0, 0.01
"""Microseconds of a call of LAPACK by SciPy for one system, and of a row of it; of a row of all systems, and of each
number that is changed there."""


def solved(ab: Any, b: Any, low: int, up: int, positive: bool) -> Any:
    """The `x` of many `a x = b`, in the order of rows that LAPACK takes; None where they cost less one by one, or need
    to be looked at, as where one is singular.

    Row `up + i - j` of `ab` (..., band, n) has the elements of row i and column j; `b` is (..., n, columns). `positive`
    ones are Hermitian, and need no other order.
    """
    n, columns = b.shape[-2:]
    lead = np.broadcast_shapes(ab.shape[:-2], b.shape[:-2])
    count, numbers = prod(lead), (low + 1) * (low + up + 1 + columns)
    if count * (CALL + ROW * n) < n * (STEP + ENTRY * numbers * count) or not (np.isfinite(ab).all() and b.size):
        return None
    ab = np.broadcast_to(ab, lead + ab.shape[-2:]).reshape(count, *ab.shape[-2:])
    b = np.broadcast_to(b, lead + b.shape[-2:]).reshape(count, n, columns)
    parts = []
    for start in range(0, count, TOGETHER):
        x = _solved(ab[start : start + TOGETHER], b[start : start + TOGETHER], low, up, positive)
        if x is None or not np.isfinite(x).all():
            return None
        parts.append(x)
    return np.concatenate(parts).reshape(*lead, n, columns)


def _solved(ab: Any, b: Any, low: int, up: int, positive: bool) -> Any:
    count, n, columns = b.shape
    width = low + up + 1  # of a row that others have been taken from: the pivot, and what is right of it
    rows = _by_rows(np.moveaxis(ab, 0, -1), n, low, up)
    sides = np.ascontiguousarray(np.moveaxis(b, 0, -1))
    window = np.zeros((low + 1, width, count), ab.dtype)  # rows from the pivot's on, all from its column on
    right = np.zeros((low + 1, columns, count), b.dtype)
    for k in range(min(low + 1, n)):
        window[k, : width - low + k] = rows[k, low - k :]
        right[k] = sides[k]
    upper, x = np.empty((n, width, count), ab.dtype), np.empty((n, columns, count), b.dtype)
    for j in range(n):
        if low and not positive:
            _exchange(window, right)
        upper[j], x[j] = window[0], right[0]
        pivot = window[0, 0]
        if not ((pivot.real > 0).all() if positive else pivot.all()):
            return None
        if low:
            share = window[1:, :1] / pivot
            window[:-1, :-1] = window[1:, 1:] - share * window[0, 1:]
            window[:-1, -1] = 0
            right[:-1] = right[1:] - share * right[0]
            new = j + low + 1
            window[-1] = 0
            right[-1] = 0
            if new < n:
                window[-1, :width] = rows[new]
                right[-1] = sides[new]
        else:
            new = j + 1
            if new < n:
                window[0], right[0] = rows[new], sides[new]
    for j in range(n - 1, -1, -1):
        right_of = min(width - 1, n - 1 - j)
        for k in range(1, right_of + 1):
            x[j] -= upper[j, k] * x[j + k]
        x[j] /= upper[j, 0]
    return np.moveaxis(x, -1, 0)


def _by_rows(ab: Any, n: int, low: int, up: int) -> Any:
    """The band by rows, (n, band, count), from the first column that a row reaches on; zero outside of the matrix."""
    rows = np.zeros((n, low + up + 1, ab.shape[-1]), ab.dtype)
    for k in range(-low, up + 1):  # column i + k of row i
        first, last = max(0, -k), min(n, n - k)
        if first < last:
            rows[first:last, low + k] = ab[up - k, first + k : last + k]
    return rows


def _exchange(window: Any, right: Any) -> None:
    """Puts the row with the largest element of the first column first."""
    size = np.abs(window[:, 0].real) + np.abs(window[:, 0].imag) if window.dtype.kind == "c" else np.abs(window[:, 0])
    largest = size.argmax(0)
    for k in range(1, len(window)):
        chosen = largest == k
        if chosen.any():
            for rows in (window, right):
                rows[0], rows[k] = np.where(chosen, rows[k], rows[0]), np.where(chosen, rows[0], rows[k])
