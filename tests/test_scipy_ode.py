"""`solve_ivp` and `odeint` inside transforms, against SciPy in a loop and differences."""

import functools
import math

import numpy as np
import pytest

from vmapcore import grad, jacfwd, jit, vmap
from vmapcore.errors import ConcretizationError, MissingRuleError, OptionError
from vmapcore.testing import check_grads, check_jit, check_vmap

from .scipy_calls import with_names
from .together import together

integrate = pytest.importorskip("scipy.integrate")

A = np.array([0.8, 1.3])
B = np.array([0.7, 0.4])
TIMES = np.linspace(0, 2, 5)
FINE = {"rtol": 1e-8, "atol": 1e-10}


def predators(t, y, a, b):
    return [a * y[0] - b * y[0] * y[1], -y[1] + 0.5 * y[0] * y[1]]


def at_times(a, b, method="RK45", **options):
    return integrate.solve_ivp(predators, (0, 2), [1.0, 1.0], method, TIMES, args=(a, b), **options).y


def at_the_end(a, b, **options):
    def f(t, y):
        dy = np.zeros(2)
        dy[0] = a * y[0] - b * y[1]
        dy[1] = y[0] + math.sin(t)
        return dy

    found = integrate.solve_ivp(f, (0, 1 + a), [1.0, b], **options)
    assert found.success and found.message
    return np.append(found.y[:, -1], found.t[-1])


def switched(a, b):
    def f(t, y):
        return (a if t < 1 else 0.0) - b * y

    return integrate.solve_ivp(f, (0, 2), [0.5], max_step=0.1).y[0][-1]


def dense(a, b):
    found = integrate.solve_ivp(lambda t, y: -a * y + np.sin(b * t), (0, 2), [1.0, b], dense_output=True)
    return found.sol(np.array([1.2, 0.3]))[1], found.sol(2.1)


def backwards(a, b):
    found = integrate.solve_ivp(lambda t, y: -a * y, (1, 0), [b], t_eval=[0.7, 0.2, 0.0], first_step=0.01)
    return found.y[0]


def pendulum(y, t, a, b):
    return [y[1], -a * np.sin(y[0]) - b * y[1]]


CALLS = {
    "RK45": at_times,
    "RK23": functools.partial(at_times, method="RK23"),
    "DOP853": functools.partial(at_times, method="DOP853"),
    "the end": at_the_end,
    "the end, DOP853": functools.partial(at_the_end, method="DOP853"),
    "switched": switched,
    "dense": dense,
    "dense DOP853": lambda a, b: integrate.solve_ivp(
        lambda t, y: -a * b * y, (0, 2), [1.0], "DOP853", dense_output=True
    ).sol(a),
    "backwards": backwards,
    "times that are traced": lambda a, b: (
        integrate.solve_ivp(lambda t, y: -a * y, (a, 2 + b), [1.0], t_eval=np.stack([a, a + b])).y
    ),
    "vectorized": lambda a, b: integrate.solve_ivp(lambda t, y: -a * y * b, (0, 1), [1.0], vectorized=True).y[0, -1],
    "complex": lambda a, b: integrate.solve_ivp(lambda t, y: 1j * a * y, (0, 1), [1.0 + 0j * b]).y[:, -1].real,
    "LSODA": functools.partial(at_times, method="LSODA", **FINE),
    "BDF": functools.partial(at_times, method="BDF", **FINE),
    "Radau": functools.partial(at_the_end, method="Radau", **FINE),
    "odeint": lambda a, b: integrate.odeint(pendulum, [1.0, b], TIMES, args=(a, b)),
    "odeint tfirst": lambda a, b: integrate.odeint(lambda t, y: -a * y, b, TIMES + b, tfirst=True),
}


def ground(t, y, *args):
    return y[0]


ground.terminal, ground.direction = True, -1


def top(t, y, *args):
    return y[1]


def thrown(a, b, **options):
    def f(t, y):
        return [y[1], -9.81 - 0.1 * b * y[1] * abs(y[1])]

    return integrate.solve_ivp(f, (0, 10), [b, 3 * a], events=[ground, top], rtol=1e-7, atol=1e-9, **options)


def landed(a, b):
    found = thrown(a, b)
    return np.append(found.y[1, -1], found.t[-1]), found.t_events[0][0], found.y_events[1][0]


CALLS |= {
    "events that end it": landed,
    "events along it": lambda a, b: integrate.solve_ivp(
        lambda t, y: [y[1], -9 * a * y[0]], (0, 1.5), [b, 0.1], "DOP853", events=top, rtol=1e-7
    ).t_events[0][0],
    "an event at the last time": lambda a, b: thrown(a, b, t_eval=np.linspace(0, 0.2, 3)).y[:, -1],
    "an event that does not come": lambda a, b: integrate.solve_ivp(
        lambda t, y: -a * y, (0, b), [1.0], events=ground, **FINE
    ).y[0, -1],
}

OTHERS = (*[name for name in CALLS if "event" in name], "LSODA", "BDF", "Radau", "odeint", "odeint tfirst")
"""Where SciPy's steps are not those of the derivative."""


