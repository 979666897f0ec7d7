"""Linear algebra where it is delicate: at zero, at singular and degenerate matrices, and across a shared matrix."""

import itertools

import numpy as np
import pytest

from vmapcore import grad, hessian, jacfwd, jacrev, jit, jvp, vmap
from vmapcore.errors import ArgumentError, MissingRuleError, OptionError, ShapeError
from vmapcore.rules import linalg
from vmapcore.testing import assert_same, check_grads

RNG = np.random.default_rng(0)


def array(*shape):
    return RNG.uniform(-1, 1, shape)


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf])
@pytest.mark.parametrize("dtype", [float, complex])
def test_the_gradient_of_a_norm_at_zero_is_zero(ord, dtype):
    x = np.zeros(3, dtype)
    assert_same(grad(lambda x: np.linalg.norm(x, ord))(x), np.zeros(3, dtype))
    assert np.all(np.isfinite(jvp(grad(lambda x: np.linalg.norm(x, ord)), (x,), (np.ones_like(x),))[1]))


def test_the_gradient_of_norms_of_which_one_is_zero():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert_same(grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(x), np.array([[0.6, 0.8], [0.0, 0.0]]))


@pytest.fixture
def systems(monkeypatch):
    """The shapes of the matrices and right-hand sides that are solved meanwhile."""
    shapes = []
    evaluate = linalg.solve.eval

    def noting(xp, a, b):
        shapes.append((a.shape, b.shape))
        return evaluate(xp, a, b)

    monkeypatch.setattr(linalg.solve, "eval", noting)
    return shapes


def test_right_hand_sides_that_share_a_matrix_are_one_system(systems):
    a, b = array(3, 3) + 3 * np.eye(3), array(5, 3)
    x = vmap(np.linalg.solve, (None, 0))(a, b)
    assert systems == [((3, 3), (3, 5))]
    assert_same(x, np.linalg.solve(a, b.T).T)
    systems.clear()
    grad(lambda a: np.sum(vmap(np.linalg.solve, (None, 0))(a, b)))(a)
    assert systems == [((3, 3), (3, 5))] * 2


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_determinant_of_singular_matrices(rank):
    a = array(3, rank) @ array(rank, 3)
    expected = np.array([[np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)] for i in range(3)])
    signs = np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]])
    assert_same(grad(np.linalg.det)(a), signs * expected)
    check_grads(np.linalg.det, a, order=2)


TRIANGLES = [
    (np.linalg.cholesky, False),
    (lambda x: np.linalg.cholesky(x, upper=True), True),
    (np.linalg.eigvalsh, False),
    (lambda x: np.linalg.eigvalsh(x, "U"), True),
    (lambda x: np.linalg.eigh(x)[0], False),
    (lambda x: np.abs(np.linalg.eigh(x, "U")[1]), True),
    (lambda x: np.linalg.pinv(x, hermitian=True), False),
    (lambda x: np.linalg.svd(x, hermitian=True)[1], False),
    (lambda x: np.linalg.matrix_norm(np.linalg.cholesky(x)), False),
]


@pytest.mark.parametrize(("fun", "upper"), TRIANGLES)
@pytest.mark.parametrize("dtype", [float, complex])
def test_derivatives_are_of_the_triangle_that_is_read(fun, upper, dtype):
    x = np.array([[2.0, 0.7, 0.3], [1.0, 4.0, 0.2], [-0.5, 0.4, 7.0]], dtype)
    if dtype is complex:
        x = x + 1j * np.array([[0.5, 0.1, 0.9], [-0.2, 0.3, 0.4], [0.6, 0.8, 0.2]])
    check_grads(fun, x)
    gradient = grad(lambda x: np.sum(fun(x)).real)(x)
    assert_same(gradient, np.triu(gradient) if upper else np.tril(gradient))
    assert not np.any(np.diagonal(gradient).imag)
    read = np.triu(x, 1) if upper else np.tril(x, -1)
    assert_same(fun(x), fun(read + np.conj(read.T) + np.diag(np.diagonal(x).real)))


