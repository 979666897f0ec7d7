"""Operations of SciPy's own code on matrices, with derivatives: what no product of NumPy's equals to the last sign."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OptionError
from ..evals import bands, exponentials
from ..ops import custom_op
from ..rules._matrices import identity, transposed
from ..rules.decompositions import eigh_jvp, eigh_vjp


class Theirs:
    """The functions of `scipy.linalg`, which is there when one of them has met a tracer."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["scipy.linalg"], name)


scipy = Theirs()


def each(function: Callable[..., Any], dtype: Any, shape: Any, *args: Any, ranks: tuple[int, ...] = (2, 2)) -> Any:
    """The results of a function, of this shape and dtype, for arrays of arguments."""
    lead = np.broadcast_shapes(*[x.shape[: x.ndim - rank] for x, rank in zip(args, ranks, strict=False)])
    whole = [np.broadcast_to(x, lead + x.shape[x.ndim - rank :]) for x, rank in zip(args, ranks, strict=False)]
    out = np.empty(lead + shape, dtype)
    for i in np.ndindex(lead):
        out[i] = function(*[x[i] for x in whole])
    return out


# Functions of matrices. Their derivative is theirs of a matrix twice as large (Higham, Functions of Matrices, 3.6).


@custom_op
def matrix_function(xp: Any, a: Any, *, name: str) -> Any:
    """The function of that name of square matrices."""
    function = getattr(scipy, name)
    if name == "expm" and exponentials.pays(a) and (found := exponentials.exponentials(a)) is not None:
        return found

    def of_one(a: Any) -> Any:
        out = function(a)
        if a.dtype.kind == "f" and np.iscomplexobj(out) and np.any(out.imag):
            fact = "a result is complex, of a real matrix"
            raise OptionError(f"scipy.linalg.{name}", fact, "", "Pass the matrix as complex numbers, a.astype(complex)")
        return out.real if a.dtype.kind == "f" else out

    return each(of_one, a.dtype, a.shape[-2:], a)


def along(a: Any, e: Any, name: str) -> Any:
    """The derivative of a function of matrices at `a` along `e`."""
    n = a.shape[-1]
    top, bottom = np.concatenate([a, e], axis=-1), np.concatenate([np.zeros_like(a), a], axis=-1)
    return matrix_function(np.concatenate([top, bottom], axis=-2), name=name)[:n, n:]


matrix_function.gufunc("(n,n)->(n,n)")
matrix_function.def_jvp(lambda tangents, out, a, *, name: along(a, tangents[0], name))
matrix_function.def_vjp(lambda g, out, a, *, name: along(transposed(a), g, name))


@custom_op
def sylvester(xp: Any, a: Any, b: Any, q: Any) -> Any:
    """The `x` with a x + x b = q."""
    return each(scipy.solve_sylvester, q.dtype, q.shape[-2:], a, b, q, ranks=(2, 2, 2))


sylvester.gufunc("(m,m),(n,n),(m,n)->(m,n)")
sylvester.def_vjp(
    lambda g, out, a, b, q: -sylvester(transposed(a), transposed(b), g) @ transposed(out),
    lambda g, out, a, b, q: -transposed(out) @ sylvester(transposed(a), transposed(b), g),
    lambda g, out, a, b, q: sylvester(transposed(a), transposed(b), g),
)


# Eigenvectors, whose signs are those of SciPy's driver.


@custom_op
def eigh_by_scipy(xp: Any, a: Any, *, uplo: str) -> Any:
    """Eigenvalues in ascending order and unit eigenvectors of Hermitian matrices, from one triangle."""
    w = np.empty(a.shape[:-1], a.real.dtype)
    v = np.empty(a.shape, a.dtype)
    for i in np.ndindex(a.shape[:-2]):
        w[i], v[i] = scipy.eigh(a[i], lower=uplo == "L")
    return w, v


eigh_by_scipy.gufunc("(n,n)->(n),(n,n)")
eigh_by_scipy.def_jvp(lambda tangents, out, a, *, uplo: eigh_jvp(tangents, out, a, uplo=uplo))
eigh_by_scipy.def_vjp(lambda g, out, a, *, uplo: eigh_vjp(g, out, a, uplo=uplo))


