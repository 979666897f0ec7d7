"""Minimisers and least squares of `scipy.optimize` inside transforms, against SciPy in a loop and differences."""

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import MissingRuleError
from vmapcore.testing import check_grads, check_jit, check_vmap

from .scipy_calls import with_names
from .together import together

optimize = pytest.importorskip("scipy.optimize")

A = np.array([0.8, 1.3, 2.0])
B = np.array([0.7, 0.4, 1.1])
T = np.linspace(0, 2, 9)
DATA = np.exp(-np.outer(A, T)) + 0.1 * np.sin(9 * np.outer(B, T))
MATRIX = np.random.default_rng(0).normal(size=(3, 5, 2))


def valley(x, a, b):
    return (x[0] - a) ** 2 + 3 * (x[1] - x[0] * b) ** 2 + 0.1 * x[1] ** 4


def slope(x, a, b):
    d = x[1] - x[0] * b
    return np.array([2 * (x[0] - a) - 6 * b * d, 6 * d + 0.4 * x[1] ** 3])


def solved(a, b, **options):
    found = optimize.minimize(valley, [1.0, 1.0], args=(a, b), **options)
    assert found.success
    return found.x, found.fun


def decay(t, scale, rate):
    return scale * np.exp(-rate * t)


CALLS = {
    "minimize": lambda a, b: solved(a, b, jac=slope, tol=1e-10),
    "minimize of a pair": lambda a, b: (
        optimize.minimize(lambda x: (valley(x, a, b), slope(x, a, b)), np.ones(2), jac=True, tol=1e-10).x
    ),
    "minimize Nelder-Mead": lambda a, b: solved(a, b, method="Nelder-Mead", tol=1e-10),
    "minimize Newton-CG": lambda a, b: solved(a, b, method="Newton-CG", jac=slope, tol=1e-10),
    "minimize L-BFGS-B": lambda a, b: solved(
        a, b, method="L-BFGS-B", jac=slope, bounds=[(0.9, None), (None, 0.6)], tol=1e-14
    ),
    "minimize bounds that are traced": lambda a, b: solved(
        a, b, method="L-BFGS-B", jac=slope, bounds=[(2 * a, None), (None, 3.0 * b)], tol=1e-14
    ),
    "minimize_scalar": lambda a, b: optimize.minimize_scalar(lambda x: (x - a) ** 4 + b * x**2, tol=1e-12).x,
    "minimize_scalar bounded": lambda a, b: (
        optimize.minimize_scalar(lambda x: (x - a) ** 2 + b * x, bounds=(0, 5), options={"xatol": 1e-10}).x
    ),
    "fmin": lambda a, b: optimize.fmin(valley, [1.0, 1.0], args=(a, b), xtol=1e-10, ftol=1e-12, disp=0),
    "fminbound": lambda a, b: optimize.fminbound(lambda x: (x - a) ** 2 + b * x**4, 0, 3, xtol=1e-10),
    "least_squares": lambda a, b: (
        optimize.least_squares(lambda x: [x[0] - a, 2 * (x[1] - x[0] * b), x[1] ** 2], [1.0, 1.0], xtol=1e-14).x
    ),
    "least_squares soft": lambda a, b: (
        optimize.least_squares(
            lambda x: np.stack([x[0] - a, 2 * (x[1] - x[0] * b), x[1]]),
            [1.0, 1.0],
            loss="soft_l1",
            f_scale=0.3,
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        ).x
    ),
    "least_squares cost": lambda a, b: (
        optimize.least_squares(lambda x: np.stack([x[0] - a, x[0] * b]), [1.0], xtol=1e-14).cost
    ),
    "leastsq": lambda a, b: optimize.leastsq(lambda x: [x[0] - a, x[0] * b], [1.0])[0],
}
FITS = {
    "curve_fit": lambda y: optimize.curve_fit(decay, T, y, [1.0, 1.0], ftol=1e-14, xtol=1e-14)[0],
    "curve_fit covariance": lambda y: optimize.curve_fit(decay, T, y, ftol=1e-14, xtol=1e-14)[1],
    "curve_fit sigma": lambda y: optimize.curve_fit(
        decay, T, y, sigma=1 + T, absolute_sigma=True, ftol=1e-14, xtol=1e-14
    ),
    "curve_fit bounds": lambda y: optimize.curve_fit(
        decay, T, y, [0.5, 1.0], bounds=(0, [3.0, 5.0]), ftol=1e-14, xtol=1e-14, gtol=1e-14
    )[0],
}


@together("name", CALLS, str, str)
def test_minimisers(name):
    fun = CALLS[name]
    ours = with_names(fun)
    check_vmap(ours, A, B, in_axes=0, like=fun, tol=1e3)
    check_jit(vmap(ours), A, B)
    check_grads(ours, A[0], B[0], order=1, tol=1e3)


@together("name", FITS, str, str)
def test_fits(name):
    fun = FITS[name]
    ours = with_names(fun)
    check_vmap(ours, DATA, in_axes=0, like=fun, tol=1e3)
    check_jit(vmap(ours), DATA)
    check_grads(ours, DATA[0], order=1, tol=1e3)


def test_second_derivatives():
    def fun(a):
        return solved(a, 0.5, jac=slope, tol=1e-9)[0][1]

    e = 1e-4
    differences = (grad(fun)(1.0 + e) - grad(fun)(1.0 - e)) / (2 * e)
    assert np.allclose(grad(grad(fun))(1.0), differences, rtol=1e-5)


def test_not_negative():
    def fun(m, a):
        x, rest = optimize.nnls(m, np.arange(5) * a - 1)
        return x, 1.0 * np.asarray(rest) if isinstance(rest, float) else rest

    ours = with_names(fun)
    check_vmap(ours, MATRIX, A, in_axes=0, like=fun)
    check_jit(vmap(ours), MATRIX, A)
    check_grads(ours, MATRIX[0], A[0], order=1, tol=10)


def test_assignments_and_linear_programs():
    cost = np.random.default_rng(1).normal(size=(4, 3, 3))
    fun = optimize.linear_sum_assignment
    found = vmap(lambda c: fun(c)[1])(cost)
    assert np.array_equal(found, [fun(c)[1] for c in cost])
    assert np.allclose(
        vmap(grad(lambda c: np.sum(c[optimize.linear_sum_assignment(c)])))(cost)[0].sum(axis=0), np.ones(3)
    )

    def best(c):
        return optimize.linprog(c, A_ub=[[-1.0, -2.0]], b_ub=[-1.0]).x

    costs = np.array([[1.0, 3.0], [2.0, 1.0]])
    assert np.allclose(vmap(best)(costs), [best(c) for c in costs])
    with pytest.raises(MissingRuleError, match="linprog: has no derivative"):
        grad(lambda c: best(c)[0])(costs[0])


def test_a_constraint_has_values_alone():
    def fun(a):
        within = {"type": "eq", "fun": lambda x: x[0] + x[1] - a}
        return optimize.minimize(lambda x: np.sum((x - a) ** 2), [0.0, 0.0], constraints=within).x

    assert np.allclose(vmap(fun)(A), [fun(a) for a in A])
    with pytest.raises(MissingRuleError, match="with constraints: has no derivative"):
        grad(lambda a: fun(a)[0])(1.0)


def test_objects_in_results_are_left_out():
    def fun(a):
        found = optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], method="L-BFGS-B")
        with pytest.raises(AttributeError):
            found.hess_inv  # noqa: B018
        return found.nit

    assert np.array_equal(jit(vmap(fun))(A), vmap(fun)(A))
