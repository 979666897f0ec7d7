"""The checks themselves: each must pass right rules and find every kind of wrong one."""

import numpy as np
import pytest

import vmapcore.testing
from vmapcore import stop_gradient
from vmapcore.core import PRIMITIVES, multiple, primitive
from vmapcore.testing import assert_same, check_composition, check_grads, check_vmap, numeric_jvp, vmap_loop

from . import test_rules
from .reference import loop, slope
from .rows import row

X = np.linspace(0.2, 1.8, 12).reshape(3, 4)
Y = np.linspace(-1.0, 1.0, 12).reshape(3, 4) ** 3
SQUARE = np.linspace(0.1, 2.7, 27).reshape(3, 3, 3) ** 2


@pytest.fixture(autouse=True)
def _own_primitives():
    """Primitives declared here are gone afterwards."""
    before = dict(PRIMITIVES)
    yield
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


# Right primitives, out of which the wrong ones are made by replacing one rule.


def product():
    @primitive
    def product(xp, x, y):
        """x * y."""
        return x * y

    @product.def_vmap
    def product_vmap(size, mapped, x, y):
        rank = max(np.ndim(x) - mapped[0], np.ndim(y) - mapped[1])
        x, y = [
            v.reshape(v.shape[:1] + (1,) * (rank + 1 - v.ndim) + v.shape[1:]) if m else v
            for v, m in zip((x, y), mapped, strict=True)
        ]
        return product(x, y)

    def fit(g, x):
        lead = tuple(range(g.ndim - x.ndim))
        return np.sum(g, axis=lead) if lead else g

    product.def_vjp(lambda g, out, x, y: fit(g * y, x), lambda g, out, x, y: fit(g * x, y))

    @product.def_jvp
    def product_jvp(tangents, out, x, y):
        return sum([t * v for t, v in zip(tangents, (y, x), strict=True) if t is not None])

    return product


def total():
    @primitive
    def total(xp, x, *, axis, scale):
        """The sum over an axis counted from the front, times `scale`."""
        return xp.sum(x, axis=axis) * scale

    total.def_vmap(lambda size, mapped, x, *, axis, scale: total(x, axis=axis + 1, scale=scale))
    total.def_vjp(lambda g, out, x, *, axis, scale: np.broadcast_to(np.expand_dims(g * scale, axis), x.shape))
    total.def_jvp(lambda tangents, out, x, *, axis, scale: total(tangents[0], axis=axis, scale=scale))
    return total


def halves():
    @multiple
    def halves(xp, x):
        """A sine and a copy."""
        return xp.sin(x), x.copy()

    halves.def_vmap(lambda size, mapped, x: halves(x))

    @halves.def_vjp
    def halves_vjp(g, out, x):
        first, second = g
        return (0 if first is None else first * np.cos(x)) + (0 if second is None else second)

    halves.def_jvp(lambda tangents, out, x: (tangents[0] * np.cos(x), tangents[0]))
    return halves


def first_total(x):
    return total()(x, axis=0, scale=2.0)


def test_right_rules_pass():
    times, parts = product(), halves()
    check_vmap(times, X, Y)
    check_vmap(times, X, Y[:, 0])
    check_grads(times, X, Y)
    check_grads(times, X, Y[0])
    check_composition(times, X, Y)
    check_vmap(lambda x: total()(x, axis=1, scale=3.0), SQUARE)
    check_grads(lambda x: total()(x, axis=1, scale=3.0), SQUARE)
    check_composition(lambda x: total()(x, axis=1, scale=3.0), SQUARE)
    check_vmap(parts, X)
    check_grads(parts, X)
    check_composition(parts, X)


