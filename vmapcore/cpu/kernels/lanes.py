"""Numbers of one SIMD register as one value, for kernels that Numba compiles; without it they are small NumPy arrays.

A compiler makes such registers out of loops by itself, but checks at every loop whether arrays overlap, and gives up on
short ones: kernels over tiles of a few images are such loops. Here a kernel says which numbers go together. A register
is read from and written to any place of a flat array.
"""

from typing import Any

import numpy as np

from ..compiled import numba

WIDE = 32
"""Bytes of a register."""


def lanes(dtype: Any) -> int:
    """How many numbers of `dtype` a register holds."""
    return WIDE // np.dtype(dtype).itemsize


def zeros(a: Any) -> Any:
    """A register of zeros of the dtype of array `a`."""
    return np.zeros(lanes(a.dtype), a.dtype)


def width(v: Any) -> int:
    """How many numbers a register holds."""
    return len(v)


def place(steps: Any, k: int) -> int:
    """The k-th of the places `steps`, or of places that lie `steps` apart."""
    return steps[k] if isinstance(steps, np.ndarray) else steps * k


def bare(a: Any) -> Any:
    """An array as its address alone, which is good while the caller has the array."""
    return a


def behind(a: Any, k: int) -> Any:
    """The array from its k-th number on."""
    return a[k:]


def number(a: Any, value: float) -> Any:
    """A number of the dtype of `a`."""
    return a.dtype.type(value)


def room_for(a: Any, count: int) -> Any:
    """A new array of the dtype of `a`, with nothing in it."""
    return np.empty(count, a.dtype)


def pick(a: Any, i: int) -> Any:
    """a[i] for i of at least 0, which compiled code does not check."""
    return a[i]


def put(a: Any, i: int, s: Any) -> None:
    """a[i] = s for i of at least 0."""
    a[i] = s


def load(like: Any, a: Any, i: int) -> Any:
    """As many numbers of the flat array `a` from `i` on as `like` holds."""
    return a[i : i + len(like)].copy()


def store(a: Any, i: int, v: Any) -> None:
    """Writes a register into the flat array `a` from `i` on."""
    a[i : i + len(v)] = v


def spread(like: Any, s: Any) -> Any:
    """A register like `like` full of the number `s`."""
    return np.full_like(like, s)


def at_least(v: Any, low: Any) -> Any:
    """The maximum of the register and the number `low`, which is not NaN; NaN stays."""
    return np.maximum(v, low)


def larger(v: Any, u: Any) -> Any:
    """The maximum of two registers; NaN in either stays."""
    return np.maximum(v, u)


def where_less(v: Any, u: Any, yes: Any, no: Any) -> Any:
    """`yes` where v < u, else `no`; all are registers."""
    return np.where(v < u, yes, no)


if numba is not None:
    from ..native.registers import *  # noqa: F403  # the same names
