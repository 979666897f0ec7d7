"""Elementwise work on large arrays, where memory is what costs: tile by tile, on the worker threads.

A tile stays in a core's cache between the steps of a function; NumPy alone would use one core, and fresh memory. Where
arrays broadcast along all but a short last axis, as those of the differences of all points do, NumPy spends 10 ns on
starting each row of that: such work goes along the axis before, a coordinate at a time.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import memory, threads
from ..thresholds import HEAVY, HEAVY_PIECE, LARGE, MANY_ROWS, TILE

PIECE = 8 * TILE

COORDINATES = 4
"""The length of an axis up to which rows along it are too short; and of two such, the square."""


def by_coordinate(fun: Callable[..., Any], x: Any, y: Any) -> Any:
    """Returns `fun(x, y)` of two arrays of as many axes, four or more."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    if shape[-1] > COORDINATES or x.shape == y.shape or x.size == y.size * shape[-1] or y.size == x.size * shape[-1]:
        return fun(x, y)
    rank = 2 if shape[-2] <= COORDINATES else 1
    places = list(np.ndindex(shape[-rank:]))
    if math.prod(shape[:-rank]) < MANY_ROWS:
        return fun(x, y)

    def at(a: Any, place: tuple[int, ...]) -> Any:
        return a[(..., *[i if n > 1 else 0 for i, n in zip(place, a.shape[-rank:], strict=True)])]

    first = fun(at(x, places[0]), at(y, places[0]))
    out = memory.empty(np, shape, first.dtype)
    out[(..., *places[0])] = first
    for place in places[1:]:
        fun(at(x, place), at(y, place), out=out[(..., *place)])
    return out


def heavy(fun: Callable[..., Any], *args: Any) -> Any:
    """Returns `fun(*args)`, an elementwise function that takes several nanoseconds for each element."""
    for a in args:
        if type(a) is np.ndarray and a.size >= HEAVY:
            return elementwise(fun, *args, least=HEAVY, piece=HEAVY_PIECE)
    return fun(*args)


def elementwise(fun: Callable[..., Any], *args: Any, least: int = LARGE, piece: int = PIECE) -> Any:
    """Returns `fun(*args)`, an elementwise function of NumPy arrays and scalars, one array of them of `least` elements.

    Tiles need arrays of one shape that lie in memory in order; `fun` gets others as they are.
    """
    shape = next(a.shape for a in args if type(a) is np.ndarray and a.size >= least)
    for a in args:
        if type(a) is np.ndarray and not (a.shape == shape and a.flags.c_contiguous) and a.ndim:
            return fun(*args)
    flat = [a.reshape(-1) if type(a) is np.ndarray and a.ndim else a for a in args]
    dtype = fun(*_cut(flat, 0, 0)).dtype
    out = memory.empty(np, shape, dtype)
    into = out.reshape(-1)
    ends = [*range(0, into.size, piece), into.size]
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
