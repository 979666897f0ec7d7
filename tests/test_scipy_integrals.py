"""Integrals of `scipy.integrate` inside transforms, against SciPy in a loop and differences."""

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import MissingRuleError, OptionError, ShapeError
from vmapcore.testing import check_jit, check_vmap

from .scipy_calls import check_call, with_names
from .together import together

integrate = pytest.importorskip("scipy.integrate")

A = np.array([0.8, 1.3, 0.4, 2.0])
B = np.array([0.7, 0.4, 1.5, 1.0])
Y = np.random.default_rng(0).normal(size=(2, 3, 6))
X = np.cumsum(np.random.default_rng(1).uniform(0.1, 1, size=(2, 6)), axis=-1)

SAMPLES = {
    "trapezoid": (lambda y: integrate.trapezoid(y, dx=0.5), Y),
    "trapezoid at x": (lambda y, x: integrate.trapezoid(y, x), Y, X),
    "simpson": (lambda y: integrate.simpson(y, dx=0.5), Y),
    "simpson, odd": (lambda y: integrate.simpson(y[:, :5], axis=0), Y),
    "simpson at x": (lambda y, x: integrate.simpson(y, x=x), Y, X),
    "simpson of 5 at x": (lambda y, x: integrate.simpson(y[0, :5], x=x[:5]), Y, X),
    "simpson of 2": (lambda y: integrate.simpson(y[:, :2]), Y),
    "simpson by columns": (lambda y, x: integrate.simpson(y.T, x=np.stack([x, x + 1, 2 * x], 1), axis=0), Y, X),
    "cumulative_trapezoid": (lambda y, x: integrate.cumulative_trapezoid(y, x, initial=0), Y, X),
    "cumulative_trapezoid axis": (lambda y: integrate.cumulative_trapezoid(y, dx=2.0, axis=0), Y),
    "cumulative_simpson": (lambda y: integrate.cumulative_simpson(y, dx=0.5, initial=1.0), Y),
    "cumulative_simpson at x": (lambda y, x: integrate.cumulative_simpson(y[:, :5], x=x[:5]), Y, X),
    "cumulative_simpson of 2": (lambda y: integrate.cumulative_simpson(y[:, :2], axis=-1), Y),
    "romb": (lambda y: integrate.romb(y[:, :5], dx=0.3), Y),
    "romb axis": (lambda y: integrate.romb(y[:, :2], axis=-1), Y),
}

INTEGRALS = {
    "quad": lambda a, b: integrate.quad(lambda x: np.exp(-a * x) * np.cos(b * x), 0, 2)[0],
    "quad, rough": lambda a, b: integrate.quad(lambda x: abs(x - a) ** (2 + b), 0, 2.5)[0],
    "quad of args": lambda a, b: integrate.quad(lambda x, a: np.exp(-a * x * x), b, np.inf, args=(a,))[0],
    "quad, both ends infinite": lambda a, b: integrate.quad(lambda x: np.exp(-a * x * x + b), -np.inf, np.inf)[0],
    "quad by its ends": lambda a, b: integrate.quad(lambda x: np.sin(a * x), b, a * b)[0],
    "quad, asking": lambda a, b: integrate.quad(lambda x: a * x if x < 1 else b * x * x, 0, 2, points=[1])[0],
    "quad, weighted": lambda a, b: integrate.quad(lambda x: a * x + b, 0, 1, weight="cos", wvar=3.0)[0],
    "quad, full": lambda a, b: integrate.quad(lambda x: a * x + b, 0, 1, full_output=True)[0],
    "quad_vec": lambda a, b: integrate.quad_vec(lambda x: np.array([np.sin(a * x), b * x]), 0, b)[0],
    "fixed_quad": lambda a, b: integrate.fixed_quad(lambda x, a: np.exp(a * x), 0, b, args=(a,), n=7)[0],
    "of an integral": lambda a, b: integrate.quad(lambda x: integrate.quad(lambda y: a * x * y + b, 0, x)[0], 0, 1)[0],
}


@together("name", SAMPLES, str, str)
def test_of_samples(name):
    check_call(*SAMPLES[name], tol=4.0)


@together("name", INTEGRALS, str, str)
def test_integrals(name):
    fun = INTEGRALS[name]
    check_call(fun, A, B, order=2)


