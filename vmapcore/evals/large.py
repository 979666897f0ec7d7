"""Elementwise work on large arrays, where memory is what costs: tile by tile, on the worker threads.

A tile stays in a core's cache between the steps of a function; NumPy alone would use one core, and fresh memory.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import memory, threads
from ..thresholds import LARGE, TILE

PIECE = 8 * TILE


def elementwise(fun: Callable[..., Any], *args: Any) -> Any:
    """Returns `fun(*args)`, an elementwise function of NumPy arrays and scalars, one array of them large.

    Tiles need arrays of one shape that lie in memory in order; `fun` gets others as they are.
    """
    shape = next(a.shape for a in args if type(a) is np.ndarray and a.size >= LARGE)
    for a in args:
        if type(a) is np.ndarray and not (a.shape == shape and a.flags.c_contiguous) and a.ndim:
            return fun(*args)
    flat = [a.reshape(-1) if type(a) is np.ndarray and a.ndim else a for a in args]
    dtype = fun(*_cut(flat, 0, 0)).dtype
    out = memory.empty(np, shape, dtype)
    into = out.reshape(-1)
    ends = [*range(0, into.size, PIECE), into.size]
    tasks = [functools.partial(_piece, fun, flat, into, a, b) for a, b in itertools.pairwise(ends)]
    threads.run(tasks, lambda: None)
    return out


def _cut(args: list[Any], start: int, stop: int) -> list[Any]:
    return [a[start:stop] if type(a) is np.ndarray and a.ndim else a for a in args]


def _piece(fun: Callable[..., Any], args: list[Any], into: Any, start: int, stop: int, state: None) -> None:
    in_place = isinstance(fun, np.ufunc)
    for i in range(start, stop, TILE):
        end = min(i + TILE, stop)
        if in_place:
            fun(*_cut(args, i, end), out=into[i:end])
        else:
            into[i:end] = fun(*_cut(args, i, end))
