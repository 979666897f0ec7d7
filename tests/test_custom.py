"""custom_vjp and custom_jvp: under every transform, in any nesting, and what they refuse."""

import numpy as np
import pytest

from vmapcore import custom_jvp, custom_vjp, grad, hessian, jacfwd, jacrev, jvp, stop_gradient, vjp, vmap
from vmapcore.errors import ArgumentError, MissingRuleError, ShapeError, StructureError, VmapcoreError
from vmapcore.testing import assert_same, check_composition, check_grads, check_vmap

A = np.linspace(-1.0, 1.5, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0, 0.25])
THREE = np.full(4, 3.0)


@custom_vjp
def twice_sine(x, y):
    """sin(x) y, whose gradient by x is on purpose twice as large."""
    return np.sin(x) * y


twice_sine.defvjp(
    lambda x, y: (np.sin(x) * y, (x, y)), lambda kept, g: (2 * g * np.cos(kept[0]) * kept[1], g * np.sin(kept[0]))
)


@custom_vjp
def product(x, y):
    return np.sum(x * y)


product.defvjp(lambda x, y: (np.sum(x * y), (x, y)), lambda kept, g: (g * kept[1], g * kept[0]))


@custom_jvp
def softplus(x):
    return np.logaddexp(x, 0.0)


softplus.defjvp(lambda primals, tangents: (softplus(*primals), tangents[0] / (1 + np.exp(-primals[0]))))


@custom_jvp
def scaled(x, y):
    return {"p": x * y, "q": x + 1}


scaled.defjvp(
    lambda primals, tangents: (
        scaled(*primals),
        {"p": tangents[0] * primals[1] + primals[0] * tangents[1], "q": tangents[0]},
    )
)


# custom_vjp.


def test_the_authors_rule_is_used():
    assert_same(grad(lambda x: np.sum(twice_sine(x, THREE)))(V), 6 * np.cos(V))
    assert_same(twice_sine(V, THREE), 3 * np.sin(V))
    assert twice_sine.__name__ == "twice_sine"
    assert "on purpose" in twice_sine.__doc__


def test_custom_vjp_under_vmap():
    check_vmap(twice_sine, A, A + 1)
    check_vmap(product, A, A + 1)
    expected = np.stack([2 * np.cos(x) * y for x, y in zip(A, A + 1, strict=True)])
    assert_same(vmap(grad(lambda x, y: np.sum(twice_sine(x, y))))(A, A + 1), expected)
    assert_same(grad(lambda x: np.sum(vmap(twice_sine)(x, A + 1)))(A), expected)
    assert_same(vmap(vmap(grad(twice_sine)))(A, A + 1), expected)


def test_an_argument_that_examples_share():
    assert_same(grad(lambda y: np.sum(vmap(product, (0, None))(A, y)))(V), A.sum(0))
    assert_same(vmap(grad(product, 1), (0, None))(A, V), A)
    assert_same(grad(lambda y: np.sum(vmap(vmap(product, (0, None)), (0, None))(np.stack([A, A]), y)))(V), 2 * A.sum(0))


def test_a_right_custom_vjp_obeys_every_law():
    check_grads(product, V, V + 1, modes=("rev",))
    assert_same(grad(lambda x: np.sum(grad(product)(x, x) * x))(V), 2 * V)


def test_orders_of_custom_vjp():
    """The rules are traced like the function itself."""
    g = grad(lambda x: np.sum(grad(lambda x: np.sum(twice_sine(x, np.ones_like(x))))(x)))(V)
    assert_same(g, -2 * np.sin(V))
    assert_same(jacrev(jacrev(lambda x: twice_sine(x, np.ones_like(x))))(0.5), np.asarray(-2 * np.sin(0.5)))
    assert_same(jacfwd(grad(lambda x: np.sum(np.sin(x) + 0 * x)))(V), -np.diag(np.sin(V)))