def test_the_estimate_of_the_error():
    def fun(a):
        return integrate.quad(lambda x: np.exp(-a * x) * np.sqrt(x), 0, 2)

    check_vmap(with_names(fun), A, like=fun, tol=1e3)
    check_jit(vmap(with_names(lambda a: fun(a)[0])), A)
    with pytest.raises(MissingRuleError, match=r"scipy\.integrate\.quad: 1 of its result has no derivative"):
        grad(lambda a: fun(a)[1])(1.0)


def test_second_derivatives():
    for name in ("quad", "quad by its ends", "fixed_quad"):
        fun, e = INTEGRALS[name], 1e-5
        slope = grad(fun, argnums=1)
        differences = (slope(0.8, 0.7 + e) - slope(0.8, 0.7 - e)) / (2 * e)
        assert np.allclose(grad(slope, argnums=1)(0.8, 0.7), differences, rtol=1e-6)


def test_jit_asks_anew():
    fun = jit(vmap(grad(INTEGRALS["quad, asking"])))
    for factor in (1.0, 2.0, 3.0):
        assert np.allclose(fun(factor * A, B), vmap(grad(INTEGRALS["quad, asking"]))(factor * A, B))


def test_options_that_are_not_known():
    with pytest.raises(OptionError, match="complex_func is True"):
        vmap(lambda a: integrate.quad(lambda x: a * x * 1j, 0, 1, complex_func=True)[0])(A)
    with pytest.raises(OptionError, match="weight is 'cos', and an end is traced"):
        vmap(lambda a: integrate.quad(lambda x: a * x, 0, a, weight="cos", wvar=1.0)[0])(A)
    with pytest.raises(OptionError, match="initial is 1"):
        vmap(lambda y: integrate.cumulative_trapezoid(y, initial=1))(Y)
    with pytest.raises(ShapeError, match="there are 6 samples"):
        vmap(integrate.romb)(Y)
    with pytest.raises(ShapeError, match="y has 6 samples"):
        vmap(lambda y: integrate.simpson(y, x=np.arange(4)))(Y)


INTEGRANDS = {
    "narrow": lambda x, c: np.exp(-((x - 1) ** 2) * c * 30),
    "very narrow": lambda x, c: np.exp(-((x - 0.3) ** 2) * c * 3000),
    "turning": lambda x, c: np.sin(20 * c * x) * x,
    "kink": lambda x, c: np.abs(x - c / 2),
    "step": lambda x, c: np.where(x > 0.5 + 0 * c, 1.0, c),
    "root": lambda x, c: np.sqrt(np.abs(x)) * c,
    "several": lambda x, c: np.exp(-((x - c) ** 2) * np.array([1.0, 60.0, 4000.0]))[1] + c,
    "rounding": lambda x, c: np.round(c * x, 7),
}


@pytest.mark.parametrize("fun", INTEGRANDS.values(), ids=INTEGRANDS)
@pytest.mark.parametrize("options", [{}, {"epsabs": 1e-11, "epsrel": 1e-11}, {"limit": 3}])
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_parts_are_those_that_quadpack_takes(fun, options):
    c = np.linspace(0.1, 3.0, 23)
    found = vmap(lambda c: integrate.quad(lambda x: fun(x, c), 0.0, 2.0 + c, **options))(c)
    want = np.array([integrate.quad(lambda x, c=c: fun(x, c), 0.0, 2.0 + c, **options) for c in c]).T
    np.testing.assert_allclose(found[0], want[0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found[1], want[1], rtol=1e-2, atol=1e-13)


def test_a_frozen_distribution_may_be_closed_over():
    stats = pytest.importorskip("scipy.stats")

    def moment(shape, scale):
        wind = stats.weibull_min(shape, scale=scale)
        return integrate.quad(lambda v: v**3 * wind.pdf(v), 0, 30, limit=100)[0]

    shape, scale = np.linspace(1.6, 2.6, 9), np.linspace(4.0, 9.0, 9)
    np.testing.assert_allclose(vmap(moment)(shape, scale), [moment(*row) for row in zip(shape, scale, strict=True)])
    np.testing.assert_allclose(jit(vmap(moment))(shape, scale), vmap(moment)(shape, scale))
