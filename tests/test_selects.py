"""Branches that only compute: a transform runs both arms, and each row takes its own, with no option said."""

import math
import warnings

import numpy as np
import pytest

from vmapcore import grad, jacfwd, jit, plain, trace, value_and_grad, vmap
from vmapcore.errors import ConcretizationError
from vmapcore.testing import assert_same

from .branching import checked, choices, doubling, looped, rng, total_of
from .together import together

X = np.array([-1.0, -0.25, 0.5, 1.25, 2.0])
TABLE = np.array([1.0, 4.0, 9.0])


def ternary(x):
    return math.log(x) if x > 0 else 2 * x


def chain(x):
    return 1.0 if -0.5 < x < 1 and x != 0.5 else -x


def alternatives(x):
    return x if x > 1 or x < -0.5 else 0.0


def assigned(x):
    if x > 1:
        y, n = np.sqrt(x), 1
    elif x > 0:
        y, n = x, 2
    else:
        y, n = -x, 3
    return y * n


def early(x):
    if x < 0:
        return 0.0
    if x < 1:
        return np.log(x + 0.1)
    y = 0.0
    for k in range(4):
        if k == 1:
            continue
        if y > 2:
            continue
        y += x
    return y


def written(x):
    out = np.zeros(3)
    for i in range(3):
        if x > 0.5 * i:
            out[i] = np.sqrt(x - 0.5 * i)
        else:
            out[i] -= 1
    return out


def counted(x):
    n = 0
    for k in range(5):
        if x * k > 1:
            n += 1
    return n


def looked_up(x):
    i = int(x * 2)
    return TABLE[i] if 0 <= i < 3 else -1.0


def broken(x):
    for i in range(20):  # noqa: B007
        if abs(x) < 1e-3:
            break
        x = x * 0.5
    return x * i


def passed(x):
    for i in range(6):
        for j in range(3):
            x = x * 0.9 + 0.01 * j
            if abs(x) < 0.3:
                return 10.0 * i + j
    else:
        x = x + 100
    return x


def polynomial(t):
    s = 0.0
    for k in range(3):
        s += t**k
    return s


def called(x):
    return polynomial(x) if x > 0 else polynomial(-x) - 1


def newton(a):
    x = a
    for _ in range(40):
        step = (x * x - a) / (2 * x)
        x -= step
        if abs(step) < 1e-13:
            break
    return x


def kepler(x):
    e = math.pi if x > 1 else x
    for _ in range(50):
        step = (e - 0.5 * math.sin(e) - x) / (1 - 0.5 * math.cos(e))
        e -= step
        if abs(step) < 1e-12:
            return e
    raise RuntimeError("did not converge")


PROGRAMS = [kepler, ternary, chain, alternatives, assigned, early, written, counted, looked_up, broken, passed, called]


@pytest.mark.parametrize("fun", PROGRAMS, ids=lambda f: f.__name__)
def test_each_row_takes_its_arm(fun):
    wanted = looped(fun, X)
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")  # nothing is computed that the branch was to keep out
        assert_same(vmap(fun)(X), wanted)
        assert_same(vmap(vmap(fun))(np.stack([X, X[::-1]])), np.stack([wanted, wanted[::-1]]))
        replayed = jit(vmap(fun))
        for k in range(3):
            assert_same(replayed(X - 0.25 * k), looped(fun, X - 0.25 * k))


@pytest.mark.parametrize("fun", [ternary, assigned, early, written, called], ids=lambda f: f.__name__)
def test_derivatives_are_those_of_the_arm(fun):
    def total(x):
        return np.sum(fun(x))

    wanted = np.array([grad(total)(x) for x in X])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert_same(vmap(grad(total))(X), wanted)
        assert_same(grad(lambda x: vmap(total)(x).sum())(X), wanted)
        assert_same(np.diag(jacfwd(vmap(total))(X)), wanted)
        assert_same(jit(vmap(grad(total)))(X), wanted)


def test_newtons_method_needs_nothing_said():
    a = np.array([0.5, 4.0, 9.0])
    for fun in (vmap(value_and_grad(newton)), jit(vmap(value_and_grad(newton)))):
        roots, slopes = fun(a)
        assert_same(roots, looped(newton, a))
        np.testing.assert_allclose(slopes, 0.5 / np.sqrt(a), rtol=1e-9)


@pytest.mark.parametrize("x", [0.5, -0.5])
def test_jit_of_one_number(x):
    for fun in (ternary, early, called):
        assert_same(jit(fun)(np.float64(x)), fun(np.float64(x)))


def test_a_choice_is_in_the_graph():
    assert "select" in str(trace(vmap(assigned))(X))


def test_an_arm_that_nobody_takes_is_not_run():
    def f(x, a):
        return np.linalg.solve(a, np.ones(2))[0] if x > 5 else x

    assert_same(vmap(f, in_axes=(0, None))(X, np.zeros((2, 2))), X)


def test_rows_of_no_values():
    assert vmap(ternary)(X[:0]).shape == (0,)


# Errors that rows raise.