def test_custom_vjp_of_trees():
    @custom_vjp
    def f(tree, b):
        return {"s": tree["x"] * b, "t": (tree["x"] + 1, np.sum(b))}

    f.defvjp(
        lambda tree, b: (f(tree, b), {"x": tree["x"], "b": (b, None)}),
        lambda kept, g: ({"x": 10 * g["s"] * kept["b"][0] + g["t"][0]}, None),
    )
    out, pullback = vjp(f, {"x": V}, 2.0)
    assert_same(out, {"s": 2 * V, "t": (V + 1, np.float64(2.0))})
    ct_tree, ct_b = pullback({"s": np.ones(4), "t": (np.ones(4), 1.0)})
    assert_same(ct_tree, {"x": np.full(4, 21.0)})
    assert_same(ct_b, np.asarray(0.0))


def test_static_arguments():
    @custom_vjp
    def power(n, x, mode):
        return x**n if mode == "power" else x

    with pytest.raises(ArgumentError, match="nondiff_argnums"):
        power.defvjp(lambda *a: (1, 2), lambda *a: ())
        power(2, V, "power")
    power = custom_vjp(lambda n, x, mode: x**n if mode == "power" else x, nondiff_argnums=(0, 2))
    power.defvjp(lambda n, x, mode: (x**n, x), lambda n, mode, x, g: (g * n * x ** (n - 1) * 100,))
    assert_same(grad(lambda x: np.sum(power(3, x, "power")))(V), 300 * V**2)
    assert_same(vmap(grad(lambda x: np.sum(power(3, x, "power"))))(A), 300 * A**2)


def test_keywords_become_positional():
    assert_same(twice_sine(y=THREE, x=V), 3 * np.sin(V))
    assert_same(grad(lambda x: np.sum(twice_sine(y=THREE, x=x)))(V), 6 * np.cos(V))


def test_closures_over_outer_tracers():
    def outer(c):
        @custom_vjp
        def f(x):
            return x * c

        f.defvjp(lambda x: (x * c, None), lambda kept, g: (g * c * 10,))
        return grad(lambda x: np.sum(f(x)))(V)

    assert_same(vmap(outer)(V), np.repeat(10 * V[:, None], 4, axis=1))


def test_closures_over_a_value_of_the_same_transform():
    def loss(x):
        @custom_vjp
        def f(y):
            return y * x

        f.defvjp(lambda y: (y * x, None), lambda kept, g: (g,))
        return np.sum(f(x))

    with pytest.raises(VmapcoreError, match="closes over a value traced by it"):
        grad(loss)(V)


def test_constants_overwritten_before_the_pullback():
    for size in (4, 10_000):
        c, x = np.full(size, 3.0), np.ones(size)
        _, pullback = vjp(lambda x: product(x, c), x)
        c[...] = 100.0
        assert_same(pullback(1.0)[0], np.full(size, 3.0))


def test_forward_mode_of_custom_vjp():
    with pytest.raises(MissingRuleError, match=r"product is a custom_vjp function.*custom_jvp"):
        jvp(lambda x: product(x, V), (V,), (V,))
    assert_same(hessian(lambda x: product(x, x))(V), 2 * np.eye(4))  # its own rules are differentiated forward


def test_custom_vjp_refuses():
    with pytest.raises(MissingRuleError, match="has no rules yet"):
        custom_vjp(np.sin)(V)
    with pytest.raises(ArgumentError, match="must be callable"):
        custom_vjp(3)
    bad = custom_vjp(lambda x, y: x * y)
    bad.defvjp(lambda x, y: x * y, lambda kept, g: (g, g))
    with pytest.raises(StructureError, match=r"fwd returned f64\[4\]; it must return \(out, residuals\)"):
        grad(lambda x: np.sum(bad(x, x)))(V)
    bad.defvjp(lambda x, y: (x * y, None), lambda kept, g: g)
    with pytest.raises(StructureError, match="it must return a tuple with one cotangent for each of 2 arguments"):
        grad(lambda x: np.sum(bad(x, x)))(V)
    bad.defvjp(lambda x, y: (x * y, None), lambda kept, g: ((g, g), g))
    with pytest.raises(StructureError, match="bwd returned a cotangent of structure"):
        grad(lambda x: np.sum(bad(x, x)))(V)
    bad.defvjp(lambda x, y: (x * y, None), lambda kept, g: (g, g[:2]))
    with pytest.raises(ShapeError, match=r"bwd returned the cotangent f64\[2\]; its argument is f64\[4\]"):
        grad(lambda x: np.sum(bad(x, x)))(V)


