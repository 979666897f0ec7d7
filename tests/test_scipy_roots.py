"""Root finders of `scipy.optimize` inside transforms, against SciPy in a loop and differences."""

import functools

import numpy as np
import pytest

from vmapcore import grad, jacfwd, jit, vmap
from vmapcore.errors import ArgumentError, ConcretizationError, MissingRuleError, OptionError

from .scipy_calls import check_call, with_names
from .together import together

optimize = pytest.importorskip("scipy.optimize")

M = np.array([0.5, 1.0, 2.5])
E = np.array([0.1, 0.6, 0.3])


def kepler(x, m, e):
    return x - e * np.sin(x) - m


def system(v, m, e):
    if v[0] > 100:
        return [0.0, 0.0]
    return [v[0] - e * np.sin(v[0]) - m, v[1] ** 2 - v[0]]


class Orbit:
    def __init__(self, e):
        self.e = e

    def at(self, m):
        return optimize.brentq(lambda x: self.equation(x, m), 0.0, 7.0)

    def equation(self, x, m):
        return kepler(x, m, self.e)


def written_to(v, m, e):
    out = np.zeros(2)
    out[0] = kepler(v[0], m, e)
    out[1] = v[1] - v[0]
    return out


def solved(m, e):
    found = optimize.root(system, [1.0, 1.0], args=(m, e), tol=1e-12)
    assert found.success
    assert found.message.startswith("The solution converged")
    return found.x


def full(m, e):
    x, found = optimize.brentq(kepler, 0.0, 7.0, args=(m, e), full_output=True)
    return x, found.iterations, found.converged


CALLS = {
    "brentq": lambda m, e: optimize.brentq(lambda x: x - e * np.sin(x) - m, 0.0, 7.0),
    "brentq full": full,
    "brenth": lambda m, e: optimize.brenth(kepler, 0.0, 7.0 + m, (m, e)),
    "bisect": lambda m, e: optimize.bisect(kepler, 0.0, 7.0, args=(m, e)),
    "ridder": lambda m, e: optimize.ridder(functools.partial(kepler, m=m, e=e), 0.0, 7.0),
    "toms748": lambda m, e: optimize.toms748(kepler, 0.0, 7.0, args=(m, e)),
    "brentq of a method": lambda m, e: Orbit(e).at(m),
    "newton": lambda m, e: optimize.newton(kepler, m, args=(m, e), tol=1e-14),
    "newton with a slope": lambda m, e: optimize.newton(kepler, m, lambda x, m, e: 1 - e * np.cos(x), (m, e), 1e-14),
    "newton of an array": lambda m, e: optimize.newton(kepler, m * np.ones(2), args=(np.stack([m, 2 * m]), e)),
    "root_scalar": lambda m, e: optimize.root_scalar(kepler, args=(m, e), bracket=[0, 7.0]).root,
    "root_scalar newton": lambda m, e: (
        optimize.root_scalar(lambda x: (x**3 - m - e, 3 * x**2), x0=1.0, fprime=True, xtol=1e-14).root
    ),
    "fsolve": lambda m, e: optimize.fsolve(written_to, [m, 1.0], args=(m, e), xtol=1e-13),
    "root": solved,
    "root lm": lambda m, e: optimize.root(lambda v: written_to(v, m, e), np.ones(2), method="lm").x,
    "fixed_point": lambda m, e: optimize.fixed_point(lambda x: m + e * np.sin(x), m, xtol=1e-13),
}


@together("name", CALLS, str, str)
def test_root_finders(name):
    fun = CALLS[name]
    check_call(fun, M, E, tol=10.0, grads=name != "brentq full")


