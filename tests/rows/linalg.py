"""Rows for vmapcore/rules/linalg.py, decompositions.py, svd.py, pseudoinverse.py and norms.py."""

import numpy as np

from vmapcore import numpy as vnp
from vmapcore.rules.decompositions import eigen_parts, eigen_sum, matching
from vmapcore.rules.linalg import cofactors
from vmapcore.rules.svd import singular_parts, singular_sum

from . import Arg, row

INF = np.inf
RTOL = np.array([1e-4, 1e-2])


def regular(x):
    """Well away from singular."""
    return x / 4 + np.diag(np.arange(2.0, 2.0 + x.shape[-1])).astype(x.dtype)


def hermitian(x):
    """Eigenvalues apart by the triangle that is read; the other, and imaginary parts on the diagonal, differ."""
    return x + np.diag(np.arange(0.0, 6.0 * x.shape[-1], 6.0)).astype(x.dtype)


def positive(x):
    """Positive definite by the triangle that is read."""
    return x / 4 + 2 * np.eye(x.shape[-2], dtype=x.dtype)


def graded(x):
    """With singular values well apart."""
    m, n = x.shape[-2:]
    return x / 4 + (np.eye(m, n) * np.arange(2.0, 2.0 + 2 * n, 2.0)).astype(x.dtype)


def after(prepare, function):
    def fun(x, *args, **params):
        return function(prepare(x), *args, **params)

    return fun


def without_phases(function, prepare):
    """Of vectors that are determined but for a phase, what is determined."""

    def fun(x, **params):
        results = function(prepare(x), **params)
        return tuple([np.abs(y) for y in results]), projections(results)

    return fun


def projections(results):
    vectors = [y for y in results if y.ndim >= 2]
    return tuple([v @ (np.arange(1.0, 1.0 + v.shape[-1])[:, None] * np.conj(v.swapaxes(-1, -2))) for v in vectors[:1]])


def rebuilt(u, s, vh):
    return (u * np.exp(-s)) @ vh


def vectors(x):
    v = np.linalg.eigh(x)[1]
    return v, np.conj(v.T)


def weighted(g, u, vh):
    return (u * np.real(g)) @ vh


def parts(x, u, vh):
    return np.real(np.diagonal(np.conj(u.T) @ x @ np.conj(vh.T)))


def along_others(x, b):
    return np.linalg.tensorsolve(regular(x).reshape(2, 6, 3), b, axes=(0, 2))


def complex_eig(x):
    """In a dtype that does not depend on the values."""
    return tuple([y.astype(np.result_type(x.dtype, np.complex64)) for y in np.linalg.eig(x)])


def complex_eigvals(x):
    return np.linalg.eigvals(x).astype(np.result_type(x.dtype, np.complex64))


def singular(x):
    """Of rank 2, exactly but for rounding."""
    return x[:, :2] @ x[:2]


def norm(ord, *shapes, kinds="fc", **params):
    options = {"ord": ord, **params}
    shown = " ".join([f"{k}={v}" for k, v in options.items()])
    return row(f"linalg.norm {shown} of {shapes[0]}", np.linalg.norm, *shapes, kinds=kinds, params=options)


