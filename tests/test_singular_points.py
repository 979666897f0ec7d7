"""Derivatives where finite differences cannot tell: at kinks, ties, poles and zeros; and values at infinity."""

import math

import numpy as np
import pytest

from vmapcore import grad, hessian, jacfwd, jit, jvp, vmap
from vmapcore.rules import activations as A
from vmapcore.rules import losses as L

INF = np.inf


def slope(f, x):
    """The derivative of an elementwise `f`, by both modes, alone and under vmap."""
    x = np.asarray(x, float)
    reverse = grad(lambda v: np.sum(f(v)))(x)
    forward = jvp(f, (x,), (np.ones_like(x),))[1]
    np.testing.assert_array_equal(reverse, forward)
    np.testing.assert_array_equal(reverse, vmap(grad(f))(x))
    return reverse.tolist()


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.absolute, [0.0, -0.0, -3.0], [0.0, 0.0, -1.0]),
        (np.fabs, [0.0], [0.0]),
        (lambda x: np.maximum(x, 0), [-1.0, 0.0, 1.0], [0.0, 0.5, 1.0]),
        (lambda x: np.minimum(x, x), [-1.0, 0.0, INF], [1.0, 1.0, 1.0]),
        (lambda x: np.fmax(np.nan, x), [2.0], [1.0]),
        (lambda x: np.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0], [0.0, 0.5, 1.0, 0.5, 0.0]),
        (lambda x: np.clip(x, 1, -1), [-2.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
        (A.relu, [-1.0, 0.0, 1.0, INF], [0.0, 0.0, 1.0, 1.0]),
        (A.leaky_relu, [-1.0, 0.0, 1.0], [0.01, 0.01, 1.0]),
        (A.elu, [-INF, 0.0, INF], [0.0, 1.0, 1.0]),
        (np.sign, [0.0, 2.0], [0.0, 0.0]),
        (lambda x: np.hypot(x, 0), [0.0, -2.0], [0.0, -1.0]),
        (np.angle, [0.0, -0.0, 2.0, -2.0], [0.0, 0.0, 0.0, 0.0]),
        (lambda x: np.angle(x * (3 + 1j)), [0.0, -0.0], [0.0, 0.0]),
        (lambda x: np.arctan2(x, x), [0.0, 2.0, -2.0], [0.0, 0.0, 0.0]),
        (lambda x: np.arctan2(x, 0), [0.0, 2.0], [0.0, 0.0]),
        (np.sinc, [0.0], [0.0]),
        (lambda x: x**0, [0.0, 1.0], [0.0, 0.0]),
        (lambda x: x**1, [0.0, 1.0], [1.0, 1.0]),
        (lambda x: x**2, [0.0, 1.0], [0.0, 2.0]),
        (lambda x: x ** np.array(0.0), [0.0, 1.0], [0.0, 0.0]),
        (lambda x: x ** np.array(1.0), [0.0, 1.0], [1.0, 1.0]),
        (lambda x: x ** np.array(2), [0.0, 1.0], [0.0, 2.0]),
        (lambda x: x ** np.array(0), [0.0, INF], [0.0, 0.0]),
        (lambda x: np.array(0.0) ** x, [1.0, 0.0], [0.0, 0.0]),
        (lambda x: 0.0**x, [1.0, 0.0], [0.0, 0.0]),
        (lambda x: x**x, [0.0, 1.0], [0.0, 1.0]),
        (lambda x: np.logaddexp(x, -INF), [-INF, 1.0], [0.0, 1.0]),
        (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0), [0.0, 2.0], [0.0, 0.5]),
        (np.floor, [0.0, 0.5], [0.0, 0.0]),
        (lambda x: np.copysign(x, -1), [2.0, -2.0], [-1.0, 1.0]),
        (lambda x: np.nan_to_num(x), [np.nan, INF, 2.0], [0.0, 0.0, 1.0]),
        (A.softplus, [-INF, INF], [0.0, 1.0]),
        (A.sigmoid, [-INF, INF], [0.0, 0.0]),
        (lambda x: L.huber_loss(x, np.zeros_like(x), "none"), [0.0, 1.0, -5.0], [0.0, 1.0, -1.0]),
    ],
)
def test_slopes(f, x, expected):
    assert slope(f, x) == expected


def test_poles_are_infinite():
    with np.errstate(divide="ignore"):
        assert slope(np.sqrt, [0.0]) == [INF]
        assert slope(np.cbrt, [0.0]) == [INF]
        assert slope(lambda x: x**0.5, [0.0]) == [INF]
        assert slope(np.log, [0.0]) == [INF]


def test_second_derivatives_at_0():
    for f, expected in [
        (lambda x: x**2, 2.0),
        (lambda x: x**1, 0.0),
        (lambda x: x**3, 0.0),
        (np.sinc, -(math.pi**2) / 3),
        (lambda x: x ** np.array(2.0), 2.0),
    ]:
        assert grad(grad(f))(0.0) == expected
    assert np.isclose(grad(grad(grad(grad(np.sinc))))(0.0), math.pi**4 / 5)


