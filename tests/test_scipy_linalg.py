"""`scipy.linalg` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import OptionError, ShapeError
from vmapcore.libraries import factors
from vmapcore.testing import check_op, check_vmap

from .scipy_calls import check_call, with_names
from .together import together

linalg = pytest.importorskip("scipy.linalg")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)
C = A + 1j * RNG.normal(size=A.shape)
S = A @ A.swapaxes(1, 2) + np.eye(3)
B, V = RNG.normal(size=(2, 3, 2)), RNG.normal(size=(2, 3))
T, W = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(2, 3, 5))
BAND = RNG.normal(size=(2, 4, 5)) + np.array([0.0, 0, 5, 0])[:, None]
HALF = RNG.normal(size=(2, 2, 5)) / 4 + np.array([0.0, 2])[:, None]
Y = RNG.normal(size=(2, 5))

CALLS = {
    "inv": (lambda a: linalg.inv(a), A),
    "det": (lambda a: linalg.det(a), A),
    "solve": (lambda a, b: linalg.solve(a, b), A, B),
    "solve sym": (lambda a, b: linalg.solve(a, b, assume_a="sym"), A, V),
    "solve her": (lambda a, b: linalg.solve(a, b, lower=True, assume_a="her"), C, V),
    "solve pos": (lambda a, b: linalg.solve(a, b, assume_a="pos"), S, V),
    "solve transposed": (lambda a, b: linalg.solve(a, b, transposed=True), A, V),
    "solve_triangular": (lambda a, b: linalg.solve_triangular(a, b), A, B),
    "solve_triangular lower": (lambda a, b: linalg.solve_triangular(a, b, lower=True), A, V),
    "solve_triangular T": (lambda a, b: linalg.solve_triangular(a, b, trans="T", unit_diagonal=True), A, V),
    "solve_triangular C": (lambda a, b: linalg.solve_triangular(a, b, trans=2, lower=True), C, V),
    "cholesky": (lambda a: linalg.cholesky(a), S),
    "cholesky lower": (lambda a: linalg.cholesky(a, lower=True), S),
    "cho_factor": (lambda a: linalg.cho_factor(a)[0], S),
    "cho_solve": (lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b), S, B),
    "cho_solve lower": (lambda a, b: linalg.cho_solve(linalg.cho_factor(a, lower=True), b), S, V),
    "lu_factor": (lambda a: linalg.lu_factor(a)[0], A),
    "lu_solve": (lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b), A, B),
    "lu_solve trans": (lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, trans=1), A, V),
    "lu": (lambda a: linalg.lu(a), A),
    "lu permuted": (lambda a: linalg.lu(a, permute_l=True), A),
    "solve_banded": (lambda ab, b: linalg.solve_banded((1, 2), ab, b), BAND, Y),
    "solveh_banded": (lambda ab, b: linalg.solveh_banded(ab, b), HALF, Y),
    "solveh_banded lower": (lambda ab, b: linalg.solveh_banded(ab, b[:, None], lower=True), HALF[:, ::-1], Y),
    "solve_toeplitz": (lambda c, b: linalg.solve_toeplitz((c + np.eye(3)[0] * 4, c), b), V, V[::-1]),
    "lstsq": (lambda a, b: linalg.lstsq(a, b)[:2], T, T[..., :1]),
    "lstsq wide": (lambda a, b: linalg.lstsq(a, b)[0], W, V),
    "pinv": (lambda a: linalg.pinv(a), T),
    "norm": (lambda a: linalg.norm(a) + linalg.norm(a, 1, axis=0).sum(), A),
    "eigh": (lambda a: (linalg.eigh(a)[0], linalg.eigh(a + a.T)[1] ** 2), A),  # signs change from matrix to matrix
    "eigh upper": (lambda a: linalg.eigh(a, lower=False, eigvals_only=True), A),
    "eigvalsh": (lambda a: linalg.eigvalsh(a), A),
    "eigvals": (lambda a: linalg.eigvals(a).real.sum(), A),
    "svd": (lambda a: linalg.svd(a, full_matrices=False), W),
    "svdvals": (lambda a: linalg.svdvals(a), T),
    "qr": (lambda a: linalg.qr(a, mode="economic"), T),
    "qr full": (lambda a: linalg.qr(a), A),
    "qr r": (lambda a: linalg.qr(a, mode="r")[0], T),
    "polar": (lambda a: linalg.polar(a), A),
    "polar left": (lambda a: linalg.polar(a, side="left"), A),
    "expm": (lambda a: linalg.expm(a), A),
    "expm complex": (lambda a: linalg.expm(1j * a).real, A),
    "logm": (lambda a: linalg.logm(a), S),
    "sqrtm": (lambda a: linalg.sqrtm(a), S),
    "sinm": (lambda a: linalg.sinm(a) + linalg.cosm(a) + linalg.tanm(a / 9), A),
    "cosm": (lambda a: linalg.coshm(a) + linalg.tanhm(a / 9) + linalg.sinhm(a), A),
    "expm_frechet": (lambda a, e: linalg.expm_frechet(a, e), A, A[::-1]),
    "solve_sylvester": (lambda a, b, q: linalg.solve_sylvester(a, b, q), S, S[:, :2, :2], B),
    "solve_continuous_lyapunov": (lambda a, q: linalg.solve_continuous_lyapunov(a, q), S, A),
    "solve_discrete_lyapunov": (lambda a, q: linalg.solve_discrete_lyapunov(a / 9, q), A, A),
    "block_diag": (lambda a, b, v: linalg.block_diag(a, b, v, 2.0), A, B, V),
    "toeplitz": (lambda c: linalg.toeplitz(c), V),
    "toeplitz rows": (lambda c, r: linalg.toeplitz(c, r), V, Y),
    "hankel": (lambda c: linalg.hankel(c) + linalg.hankel(c, c**2), V),
    "circulant": (lambda c: linalg.circulant(c), V),
    "companion": (lambda c: linalg.companion(c + 3), V),
    "lists": (lambda c: linalg.expm(np.array([[c[0], 1.0], [0.0, c[1]]])) + linalg.inv([[c[0] + 4, 1.0], [0, 2]]), V),
}
NESTED = ("solve_triangular", "lu_solve", "expm", "solve_banded", "solve_sylvester", "eigh", "cho_solve", "lu_factor")


@together("name", CALLS, str, str)
def test_of_traced_values(name):
    check_call(*CALLS[name], deep=name in NESTED)


def test_the_operations():
    check_op(factors.matrix_function, A[0], name="expm")


def test_eigenvectors_have_scipys_signs():
    check_vmap(with_names(lambda a: linalg.eigh(a)), RNG.normal(size=(9, 4, 4)), like=lambda a: linalg.eigh(a))


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.linalg\.qr: pivoting is True, .* it must be False then"):
        vmap(lambda a: linalg.qr(a, pivoting=True))(A)
    with pytest.raises(OptionError, match=r"scipy\.linalg\.solve: assume_a is 'banded'"):
        vmap(lambda a: linalg.solve(a, a, assume_a="banded"))(A)
    with pytest.raises(OptionError, match=r"scipy\.linalg\.sqrtm: a result is complex, of a real matrix"):
        vmap(lambda a: linalg.sqrtm(a))(-S)
    with pytest.raises(ShapeError, match=r"scipy\.linalg\.solve_triangular: shapes .* do not fit"):
        vmap(lambda a, b: linalg.solve_triangular(a, b))(A, Y)
    with pytest.raises(np.linalg.LinAlgError):
        vmap(lambda a: linalg.solve(a, a, assume_a="pos"))(-S)
    with pytest.raises(np.linalg.LinAlgError):
        vmap(lambda a: linalg.solve_triangular(a, a))(0 * A)


def test_of_single_precision_and_of_one():
    for name in ("inv", "expm", "cholesky", "eigvalsh", "lu_factor", "toeplitz"):
        fun = getattr(linalg, name)
        for x in (S.astype(np.float32), S[:, :1, :1]):
            x = x[:, 0] if name == "toeplitz" else x
            ours, wanted = vmap(with_names(lambda a, fun=fun: fun(a)))(x), [fun(a) for a in x]
            if name == "lu_factor":
                ours, wanted = ours[0], [w[0] for w in wanted]
            assert ours.dtype == wanted[0].dtype and np.allclose(ours, wanted, rtol=1e-4), name


def test_factors_from_outside():
    lu, cho = linalg.lu_factor(A[0]), linalg.cho_factor(S[0])
    fun = lambda b: linalg.lu_solve(lu, b) + linalg.cho_solve(cho, b)  # noqa: E731
    check_call(fun, V)
    assert np.allclose(jit(vmap(grad(lambda b: fun(b).sum())))(V), vmap(grad(lambda b: fun(b).sum()))(V))


BANDS = {"tridiagonal": (1, 1, 9), "wide": (2, 1, 6), "lower": (2, 0, 5), "upper": (0, 2, 5), "wider": (3, 2, 3)}


@pytest.mark.parametrize("low, up, n", BANDS.values(), ids=BANDS)
@pytest.mark.parametrize("kind", "fdD")
def test_bands_of_many_rows_are_those_of_one(low, up, n, kind):
    rng = np.random.default_rng(n)
    ab, b = rng.normal(size=(1500, low + up + 1, n)).astype(kind), rng.normal(size=(1500, n, 2)).astype(kind)
    ab[:, up] += 0.5
    one_by_one = np.stack([linalg.solve_banded((low, up), *pair) for pair in zip(ab, b, strict=True)])
    found = vmap(lambda ab, b: linalg.solve_banded((low, up), ab, b))(ab, b)
    assert found.dtype == one_by_one.dtype
    size = np.abs(one_by_one).max((1, 2), keepdims=True)
    np.testing.assert_allclose(found / size, one_by_one / size, atol=1e4 * np.finfo(kind).eps)
    shared = vmap(lambda b: linalg.solve_banded((low, up), ab[0], b))(b)
    np.testing.assert_allclose(shared, np.stack([linalg.solve_banded((low, up), ab[0], x) for x in b]), rtol=1e-3)


def test_bands_of_many_positive_rows():
    half = RNG.normal(size=(900, 3, 7)) / 4 + np.array([0.0, 0, 3])[:, None]
    b = RNG.normal(size=(900, 7))
    found = vmap(lambda ab, b: linalg.solveh_banded(ab, b))(half, b)
    np.testing.assert_allclose(found, [linalg.solveh_banded(*pair) for pair in zip(half, b, strict=True)], rtol=1e-10)
    half[7, 2, 3] = -1.0
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        vmap(lambda ab, b: linalg.solveh_banded(ab, b))(half, b)


@pytest.mark.parametrize("wrong, error", [(0.0, np.linalg.LinAlgError), (np.nan, ValueError)])
def test_one_band_of_many_is_none(wrong, error):
    ab, b = RNG.normal(size=(900, 3, 4)) + 4, RNG.normal(size=(900, 4))
    ab[13, :, 2] = wrong
    with pytest.raises(error):
        linalg.solve_banded((1, 1), ab[13], b[13])
    with pytest.raises(error):
        vmap(lambda ab, b: linalg.solve_banded((1, 1), ab, b))(ab, b)


def test_exponentials_of_many_rows_are_those_of_one():
    rng = np.random.default_rng(3)
    normal = rng.normal(size=(60, 4, 4))
    far = np.array([[1.0, 1e6, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1e5], [1e-9, 0, 0, 0]])
    upper, diagonal = np.triu(3 * normal), np.eye(4) * normal
    kinds = [
        normal,
        10 * normal,
        1e-4 * normal,
        upper,
        upper.swapaxes(1, 2),
        diagonal,
        0 * normal,
        normal + 5j,
        far[None],
    ]
    a = np.concatenate(kinds)
    for some in (a, a[::40].real.astype(np.float32), a.real[:3]):
        found = vmap(lambda a: linalg.expm(a))(some)
        one_by_one = np.stack([linalg.expm(x) for x in some])
        size = np.abs(one_by_one).max((1, 2), keepdims=True)
        assert found.dtype == one_by_one.dtype
        np.testing.assert_allclose(found / size, one_by_one / size, atol=3e4 * np.finfo(some.dtype).eps)
    huge = np.full((20, 2, 2), 500.0)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(vmap(lambda a: linalg.expm(a))(huge), [linalg.expm(x) for x in huge])
        huge[3] = np.nan
        np.testing.assert_array_equal(vmap(lambda a: linalg.expm(a))(huge), [linalg.expm(x) for x in huge])