ROWS = [
    # Equations and inverses.
    row("linalg.solve", after(regular, np.linalg.solve), (3, 3), (3, 2), kinds="fc"),
    row(
        "linalg.solve plain", np.linalg.solve, Arg((2, 2), low=3, high=4, distinct=True), (2, 3), tol=100
    ),  # ill-conditioned
    row("linalg.solve of a vector", after(regular, np.linalg.solve), (3, 3), (3,), kinds="fci"),
    row("linalg.solve of stacks", after(regular, np.linalg.solve), (2, 3, 3), (2, 3, 2)),
    row("linalg.solve of a stack and a vector", after(regular, np.linalg.solve), (2, 3, 3), (3,)),
    row("linalg.solve of a matrix and a stack", after(regular, np.linalg.solve), (3, 3), (2, 3, 2), kinds="fc"),
    row("linalg.solve of a stack and a matrix", after(regular, np.linalg.solve), (2, 3, 3), (3, 2)),
    row("linalg.inv", after(regular, np.linalg.inv), (3, 3), kinds="fci"),
    row("linalg.inv of a stack", after(regular, np.linalg.inv), (2, 2, 2)),
    row("linalg.inv plain", np.linalg.inv, Arg((2, 2), low=3, high=4, distinct=True), tol=1e4),  # ill-conditioned
    row("linalg.tensorinv", lambda x: np.linalg.tensorinv(regular(x).reshape(2, 3, 6), ind=2), (6, 6)),
    row(
        "linalg.tensorinv ind=1", lambda x: np.linalg.tensorinv(regular(x).reshape(6, 3, 2), ind=1), (6, 6), kinds="fc"
    ),
    row("linalg.tensorsolve", lambda x, b: np.linalg.tensorsolve(regular(x).reshape(2, 3, 3, 2), b), (6, 6), (2, 3)),
    row("linalg.tensorsolve axes", along_others, (6, 6), (6,), kinds="fc"),
    # Determinants.
    row("linalg.det", np.linalg.det, (3, 3), kinds="fci"),
    row("linalg.det of a stack", np.linalg.det, (2, 2, 2), kinds="fc"),
    row("linalg.det of one number", np.linalg.det, (1, 1)),
    row("linalg.det of a singular matrix", after(singular, np.linalg.det), (3, 3), kinds="fc"),
    row(
        "cofactors", cofactors, (3, 3), kinds="fc", loop=lambda x: np.linalg.det(x) * np.linalg.inv(x).swapaxes(-1, -2)
    ),
    row("linalg.slogdet", np.linalg.slogdet, (3, 3), kinds="fc", tol=10),
    row("linalg.slogdet of a stack", after(regular, np.linalg.slogdet), (2, 3, 3), kinds="fc"),
    # Powers and parts.
    row("linalg.matrix_power 0", np.linalg.matrix_power, (2, 2), params={"n": 0}, kinds="fci"),
    row("linalg.matrix_power 1", np.linalg.matrix_power, (2, 2), params={"n": 1}),
    row("linalg.matrix_power 2", np.linalg.matrix_power, (2, 2), params={"n": 2}, kinds="fci"),
    row("linalg.matrix_power 5", np.linalg.matrix_power, (2, 2), params={"n": 5}, kinds="fc", tol=10),
    row("linalg.matrix_power -3", after(regular, np.linalg.matrix_power), (2, 2), params={"n": -3}, kinds="fc"),
    row("linalg.matrix_transpose", np.linalg.matrix_transpose, (2, 2, 3), kinds="fc"),
    row("linalg.diagonal", np.linalg.diagonal, (2, 3, 3), kinds="fc"),
    row("linalg.diagonal offset=1", np.linalg.diagonal, (2, 3, 3), params={"offset": 1}),
    row("linalg.trace", np.linalg.trace, (2, 3, 3), kinds="fci"),
    row("linalg.trace offset=-1", np.linalg.trace, (2, 3), params={"offset": -1}),
    # Decompositions.
    row("linalg.cholesky", after(positive, np.linalg.cholesky), (3, 3), kinds="fc"),
    row("linalg.cholesky upper", after(positive, np.linalg.cholesky), (3, 3), params={"upper": True}, kinds="fc"),
    row("linalg.cholesky of a stack", after(positive, np.linalg.cholesky), (2, 2, 2)),
    row("linalg.cholesky plain", np.linalg.cholesky, Arg((1, 1), low=1)),
    row("linalg.qr", after(regular, np.linalg.qr), (3, 3), kinds="fc"),
    row("linalg.qr plain", np.linalg.qr, (3, 2), tol=10),
    row("linalg.qr tall", after(graded, np.linalg.qr), (4, 2), kinds="fc"),
    row("linalg.qr wide", after(graded, np.linalg.qr), (2, 4), kinds="fc"),
    row("linalg.qr of a stack", after(graded, np.linalg.qr), (2, 3, 2)),
    row("linalg.qr mode=r", after(graded, np.linalg.qr), (3, 2), params={"mode": "r"}, kinds="fc"),
    row("linalg.qr Q alone", lambda x: np.linalg.qr(graded(x))[0], (2, 3), kinds="fc"),
    row("linalg.qr R alone", lambda x: np.linalg.qr(graded(x))[1], (2, 3), kinds="fc"),
    row(
        "linalg.qr mode=complete",
        after(graded, np.linalg.qr),
        (4, 2),
        params={"mode": "complete"},
        differentiable=False,
    ),
    row("linalg.qr mode=complete square", after(regular, np.linalg.qr), (3, 3), params={"mode": "complete"}),
    row("linalg.eigh", after(hermitian, np.linalg.eigh), (3, 3)),
    row("linalg.eigh plain", np.linalg.eigh, Arg((1, 1))),
    row("linalg.eigh UPLO=U", after(hermitian, np.linalg.eigh), (3, 3), params={"UPLO": "U"}),
    row("linalg.eigh of a stack", after(hermitian, np.linalg.eigh), (2, 2, 2)),
    row("linalg.eigh complex", without_phases(np.linalg.eigh, hermitian), (3, 3), kinds="c"),
    row("linalg.eigh values alone", lambda x: np.linalg.eigh(hermitian(x))[0], (3, 3), kinds="fc"),
    row("linalg.eigh vectors alone", lambda x: np.linalg.eigh(hermitian(x))[1], (3, 3)),
    row("linalg.eigvalsh", after(hermitian, np.linalg.eigvalsh), (3, 3), kinds="fc"),
    row("linalg.eigvalsh plain", np.linalg.eigvalsh, Arg((1, 1))),
    row("linalg.eigvalsh UPLO=u", after(hermitian, np.linalg.eigvalsh), (3, 3), params={"UPLO": "u"}, kinds="fc"),
    row(
        "eigen_sum",
        lambda x, g: eigen_sum(hermitian(x), np.real(g), uplo="L"),
        (3, 3),
        (1, 3),
        kinds="fc",
        loop=lambda x, g: weighted(g, *vectors(hermitian(x))),
    ),
    row(
        "eigen_parts",
        lambda x, y: eigen_parts(hermitian(x), y, uplo="L"),
        (3, 3),
        (3, 3),
        kinds="fc",
        loop=lambda x, y: parts(y, *vectors(hermitian(x))),
    ),
    row("linalg.eig", after(regular, complex_eig), (3, 3), kinds="fc"),
    row("linalg.eig plain", np.linalg.eig, Arg((1, 1))),
    row(
        "linalg.eig of rotations",
        lambda x: complex_eig(regular(x) + np.array([[0, 9, 0], [-9, 0, 0], [1, 2, 3]], x.dtype)),
        (3, 3),
    ),
    row("linalg.eigvals", after(regular, complex_eigvals), (3, 3), kinds="fc"),
    row("linalg.eigvals plain", np.linalg.eigvals, Arg((1, 1))),
    row(
        "linalg.eigvals real parts", lambda x: np.sort(np.real(np.linalg.eigvals(x)))[::2], (4, 4), tol=100
    ),  # nearly equal
    row(
        "matching",
        lambda x: matching(x, np.flip(x)),
        Arg((4,), distinct=True),
        kinds="fc",
        differentiable=False,
        loop=lambda x: np.arange(len(x))[::-1],
    ),
    row("linalg.svd", after(graded, np.linalg.svd), (3, 3)),
    row("linalg.svd plain", np.linalg.svd, Arg((1, 1), low=1)),
    row("linalg.svd tall", after(graded, np.linalg.svd), (4, 2), params={"full_matrices": False}),
    row("linalg.svd wide", after(graded, np.linalg.svd), (2, 4), params={"full_matrices": False}),
    row("linalg.svd full", after(graded, np.linalg.svd), (2, 4), differentiable=False),
    row("linalg.svd full, values", lambda x: np.linalg.svd(graded(x), compute_uv=False), (2, 4), kinds="fc"),
    row("linalg.svd complex", without_phases(np.linalg.svd, graded), (3, 3), kinds="c"),
    row(
        "linalg.svd complex tall",
        without_phases(np.linalg.svd, graded),
        (4, 2),
        params={"full_matrices": False},
        kinds="c",
    ),
    row(
        "linalg.svd complex wide",
        without_phases(np.linalg.svd, graded),
        (2, 4),
        params={"full_matrices": False},
        kinds="c",
    ),
    row("linalg.svd U alone", lambda x: np.linalg.svd(graded(x), False)[0], (3, 2)),
    row("linalg.svd V alone", lambda x: np.linalg.svd(graded(x), False)[2], (2, 3)),
    row("linalg.svd rebuilt", lambda x: rebuilt(*np.linalg.svd(graded(x), False)), (3, 2), kinds="fc"),
    row("linalg.svd hermitian", after(hermitian, np.linalg.svd), (3, 3), params={"hermitian": True}),
    row(
        "linalg.svd hermitian values",
        after(hermitian, np.linalg.svd),
        (3, 3),
        params={"hermitian": True, "compute_uv": False},
        kinds="fc",
    ),
    *[
        row(
            f"singular_sum of {shape}",
            lambda x, g: singular_sum(graded(x), np.real(g)),
            shape,
            (1, 2),
            kinds="fc",
            loop=lambda x, g: weighted(g, *np.linalg.svd(graded(x), False)[::2]),
        )
        for shape in [(2, 2), (3, 2), (2, 3)]
    ],
    *[
        row(
            f"singular_parts of {shape}",
            lambda x, y: singular_parts(graded(x), y),
            shape,
            shape,
            kinds="fc",
            loop=lambda x, y: parts(y, *np.linalg.svd(graded(x), False)[::2]),
        )
        for shape in [(2, 2), (3, 2), (2, 3)]
    ],
    row("linalg.svdvals", np.linalg.svdvals, (3, 2), kinds="fci"),
    row("linalg.svdvals of a stack", np.linalg.svdvals, (2, 2, 3)),
    # On singular values.
    row("linalg.pinv", np.linalg.pinv, (3, 2), kinds="fc", tol=10),
    row("linalg.pinv wide", after(graded, np.linalg.pinv), (2, 3), kinds="fc"),
    row("linalg.pinv of low rank", lambda x: np.linalg.pinv(x[:, None] * x, rcond=1e-5), (3,), kinds="fc"),
    row("linalg.pinv truncated", after(graded, np.linalg.pinv), (4, 3), params={"rcond": 0.5}, kinds="fc"),
    row("linalg.pinv truncated wide", after(graded, np.linalg.pinv), (2, 3), params={"rcond": 0.7}, kinds="fc"),
    row("linalg.pinv rtol", after(graded, np.linalg.pinv), (2, 3, 2), params={"rtol": None}),
    row("linalg.pinv rcond of each", lambda x: np.linalg.pinv(graded(x), RTOL[: len(x)]), (2, 3, 2), kinds="fc"),
    row(
        "linalg.pinv traced rtol",
        lambda x, rtol: vnp.linalg.pinv(graded(x), rtol=rtol / 100),
        (2, 3, 2),
        Arg((2,), low=0.1, high=0.2),
        kinds="fc",
        loop=lambda x, rtol: np.linalg.pinv(graded(x), rtol=rtol / 100),
    ),
    row("linalg.pinv hermitian", after(hermitian, np.linalg.pinv), (3, 3), params={"hermitian": True}, kinds="fc"),
    row("linalg.lstsq", after(graded, np.linalg.lstsq), (4, 2), (4, 3), kinds="fc"),
    row("linalg.lstsq truncated", lambda a, b: np.linalg.lstsq(graded(a), b, 0.5)[0], (4, 3), (4, 2), kinds="fc"),
    row("linalg.lstsq of a vector", after(graded, np.linalg.lstsq), (4, 2), (4,)),
    row("linalg.lstsq wide", after(graded, np.linalg.lstsq), (2, 3), (2,), params={"rcond": 1e-6}),
    row(
        "linalg.lstsq traced rcond",
        lambda x, b, rcond: vnp.linalg.lstsq(graded(x), b, rcond=rcond)[0],
        (2, 3),
        (2,),
        Arg((), low=0.01, high=0.02),
        loop=lambda x, b, rcond: np.linalg.lstsq(graded(x), b, rcond=rcond)[0],
    ),
    row("linalg.lstsq plain", np.linalg.lstsq, (1, 1), (1,), tol=100),  # ill-conditioned
    row("linalg.matrix_rank", np.linalg.matrix_rank, (3, 2), kinds="fc"),
    row(
        "linalg.matrix_rank of low rank",
        after(singular, np.linalg.matrix_rank),
        (3, 3),
        params={"rtol": 1e-4},
        kinds="fc",
    ),
    row("linalg.matrix_rank tol", np.linalg.matrix_rank, (2, 2, 2), params={"tol": 1.0}),
    row("linalg.matrix_rank tol of each", np.linalg.matrix_rank, (2, 2, 2), params={"tol": np.array([0.5, 1.5])}),
    row(
        "linalg.matrix_rank traced rtol",
        lambda x, rtol: vnp.linalg.matrix_rank(x, rtol=rtol),
        (2, 2, 2),
        Arg((2,), low=0, high=1),
        loop=lambda x, rtol: np.linalg.matrix_rank(x, rtol=rtol),
    ),
    row("linalg.matrix_rank hermitian", after(hermitian, np.linalg.matrix_rank), (3, 3), params={"hermitian": True}),
    row("linalg.matrix_rank of a vector", np.linalg.matrix_rank, (3,)),
    row("linalg.cond", after(graded, np.linalg.cond), (3, 2), kinds="fc"),
    row("linalg.cond plain", np.linalg.cond, (2, 2), tol=100),  # ill-conditioned
    *[row(f"linalg.cond {p}", after(regular, np.linalg.cond), (3, 3), params={"p": p}) for p in (-2, 1, INF, "fro")],
    # Norms.
    norm(None, (3,), kinds="fci"),
    norm(None, (2, 3)),
    norm(None, (2, 3), axis=1),
    norm(None, (2, 3), axis=-2, keepdims=True),
    norm(None, (2, 3), keepdims=True),
    norm(None, (2, 3, 2), axis=(0, 2)),
    norm(2, (3,)),
    norm(1, (3,)),
    norm(INF, (3,)),
    norm(-INF, (3,)),
    norm(0, (3,)),
    norm(3, (3,)),
    norm(1.5, (2, 3), axis=0),
    norm(-2, (3,)),
    norm(0.5, (2, 3), axis=1, keepdims=True),
    norm("fro", (2, 3)),
    norm("fro", (2, 3, 2), axis=(2, 0), keepdims=True),
    norm("nuc", (2, 3)),
    norm("nuc", (2, 3, 2), axis=(0, -1), keepdims=True),
    norm(1, (2, 3)),
    norm(-1, (2, 3)),
    norm(INF, (2, 3)),
    norm(-INF, (2, 3)),
    norm(INF, (2, 3, 2), axis=(2, 0)),
    norm(1, (2, 3, 2), axis=(0, 1), keepdims=True),
    norm(2, (2, 3)),
    norm(-2, (3, 2)),
    norm(2, (2, 3, 2), axis=(0, 2)),
    row("linalg.vector_norm", np.linalg.vector_norm, (2, 3), kinds="fci"),
    row("linalg.vector_norm axis=1", np.linalg.vector_norm, (2, 3), params={"axis": 1, "keepdims": True}),
    row("linalg.vector_norm two axes", np.linalg.vector_norm, (2, 3, 2), params={"axis": (0, 2), "ord": 1}, kinds="fc"),
    row("linalg.vector_norm keepdims", np.linalg.vector_norm, (2, 3), params={"keepdims": True, "ord": INF}),
    row("linalg.vector_norm ord=3", np.linalg.vector_norm, (2, 3), params={"axis": (1, 0), "ord": 3}, kinds="fc"),
    row("linalg.matrix_norm", np.linalg.matrix_norm, (2, 2, 3), kinds="fci"),
    row("linalg.matrix_norm nuc", np.linalg.matrix_norm, (2, 2, 3), params={"ord": "nuc", "keepdims": True}),
    row("linalg.matrix_norm 1", np.linalg.matrix_norm, (2, 3), params={"ord": 1}),
]
