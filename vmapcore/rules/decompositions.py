"""Triangular and diagonal forms: cholesky, qr, eigh, eig. All work on the last two axes and batch as themselves.

Derivatives of the factors exist where eigenvalues, or singular values, differ; those of the values alone do without.
Of a complex factor they are right for what does not depend on the phase of its columns, which nothing fixes. The
formulas are written with the adjoint, for which a cotangent is conjugated on the way in and out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Dynamic, Memory
from ..errors import ArgumentError, MissingRuleError, describe
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import add_tangents, cast_like, fit, trailing
from ._matrices import (
    EighResult,
    EigResult,
    QRResult,
    adjoint,
    column,
    conj,
    diagonal,
    diagonal_matrix,
    folded,
    inverse_gaps,
    matrices,
    mirrored,
    noise_of,
    off_diagonal,
    over_gaps,
    row,
    scaled,
    spectral,
    transposed,
)
from ._work import nothing, of_matrices

# Cholesky. NumPy reads one triangle, and of its diagonal the real part: so do derivatives, by `mirrored` and `folded`.


@trailing(work=of_matrices(1 / 3))
def cholesky(xp: Any, a: Any) -> Any:
    """The lower triangular factor of positive definite matrices, of which the lower triangle is read."""
    return xp.linalg.cholesky(a)


def _half(x: Any) -> Any:
    """The lower triangles, the diagonal halved: what turns L⁻¹ dA L⁻ᴴ into L⁻¹ dL."""
    return np.tril(x) - diagonal_matrix(diagonal(x)) / 2


@cholesky.def_jvp
def cholesky_jvp(tangents: Sequence[Any], out: Any, a: Any) -> Any:
    inner = np.linalg.solve(out, mirrored(tangents[0]))
    return out @ _half(adjoint(np.linalg.solve(out, adjoint(inner))))


@cholesky.def_vjp
def cholesky_vjp(g: Any, out: Any, a: Any) -> Any:
    upper = adjoint(out)
    inner = _half(upper @ conj(g))
    return conj(folded(np.linalg.solve(upper, adjoint(np.linalg.solve(upper, adjoint(inner))))))


@implements(np.linalg.cholesky)
def cholesky_(a: Any, /, *, upper: bool = False) -> Any:
    a = matrices("np.linalg.cholesky", a, square=True)
    return adjoint(cholesky(adjoint(a))) if upper else cholesky(a)


# QR. Of wide matrices, Q comes from the first columns alone, and R of the others is Qᴴ times them.


@trailing(work=of_matrices(4), multiple=True)
def qr(xp: Any, a: Any, *, complete: bool) -> Any:
    """Orthonormal columns Q and upper triangular R with a = Q R."""
    return tuple(xp.linalg.qr(a, "complete" if complete else "reduced"))


def _check_qr(a: Any, complete: bool) -> None:
    if complete and a.shape[-2] > a.shape[-1]:
        fact = f"mode='complete' of {describe(a)} has no derivative"
        allowed = "the matrix does not determine the further columns"
        raise MissingRuleError("np.linalg.qr", fact, allowed, "Use mode='reduced'")


@qr.def_jvp
def qr_jvp(tangents: Sequence[Any], out: Any, a: Any, *, complete: bool) -> Any:
    _check_qr(a, complete)
    (q, r), da, n = out, tangents[0], a.shape[-2]
    first = da[..., :n]
    ratio = transposed(np.linalg.solve(transposed(r[..., :n]), transposed(first)))  # dA R⁻¹
    inner = adjoint(q) @ ratio
    below = np.tril(inner, -1)
    turn = below - adjoint(below)  # Qᴴ dQ: skew, and such that dR is upper triangular with a real diagonal
    if a.dtype.kind == "c":
        turn = turn + diagonal_matrix(1j * np.imag(diagonal(inner)))
    dq = q @ (turn - inner) + ratio
    return dq, adjoint(q) @ (da - dq @ r) if a.shape[-1] > n else (inner - turn) @ r


@qr.def_vjp
def qr_vjp(g: Sequence[Any], out: Any, a: Any, *, complete: bool) -> Any:
    _check_qr(a, complete)
    (q, r), n = out, a.shape[-2]
    gq, gr = [None if each is None else conj(each) for each in g]
    later = None
    if a.shape[-1] > n:
        if gr is not None:
            rest = adjoint(gr[..., n:])
            later = q @ adjoint(rest)
            gq = a[..., n:] @ rest if gq is None else gq + a[..., n:] @ rest
            gr = gr[..., :n]
        r = r[..., :n]
    inner: Any = None if gr is None else gr @ adjoint(r)
    if gq is not None:
        inner = -adjoint(q) @ gq if inner is None else inner - adjoint(q) @ gq
    upper = np.triu(inner)
    inner = q @ (upper + adjoint(upper) - diagonal_matrix(np.real(diagonal(upper)).astype(a.dtype)))
    ct = adjoint(np.linalg.solve(r, adjoint(inner if gq is None else gq + inner)))
    if a.shape[-1] > n:
        ct = np.concatenate([ct, np.zeros_like(a[..., n:]) if later is None else later], axis=-1)
    return conj(ct)


@implements(np.linalg.qr)
def qr_(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError("np.linalg.qr", f"mode is {mode!r}", "it must be 'reduced', 'complete' or 'r'")
    result = qr(matrices("np.linalg.qr", a), complete=mode == "complete")
    return result[1] if mode == "r" else QRResult(*result)


# Eigenvalues of Hermitian matrices, of which, too, NumPy reads one triangle.


@trailing(work=of_matrices(9), multiple=True)
def eigh(xp: Any, a: Any, *, uplo: str) -> Any:
    """Eigenvalues of Hermitian matrices in ascending order, and unit eigenvectors, from the triangle `uplo`."""
    return tuple(xp.linalg.eigh(a, uplo))


@eigh.def_jvp
def eigh_jvp(tangents: Sequence[Any], out: Any, a: Any, *, uplo: str) -> Any:
    (w, v), da = out, mirrored(tangents[0], uplo)
    return eigen_parts(a, da, uplo=uplo), v @ over_gaps(adjoint(v) @ da @ v, w)


@eigh.def_vjp
def eigh_vjp(g: Sequence[Any], out: Any, a: Any, *, uplo: str) -> Any:
    (w, v), (gw, gv) = out, g
    if gv is None:
        return conj(folded(eigen_sum(a, row(gw), uplo=uplo), uplo))  # which has derivatives where eigenvalues are equal
    inner = inverse_gaps(row(w) - column(w)) * (adjoint(v) @ conj(gv))
    if gw is not None:
        inner = inner + diagonal_matrix(gw)
    return conj(folded(v @ inner @ adjoint(v), uplo))


@trailing(work=of_matrices(4))
def eigvalsh(xp: Any, a: Any, *, uplo: str) -> Any:
    """Eigenvalues of Hermitian matrices in ascending order, from the triangle `uplo`."""
    return xp.linalg.eigvalsh(a, uplo)


# Its derivatives are these two, and theirs are sums over pairs of eigenvectors, in which gaps divide differences of
# like factors.


@trailing(work=of_matrices(11))
def eigen_sum(xp: Any, a: Any, g: Any, *, uplo: str) -> Any:
    """The sum of the projections on eigenvectors, times the row `g`: V diag(g) Vᴴ."""
    v = xp.linalg.eigh(a, uplo)[1]
    return (v * g) @ v.conj().swapaxes(-1, -2)


@trailing(work=of_matrices(11))
def eigen_parts(xp: Any, a: Any, x: Any, *, uplo: str) -> Any:
    """The parts of `x` along eigenvectors: the real diagonal of Vᴴ x V."""
    v = xp.linalg.eigh(a, uplo)[1]
    return (v.conj() * (x @ v)).real.sum(-2)


def _eigen_turn(x: Any, a: Any, g: Any, fixed: bool, *, uplo: str) -> Any:
    """The derivative of `eigen_sum` by the matrices, along `x`; also its transpose."""
    w, v = eigh(a, uplo=uplo)
    inner = off_diagonal(adjoint(v) @ x @ v)
    return v @ scaled(inner, g, -transposed(g), row(w) - column(w), w, noise_of(w, x), fixed) @ adjoint(v)


spectral(eigvalsh, eigen_sum, eigen_parts, _eigen_turn, mirrored, folded)


@eigen_parts.def_jvp
def eigen_parts_jvp(tangents: Sequence[Any], out: Any, a: Any, x: Any, *, uplo: str) -> Any:
    (da, dx), turn = tangents, None
    if da is not None:
        w, v = eigh(a, uplo=uplo)
        along, inner = (off_diagonal(adjoint(v) @ each @ v) for each in (mirrored(da, uplo), x))
        pairs = np.real(conj(along) * (inner + adjoint(inner)))
        turn = np.sum(scaled(pairs, 1, 0, column(w) - row(w), w, noise_of(w, da, x), False), axis=-1)
    return fit(add_tangents([turn, None if dx is None else eigen_parts(a, dx, uplo=uplo)]), out)


def _triangle(call: str, uplo: str) -> str:
    if uplo not in ("L", "U", "l", "u"):
        raise ArgumentError(call, f"UPLO is {uplo!r}", "it must be 'L' or 'U'")
    return uplo.upper()


@implements(np.linalg.eigh)
def eigh_(a: Any, UPLO: str = "L") -> Any:
    return EighResult(*eigh(matrices("np.linalg.eigh", a, square=True), uplo=_triangle("np.linalg.eigh", UPLO)))


@implements(np.linalg.eigvalsh)
def eigvalsh_(a: Any, UPLO: str = "L") -> Any:
    return eigvalsh(matrices("np.linalg.eigvalsh", a, square=True), uplo=_triangle("np.linalg.eigvalsh", UPLO))


# Eigenvalues of any square matrix. They and, but for a factor each, the eigenvectors are holomorphic in it.

COMPLEX = "Convert the matrix with astype(complex)"
"""What to do where the dtype must be known: a real matrix has complex eigenvalues or real ones."""


@trailing(work=of_matrices(25), multiple=True)
def eig(xp: Any, a: Any) -> Any:
    """Eigenvalues and unit eigenvectors; real if all eigenvalues of all matrices are.

    The derivative is that of eigenvectors which keep their own component: `eig_` makes it that of unit vectors.
    """
    return tuple(xp.linalg.eig(a))


@eig.def_jvp
def eig_jvp(tangents: Sequence[Any], out: Any, a: Any) -> Any:
    w, v = out
    inner = np.linalg.solve(v, tangents[0] @ v)
    return fit(diagonal(inner), w), fit(v @ over_gaps(inner, w), v)


@eig.def_vjp
def eig_vjp(g: Sequence[Any], out: Any, a: Any) -> Any:
    (w, v), (gw, gv) = out, g
    inner = None if gw is None else diagonal_matrix(gw)
    if gv is not None:
        turn = inverse_gaps(row(w) - column(w)) * (transposed(v) @ gv)
        inner = turn if inner is None else inner + turn
    return cast_like(np.linalg.solve(transposed(v), inner @ transposed(v)), a)


eig.dynamic = Dynamic("np.linalg.eig", "dtype", COMPLEX)


@implements(np.linalg.eig)
def eig_(a: Any) -> Any:
    w, v = eig(matrices("np.linalg.eig", a, square=True))
    if isinstance(v, Tracer):  # their length is 1 and the largest component real: divide by both, which are 1 in value
        v = v / np.sqrt(np.sum(np.real(v * conj(v)), axis=-2, keepdims=True))
        if v.dtype.kind == "c":
            size = np.abs(v)
            largest = np.take_along_axis(v, np.argmax(size, axis=-2, keepdims=True), axis=-2)
            phase = largest / np.abs(largest)
            v = v * (constant(phase) / phase)
    return EigResult(w, v)


@trailing(work=nothing, memory=Memory.VIEW, zero_derivative=True)
def constant(xp: Any, x: Any) -> Any:
    """`x`, as if it did not depend on anything."""
    return x


@trailing(work=of_matrices(10))
def eigvals(xp: Any, a: Any) -> Any:
    """Eigenvalues; real if all of all matrices are."""
    return xp.linalg.eigvals(a)


@trailing(work=lambda ins, outs: outs[0].size * outs[0].shape[-1] ** 2, zero_derivative=True)
def matching(xp: Any, values: Any, others: Any) -> Any:
    """Which of `others` each of `values` is: a permutation, for what two algorithms found in orders of their own."""
    distance = xp.abs(column(values) - row(others))
    order = xp.zeros(distance.shape[:-1], int)
    n = distance.shape[-1]
    for _ in range(n):  # the nearest pair of all that are left, in every matrix at once
        nearest = distance.reshape((*order.shape[:-1], n * n)).argmin(-1)
        i, j = xp.divmod(nearest[..., None], n)
        rows, columns = xp.arange(n) == i, xp.arange(n) == j
        order = xp.where(rows, j, order)
        distance = xp.where(rows[..., :, None] | columns[..., None, :], xp.inf, distance)
    return order


def _eigenvectors(values: Any, a: Any) -> Any:
    """Eigenvectors in the order of `values`."""
    w, v = eig(a)
    return np.take_along_axis(v, row(matching(values, w)), axis=-1)


@eigvals.def_jvp
def eigvals_jvp(tangents: Sequence[Any], out: Any, a: Any) -> Any:
    v = _eigenvectors(out, a)
    return fit(diagonal(np.linalg.solve(v, tangents[0] @ v)), out)


@eigvals.def_vjp
def eigvals_vjp(g: Any, out: Any, a: Any) -> Any:
    v = _eigenvectors(out, a)
    return cast_like(np.linalg.solve(transposed(v), transposed(v * row(g))), a)


eigvals.dynamic = Dynamic("np.linalg.eigvals", "dtype", COMPLEX)


@implements(np.linalg.eigvals)
def eigvals_(a: Any) -> Any:
    return eigvals(matrices("np.linalg.eigvals", a, square=True))