@together("name", CALLS, str, str)
def test_solvers(name):
    fun = CALLS[name]
    ours = with_names(fun)
    check_vmap(ours, A, B, in_axes=0, like=fun, tol=1e3)
    check_jit(vmap(ours), A, B)
    check_grads(ours, A[0], B[0], order=1, tol=1e4 if name in OTHERS else 1e2)


def test_grad_of_vmap_is_vmap_of_grad():
    for fun in (at_times, at_the_end, switched):
        each = vmap(grad(lambda a, b, fun=fun: np.sum(fun(a, b)), argnums=(0, 1)))(A, B)
        every = grad(lambda a, b, fun=fun: np.sum(vmap(fun)(a, b)), argnums=(0, 1))(A, B)
        assert np.allclose(each, every, rtol=1e-9)


def test_second_derivatives():
    def fun(a):
        return at_times(a, 0.7)[0, -1]

    e = 1e-5
    differences = (grad(fun)(0.8 + e) - grad(fun)(0.8 - e)) / (2 * e)
    assert np.allclose(grad(grad(fun))(0.8), differences, rtol=1e-5)
    assert np.allclose(jacfwd(grad(fun))(0.8), differences, rtol=1e-5)


def test_jit_takes_as_many_steps_as_it_needs():
    fun = jit(vmap(grad(lambda a, b: np.sum(at_times(a, b)))))
    for factor in (1.0, 3.0, 0.1):
        wanted = vmap(grad(lambda a, b: np.sum(at_times(a, b))))(factor * A, B)
        assert np.allclose(fun(factor * A, B), wanted, rtol=1e-12)


def test_many_rows_have_steps_of_their_own():
    a = np.linspace(0.1, 30, 20)
    found = vmap(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0], t_eval=[0.5, 1.0]).nfev)(a)
    assert np.array_equal(
        found, [integrate.solve_ivp(lambda t, y, k=k: -k * y, (0, 1), [1.0], t_eval=[0.5, 1.0]).nfev for k in a]
    )


def test_the_steps_themselves():
    def fun(a):
        found = integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0])
        return np.max(found.y), found.t[-1], len(found.y)

    with pytest.raises(ConcretizationError, match=r"results may differ in length, .* Pass t_eval, times at which"):
        vmap(lambda a: np.sum(fun(a)[0]))(A)
    assert np.allclose(vmap(lambda a: fun(a)[0], branches="split")(A), 1.0)
    assert grad(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0]).t[-1])(1.0) == 0.0
    with pytest.raises(MissingRuleError, match="where all steps are read"):
        grad(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0]).y.sum())(1.0)


def test_no_time_and_no_states():
    fun = lambda a: integrate.solve_ivp(lambda t, y: -a * y, (1, 1), [1.0], t_eval=[1.0]).y  # noqa: E731
    assert np.array_equal(vmap(fun)(A), np.ones((2, 1, 1)))
    assert np.array_equal(vmap(jacfwd(fun))(A), np.zeros((2, 1, 1)))


def test_numbers_of_events_that_differ():
    def times(a):
        return integrate.solve_ivp(lambda t, y: [y[1], -a * y[0]], (0, 10), [1.0, 0.1], events=top).t_events[0]

    a = np.array([0.5, 4.0, 1.0])
    assert np.array_equal(vmap(lambda a: times(a).size)(a), [times(x).size for x in a])
    assert np.allclose(vmap(lambda a: np.sum(times(a)), branches="split")(a), [np.sum(times(x)) for x in a])
    with pytest.raises(ConcretizationError, match="Take one of them"):
        vmap(lambda a: np.sum(times(a)))(a)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"t_eval": [0.5, 3.0]}, "not within"),
        ({"t_eval": [0.5, 0.2]}, "not properly sorted"),
        ({"y0": [np.nan]}, "must be finite"),
        ({"y0": 1.0}, "must be 1-dimensional"),
        ({"max_step": 0.0}, "must be positive"),
        ({"first_step": -1.0}, "must be positive"),
    ],
)
def test_what_scipy_raises(options, match):
    options = {"y0": [1.0], **options}
    y0 = options.pop("y0")
    with pytest.raises(ValueError, match=match):
        vmap(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), y0, **options).y[0, -1])(A)


def test_tolerances_for_each_component():
    def fun(a):
        f = lambda t, y: [-a * y[0], y[0] - y[1]]  # noqa: E731
        return integrate.solve_ivp(f, (0, 1), [1.0, 0.0], rtol=1e-6, atol=[1e-6, 1e-3]).y[:, -1]

    assert np.allclose(vmap(fun)(A), [fun(a) for a in A], rtol=1e-12)


def test_options_that_are_not_known():
    with pytest.raises(OptionError, match="rtol is traced"):
        vmap(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0], rtol=a).y)(A)


def test_a_stiff_problem_has_values():
    def fun(a):
        return integrate.solve_ivp(lambda t, y: -1e5 * (y - np.cos(a * t)), (0, 1), [1.0], "Radau", t_eval=[1.0]).y

    assert np.array_equal(vmap(fun)(A), [fun(a) for a in A])
    with pytest.raises(MissingRuleError, match="the problem is stiff"):
        grad(lambda a: fun(a)[0, 0])(1.0)