MANY = {
    "brentq": lambda m, e: optimize.brentq(lambda x: kepler(x, m, e), 0.0, 7.0),
    "brentq to an end": lambda m, e: optimize.brentq(lambda x: (x - 1) * (x + 3 + m), 0.0, 1.0),
    "brentq of a power": lambda m, e: optimize.brentq(lambda x: x**9 - m * e, -2.0, 2.0 + m, xtol=1e-10),
    "bisect": lambda m, e: optimize.bisect(kepler, 0.0, 7.0 + m, args=(m, e), xtol=1e-9),
    "newton": lambda m, e: optimize.newton(kepler, m, args=(m, e)),
    "newton with a slope": lambda m, e: optimize.newton(kepler, m, lambda x, m, e: 1 - e * np.cos(x), (m, e)),
    "root_scalar": lambda m, e: optimize.root_scalar(kepler, args=(m, e), bracket=[0, 7.0 + m]),
    "root_scalar bisect": lambda m, e: optimize.root_scalar(kepler, (m, e), "bisect", bracket=(0, 7.0), xtol=1e-7),
}


@together("name", MANY, str, str)
def test_many_rows_go_together_and_step_by_step_as_scipys(name):
    rng = np.random.default_rng(0)
    m, e = rng.uniform(0.1, 5, size=30), rng.uniform(0, 0.9, size=30)
    fun = MANY[name]
    if name.startswith("root_scalar"):
        parts = ("iterations", "function_calls", "converged", "root")
        found = vmap(lambda m, e: [np.asarray(fun(m, e)[part]) for part in parts])(m, e)
        apart = [fun(*row) for row in zip(m, e, strict=True)]
        for part, values in zip(parts, found, strict=True):
            assert np.allclose(values, [x[part] for x in apart], rtol=1e-14), part
    else:
        apart = [fun(*row) for row in zip(m, e, strict=True)]
        assert np.allclose(vmap(fun)(m, e), apart, rtol=1e-14, atol=1e-15)
        assert np.allclose(jit(vmap(fun))(m, e), apart, rtol=1e-14, atol=1e-15)


def test_many_rows_of_which_some_fail():
    m = np.linspace(-1, 2, 20)
    with pytest.raises(ValueError, match="different signs"):
        vmap(lambda m: optimize.brentq(lambda x: x * x - m, 0.0, 3.0))(m)
    with pytest.raises(RuntimeError, match="Failed to converge"):
        vmap(lambda m: optimize.newton(lambda x: x * x - m, 1.0, lambda x: 2 * x))(m)
    found = vmap(lambda m: optimize.newton(lambda x: x * x - m, 1.0, lambda x: 2 * x, disp=False))(m[10:])
    assert np.allclose(found, np.sqrt(m[10:]))
    asking = vmap(lambda m: optimize.brentq(lambda x: x - m if x < 1 else x**2 - m, -3.0, 3.0))(m)
    assert np.allclose(asking, [optimize.brentq(lambda x, m=k: x - m if x < 1 else x**2 - m, -3.0, 3.0) for k in m])


def test_rows_of_rows_and_none():
    fun = CALLS["brentq"]
    both = vmap(vmap(fun, (None, 0)), (0, None))(M, E)
    assert np.array_equal(both, [[fun(m, e) for e in E] for m in M])
    assert vmap(fun)(M[:0], E[:0]).shape == (0,)
    assert vmap(fun, (None, 0))(0.5, E).shape == (3,)
    slopes = grad(lambda m, e: np.sum(vmap(fun)(m, e)), argnums=(0, 1))(M, E)
    assert np.allclose(slopes, vmap(grad(fun, argnums=(0, 1)))(M, E), rtol=1e-12)


def test_jit_runs_the_solver_in_each_call():
    fun = jit(vmap(grad(CALLS["root_scalar"])))
    for shift in (0.0, 0.1, 0.2):
        assert np.allclose(fun(M + shift, E), vmap(grad(CALLS["root_scalar"]))(M + shift, E))