@pytest.mark.parametrize(
    "f",
    [
        np.absolute,
        lambda x: np.hypot(3 * x, x),
        lambda x: np.absolute(x * (3 + 1j)),
        lambda x: np.linalg.norm(np.stack([x, 2 * x])),
        lambda x: np.linalg.norm(np.stack([x, 2 * x]), 3),
        lambda x: np.std(np.stack([x, -x])),
        np.angle,
        lambda x: np.arctan2(x, 2 * x),
    ],
)
@pytest.mark.parametrize("at", [0.0, -0.0, np.float32(0)])
def test_all_derivatives_of_lengths_and_angles_are_0_at_0(f, at):
    for inner in (grad, jacfwd):
        assert grad(inner(f))(at) == jacfwd(inner(f))(at) == jit(grad(inner(f)))(at) == 0
        assert vmap(grad(inner(f)))(np.array([at, 1]))[0] == 0


def test_complex_kinks():
    zero = np.zeros(1, complex)
    for f in (np.absolute, lambda z: np.sign(z).real, np.angle):
        assert grad(lambda z: np.sum(f(z)))(zero) == 0


@pytest.mark.parametrize(
    ("f", "cut"),
    [
        (np.arcsin, [2, -3]),
        (np.arccos, [2, -3]),
        (np.arccosh, [0.5, -3]),
        (np.arcsinh, [2j, -3j]),
        (np.arctanh, [2, -3]),
        (np.arctan, [2j, -3j]),
        (np.sqrt, [-2]),
        (np.log, [-2]),
    ],
)
def test_a_branch_cut_belongs_to_the_side_of_its_zero(f, cut):
    """The sign of a zero part says from which side the cut is reached, in the derivatives as in the values."""

    def real(f):
        return lambda z: f(z).real

    slope = grad(real(f))
    for z in np.array(cut, complex):
        for side in (0.0, -0.0):
            on, near = [complex(z.real, s) if z.real else complex(s, z.imag) for s in (side, math.copysign(1e-9, side))]
            assert np.isclose(f(on), f(near))
            for derivative in (slope, grad(real(slope)), lambda z: jvp(f, (z,), (1 + 0j,))[1]):
                np.testing.assert_allclose(derivative(on), derivative(near), rtol=1e-7)


def deviations():
    full = np.array([True, False, True])
    return [
        np.std,
        lambda x: np.std(x, ddof=1, keepdims=True)[0],
        lambda x: np.std(x * (1 + 1j)),
        lambda x: np.std(x, where=full),
        np.nanstd,
        lambda x: np.nanstd(np.where(full, x, np.nan)),
    ]


@pytest.mark.parametrize("f", deviations())
def test_the_deviation_of_equal_numbers_is_a_kink(f):
    x = np.ones(3)
    assert f(x) == 0
    with np.errstate(all="raise"):
        assert grad(f)(x).tolist() == [0, 0, 0]
        assert jvp(f, (x,), (np.arange(3.0),))[1] == 0
        assert vmap(grad(f))(np.stack([x, x])).tolist() == [[0, 0, 0]] * 2
        assert np.isfinite(hessian(f)(x)).all()
        assert jit(grad(f))(x).tolist() == [0, 0, 0]
    assert np.isnan(grad(np.std)(np.array([1.0, np.nan]))).all()


def test_ties_are_shared():
    """What two equal arguments get adds up to what there is."""
    x = np.array([1.0, 2.0])
    for f in (np.maximum, np.minimum, np.fmax, np.fmin):
        left, right = grad(lambda a, b: np.sum(f(a, b)), (0, 1))(x, x)
        assert left.tolist() == right.tolist() == [0.5, 0.5]
        total = jvp(f, (x, x), (np.ones(2), np.ones(2)))[1]
        assert total.tolist() == [1.0, 1.0]


def test_rows_without_a_finite_score():
    x = np.array([[-INF, -INF], [0.0, -INF]])
    assert A.logsumexp(x, 1).tolist() == [-INF, 0.0]
    assert grad(lambda v: np.sum(A.logsumexp(v, 1)))(x).tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert A.logsumexp(np.array([INF, 1.0])) == INF
    assert A.logsumexp(np.zeros((2, 0)), 1).tolist() == [-INF, -INF]
    assert A.softmax(np.zeros((2, 0))).shape == (2, 0)


def test_tails_keep_their_digits():
    """Relative precision far out, where the plain formulas return 0 or round to 1."""
    x = np.array([-37.0, -20.0, -5.0])
    cdf = [0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x]
    np.testing.assert_allclose(A.normal_cdf(x), cdf, rtol=1e-12)
    np.testing.assert_allclose(
        A.normal_cdf(x[1:].astype(np.float32) / 2),
        np.array([0.5 * math.erfc(-v / 2 * math.sqrt(0.5)) for v in x[1:]]),
        rtol=1e-5,
    )
    np.testing.assert_allclose(A.softplus(x), np.log1p(np.exp(x)), rtol=1e-15)
    np.testing.assert_allclose(A.sigmoid(np.array([-700.0])), [math.exp(-700)], rtol=1e-13)
