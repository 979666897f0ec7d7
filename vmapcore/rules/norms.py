"""Norms of vectors and matrices. The Euclidean one is a primitive, on last axes, and batches as itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, describe
from ..evals.reductions import kept_shape, reduced_shape, total
from ..numpy_protocol import implements
from ._axes import REDUCED
from ._families import cast_like, fit, trailing
from ._ints import axis_ints, last_axes, named_axes
from ._matrices import conj, largest
from ._work import per_input
from .casts import inexact
from .layout import reshape
from .svd import singular_norm

Axes = tuple[int, ...]


@trailing(axes=REDUCED, work=per_input(2), formula=True)
def euclidean(xp: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    """Root of the sum of squares over the negative axes `axis`. Its derivative at zero is taken to be zero."""
    squares = x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x
    return xp.sqrt(total(xp, squares, axis, keepdims))


def _quotient(x: Any, norm: Any) -> Any:
    """`x / norm`, zero where the norm is."""
    return np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm))


@euclidean.def_vjp
def euclidean_vjp(g: Any, out: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    kept = kept_shape(x.shape, axis)
    return cast_like(conj(x) * reshape(_quotient(g, out), shape=kept), x)


@euclidean.def_jvp
def euclidean_jvp(tangents: Sequence[Any], out: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    along = np.sum(np.real(conj(x) * tangents[0]), axis=axis, keepdims=keepdims)
    return fit(_quotient(along, out), out)


def _vector_norm(x: Any, p: Any, axis: Axes, keepdims: bool) -> Any:
    if p is None or p == 2:
        return euclidean(x, axis=axis, keepdims=keepdims)
    if isinstance(p, str):
        raise ArgumentError("np.linalg.norm", f"ord is {p!r} for a vector", "it must be a number")
    if p == 0:
        return np.sum((x != 0).astype(np.finfo(x.dtype).dtype), axis=axis, keepdims=keepdims)
    size = np.abs(x)
    if p == np.inf:
        return largest(size, axis, keepdims)
    if p == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if p == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    total = np.sum(size**p, axis=axis, keepdims=keepdims)
    if p < 1:
        return total ** (1 / p)
    # The derivative at zero is taken to be zero, as of the Euclidean norm.
    return np.where(total == 0, 0, np.where(total == 0, 1, total) ** (1 / p))


def _matrix_norm(x: Any, p: Any, axis: Axes, keepdims: bool) -> Any:
    if p in (None, "fro", "f"):
        return euclidean(x, axis=tuple(sorted(axis)), keepdims=keepdims)
    if p in (2, -2, "nuc"):
        result = singular_norm(np.moveaxis(x, axis, (-2, -1)), ord=p)
        return reshape(result, shape=reduced_shape(x.shape, axis, keepdims))
    if p not in (1, -1, np.inf, -np.inf):
        fact = f"ord is {p!r} for a matrix"
        raise ArgumentError("np.linalg.norm", fact, "it must be 1, -1, 2, -2, inf, -inf, 'fro' or 'nuc'")
    rows, columns = axis
    summed, compared = (rows, columns) if abs(p) == 1 else (columns, rows)
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    result = largest(sums, compared, True) if p > 0 else np.min(sums, axis=compared, keepdims=True)
    return reshape(result, shape=reduced_shape(x.shape, axis, keepdims))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = inexact(x)
    rank = len(x.shape)
    axes = axis_ints(axis, "np.linalg.norm")
    if axes is None:
        plain = ord is None or (ord in ("f", "fro") and rank == 2) or (ord == 2 and rank == 1)
        if plain:
            return euclidean(x, axis=last_axes(None, rank, "np.linalg.norm"), keepdims=keepdims)
        axes = tuple(range(rank))
    negative = named_axes(axes, rank, "np.linalg.norm")
    if len(negative) not in (1, 2):
        fact = f"ord is {ord!r} and axis {axis} of {describe(x)}"
        raise ShapeError("np.linalg.norm", fact, "one axis holds vectors, two matrices")
    return (_vector_norm if len(negative) == 1 else _matrix_norm)(x, ord, negative, bool(keepdims))


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = inexact(x)
    return _vector_norm(x, ord, last_axes(axis, len(x.shape), "np.linalg.vector_norm"), bool(keepdims))


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)