def test_a_function_that_asks_for_values_has_derivatives_row_by_row():
    slope = vmap(jacfwd(solved))(M, E)
    apart = [jacfwd(lambda m, e=e: solved(m, e))(m) for m, e in zip(M, E, strict=True)]
    assert np.allclose(slope, apart, rtol=1e-9)


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def f(self, x):
        return x**3 + x - self.factor


def test_what_a_function_closes_over_is_as_it_was_when_it_was_called():
    def by_variables(m):
        total, shift = 0.0, np.zeros(1)
        for i in range(3):
            shift[0] = i
            total = total + optimize.brentq(lambda x: x**3 + x - m * (i + 1) - shift[0], 0.0, 9.0)
        return total

    def by_objects(m):
        model, table, total = Scaled(2.0), [1.0, 2.0], 0.0
        for factor in (1.0, 5.0):
            model.factor, table[0] = factor, factor + 1
            total = total + optimize.brentq(lambda x: model.f(x) - m * table[0], 0.0, 9.0)
            total = total + optimize.brentq(model.f, 0.0, 9.0) * m
        return total

    for fun in (by_variables, by_objects):
        check_call(fun, M)


def test_plain_calls_leave_what_they_do_outside():
    def fun(m):
        calls, seen = 0, []

        def f(x):
            nonlocal calls
            calls += 1
            seen.append(x)
            return x - 1.0

        found = optimize.brentq(f, 0.0, 3.0, full_output=True)[1]
        assert calls == len(seen) == found.function_calls
        return m * found.root

    assert np.allclose(vmap(fun)(M), M)


def test_what_scipy_raises():
    with pytest.raises(ValueError, match="different signs"):
        vmap(lambda m: optimize.brentq(lambda x: x - m, 2.0, 3.0))(M)
    found = vmap(lambda m: optimize.brentq(lambda x: x - m, 2.0, 3.0) if m > 2 else m, branches="split")(M)
    assert np.array_equal(found, M)


def test_a_success_that_was_recorded_holds():
    @jit
    def fun(m):
        found = optimize.root(lambda x: x**2 - m, [1.0])
        assert found.success
        return found.x

    fun(np.float64(4.0))
    assert np.allclose(fun(np.float64(9.0)), 3.0)
    with pytest.raises(OptionError, match=r"scipy\.optimize\.root: success is False, and was True"):
        fun(np.float64(-1.0))


def test_complex_roots():
    def fun(c):
        return optimize.newton(lambda z: z * z - c, 1.0 + 1.0j, tol=1e-14)

    c = np.array([-1.0 + 0.5j, 2.0j])
    assert np.allclose(vmap(fun)(c), [fun(x) for x in c])
    root = vmap(fun)(c)
    assert np.allclose(vmap(jacfwd(fun, holomorphic=True))(c), 1 / (2 * root))


def test_parts_without_a_derivative():
    def fun(m):
        return np.sum(optimize.root(lambda x: x**2 - m, [1.0]).fjac)

    with pytest.raises(MissingRuleError, match=r"scipy\.optimize\.root: fjac of its result has no derivative"):
        grad(fun)(4.0)


def test_a_traced_value_that_cannot_be_seen():
    kept = iter(())

    def fun(m):
        nonlocal kept
        kept = (x for x in [m])  # a generator is not looked into
        hidden = [next(kept)] * 70
        return optimize.brentq(with_generator(x - y for x, y in [(hidden[0], 0.0)]), 0.0, 7.0)

    with pytest.raises((ArgumentError, ConcretizationError), match="brentq"):
        vmap(fun)(M)


def with_generator(values):
    return lambda x: x - next(values)


def test_of_plain_values_it_is_scipys_own():
    def fun(m):
        found = optimize.root_scalar(lambda x: x * x - 2.0, bracket=[0, 2])
        assert type(found) is optimize.RootResults
        return m * found.root

    assert np.allclose(vmap(fun)(M), M * np.sqrt(2))
    assert with_names(fun)(1.0) == fun(1.0)