def test_values_of_degenerate_matrices_have_derivatives():
    a = 2 * np.eye(3)
    for function in (np.linalg.eigvalsh, np.linalg.eigvals, np.linalg.svdvals):
        assert_same(grad(lambda x, f=function: np.sum(np.real(f(x))))(a), np.eye(3))


@pytest.mark.parametrize("function", [np.linalg.eigvalsh, np.linalg.eigvals, np.linalg.svdvals])
@pytest.mark.parametrize("along", [np.eye(3), np.diag([1.0, 2.0, 3.0])])
def test_equal_values_that_move_alone_have_second_derivatives(function, along):
    def squares(t):
        return np.sum(np.real(function(np.eye(3) + t * along)) ** 2)

    assert np.isclose(hessian(squares)(0.0), 2 * np.sum(along**2))
    assert np.isclose(jacfwd(jacfwd(squares))(0.0), 2 * np.sum(along**2))
    assert jacfwd(jacfwd(lambda t: function(t * along + np.eye(3)).real[0]))(0.0) == 0


@pytest.mark.parametrize("n", [2, 3, 5, 8])
@pytest.mark.parametrize("values", [np.linalg.svdvals, lambda x: np.linalg.eigvalsh(x)[::-1]], ids=["svd", "eigh"])
def test_values_that_stay_equal_have_second_derivatives(values, n):
    """Up to rounding alone: what of a direction would tear them apart is zero, as their distance is, or nearly."""

    def weighted(v, w):
        return np.sum(w * values(0.1 * np.outer(v, v) + 9 * np.eye(n)))

    vs, ws, ts = np.random.default_rng(0).standard_normal((3, 200, n))
    seconds = vmap(lambda v, w, t: jvp(lambda v: grad(weighted)(v, w), (v,), (t,))[1])(vs, ws, ts)
    np.testing.assert_allclose(seconds, 0.2 * ws[:, :1] * ts, atol=1e-6)


SPECTRA = {
    "distinct": [1, 2, 3.5, 5],
    "nearly equal": [1, 1 + 1e-8, 3.5, 3.5 + 1e-8],
    "equal": [1, 1, 3.5, 3.5],
    "all equal": [1, 1, 1, 1],
}
SYMMETRIC = {
    "norm": (lambda x: np.linalg.norm(x, "nuc"), 4),
    "norm, tall": (lambda x: np.linalg.norm(x[:, :3], "nuc"), 4),
    "squared norm, wide": (lambda x: np.linalg.norm(x[:3], "nuc") ** 2, 4),
    "sum of singular values": (lambda x: np.sum(np.linalg.svdvals(x)), 2),
    "sum of those of svd": (lambda x: np.sum(np.linalg.svd(x)[1]), 2),
    "sum of eigenvalues": (lambda x: np.sum(np.linalg.eigvalsh(x + np.conj(x.T))), 2),
    "sum of those of eigh": (lambda x: np.sum(np.linalg.eigh(x + np.conj(x.T))[0]), 2),
    "squares": (lambda x: np.sum(np.linalg.svdvals(x) ** 2), 0),
    "logarithms": (lambda x: np.sum(np.log(np.linalg.svdvals(x))), 0),
    "exponentials": (lambda x: np.sum(np.exp(np.linalg.eigvalsh(x + np.conj(x.T)))), 0),
}
"""Smooth functions of matrices, and how many nestings know their second derivatives where values are equal: of sums in
reverse mode inside, of others none. Derivatives that are not known are NaN."""


def second_difference(f, h=2e-3):
    near, far = [(f(h) - 2 * f(0.0) + f(-h)) / h**2 for h in (h / 2, h)]
    return (4 * near - far) / 3


