"""Operations declared by their kind, under jit: planned as the NumPy code that they are, or else steps of their own."""

import numpy as np
import pytest
import scipy.special

import vmapcore as vc
from vmapcore import grad, jit, ops, trace, vmap

pytestmark = pytest.mark.plans

X = np.random.default_rng(0).standard_normal((4, 300)).astype("f")


@ops.elementwise(lambda out, x: -np.expm1(-out))
def softplus(xp, x):
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@ops.elementwise(lambda out, x, y, *, rate: rate * y, lambda out, x, y, *, rate: rate * x)
def scaled(xp, x, y, *, rate=2.0):
    out = x * y
    out *= rate
    return out


@ops.reduction(lambda out, x, *, axis: 2 * x)
def squares(xp, x, *, axis):
    return xp.sum(x * x, axis=axis)


@ops.gufunc("(n)->(n)")
def centred(xp, x):
    return x - xp.mean(x, axis=-1, keepdims=True)


@ops.elementwise(1, 1)
def both(xp, x, y):
    return xp.add(x, y)


USES = {
    "elementwise": (lambda x: softplus(x), {"softplus"}),
    "of two": (lambda x: scaled(x, x[::-1], rate=3.0), {"scaled"}),
    "with a number": (lambda x: both(x, 1), {"both"}),
    "a reduction": (lambda x: squares(x, axis=-1), {"squares"}),
    "a gufunc": (lambda x: centred(x), {"centred"}),
    "one in another": (lambda x: softplus(scaled(x, x)), {"softplus", "scaled"}),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("transform", [lambda f: f, vmap, lambda f: vmap(vmap(f))], ids=["alone", "vmap", "twice"])
def test_it_is_the_code_that_it_is_made_of(name, transform):
    """No step of its own is left, and results are those without jit."""
    fun, names = USES[name]
    x = X if transform is not vmap else X.reshape(4, 20, 15)
    x = x.reshape(2, 2, 300) if x.ndim == 2 and fun is not USES["of two"][0] else x.reshape(2, 2, 20, 15)
    graph = trace(transform(fun))(x)
    assert not names & {step.primitive.name for step in graph.steps}
    planned = jit(transform(fun))
    for call in range(10):
        np.testing.assert_allclose(planned(x + call), transform(fun)(x + call), rtol=1e-5, atol=1e-6)


def test_derivatives_are_those_declared():
    fun = jit(vmap(grad(lambda x: np.sum(softplus(x) * squares(x, axis=0)))))
    plain = vmap(grad(lambda x: np.sum(np.logaddexp(x, 0) * np.sum(x * x))))
    for call in range(3):
        x = X.astype(float) * (1 + call)
        np.testing.assert_allclose(fun(x), plain(x), rtol=1e-10)


def test_it_is_one_kernel():
    """As the plain function is."""

    def units(fun, x):
        planned = jit(fun)
        planned(x), planned(x)
        (found,) = planned.plans.values()
        return len(found.replay.program.calls)

    x = np.zeros((4, 100_000), np.float32)
    assert units(vmap(softplus), x) == units(vmap(lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))), x) == 1


def test_what_asks_for_values_stays_a_step():
    """Its function runs in every call, on arrays."""
    seen = []

    @ops.elementwise(1)
    def asking(xp, x):
        seen.append(type(x))
        return x + 1 if xp.all(x > -100) else x

    fun = jit(lambda x: asking(x) * 2)
    for call in range(3):
        np.testing.assert_array_equal(fun(X - 200 * (call % 2)), (X - 200 * (call % 2) + (call % 2 == 0)) * 2)
    assert [step.primitive.name for step in trace(lambda x: asking(x) * 2)(X).steps] == ["asking", "multiply"]
    assert seen.count(np.ndarray) >= 3


def test_what_catches_a_refusal_stays_a_step():
    @ops.elementwise(1)
    def trying(xp, x):
        try:
            return x + 1 if x.sum() > 0 else x - 1
        except TypeError:
            return x

    np.testing.assert_array_equal(jit(lambda x: trying(x) * 2)(np.ones(3)), np.full(3, 4.0))


def test_what_returns_no_recorded_value_stays_a_step():
    @ops.elementwise()
    def constant(xp, x):
        return xp.ones(x.shape, x.dtype)

    graph = trace(lambda x: constant(x) + x)(X)
    assert [step.primitive.name for step in graph.steps] == ["constant", "add"]


def test_a_library_is_called():
    graph = trace(lambda x: scipy.special.erf(x) + 1)(X)
    assert [step.primitive.name for step in graph.steps] == ["scipy.special.erf", "add"]


def test_rules_alone_say_nothing_of_the_function():
    """An operation without a kind may count its calls."""
    calls = []

    @vc.custom_op
    def counted(xp, x):
        calls.append(1)
        return xp.exp(x)

    fun = jit(lambda x: counted(x) + 1)
    for _ in range(4):
        fun(X)
    assert len(calls) == 4