WRONG_VMAP = {
    "drops a parameter": (total, lambda p: lambda size, mapped, x, *, axis, scale: p(x, axis=axis + 1, scale=1.0)),
    "axis off by one": (total, lambda p: lambda size, mapped, x, *, axis, scale: p(x, axis=axis, scale=scale)),
    "examples in reverse": (
        total,
        lambda p: lambda size, mapped, x, *, axis, scale: p(x[::-1], axis=axis + 1, scale=scale),
    ),
    "the first example for all": (
        total,
        lambda p: lambda size, mapped, x, *, axis, scale: np.broadcast_to(p(x[0], axis=axis, scale=scale), (size, 3)),
    ),
    "batch last": (
        total,
        lambda p: lambda size, mapped, x, *, axis, scale: np.transpose(p(x, axis=axis + 1, scale=scale)),
    ),
    "no batch": (total, lambda p: lambda size, mapped, x, *, axis, scale: p(x, axis=axis + 1, scale=scale)[0]),
    "mixes examples": (
        total,
        lambda p: (
            lambda size, mapped, x, *, axis, scale: p(
                x - np.mean(x) + np.mean(x, axis=(1, 2), keepdims=True) * 0.9, axis=axis + 1, scale=scale
            )
        ),
    ),
    "another dtype": (
        total,
        lambda p: lambda size, mapped, x, *, axis, scale: p(x, axis=axis + 1, scale=scale).astype(np.float32),
    ),
    "wrong for no example": (
        total,
        lambda p: (
            lambda size, mapped, x, *, axis, scale: p(x, axis=axis + 1, scale=scale) if size else np.zeros((0, 7))
        ),
    ),
    "wrong for one example": (
        total,
        lambda p: (
            lambda size, mapped, x, *, axis, scale: p(np.squeeze(x, 0) if size == 1 else x, axis=axis + 1, scale=scale)
        ),
    ),
    "wrong in a vmap": (
        total,
        lambda p: (
            lambda size, mapped, x, *, axis, scale: (
                p(x, axis=axis + 1, scale=scale) * (1.0 if type(x) is np.ndarray else 2.0)
            )
        ),
    ),
    "writes to its argument": (total, lambda p: lambda size, mapped, x, *, axis, scale: doubled(p, x, axis + 1, scale)),
}


def doubled(p, x, axis, scale):
    if type(x) is np.ndarray and x.flags.writeable:
        x *= 1.5
        return p(x, axis=axis, scale=scale) / 1.5
    return p(x, axis=axis, scale=scale)


@pytest.mark.parametrize("kind", WRONG_VMAP)
def test_wrong_vmap_rules_are_found(kind):
    make, wrong = WRONG_VMAP[kind]
    p = make()
    p.def_vmap(wrong(p))
    with pytest.raises((AssertionError, np.exceptions.AxisError, ValueError)):
        check_vmap(lambda x: p(x, axis=1, scale=2.0), SQUARE)


WRONG_PAIR = {
    "an unmapped argument taken for mapped": lambda p: (
        lambda size, mapped, x, y: p(x, y.reshape(-1, *[1] * (np.ndim(x) - 1)) if np.ndim(y) == 1 else y)
    ),
    "no room for the rank of the other": lambda p: lambda size, mapped, x, y: p(x, y),
    "the batch only where the first has it": lambda p: lambda size, mapped, x, y: p(x, y) if mapped[0] else p(x, y[0]),
}


@pytest.mark.parametrize("kind", WRONG_PAIR)
def test_wrong_rules_of_two_arguments_are_found(kind):
    p = product()
    p.def_vmap(WRONG_PAIR[kind](p))
    with pytest.raises((AssertionError, ValueError, IndexError)):
        check_vmap(p, SQUARE[0], SQUARE[0, :, 0])
        check_vmap(p, SQUARE, SQUARE[0])


def test_aliases_are_found():
    @primitive
    def duplicate(xp, x):
        """A copy."""
        return x.copy()

    duplicate.def_vmap(lambda size, mapped, x: x)
    with pytest.raises(AssertionError, match="shares memory"):
        check_vmap(duplicate, X)
    duplicate.def_vmap(lambda size, mapped, x: duplicate(x))
    check_vmap(duplicate, X)


def test_writes_are_found():
    @primitive
    def increment(xp, x):
        """x + 1, in x."""
        x += 1
        return x.copy()

    increment.def_vmap(lambda size, mapped, x: increment(x))
    with pytest.raises(AssertionError, match="wrote to its argument"):
        check_vmap(increment, X.copy(), like=lambda x: x + 1)


def test_a_swapped_output_is_found():
    p = halves()
    p.def_vmap(lambda size, mapped, x: p(x)[::-1])
    with pytest.raises(AssertionError):
        check_vmap(p, X)


WRONG_VJP = {
    "scaled": (lambda g, out, x, y: 1.01 * g * y, None),
    "of the other argument": (lambda g, out, x, y: g * x, None),
    "wrong sign": (lambda g, out, x, y: -g * y, None),
    "not summed over what was broadcast": (None, lambda g, out, x, y: g * x),
    "summed over the wrong axis": (None, lambda g, out, x, y: np.sum(g * x, axis=1)),
    "another dtype": (lambda g, out, x, y: (g * y).astype(np.float32), None),
    "nothing": (lambda g, out, x, y: np.zeros_like(x), None),
    "wrong derivative of its own": (lambda g, out, x, y: g * stop_gradient(y), None),
    "not linear in g": (lambda g, out, x, y: stop_gradient(g) * y, None),
    "writes to g": (lambda g, out, x, y: scaled_in_place(g, y), None),
    "writes to what it keeps": (lambda g, out, x, y: (g * y, scaled_in_place(y, 2.0))[0], None),
}


