"""Linear equations, inverses, determinants, powers. All work on the last two axes and batch as themselves.

But for one case: right-hand sides of a batch that share their matrix become columns of one system, which is
factorised once.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core import facts, primitive
from ..errors import ShapeError, describe
from ..numpy_protocol import implements
from ._families import add_tangents, align, fit, match, operand, trailing
from ._ints import as_int, named_axes
from ._matrices import SlogdetResult, adjoint, column, conj, diagonal, diagonal_matrix, identity, matrices, transposed
from ._work import complexes, of_matrices
from .casts import inexact
from .creation import library
from .diagonals import diagonal as diagonal_of
from .diagonals import trace as trace_of
from .layout import reshape, transpose

# Linear equations.


def _solve_work(ins: Any, outs: Any) -> float:
    n = ins[0].shape[-1]
    return (2 / 3 * ins[0].size * n + 2 * outs[0].size * n) * (4 if complexes(ins) else 1)


@facts(work=_solve_work)
@primitive
def solve(xp: Any, a: Any, b: Any) -> Any:
    """The `x` with a x = b, all of them matrices."""
    if xp is not np:  # only NumPy's broadcasts
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = xp.broadcast_to(a, lead + a.shape[-2:]), xp.broadcast_to(b, lead + b.shape[-2:])
    return xp.linalg.solve(a, b)


@solve.def_vmap
def solve_vmap(size: int, mapped: Sequence[bool], a: Any, b: Any) -> Any:
    if mapped[0]:
        return solve(*align(mapped, (a, b)))
    n = len(b.shape)  # b only: its batch becomes columns
    columns = reshape(transpose(b, perm=(*range(1 - n, 0), -n)), shape=(*b.shape[1:-1], b.shape[-1] * size))
    x = solve(a, columns)
    x = reshape(x, shape=(*x.shape[:-1], b.shape[-1], size))
    return transpose(x, perm=(-1, *range(-len(x.shape), -1)))


solve.def_vjp(
    lambda g, out, a, b: match(-solve(transposed(a), g) @ transposed(out), a),
    lambda g, out, a, b: match(solve(transposed(a), g), b),
)


@solve.def_jvp
def solve_jvp(tangents: Sequence[Any], out: Any, a: Any, b: Any) -> Any:
    da, db = tangents
    return fit(solve(a, add_tangents([db, None if da is None else -da @ out])), out)


@implements(np.linalg.solve)
def solve_(a: Any, b: Any) -> Any:
    a, b = matrices("np.linalg.solve", a, square=True), inexact(b)
    vector = len(b.shape) == 1
    y = column(b) if vector else b
    if len(y.shape) < 2 or y.shape[-2] != a.shape[-1] or not _broadcast(a.shape[:-2], y.shape[:-2]):
        fact = f"shapes {describe(a)} and {describe(b)} do not fit"
        raise ShapeError("np.linalg.solve", fact, "b must be one vector, or matrices, with as many rows as a")
    x = solve(a, y)
    return reshape(x, shape=x.shape[:-1]) if vector else x


def _broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(x[::-1], y[::-1], strict=False))


@trailing(work=of_matrices(2))
def inverse(xp: Any, a: Any) -> Any:
    """The inverse of matrices."""
    return xp.linalg.inv(a)


inverse.def_vjp(lambda g, out, a: -transposed(out) @ g @ transposed(out))
inverse.def_jvp(lambda tangents, out, a: -out @ tangents[0] @ out)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    return inverse(matrices("np.linalg.inv", a, square=True))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = operand(a)
    ind = as_int("np.linalg.tensorinv", "ind", ind)
    rows, columns = a.shape[:ind], a.shape[ind:]
    if ind <= 0 or prod(rows) != prod(columns):
        fact = f"the array is {describe(a)} and ind {ind}"
        raise ShapeError("np.linalg.tensorinv", fact, "the axes before and after ind must have as many elements")
    return reshape(inv(reshape(a, shape=(prod(rows), prod(columns)))), shape=columns + rows)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if axes is not None:
        named = named_axes(axes, len(a.shape), "np.linalg.tensorsolve")
        a = np.moveaxis(a, named, tuple(range(-len(named), 0)))
    shape = a.shape[len(b.shape) :] or a.shape  # as NumPy has it
    if prod(shape) ** 2 != a.size or b.size != prod(shape):
        allowed = "the axes of a after those of b must have as many elements as b"
        raise ShapeError("np.linalg.tensorsolve", f"shapes {describe(a)} and {describe(b)} do not fit", allowed)
    return reshape(solve_(reshape(a, shape=(b.size, b.size)), reshape(b, shape=(b.size,))), shape=shape)


# Determinants. The derivative of one is the matrix of its cofactors, taken from the singular values, since the
# determinant times the inverse is wrong for a matrix that is nearly singular, and is not for one that is.


def _scalar(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1, 1))


def _singular(a: Any) -> tuple[Any, Any, Any, Any, Any]:
    """U, s and Vᴴ of `a`, det(U Vᴴ), and where axis i equals j."""
    u, s, vh = np.linalg.svd(a)
    return u, s, vh, np.linalg.det(u @ vh), library(a).eye(a.shape[-1], dtype=bool)


@trailing(work=of_matrices(25))
def cofactors(xp: Any, a: Any) -> Any:
    """The derivative of the determinant by each element."""
    u, s, vh, sign, unit = _singular(a)
    others = xp.where(unit, 1, s[..., None, :]).prod(-1)
    return conj((u * (others * conj(sign)[..., None])[..., None, :]) @ vh)


def _cofactors_along(t: Any, a: Any) -> Any:
    """The tangent of the cofactors, and as well their cotangent: the second derivative is symmetric.

    In the frame of the singular vectors, where a is diagonal, the adjugate changes by minus the element times the
    product of all other singular values, and on the diagonal by the sum of such products with the other elements.
    """
    u, s, vh, sign, unit = _singular(a)
    neither = unit[:, None, :] | unit[None, :, :]
    rest = np.where(neither, 1, reshape(s, shape=(*s.shape[:-1], 1, 1, s.shape[-1])))
    products = np.where(unit, 0, np.prod(rest, axis=-1))
    inner = adjoint(u) @ t @ adjoint(vh)
    on_diagonal = diagonal_matrix(reshape(products @ column(diagonal(inner)), shape=inner.shape[:-1]))
    return transposed(adjoint(vh) @ (on_diagonal - products * inner) @ adjoint(u)) * _scalar(sign)


cofactors.def_vjp(lambda g, out, a: _cofactors_along(g, a))
cofactors.def_jvp(lambda tangents, out, a: _cofactors_along(tangents[0], a))


@trailing(work=of_matrices(2 / 3))
def determinant(xp: Any, a: Any) -> Any:
    """Determinants of matrices."""
    return xp.linalg.det(a)


determinant.def_vjp(lambda g, out, a: _scalar(g) * cofactors(a))
determinant.def_jvp(lambda tangents, out, a: fit(np.sum(cofactors(a) * tangents[0], axis=(-2, -1)), out))


@implements(np.linalg.det)
def det(a: Any) -> Any:
    return determinant(matrices("np.linalg.det", a, square=True))


@trailing(work=of_matrices(2 / 3), multiple=True)
def slogdet(xp: Any, a: Any) -> Any:
    """The sign, or phase, of determinants, and the logarithm of their size."""
    return tuple(xp.linalg.slogdet(a))


@slogdet.def_jvp
def slogdet_jvp(tangents: Sequence[Any], out: Any, a: Any) -> Any:
    rate = np.trace(np.linalg.solve(a, tangents[0]), axis1=-2, axis2=-1)
    if a.dtype.kind != "c":
        return None, rate
    return out[0] * (np.imag(rate) * 1j), np.real(rate)


@slogdet.def_vjp
def slogdet_vjp(g: Sequence[Any], out: Any, a: Any) -> Any:
    g_sign, g_log = g
    rate = g_log
    if a.dtype.kind == "c" and g_sign is not None:
        turn = np.imag(g_sign * out[0]) * 1j
        rate = turn if rate is None else rate + turn
    if rate is None:
        return np.zeros_like(a)
    return _scalar(rate) * transposed(inverse(a))


@implements(np.linalg.slogdet)
def slogdet_(a: Any) -> Any:
    return SlogdetResult(*slogdet(matrices("np.linalg.slogdet", a, square=True)))


# Powers, and names of other functions in np.linalg.


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    x = operand(a)
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        fact = f"the array is {describe(x)}"
        raise ShapeError("np.linalg.matrix_power", fact, "its last two axes must have the same length")
    n = as_int("np.linalg.matrix_power", "n", n)
    if n == 0:
        return np.broadcast_to(identity(x), x.shape) + np.zeros_like(x)
    if n < 0:
        x, n = inv(x), -n
    result = None
    while n:  # squares of squares
        if n % 2:
            result = x if result is None else result @ x
        n //= 2
        if n:
            x = x @ x
    return result


@implements(np.linalg.diagonal)
def diagonal_(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal_of(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace_(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace_of(x, offset, -2, -1, dtype)