def test_an_error_of_one_row_is_that_of_all():
    for fun in (vmap(checked), jit(vmap(checked))):
        for _ in range(3):
            assert_same(fun(X), X * X)
        with pytest.raises(ValueError, match=r"^x is -3\.0$"):
            fun(np.array([1.0, -3.0, -4.0]))
        with pytest.raises(AssertionError, match="too large"):
            fun(X + 10)
        assert_same(fun(X), X * X)


def test_an_error_of_some_rows_is_not_caught_unnoticed():
    def f(x):
        try:
            return checked(x)
        except ValueError:
            return 0.0

    assert_same(vmap(f)(X - 5), np.zeros(5))
    with pytest.raises(ConcretizationError, match="the function caught what follows"):
        vmap(f)(X * 4)


def test_an_error_is_raised_for_those_who_come_to_it():
    def f(x):
        if x > 0:
            if x > 1.5:
                raise ValueError("large")
            return x
        return -x

    assert_same(vmap(f)(X[:4]), abs(X[:4]))
    assert_same(vmap(f)(-np.abs(X) * 3), np.abs(X) * 3)
    with pytest.raises(ValueError, match="large"):
        vmap(f)(X)


# What asks still.


def appends(x):
    found = []
    if x > 0:
        found.append(x)
    return len(found)


def keeps_none(x):
    best = None
    if x > 0:
        best = x
    return 0.0 if best is None else best


def differs_in_shape(x):
    return np.zeros(2) if x > 0 else np.zeros(3)


def alternates(x):
    while x > 0.1:
        x = x * 0.5
    return x


def does_it(x, seen):
    return remember(x, seen) if x > 0 else x


def remember(x, seen):
    seen.append(x)
    return x


def goes_down(x):
    return 1 + goes_down(x - 1) if x > 0 else 0


@pytest.mark.parametrize("fun", [appends, keeps_none, differs_in_shape, alternates, goes_down])
def test_what_does_more_than_compute_asks(fun):
    with pytest.raises(ConcretizationError, match="is not one truth value"):
        vmap(fun)(X)


def test_effects_of_a_function_that_is_called():
    seen = []
    with pytest.raises(ConcretizationError):
        vmap(lambda x: does_it(x, seen))(X)
    assert not seen


def test_names_as_they_are():
    with pytest.raises(ConcretizationError):
        vmap(plain(assigned))(X)


# Arrays under two names.


def alias_is_kept(v, x):
    y = np.zeros(3)
    if x > 0:
        y = v
    v[0] = 7.0
    return y


def alias_in_an_arm(v, x):
    y = np.zeros(3)
    if x > 0:
        y = v
        v[1:] += 1.0
    return y + v


def view_in_an_arm(v, x):
    out = np.zeros(3)
    if x > 0:
        tail = v[1:]
        v[1] = 5.0
        out[0] = tail[0]
    return out


def swapped(v, x):
    if v[0] > v[1]:
        v[0], v[1] = v[1], v[0]
    return v * x


def in_place(v, x):
    w = v
    if x > 0:
        v *= 2.0
    return w


@pytest.mark.parametrize("fun", [alias_is_kept, alias_in_an_arm, view_in_an_arm, swapped, in_place])
def test_arrays_under_two_names_are_right_or_refused(fun):
    v = rng(1).normal(size=(5, 3))
    wanted = looped(lambda v, x: fun(v.copy(), x), v, X)
    try:
        found = vmap(fun)(v.copy(), X)
    except ConcretizationError:
        assert fun not in (swapped, in_place)
        return
    assert_same(found, wanted)


def test_early_returns_that_double_what_follows():
    """Twice as much with each branch: the rest of a function is not put into both arms without end."""
    assert_same(vmap(doubling(4))(X), looped(doubling(4), X))
    with pytest.raises(ConcretizationError):
        vmap(doubling(60))(X)


@together("seed", range(150))
def test_random_programs(seed):
    """Right, to the last bit, or refused; under jit and in derivatives as well."""
    fun, r = choices(seed), rng(seed)
    m = (1, 2, 7, 20)[seed % 4]
    args = r.normal(size=m).round(2), r.normal(size=m).round(2), r.integers(-3, 6, m), r.normal(size=(m, 3)).round(1)

    total = total_of(fun)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            wanted = looped(fun, *args)
        except (ZeroDivisionError, OverflowError, ValueError):  # of the program's own
            return
        try:
            assert_same(vmap(fun)(*args), wanted)
            slopes = vmap(grad(total, argnums=3))(*args)
            replayed = jit(vmap(fun))(*args)
        except ConcretizationError:
            return
        assert_same(slopes, np.stack([grad(total, argnums=3)(*row) for row in zip(*args, strict=True)]))
        assert_same(replayed, wanted)


def test_most_random_programs_are_not_refused():
    args = np.full(3, 0.5), np.array([-1.0, 0.2, 1.0]), np.array([1, 2, 3]), rng(0).normal(size=(3, 3))
    ran = 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in range(40):
            try:
                vmap(choices(seed))(*args)
                ran += 1
            except (ConcretizationError, ZeroDivisionError, OverflowError, ValueError):
                pass
    assert ran >= 24