def scaled_in_place(x, y):
    if type(x) is np.ndarray:
        x *= y
        return x
    return x * y


@pytest.mark.parametrize("kind", WRONG_VJP)
def test_wrong_vjps_are_found(kind):
    p = product()
    p.def_vjp(*[wrong or right for wrong, right in zip(WRONG_VJP[kind], p.vjps, strict=True)])
    with pytest.raises(AssertionError):
        check_grads(p, SQUARE[0] + 0.1, SQUARE[1, 1] + 0.2)


def test_a_forgotten_vjp_is_found():
    p = product()
    p.def_vjp(p.vjps[0], None)
    with pytest.raises(AssertionError):
        check_grads(p, X, Y)


def test_a_zero_derivative_is_found():
    p = product()
    p.def_zero_derivative()
    with pytest.raises(AssertionError):
        check_grads(p, X, Y)


WRONG_JVP = {
    "None": lambda tangents, out, x, y: None,
    "half": lambda tangents, out, x, y: 0.5 * (0 if tangents[0] is None else tangents[0] * y) + 0 * out,
    "one term": lambda tangents, out, x, y: tangents[0] * y if tangents[0] is not None else np.zeros_like(out),
    "another dtype": lambda tangents, out, x, y: (tangents[0] * y + x * tangents[1]).astype(np.float32),
    "another shape": lambda tangents, out, x, y: np.sum(tangents[0] * y + x * tangents[1]),
    "wrong derivative of its own": lambda tangents, out, x, y: (
        tangents[0] * stop_gradient(y) + stop_gradient(x) * tangents[1]
    ),
}


@pytest.mark.parametrize("kind", WRONG_JVP)
def test_wrong_jvps_are_found(kind):
    p = product()
    p.def_jvp(WRONG_JVP[kind])
    with pytest.raises((AssertionError, TypeError)):
        check_grads(p, X, Y)


def test_wrong_conjugates_are_found():
    @primitive
    def modulus(xp, z):
        """|z|^2."""
        return (z * z.conj()).real

    modulus.def_vmap(lambda size, mapped, z: modulus(z))
    modulus.def_jvp(lambda tangents, out, z: 2 * np.real(tangents[0] * np.conj(z)))
    modulus.def_vjp(lambda g, out, z: 2 * g * np.conj(z))
    z = X + 1j * Y
    check_grads(modulus, z)
    check_composition(modulus, z)
    modulus.def_vjp(lambda g, out, z: 2 * g * z)
    with pytest.raises(AssertionError, match="pullback"):
        check_grads(modulus, z)
    modulus.def_jvp(lambda tangents, out, z: 2 * np.real(tangents[0] * z))
    with pytest.raises(AssertionError, match="tangent"):
        check_grads(modulus, z, modes=("fwd",))


def test_wrong_derivatives_of_one_output_are_found():
    p = halves()
    p.def_vjp(lambda g, out, x: g[0] * np.cos(x) if g[0] is not None else np.zeros_like(x))
    with pytest.raises(AssertionError):
        check_grads(p, X)


def test_vmap_rules_that_lose_the_derivative_are_found():
    """Right in value, so that only the composition shows it."""
    p = product()
    right = p.vmap
    p.def_vmap(lambda size, mapped, x, y: right(size, mapped, stop_gradient(x), y))
    check_vmap(p, X, Y)
    check_grads(p, X, Y)
    with pytest.raises(AssertionError, match="grad"):
        check_composition(p, X, Y)


def test_derivatives_that_do_not_batch_are_found():
    """A vjp that is right on an example and wrong on a batch of them, since it asks what it is given."""
    p = product()
    p.def_vjp(lambda g, out, x, y: g * y if type(g) is np.ndarray else g * y * 2, p.vjps[1])
    check_grads(p, X, Y, order=1)
    with pytest.raises(AssertionError, match="vmap"):
        check_composition(p, X, Y)


# The checks of a row.


def test_rows_with_wrong_evals_are_found():
    @primitive
    def sine(xp, x):
        """Wrong where its argument is not contiguous."""
        return xp.sin(x) if x.flags.c_contiguous else xp.cos(x)

    sine.def_vmap(lambda size, mapped, x: sine(x))
    with pytest.raises(AssertionError, match="strided"):
        test_rules.test_eval_is_numpy.__wrapped__(row("sine", sine, (2, 3), loop=np.sin))


@pytest.mark.parametrize(
    "wrong", [lambda x: x.sum(0), lambda x: (x.sum(0), 1), lambda x: x.sum(0).astype(np.float32), lambda x: [x.sum(0)]]
)
def test_rows_with_wrong_results_are_found(wrong):
    with pytest.raises(AssertionError):
        test_rules.test_eval_is_numpy.__wrapped__(row("wrong", wrong, (3, 3), loop=lambda x: x.sum(1)))