def meeting(spectrum, normal, dtype):
    """Matrices with these values, if `normal` as eigenvalues, and a direction."""
    rng = np.random.default_rng(3)
    u, v, along = [
        rng.normal(size=(4, 4)) + (1j * rng.normal(size=(4, 4)) if dtype is complex else 0) for _ in range(3)
    ]
    u, v = np.linalg.qr(u)[0], np.linalg.qr(v)[0]
    turned = u * SPECTRA[spectrum] @ np.conj((u if normal else v).T)
    return ([turned, np.eye(4, dtype=dtype)] if spectrum == "all equal" else [turned]), along / 2


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("dtype", [float, complex])
def test_second_derivatives_of_values_that_meet(name, spectrum, dtype):
    function, known = SYMMETRIC[name]
    matrices, along = meeting(spectrum, "eig" in name or name == "exponentials", dtype)
    apart = spectrum in ("distinct", "nearly equal")
    for (inner, outer), x in itertools.product(itertools.product((grad, jacfwd), repeat=2), matrices):

        def second(x, transforms=(inner, outer)):
            return transforms[1](transforms[0](lambda t: function(x + t * along)))(0.0)

        expected = second_difference(lambda t: function(x + t * along))
        with np.errstate(all="ignore"):
            found = [second(x), jit(second)(x), *vmap(second)(np.stack([x, x]))]
        for value in found:
            if apart or known == 4 or (known == 2 and inner is grad):
                assert abs(value - expected) < 1e-5 * (1 + abs(expected)), (inner, outer)
            else:
                assert np.isnan(value), (inner, outer)


ONE_OF_MANY = {
    "norm": lambda x: np.linalg.norm(x, 2),
    "its square": lambda x: np.linalg.norm(x, 2) ** 2,
    "value": lambda x: np.linalg.svdvals(x)[0] ** 2,
    "smallest": lambda x: np.linalg.norm(np.linalg.inv(x), -2),
    "condition": np.linalg.cond,
    "eigenvalue": lambda x: np.linalg.eigvalsh(x + x.T)[-1] ** 2,
}


def meeting_but_for_rounding(symmetric):
    """A matrix of which two values are equal, and no two that LAPACK finds: which these are depends on the machine."""
    while True:
        u, v = np.linalg.qr(array(4, 4))[0], np.linalg.qr(array(4, 4))[0]
        x = u * [5, 2, 2, 1] @ (u if symmetric else v).T
        found = [np.linalg.eigh(x + x.T)[0]] if symmetric else [np.linalg.svd(a)[1] for a in (x, np.linalg.inv(x))]
        if all(len(np.unique(values)) == 4 for values in found):
            return x


@pytest.mark.parametrize("name", ONE_OF_MANY)
def test_second_derivatives_of_one_value_while_others_meet(name):
    function = ONE_OF_MANY[name]
    x, along = meeting_but_for_rounding("eigen" in name), array(4, 4)
    expected = second_difference(lambda t: function(x + t * along))
    for inner, outer in itertools.product((grad, jacfwd), repeat=2):
        found = outer(inner(lambda t: function(x + t * along)))(0.0)
        assert abs(found - expected) < 1e-5 * (1 + abs(expected)), (inner, outer)


def test_vectors_of_degenerate_matrices_have_none():
    with np.errstate(all="ignore"):
        gradient = grad(lambda x: np.sum(np.linalg.eigh(x)[1] * array(3, 3)))(2 * np.eye(3))
    assert np.isnan(gradient).any()


def test_eigenvectors_keep_their_length_and_phase():
    a = array(3, 3) + np.array([[0, 3, 0], [-3, 0, 0], [0, 0, 1]])
    along = jacfwd(lambda x: np.sum(np.abs(np.linalg.eig(x)[1]) ** 2, axis=0))(a)
    assert np.abs(along).max() < 1e-12


def test_eigenvalues_in_the_order_found():
    """The derivative of each belongs to it, whatever order the eigenvectors are found in."""
    a = array(6, 6)
    values, rates = np.linalg.eigvals(a), jacrev(lambda x: np.real(np.linalg.eigvals(x)))(a)
    for i, value in enumerate(values):
        step = 1e-6 * array(6, 6)
        moved = np.linalg.eigvals(a + step)
        nearest = moved[np.argmin(np.abs(moved - value))]
        assert abs((nearest - value).real - np.sum(rates[i] * step)) < 1e-9