# custom_jvp.


def test_custom_jvp_in_every_mode():
    check_vmap(softplus, A)
    check_grads(softplus, V, order=2)
    check_composition(softplus, A)
    assert_same(grad(softplus)(0.0), np.asarray(0.5))
    assert_same(jvp(softplus, (0.0,), (2.0,)), (np.float64(np.log(2.0)), np.float64(1.0)))


def test_custom_jvp_of_trees():
    check_vmap(scaled, A, A + 1)
    check_grads(scaled, V, V + 1)
    check_composition(scaled, A, A + 1)
    assert_same(grad(lambda x: np.sum(scaled(x, 2.0)["p"]))(V), np.full(4, 2.0))


def test_the_authors_tangent_is_used():
    @custom_jvp
    def f(x, y):
        return x * y

    f.defjvp(lambda primals, tangents: (f(*primals), 7 * tangents[0] * stop_gradient(primals[1]) + tangents[1]))
    assert_same(grad(f)(2.0, 3.0), np.asarray(21.0))
    assert_same(grad(f, 1)(2.0, 3.0), np.asarray(1.0))
    assert_same(vmap(grad(f), (0, None))(V, 3.0), np.full(4, 21.0))
    assert_same(vmap(grad(f, 1), (0, None))(V, 3.0), np.ones(4))
    assert_same(grad(lambda y: np.sum(vmap(f, (0, None))(V, y)))(3.0), np.asarray(4.0))
    assert_same(jvp(vmap(f, (0, None)), (V, 3.0), (V, 1.0))[1], 21 * V + 1)


def test_custom_jvp_with_static_arguments():
    f = custom_jvp(lambda x, n: x**n, nondiff_argnums=(1,))
    f.defjvp(lambda n, primals, tangents: (primals[0] ** n, n * primals[0] ** (n - 1) * tangents[0]))
    check_grads(lambda x: f(x, 3), V)
    assert_same(vmap(lambda x: f(x, 2))(A), A**2)


def test_custom_jvp_refuses():
    with pytest.raises(MissingRuleError, match="has no rule yet"):
        custom_jvp(np.sin)(V)
    bad = custom_jvp(lambda x: np.sin(x))
    bad.defjvp(lambda primals, tangents: tangents[0])
    with pytest.raises(StructureError, match=r"it must return \(out, tangent\)"):
        jvp(bad, (V,), (V,))
    bad.defjvp(lambda primals, tangents: (np.sin(*primals), [tangents[0]]))
    with pytest.raises(StructureError, match="tangent of structure"):
        jvp(bad, (V,), (V,))
    bad.defjvp(lambda primals, tangents: (np.sin(*primals), tangents[0][:2]))
    with pytest.raises(ShapeError, match=r"its rule returned the tangent f64\[2\]; the result is f64\[4\]"):
        jvp(bad, (V,), (V,))


def test_integer_arguments_have_no_tangent():
    f = custom_jvp(lambda x, i: x[i] * 2)
    f.defjvp(lambda primals, tangents: (f(*primals), 2 * tangents[0][primals[1]]))
    index = np.array([2, 0])
    check_grads(lambda x: f(x, index), V)
    assert_same(vmap(lambda x, i: f(x, i))(A, np.array([1, 2, 0])), 2 * A[np.arange(3), [1, 2, 0]])


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [
        (custom_vjp, "def_vjp", r"custom_vjp: it has no attribute 'def_vjp'\. Write defvjp\."),
        (custom_jvp, "def_jvp", r"Write defjvp\."),
        (custom_vjp, "defjvp", r"Use custom_vjp\.defvjp, or custom_jvp\."),
        (custom_jvp, "def_vjp", r"Use custom_jvp\.defjvp, or custom_vjp\."),
        (custom_vjp, "other", r"it has no attribute 'other'\.$"),
    ],
)
def test_the_names_of_rules(kind, name, remedy):
    with pytest.raises(AttributeError, match=remedy):
        getattr(kind(lambda x: x), name)