def test_rows_that_forget_an_error_are_found():
    with pytest.raises(pytest.fail.Exception):
        test_rules.test_empty.__wrapped__(row("max", lambda x: x.sum(), (3,), loop=np.max))


# Comparisons, oracles and what is said.


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.ones(3), np.ones(4)),
        (np.ones((3, 1)), np.ones(3)),
        (np.ones(3), np.ones(3, np.float32)),
        (np.ones(3), np.array([1.0, 1.0, 1.0 + 1e-8])),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0])),
        (np.array([1.0, 2.0]), np.array([1.0, np.nan])),
        (np.array([np.inf]), np.array([-np.inf])),
        (np.array([1.0]), np.array([np.inf])),
        (np.array([1 + 1j]), np.array([1 - 1j])),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([True]), np.array([False])),
        (1.0, np.float64(1.0)),
        ((np.ones(3),), [np.ones(3)]),
        ({"a": np.ones(3)}, {"b": np.ones(3)}),
        ((np.ones(3), None), (np.ones(3), 1)),
    ],
)
def test_differences_are_found(actual, expected):
    with pytest.raises(AssertionError):
        assert_same(actual, expected)


def test_what_is_equal_is_the_same():
    tree = {"a": np.array([np.nan, np.inf, -np.inf, 1.0]), "b": (np.arange(3), None, "text")}
    assert_same(tree, {"a": tree["a"] + 1e-12, "b": tree["b"]})
    assert_same(np.zeros((0, 3)), np.zeros((0, 3)))


@pytest.mark.parametrize("in_axes", [(0, 0), (1, None), (None, 2), (2, 1)])
@pytest.mark.parametrize("out_axes", [0, 1])
def test_the_loop_is_a_loop(in_axes, out_axes):
    for fun in (lambda x, y: x @ y, lambda x, y: (x.sum(0), y)):
        assert_same(
            vmap_loop(fun, in_axes, out_axes)(SQUARE, SQUARE + 1), loop(fun, in_axes, out_axes)(SQUARE, SQUARE + 1)
        )


def test_the_loop_reduces():
    assert_same(vmap_loop(np.sum, 0, "sum")(X), np.float64(X.sum()))
    assert_same(vmap_loop(np.sum, 0, "mean")(X), np.float64(X.sum() / 3))
    assert_same(vmap_loop(lambda x, y: y, (0, None), None)(X, Y), Y)
    assert_same(vmap_loop(lambda: X[0], (), axis_size=2)(), np.stack([X[0], X[0]]))


def test_numeric_derivatives():
    assert_same(numeric_jvp(np.sin, [X], [Y])[0].round(8), slope(np.sin, X, Y).round(8))
    z = X + 1j * Y
    np.testing.assert_allclose(numeric_jvp(np.conj, [z], [z * 1j])[0], np.conj(z * 1j), atol=1e-9)


def test_what_is_raised_can_be_raised_again():
    """The line in the note is Python, and raises the same."""
    p = total()
    p.def_vmap(WRONG_VMAP["examples in reverse"][1](p))

    def wrong(x):
        return p(x, axis=1, scale=2.0)

    for check, args in [(check_vmap, (SQUARE,)), (check_vmap, (SQUARE.astype(np.float32),))]:
        with pytest.raises(AssertionError) as caught:
            check(wrong, *args)
        (note,) = caught.value.__notes__
        source = note.removeprefix("Shown again by: ")
        with pytest.raises(AssertionError) as again:
            exec(source, {**vars(vmapcore.testing), "np": np, "wrong": wrong})
        assert str(again.value) == str(caught.value)


def test_what_is_raised_for_trees_can_be_raised_again():
    def wrong(tree, n):
        return tree["a"][0] * n if type(tree["b"]) is np.ndarray else tree["b"]

    with pytest.raises(AssertionError) as caught:
        check_vmap(wrong, {"a": [X], "b": Y[:, 0]}, 2.0, in_axes=({"a": [0], "b": 0}, None))
    (note,) = caught.value.__notes__
    with pytest.raises(AssertionError) as again:
        exec(note.removeprefix("Shown again by: "), {**vars(vmapcore.testing), "np": np, "wrong": wrong})
    assert str(again.value) == str(caught.value)


def test_a_batch_of_one_tells_nothing():
    with pytest.raises(AssertionError, match="two or more"):
        check_vmap(np.sin, np.ones((1, 3)))
    with pytest.raises(AssertionError, match="two or more"):
        check_vmap(np.sin, np.ones(3), in_axes=(None,))
