"""The functions of `scipy.linalg`: of NumPy's, and of `factors` where those do not serve."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..rules._families import operand
from ..rules._matrices import adjoint, column, conj, identity, transposed
from ..rules._matrices import matrices as matrices_of
from ..rules.casts import inexact
from ..rules.creation import library
from .factors import banded_solve, eigh_by_scipy, lu_factors, matrix_function, permuted, pivots_of, sylvester
from .forms import of_several


def square(name: str, a: Any) -> Any:
    return matrices_of(f"scipy.linalg.{name}", inexact(a), square=True)


def one_of(name: str, what: str, value: Any, known: Any) -> None:
    if value not in known:
        allowed = f"with traced values it is one of {', '.join(map(repr, known))}"
        raise OptionError(f"scipy.linalg.{name}", f"{what} is {value!r}", allowed, "Pass plain values for another")


# Linear equations.


def of_columns(solve: Callable[[Any, Any], Any], name: str, a: Any, b: Any) -> Any:
    """Solves for one vector, or for columns."""
    b = inexact(b)
    vector = len(b.shape) == 1
    y = column(b) if vector else b
    if len(y.shape) < 2 or y.shape[-2] != a.shape[-1]:
        fact = f"shapes {describe(a)} and {describe(b)} do not fit"
        raise ShapeError(f"scipy.linalg.{name}", fact, "b must have as many rows as a")
    x = solve(a, y)
    return x[..., 0] if vector else x


def _upper_solve(u: Any, b: Any) -> Any:
    """LU of what is upper triangular swaps no rows, and is back substitution."""
    return np.linalg.solve(u, b)


def _lower_solve(low: Any, b: Any) -> Any:
    return np.flip(_upper_solve(np.flip(low, (-2, -1)), np.flip(b, -2)), -2)


TRANSPOSED = {0: 0, "N": 0, 1: 1, "T": 1, 2: 2, "C": 2}


def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False) -> Any:
    a = square("solve_triangular", a)
    one_of("solve_triangular", "trans", trans, TRANSPOSED)
    a = (np.tril if lower else np.triu)(a, (-1 if lower else 1) * bool(unit_diagonal))
    if unit_diagonal:
        a = a + identity(a)
    trans = TRANSPOSED[trans]
    a = adjoint(a) if trans == 2 else transposed(a) if trans else a
    return of_columns(_lower_solve if bool(lower) == (not trans) else _upper_solve, "solve_triangular", a, b)


def cho_factor(a: Any, lower: Any = False) -> Any:
    a = square("cho_factor", a)
    factor = cholesky(a, lower)
    return factor + (np.triu(a, 1) if lower else np.tril(a, -1)), bool(lower)  # which SciPy leaves there


@of_several
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    c, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)


def cholesky(a: Any, lower: Any = False) -> Any:
    return np.linalg.cholesky(square("cholesky", a), upper=not lower)


def solve(a: Any, b: Any, lower: Any = False, assume_a: Any = None, transposed: Any = False) -> Any:
    a = square("solve", a)
    one_of("solve", "assume_a", assume_a, (None, "gen", "general", "sym", "her", "pos"))
    if transposed and a.dtype.kind == "c" and assume_a in ("her", "sym"):
        raise OptionError("scipy.linalg.solve", f"transposed=True with assume_a={assume_a!r} of complex numbers")
    if assume_a == "pos" and not transposed:
        return cho_solve(cho_factor(a, lower), b)
    if assume_a in ("sym", "her", "pos"):
        half = np.tril(a, -1) if lower else np.triu(a, 1)
        other, middle = np.swapaxes(half, -1, -2), a * identity(a)
        a = middle + half + other if assume_a == "sym" else middle.real + half + conj(other)
    return of_columns(np.linalg.solve, "solve", np.swapaxes(a, -1, -2) if transposed else a, b)


def lu_factor(a: Any) -> Any:
    a = square("lu_factor", a)
    pivots = pivots_of(a)
    return lu_factors(np.take_along_axis(a, column(permuted(pivots)), -2)), pivots


@of_several
def lu_solve(lu_and_piv: Any, b: Any, trans: Any = 0) -> Any:
    lu, pivots = map(operand, lu_and_piv)
    order = permuted(pivots)

    def solved(lu: Any, b: Any) -> Any:
        if not trans:
            b = np.take_along_axis(b, column(order), -2)
            return solve_triangular(lu, solve_triangular(lu, b, 0, True, True))
        x = solve_triangular(lu, solve_triangular(lu, b, trans), trans, True, True)
        return np.take_along_axis(x, column(np.argsort(order)), -2)

    one_of("lu_solve", "trans", trans, (0, 1, 2))
    return of_columns(solved, "lu_solve", lu, b)


def lu(a: Any, permute_l: Any = False, p_indices: Any = False) -> Any:
    a = square("lu", a)
    order = np.argsort(permuted(pivots_of(a)))
    packed = lu_factor(a)[0]
    low, up = np.tril(packed, -1) + identity(packed), np.triu(packed)
    if permute_l:
        return np.take_along_axis(low, column(order), -2), up
    if p_indices:
        return order, low, up
    return np.take_along_axis(identity(a).real, column(order), -2), low, up


def solve_banded(l_and_u: Any, ab: Any, b: Any) -> Any:
    low, up = map(int, l_and_u)
    ab = operand(ab)
    if len(ab.shape) != 2 or ab.shape[0] != low + up + 1:
        raise ShapeError("scipy.linalg.solve_banded", f"ab is {describe(ab)}", f"it must have {low + up + 1} rows")
    return of_columns(lambda ab, b: banded_solve(ab, b, low=low, up=up), "solve_banded", *_inexact(ab, b))


def solveh_banded(ab: Any, b: Any, lower: Any = False) -> Any:
    ab, b = _inexact(ab, b)
    count = ab.shape[0] - 1
    rows = [ab[k] for k in range(count + 1)] if lower else [_shifted(ab[count - k], -k) for k in range(count + 1)]
    full = [conj(_shifted(row, k)) for k, row in enumerate(rows)][:0:-1] + rows
    return of_columns(
        lambda ab, b: banded_solve(ab, b, low=count, up=count, positive=True), "solveh_banded", np.stack(full), b
    )


def _inexact(*arrays: Any) -> list[Any]:
    """Arrays of one dtype, of floats."""
    found = [inexact(x) for x in arrays]
    dtype = np.result_type(*found)
    return [x.astype(dtype) for x in found]


def _shifted(row: Any, by: int) -> Any:
    """A row of a band, as far as it stays; the corners are not read."""
    return np.roll(row, by, -1)


@of_several
def solve_toeplitz(c_or_cr: Any, b: Any) -> Any:
    matrix = toeplitz(*c_or_cr) if isinstance(c_or_cr, (list, tuple)) else toeplitz(c_or_cr)
    return of_columns(np.linalg.solve, "solve_toeplitz", inexact(matrix), b)


def lstsq(a: Any, b: Any, cond: Any = None) -> Any:
    a, b = _inexact(a, b)
    x, _, rank, s = np.linalg.lstsq(a, b, rcond=np.finfo(a.dtype).eps if cond is None else cond)
    miss = b - a @ x
    m, n = a.shape[-2:]
    missed = np.sum(np.real(miss * conj(miss)), axis=0) if m > n else np.zeros((0,), s.dtype)
    return x, missed, rank, s


def pinv(a: Any, rtol: Any = None) -> Any:
    return np.linalg.pinv(inexact(a), rtol=rtol)


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    return np.linalg.norm(a, ord, axis, keepdims)


# Decompositions.


def eigh(a: Any, *, lower: Any = True, eigvals_only: Any = False) -> Any:
    a = square("eigh", a)
    uplo: Any = "L" if lower else "U"
    return np.linalg.eigvalsh(a, uplo) if eigvals_only else tuple(eigh_by_scipy(a, uplo=uplo))


def eigvals(a: Any) -> Any:
    a = square("eigvals", a)
    return np.linalg.eigvals(a.astype(np.result_type(a.dtype, np.complex64)))


def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    result = np.linalg.svd(inexact(a), full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


def qr(a: Any, mode: Any = "full") -> Any:
    a = inexact(a)
    one_of("qr", "mode", mode, ("full", "r", "economic"))
    if mode == "r":
        r: Any = np.linalg.qr(a, "r")
        return (np.concatenate([r, np.zeros_like(a[..., r.shape[-2] :, :])], axis=-2),)
    return tuple(np.linalg.qr(a, "complete" if mode == "full" else "reduced"))


def polar(a: Any, side: Any = "right") -> Any:
    one_of("polar", "side", side, ("right", "left"))
    u, s, vh = np.linalg.svd(inexact(a), full_matrices=False)
    s = s[..., None, :]
    return u @ vh, (adjoint(vh) * s) @ vh if side == "right" else (u * s) @ adjoint(u)


# Functions of matrices, and equations of them.


def _function(name: str) -> Callable[[Any], Any]:
    return lambda A: matrix_function(square(name, A), name=name)


def expm_frechet(A: Any, E: Any, compute_expm: Any = True) -> Any:
    a, e = _inexact(A, E)
    top = np.concatenate([a, e], axis=-1)
    n = a.shape[-1]
    both = _function("expm")(np.concatenate([top, np.concatenate([np.zeros_like(a), a], axis=-1)], axis=-2))
    along = both[..., :n, n:]
    return (both[..., :n, :n], along) if compute_expm else along


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    return sylvester(*_inexact(a, b, q))


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    a, q = _inexact(a, q)
    return sylvester(a, adjoint(a), q)


def solve_discrete_lyapunov(a: Any, q: Any) -> Any:
    a, q = _inexact(a, q)
    product = np.kron(a, conj(a))
    return np.linalg.solve(identity(product) - product, q.reshape(-1)).reshape(q.shape)


# Matrices of a pattern.


def block_diag(*arrs: Any) -> Any:
    blocks = [x if len(x.shape) > 1 else x.reshape((1, -1)) for x in map(operand, arrs or ([],))]
    dtype = np.result_type(*blocks)
    width, before, rows = sum(x.shape[-1] for x in blocks), 0, []
    for x in blocks:
        around = [(0, 0)] * (len(x.shape) - 1) + [(before, width - before - x.shape[-1])]
        rows.append(np.pad(x.astype(dtype), around))
        before += x.shape[-1]
    return np.concatenate(rows, axis=-2)


def _vector(x: Any) -> Any:
    return operand(x).reshape(-1)


def _picked(values: Any, index: Any) -> Any:
    return np.take(values, library(values).asarray(index), axis=-1)


def toeplitz(c: Any, r: Any = None) -> Any:
    c = _vector(c)
    r = conj(c) if r is None else _vector(r)
    n, m = c.shape[0], r.shape[0]
    return _picked(np.concatenate([c[::-1], r[1:]]), n - 1 - np.arange(n)[:, None] + np.arange(m))


def hankel(c: Any, r: Any = None) -> Any:
    c = _vector(c)
    r = np.zeros_like(c) if r is None else _vector(r)
    return _picked(np.concatenate([c, r[1:]]), np.arange(c.shape[0])[:, None] + np.arange(r.shape[0]))


def circulant(c: Any) -> Any:
    c = operand(c)
    n = c.shape[-1]
    return _picked(c, (np.arange(n)[:, None] - np.arange(n)) % max(n, 1))


def companion(a: Any) -> Any:
    a = operand(a)
    first = -a[1:] / (1.0 * a[0])
    return np.concatenate([first[None], np.eye(first.shape[0] - 1, first.shape[0], dtype=first.dtype)])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "inv": lambda a: np.linalg.inv(square("inv", a)),
    "det": lambda a: np.linalg.det(square("det", a)),
    "eigvalsh": lambda a, *, lower=True: eigh(a, lower=lower, eigvals_only=True),
    "svdvals": lambda a: svd(a, compute_uv=False),
    **{name: _function(name) for name in ("expm", "logm", "sqrtm", "sinm", "cosm", "tanm", "sinhm", "coshm", "tanhm")},
    **{
        f.__name__: f
        for f in (
            *(solve, solve_triangular, cho_factor, cho_solve, cholesky, lu_factor, lu_solve, lu, solve_banded),
            *(solveh_banded, solve_toeplitz, lstsq, pinv, norm, eigh, eigvals, svd, qr, polar, expm_frechet),
            *(solve_sylvester, solve_continuous_lyapunov, solve_discrete_lyapunov, block_diag, toeplitz, hankel),
            *(circulant, companion),
        )
    },
}