# Triangular factors: which rows are swapped, and the factors of rows in order.


@custom_op
def pivots_of(xp: Any, a: Any) -> Any:
    """With which row each is swapped."""
    return each(lambda a: scipy.lu_factor(a)[1], np.int32, a.shape[-1:], a)


@custom_op
def permuted(xp: Any, pivots: Any) -> Any:
    """Which row is where after all swaps."""
    order = np.broadcast_to(np.arange(pivots.shape[-1]), pivots.shape).copy()
    for i in np.ndindex(pivots.shape[:-1]):
        for row, other in enumerate(pivots[i]):
            order[i][[row, other]] = order[i][[other, row]]
    return order


@custom_op
def lu_factors(xp: Any, a: Any) -> Any:
    """A lower factor, whose diagonal is one, and an upper one, of matrices that need no swaps, in one matrix."""
    return each(lambda a: scipy.lu_factor(a)[0], a.dtype, a.shape[-2:], a)


def _parts(lu: Any) -> tuple[Any, Any]:
    return np.tril(lu, -1) + identity(lu), np.triu(lu)


@lu_factors.def_jvp
def lu_jvp(tangents: Any, out: Any, a: Any) -> Any:
    low, up = _parts(out)
    inner = transposed(np.linalg.solve(transposed(up), transposed(np.linalg.solve(low, tangents[0]))))
    return low @ np.tril(inner, -1) + np.triu(inner) @ up


@lu_factors.def_vjp
def lu_vjp(g: Any, out: Any, a: Any) -> Any:
    low, up = _parts(out)
    inner = np.tril(transposed(low) @ np.tril(g, -1), -1) + np.triu(np.triu(g) @ transposed(up))
    inner = np.linalg.solve(transposed(low), inner)
    return transposed(np.linalg.solve(up, transposed(inner)))


lu_factors.gufunc("(n,n)->(n,n)")
pivots_of.gufunc("(n,n)->(n)").def_vjp(None)
permuted.gufunc("(n)->(n)").def_vjp(None)


# Bands: row `up + i - j` of `ab` has the elements of row i and column j.


@custom_op
def banded_solve(xp: Any, ab: Any, b: Any, *, low: int, up: int, positive: bool = False) -> Any:
    """The `x` with a x = b, of a matrix by its band; `positive` if it is Hermitian and positive definite."""
    if ab.ndim == 2 and b.ndim > 2:  # one matrix, and more columns
        columns = np.moveaxis(b, -2, 0)
        out = banded_solve.eval(xp, ab, columns.reshape(len(columns), -1), low=low, up=up, positive=positive)
        return np.moveaxis(out.reshape(columns.shape), 0, -2)
    if (found := bands.solved(ab, b, low, up, positive)) is not None:
        return found

    def of_one(ab: Any, b: Any) -> Any:
        return scipy.solveh_banded(ab[: up + 1], b) if positive else scipy.solve_banded((low, up), ab, b)

    return each(of_one, b.dtype, b.shape[-2:], ab, b)


def band_transposed(ab: Any, low: int, up: int) -> Any:
    rows = [np.roll(ab[up - k], -k) for k in range(-low, up + 1)]
    return np.stack(rows)


def _band_vjp(g: Any, out: Any, ab: Any, b: Any, *, low: int, up: int, positive: bool) -> Any:
    w = _back(g, ab, low, up, positive)
    n = out.shape[0]
    rows = []
    for k in range(up, -low - 1, -1):  # column j and row j - k
        first, last = max(0, k), min(n, n + k)
        inside = -np.sum(w[first - k : last - k] * out[first:last], axis=-1)
        rows.append(np.pad(inside, (first, n - last)) if last > first else np.zeros_like(ab[0]))
    return np.stack(rows)


def _back(g: Any, ab: Any, low: int, up: int, positive: bool) -> Any:
    return banded_solve(band_transposed(ab, low, up), g, low=up, up=low, positive=positive)


banded_solve.gufunc("(k,n),(n,m)->(n,m)")
banded_solve.def_vjp(
    _band_vjp,
    lambda g, out, ab, b, *, low, up, positive: _back(g, ab, low, up, positive),
)
