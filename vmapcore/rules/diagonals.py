"""Triangles, diagonals and sliding windows. All primitives work on last axes and batch as themselves."""

import functools
import itertools
from typing import Any

import numpy as np

from ..core import Memory
from ..errors import ArgumentError, AxisError, ShapeError, describe
from ..numpy_protocol import implements
from ._families import linear, operand, trailing
from ._ints import as_int, as_sizes, last_axes, listed_axes
from ._work import nothing, per_input
from .layout import Shape, broadcast_to, moveaxis, needs, ravel, read_only


@trailing(work=nothing, memory=Memory.COPY)
def triangle(xp: Any, x: Any, *, k: int, upper: bool) -> Any:
    """The matrices in the last two axes, zero below or, unless `upper`, above diagonal `k`."""
    return xp.triu(x, k) if upper else xp.tril(x, k)


linear(triangle)(lambda g, out, x, *, k, upper: triangle(g, k=k, upper=upper))


@trailing(work=nothing, memory=Memory.VIEW)
def get_diagonal(xp: Any, x: Any, *, offset: int) -> Any:
    """The diagonal of the matrices in the last two axes."""
    return x.diagonal(offset, -2, -1)


@trailing(work=nothing, memory=Memory.COPY)
def set_diagonal(xp: Any, x: Any, *, offset: int, rows: int, columns: int) -> Any:
    """Matrices with `x` on the diagonal and zeros elsewhere."""
    out = xp.zeros((*x.shape[:-1], rows * columns), x.dtype)
    first = offset if offset >= 0 else -offset * columns
    out[..., first : first + x.shape[-1] * (columns + 1) : columns + 1] = x
    return out.reshape((*x.shape[:-1], rows, columns))


linear(get_diagonal)(lambda g, out, x, *, offset: set_diagonal(g, offset=offset, rows=x.shape[-2], columns=x.shape[-1]))
linear(set_diagonal)(lambda g, out, x, *, offset, rows, columns: get_diagonal(g, offset=offset))


@trailing(work=nothing, memory=Memory.VIEW)
def windows(xp: Any, x: Any, *, sizes: Shape, axes: tuple[int, ...]) -> Any:
    """Every window of `sizes` along the negative `axes`; a window's elements lie along new last axes."""
    return xp.lib.stride_tricks.sliding_window_view(x, sizes, axes)


@trailing(work=per_input(1))
def overlap_add(xp: Any, x: Any, *, sizes: Shape, axes: tuple[int, ...]) -> Any:
    """The transpose of `windows`: elements of windows, added up where they came from."""
    counts = x.shape[: len(x.shape) - len(sizes)]
    shape = list(counts)
    for n, a in zip(sizes, axes, strict=True):
        shape[a] += n - 1
    out = xp.zeros(shape, x.dtype)
    for starts in itertools.product(*map(range, sizes)):
        first = [0] * len(shape)
        for start, a in zip(starts, axes, strict=True):
            first[a] += start
        out[tuple([slice(i, i + n) for i, n in zip(first, counts, strict=True)])] += x[(..., *starts)]
    return out


linear(windows)(lambda g, out, x, *, sizes, axes: overlap_add(g, sizes=sizes, axes=axes))
linear(overlap_add)(lambda g, out, x, *, sizes, axes: windows(g, sizes=sizes, axes=axes))


def _triangle(m: Any, k: int, upper: bool) -> Any:
    m = operand(m)
    if len(m.shape) < 2:  # a vector is the row of a square matrix
        m = broadcast_to(m, shape=m.shape[-1:] * 2)
    return triangle(m, k=as_int("np.triu" if upper else "np.tril", "k", k), upper=upper)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    return _triangle(m, k, False)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    return _triangle(m, k, True)


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = needs("np.diagonal", a, 2)
    if len(last_axes((axis1, axis2), len(a.shape), "np.diagonal")) != 2:
        raise AxisError("np.diagonal", f"axis1 and axis2 are both {axis1}")
    return read_only(
        moveaxis(a, (axis1, axis2), (-2, -1)),
        functools.partial(get_diagonal, offset=as_int("np.diagonal", "offset", offset)),
    )


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    v = operand(v)
    if len(v.shape) == 2:
        return diagonal(v, k)
    if len(v.shape) != 1:
        raise ShapeError("np.diag", f"the array is {describe(v)}", "it must have one axis or two")
    k = as_int("np.diag", "k", k)
    n = v.shape[0] + abs(k)
    return set_diagonal(v, offset=k, rows=n, columns=n)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(ravel(v), k)


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    call = "np.lib.stride_tricks.sliding_window_view"
    x = operand(x)
    sizes = as_sizes(call, "window_shape", window_shape)
    axes = listed_axes(axis, len(x.shape), call)
    if len(sizes) != len(axes):
        raise ShapeError(call, f"window_shape has {len(sizes)} sizes for {len(axes)} axes")
    if writeable:
        remedy = "Write to the array itself, or to a .copy() of the windows"
        raise ArgumentError(call, "writeable is True", "the elements of windows that overlap are one in memory", remedy)
    for a in set(axes):
        if sum([n - 1 for n, b in zip(sizes, axes, strict=True) if a == b]) >= max(x.shape[a], 1):
            raise ShapeError(call, f"windows of {sizes} do not fit into {describe(x)}")
    return read_only(x, functools.partial(windows, sizes=sizes, axes=axes))