CUTS = [None, -1, 0, 1e-17, 0.3, 0.6, 1.0, 1.5, np.float64(0.6), np.array(0.6)]


@pytest.mark.parametrize("rcond", CUTS)
@pytest.mark.parametrize("dtype", [np.float32, float, complex, int])
def test_lstsq_drops_what_lapack_drops(rcond, dtype):
    """Also in double precision where the numbers are single, and for cutoffs that it takes for none."""
    for small in (1e-7, 1e-16, 1):
        a, b = np.diag([2, small]).astype(dtype), np.array([1, 2], dtype)
        expected = np.linalg.lstsq(a, b, rcond)
        assert_same(vmap(lambda b: np.linalg.lstsq(a, b, rcond))(b[None]), tuple([x[None] for x in expected]))


@pytest.mark.parametrize(
    ("fun", "kind", "text"),
    [
        (lambda x: np.linalg.pinv(x, 0.1, rtol=None), OptionError, "np.linalg.pinv: got both rcond= and rtol="),
        (
            lambda x: np.linalg.matrix_rank(x, 0.1, rtol=0.1),
            OptionError,
            "np.linalg.matrix_rank: got both tol= and rtol=",
        ),
        (
            lambda x: np.linalg.lstsq(x, x, x[0]),
            ArgumentError,
            "np.linalg.lstsq: rcond is f64[2]; it must be one number.",
        ),
        (
            lambda x: np.linalg.pinv(x, np.ones((3, 3))),
            ShapeError,
            "np.linalg.pinv: the cutoff is f64[3,3] and the array f64[2,2]",
        ),
    ],
)
def test_cutoffs_that_are_refused(fun, kind, text):
    for transform in (vmap, jit):
        with pytest.raises(kind) as caught:
            transform(fun)(array(2, 2, 2) if transform is vmap else array(2, 2))
        assert text in str(caught.value)


UNDETERMINED = [
    (lambda x: np.linalg.qr(x, "complete")[0], "np.linalg.qr: mode='complete' of f64[3,2] has no derivative"),
    (lambda x: np.linalg.svd(x)[0], "np.linalg.svd: full_matrices=True of f64[3,2] has no derivative"),
]


@pytest.mark.parametrize(("fun", "text"), UNDETERMINED)
def test_what_the_matrix_does_not_determine(fun, text):
    for derivative in (jacrev, jacfwd):
        with pytest.raises(MissingRuleError) as caught:
            derivative(fun)(array(3, 2))
        assert text in str(caught.value)


MISFITS = [
    (np.linalg.inv, "np.linalg.inv: the array is f64[2,3]; its last two axes must have the same length."),
    (np.linalg.det, "np.linalg.det: the array is f64[2,3]"),
    (np.linalg.cholesky, "np.linalg.cholesky: the array is f64[2,3]"),
    (lambda x: np.linalg.qr(x[0]), "np.linalg.qr: the array is f64[3]; it needs two axes or more."),
    (lambda x: np.linalg.solve(x[:, :2], x[0]), "np.linalg.solve: shapes f64[2,2] and f64[3] do not fit"),
    (lambda x: np.linalg.matrix_power(x, 2), "np.linalg.matrix_power: the array is f64[2,3]"),
    (
        lambda x: np.linalg.norm(x[None], 2),
        "np.linalg.norm: ord is 2 and axis None of f64[1,2,3]; one axis holds vectors",
    ),
    (lambda x: np.linalg.tensorinv(x), "np.linalg.tensorinv: the array is f64[2,3] and ind 2"),
    (lambda x: np.linalg.lstsq(x, x[0]), "np.linalg.lstsq: shapes f64[2,3] and f64[3] do not fit"),
]


@pytest.mark.parametrize(("fun", "text"), MISFITS)
def test_shapes_that_do_not_fit(fun, text):
    with pytest.raises(ShapeError) as caught:
        vmap(fun)(array(4, 2, 3))
    assert text in str(caught.value)
