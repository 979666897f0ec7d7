"""custom_vjp and custom_jvp: their rules are what is used, under every nesting of the transforms."""

import re

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors


@vc.custom_vjp
def doubled(x):
    """The identity, with twice the right gradient, so that it shows whose rule was used."""
    return {"out": x * 1.0}


doubled.defvjp(lambda x: ({"out": x * 1.0}, np.cos(x)), lambda cos, g: (2 * g["out"] + 0 * cos,))


@vc.custom_jvp
def tripled(x, y):
    """The product, with three times the right derivative."""
    return x * y


tripled.defjvp(lambda p, t: (p[0] * p[1], 3 * (t[0] * p[1] + p[0] * t[1])))


def test_value_is_the_function_itself(xp):
    x = xp.asarray([1.0, 2.0])
    assert np.array_equal(doubled(x)["out"], x)
    assert np.array_equal(tripled(x, x), x * x)


def test_gradient_is_the_rule(xp):
    x = xp.asarray([1.0, 2.0])
    assert np.array_equal(vc.grad(lambda x: np.sum(doubled(x)["out"]))(x), xp.asarray([2.0, 2.0]))
    assert np.array_equal(vc.grad(lambda x: np.sum(tripled(x, 2.0)))(x), xp.asarray([6.0, 6.0]))
    assert np.array_equal(vc.jvp(lambda x: tripled(x, x), (x,), (x,))[1], 6 * x * x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vmap_of_grad_and_grad_of_vmap(xp, axis):
    x = xp.asarray(np.arange(6.0).reshape(2, 3))
    for f, expected in ((lambda x: np.sum(doubled(x)["out"] ** 2), 4 * x), (lambda x: np.sum(tripled(x, x)), 6 * x)):
        assert np.allclose(vc.vmap(vc.grad(f), axis, axis)(x), expected)
        assert np.allclose(vc.grad(lambda x, f=f: np.sum(vc.vmap(f, axis)(x)))(x), expected)
        assert np.allclose(vc.grad(lambda x, f=f: np.sum(vc.vmap(vc.vmap(f))(x)))(x), expected)


def test_an_unmapped_argument_gets_the_sum_of_cotangents(xp):
    @vc.custom_vjp
    def product(x, w):
        return x * w

    product.defvjp(lambda x, w: (x * w, (x, w)), lambda r, g: (g * r[1], g * r[0]))
    x, w = xp.asarray(np.arange(6.0).reshape(3, 2)), xp.asarray([1.0, 2.0])

    def total(w):
        return np.sum(vc.vmap(product, in_axes=(0, None))(x, w))

    assert np.allclose(vc.grad(total)(w), x.sum(0))


def test_second_order_differentiates_the_rule(xp):
    x = xp.asarray([0.5, 1.0])

    @vc.custom_vjp
    def sine(x):
        return np.sin(x)

    sine.defvjp(lambda x: (np.sin(x), x), lambda x, g: (g * np.cos(x),))

    @vc.custom_jvp
    def sine2(x):
        return np.sin(x)

    sine2.defjvp(lambda p, t: (sine2(*p), t[0] * np.cos(p[0])))
    for f in (sine, sine2):
        first = vc.grad(lambda x, f=f: np.sum(f(x)))
        assert np.allclose(vc.grad(lambda x, first=first: np.sum(first(x)))(x), -np.sin(x))
        assert np.allclose(vc.jvp(first, (x,), (xp.ones_like(x),))[1], -np.sin(x))
        assert np.allclose(vc.vmap(vc.grad(vc.grad(f)))(x), -np.sin(x))
        assert np.allclose(vc.jacrev(first)(x), xp.diag(-np.sin(x)))


def test_static_and_keyword_arguments():
    @vc.custom_vjp
    def scaled(kind, x, factor=3.0):
        return x * factor

    named = vc.custom_vjp(lambda kind, x, factor=3.0: x * factor, nondiff_argnums=(0,))
    named.defvjp(lambda kind, x, factor: (x * factor, factor), lambda kind, f, g: (g * f * len(kind), None))
    assert vc.grad(lambda x: named("ab", x))(1.0) == 6.0
    assert vc.grad(lambda x: named("ab", x, factor=2.0))(1.0) == 4.0
    assert scaled.__name__ == "scaled"
    with pytest.raises(errors.MissingRuleError, match=re.escape("custom_vjp(scaled): it has no rules yet.")):
        scaled("a", 1.0)


def test_integer_arguments_need_no_cotangent(xp):
    @vc.custom_vjp
    def pick(x, i):
        return x[i]

    pick.defvjp(lambda x, i: (x[i], (x, i)), lambda r, g: (np.where(np.arange(3) == r[1], g, 0.0), None))
    x = np.arange(3.0)
    assert np.array_equal(vc.grad(lambda x: pick(x, 1))(x), [0, 1, 0])


def test_forward_mode_of_custom_vjp_says_what_to_do():
    with pytest.raises(errors.MissingRuleError, match=re.escape("Write it with custom_jvp, which serves both modes.")):
        vc.jvp(lambda x: doubled(x)["out"], (1.0,), (1.0,))


def test_a_closed_over_traced_value_is_an_error():
    def outer(w):
        @vc.custom_vjp
        def f(x):
            return x * w

        f.defvjp(lambda x: (x * w, None), lambda r, g: (g,))
        return f(w)

    with pytest.raises(errors.ArgumentError, match="Pass the value as an argument"):
        vc.grad(outer)(2.0)


def test_wrong_results_of_rules_are_named():
    @vc.custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda x, y: (x * y, None), lambda r, g: (g,))
    with pytest.raises(errors.StructureError, match="a tuple with one cotangent for each of 2 arguments"):
        vc.grad(lambda x: f(x, 1.0))(1.0)
    f.defvjp(lambda x, y: x * y, lambda r, g: (g, g))
    with pytest.raises(errors.StructureError, match=re.escape("it must return (out, residuals)")):
        vc.grad(lambda x: f(x, 1.0))(1.0)

    @vc.custom_jvp
    def h(x):
        return x

    h.defjvp(lambda p, t: (p[0], np.sum(t[0])))
    with pytest.raises(errors.ShapeError, match=re.escape("custom_jvp(h): its rule returned the tangent f64[]")):
        vc.jvp(h, (np.ones(2),), (np.ones(2),))
