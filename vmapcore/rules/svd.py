"""svd and what rests on it: matrix_rank, cond. All work on the last two axes and batch as themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError, OptionError, ShapeError, describe
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import add_tangents, as_scalar, fit, operand, trailing
from ._matrices import (
    SVDResult,
    adjoint,
    column,
    conj,
    diagonal,
    diagonal_matrix,
    inverse_gaps,
    largest,
    matrices,
    noise_of,
    off_diagonal,
    over_gaps,
    row,
    scaled,
    spectral,
    transposed,
)
from ._work import of_matrices
from .creation import library

# Singular values. With U dP = dU and V dQ = dV as far as they lie in the spans of U and V, and M = Uᴴ dA V,
# dP = F∘(M S + (M S)ᴴ) and dQ = F∘(S M + (S M)ᴴ), F[i, j] = 1 / (s[j]² - s[i]²). A change of phase goes to U.


@trailing(work=of_matrices(25), multiple=True)
def svd(xp: Any, a: Any, *, full: bool) -> Any:
    """Singular vectors as columns of U and rows of Vᴴ, with the singular values in descending order between them."""
    return tuple(xp.linalg.svd(a, full))


def _check_svd(a: Any, full: bool) -> None:
    if full and a.shape[-2] != a.shape[-1]:
        fact = f"full_matrices=True of {describe(a)} has no derivative"
        allowed = "the matrix does not determine the further columns"
        raise MissingRuleError("np.linalg.svd", fact, allowed, "Pass full_matrices=False")


@svd.def_jvp
def svd_jvp(tangents: Sequence[Any], out: Any, a: Any, *, full: bool) -> Any:
    _check_svd(a, full)
    (u, s, vh), da = out, tangents[0]
    m, n = a.shape[-2:]
    inner = adjoint(u) @ da @ adjoint(vh)
    both = over_gaps((inner + adjoint(inner)) / 2, s)  # what of dP and dQ is equal, and what is opposite
    apart = (inner - adjoint(inner)) / 2 / (row(s) + column(s))
    if a.dtype.kind == "c":
        both = both + diagonal_matrix(diagonal(apart))
    du = u @ (both + apart)
    dvh = adjoint(both - apart) @ vh
    if m > n:
        du = du + (da @ adjoint(vh) - u @ inner) / row(s)
    if n > m:
        dvh = dvh + (adjoint(u) @ da - inner @ vh) / column(s)
    return du, singular_parts(a, da), dvh


@svd.def_vjp
def svd_vjp(g: Sequence[Any], out: Any, a: Any, *, full: bool) -> Any:
    (u, s, vh), gs = out, g[1]
    m, n = a.shape[-2:]
    if g[0] is None and g[2] is None:
        return conj(singular_sum(a, row(gs)))
    _check_svd(a, full)
    gu, gv = [None if each is None else conj(each) for each in (g[0], g[2])]
    gv = None if gv is None else adjoint(gv)
    f = inverse_gaps((row(s) - column(s)) * (row(s) + column(s)))  # as a product, the difference loses no digits
    inner = outside = None
    if gu is not None:
        turn = adjoint(u) @ gu
        skew = f * turn
        inner = (skew + adjoint(skew)) * row(s)
        if a.dtype.kind == "c":
            inner = inner + diagonal_matrix(1j * np.imag(diagonal(turn)) / s)
        if m > n:
            outside = ((gu - u @ turn) / row(s)) @ vh
    if gv is not None:
        turn = vh @ gv
        skew = f * turn
        term = column(s) * (skew + adjoint(skew))
        inner = term if inner is None else inner + term
        if n > m:
            outside = (u / row(s)) @ adjoint(gv - adjoint(vh) @ turn)
    if gs is not None:
        inner = inner + diagonal_matrix(gs)
    ct = u @ inner @ vh
    return conj(ct if outside is None else ct + outside)


@trailing(work=of_matrices(4))
def svdvals(xp: Any, a: Any) -> Any:
    """Singular values in descending order."""
    return xp.linalg.svd(a, compute_uv=False)


@trailing(work=of_matrices(4))
def singular_norm(xp: Any, a: Any, *, ord: Any) -> Any:
    """The largest singular value for `ord` 2, the smallest for -2, the sum for "nuc".

    The weights of singular values in it are fixed: so it has derivatives where others, or all of the sum, are equal.
    """
    s = xp.linalg.svd(a, compute_uv=False)
    if ord == "nuc":
        return s.sum(-1)
    return largest(s, -1, False) if ord == 2 else s.min(-1)


def _slope(out: Any, a: Any, ord: Any) -> Any:
    """The derivative by each element; equal singular values share it."""
    if ord == "nuc":
        share = library(a).ones(min(a.shape[-2:]), np.finfo(a.dtype).dtype)
    else:
        s = svdvals(a)
        chosen = (s == column(out)).astype(s.dtype)
        share = chosen / np.sum(chosen, axis=-1, keepdims=True)
    return conj(singular_sum(a, row(share)))


singular_norm.def_vjp(lambda g, out, a, *, ord: column(column(g)) * _slope(out, a, ord))
singular_norm.def_jvp(
    lambda tangents, out, a, *, ord: np.sum(np.real(_slope(out, a, ord) * tangents[0]), axis=(-2, -1))
)


# The derivatives of singular values; those of these two are sums over pairs of vectors, as with eigenvectors.


@trailing(work=of_matrices(27))
def singular_sum(xp: Any, a: Any, g: Any) -> Any:
    """The matrices with the row `g` in place of singular values: U diag(g) Vᴴ."""
    u, _, vh = xp.linalg.svd(a, False)
    return (u * g) @ vh


@trailing(work=of_matrices(27))
def singular_parts(xp: Any, a: Any, x: Any) -> Any:
    """The parts of `x` along singular vectors: the real diagonal of Uᴴ x V."""
    u, _, vh = xp.linalg.svd(a, False)
    return (u.conj() * (x @ vh.conj().swapaxes(-1, -2))).real.sum(-2)


def _pieces(x: Any, u: Any, vh: Any) -> tuple[Any, ...]:
    """Of Uᴴ x V the Hermitian part, without diagonal, and the skew one; what of x V and Uᴴ x is outside of U and V."""
    inner, (m, n) = adjoint(u) @ x @ adjoint(vh), x.shape[-2:]
    return (
        off_diagonal(inner + adjoint(inner)) / 2,
        (inner - adjoint(inner)) / 2,
        x @ adjoint(vh) - u @ inner if m > n else None,
        adjoint(u) @ x - inner @ vh if n > m else None,
    )


def _singular_turn(x: Any, a: Any, g: Any, fixed: bool) -> Any:
    """The derivative of `singular_sum` by the matrices, along `x`; also its transpose."""
    u, s, vh = svd(a, full=False)
    (both, apart, below, beside), noise = _pieces(x, u, vh), noise_of(s, x)
    both = scaled(both, g, -transposed(g), row(s) - column(s), s, noise, fixed)
    turn = u @ (both + scaled(apart, g, transposed(g), row(s) + column(s), s, noise, fixed)) @ vh
    if below is not None:
        turn = turn + scaled(below, g, 0, row(s), s, noise, fixed) @ vh
    if beside is not None:
        turn = turn + u @ scaled(beside, transposed(g), 0, column(s), s, noise, fixed)
    return turn


spectral(svdvals, singular_sum, singular_parts, _singular_turn)


@singular_parts.def_jvp
def singular_parts_jvp(tangents: Sequence[Any], out: Any, a: Any, x: Any) -> Any:
    (da, dx), turn = tangents, None
    if da is not None:
        u, s, vh = svd(a, full=False)
        products = zip(_pieces(da, u, vh), _pieces(x, u, vh), strict=True)
        both, apart, below, beside = [None if y is None else np.real(conj(y) * z) for y, z in products]
        noise = noise_of(s, da, x)
        both = scaled(both, 1, 0, column(s) - row(s), s, noise, False)
        turn = 2 * np.sum(both + scaled(apart, 1, 0, column(s) + row(s), s, noise, False), axis=-1)
        if below is not None:
            turn = turn + np.sum(scaled(below, 1, 0, row(s), s, noise, False), axis=-2)
        if beside is not None:
            turn = turn + np.sum(scaled(beside, 1, 0, column(s), s, noise, False), axis=-1)
    return fit(add_tangents([turn, None if dx is None else singular_parts(a, dx)]), out)


@implements(np.linalg.svd)
def svd_(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = matrices("np.linalg.svd", a, square=hermitian)
    if not compute_uv:
        return _singular_values(a, hermitian)
    if not hermitian:
        return SVDResult(*svd(a, full=bool(full_matrices)))
    w, u = np.linalg.eigh(a)
    order = np.flip(np.argsort(np.abs(w), axis=-1), axis=-1)
    w, u = np.take_along_axis(w, order, axis=-1), np.take_along_axis(u, row(order), axis=-1)
    return SVDResult(u, np.abs(w), adjoint(u * row(np.sign(w))))


@implements(np.linalg.svdvals)
def svdvals_(x: Any, /) -> Any:
    return svdvals(matrices("np.linalg.svdvals", x))


def _singular_values(a: Any, hermitian: bool) -> Any:
    return np.flip(np.sort(np.abs(np.linalg.eigvalsh(a)), axis=-1), axis=-1) if hermitian else svdvals(a)


# Ranks and condition numbers.


def resolution(a: Any) -> float:
    return max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)


def one_of(call: str, given: bool, others: bool, names: str) -> None:
    if given and others:
        raise OptionError(call, f"got both {names}", "one says all")


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    one_of("np.linalg.matrix_rank", tol is not None, rtol is not None, "tol= and rtol=")
    a = operand(A)
    if len(a.shape) < 2:
        return np.any(a != 0).astype(int)
    a = matrices("np.linalg.matrix_rank", a, square=hermitian)
    s = _singular_values(a, hermitian)
    if tol is None:
        relative = resolution(a) if rtol is None else np.expand_dims(rtol, -1)
        tol = largest(s, -1, True) * relative
    else:
        tol = np.expand_dims(tol, -1)
    return np.count_nonzero(s > tol, axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    by_values = p in (None, 2, -2)
    x = matrices("np.linalg.cond", x, square=not by_values)
    if not isinstance(x, Tracer):
        return library(x).linalg.cond(x, p)
    if 0 in x.shape[-2:]:
        raise ShapeError("np.linalg.cond", f"the array is {describe(x)}", "its last two axes must not be empty")
    with np.errstate(all="ignore"):
        if by_values:
            s = svdvals(x)
            ratio = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        else:
            ratio = np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))
    return as_scalar(np.where(np.isnan(ratio) & ~np.any(np.isnan(x), axis=(-2, -1)), np.inf, ratio))
