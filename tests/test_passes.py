"""Passes over graphs: what each rewrites, what it must leave, and that graphs compute the same before and after."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmapcore import custom_op, external, grad, nn, trace, vmap
from vmapcore.errors import VmapcoreError
from vmapcore.graph import Literal
from vmapcore.nn.functional import cross_entropy
from vmapcore.planning import (
    PASSES,
    drop_dead,
    drop_noops,
    fold_constants,
    fold_epilogues,
    fold_into_products,
    fuse_cross_entropy,
    keep_broadcasts_lazy,
    merge_equal,
    simplify,
)
from vmapcore.planning.passes.equal import bits
from vmapcore.planning.passes.rewriting import Walk
from vmapcore.planning.plan_primitives import ELEMENTWISE, cross_entropy_along, cross_entropy_grad, rectify_grad
from vmapcore.pytree import flatten

from .graphs import Builder, Random, assert_same, names
from .ops import OPS
from .test_rules import differentiable, each
from .values import arguments, dtypes

REORDERING = (fold_into_products, fuse_cross_entropy)
"""Passes that are exact only up to rounding and signs of zeros."""
EXACT = tuple([each for each in PASSES if each not in REORDERING])

F4, F8, I8 = map(np.dtype, ("f4", "f8", "i8"))
rng = np.random.default_rng(0)


def normal(*shape, dtype=F4):
    return rng.normal(size=shape).astype(dtype)


def rewritten(step, b, *outputs, signs=True):
    """The graph after a pass, without dead code before and after; it must compute the same."""
    graph = drop_dead(b.graph(*outputs))
    after = drop_dead(step(graph))
    assert_same(graph, after, b.arrays, signs)
    return after


def unchanged(step, b, *outputs):
    graph = drop_dead(b.graph(*outputs))
    return step(graph) is graph


@pytest.fixture
def b():
    return Builder()


# Dead code.


def test_dead_steps_go(b):
    x = b.input(normal(3))
    b("cos", b("exp", x))
    after = drop_dead(b.graph(b("sin", x)))
    assert names(after) == ["sin"]


def test_a_step_with_one_result_wanted_stays(b):
    x = b.input(normal(3))
    fraction, _ = b("modf", x)
    graph = b.graph(fraction)
    assert drop_dead(graph) is graph


def test_inputs_and_constants_survive_as_results(b):
    x, y = b.input(normal(3)), b.input(normal(2))
    b("sin", x)
    graph = drop_dead(b.graph(x, 2.5, x))
    assert graph.steps == () and graph.inputs == (x, y)
    assert [a if a is x else a.value for a in graph.outputs] == [x, 2.5, x]


def test_dead_operations_of_authors_go():
    calls = []
    op = external(lambda x: calls.append(1) or x + 1, vmap_method="expand_dims", result=lambda x: x)
    graph = trace(lambda x: (op(x), x * 2)[1])(np.ones(3))
    assert names(drop_dead(graph)) == ["multiply"]


# Common subexpressions.


def test_equal_steps_merge(b):
    x = b.input(normal(3))
    after = rewritten(merge_equal, b, b("add", b("sin", x), b("sin", x)))
    assert names(after) == ["sin", "add"]
    assert after.steps[1].inputs == (after.steps[0].outputs[0],) * 2


def test_chains_merge(b):
    x = b.input(normal(3))
    one, two = [b("exp", b("multiply", b("sin", x), 2.0)) for _ in range(2)]
    assert names(rewritten(merge_equal, b, one, two)) == ["sin", "multiply", "exp"]


def test_all_results_of_a_step_merge(b):
    x = b.input(normal(3))
    (a, _), (_, d) = b("modf", x), b("modf", x)
    assert names(rewritten(merge_equal, b, a, d)) == ["modf"]


def test_equal_arrays_among_the_constants_are_one(b):
    x = b.input(normal(3))
    a, c = [b("add", x, np.array([1.0, math.nan, -0.0])) for _ in range(2)]
    assert len(rewritten(merge_equal, b, a, c).steps) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (1, True),
        (1.0, np.float64(1)),
        (np.float32(1), np.float64(1)),
        (np.float64(1), np.array(1.0)),
        (np.array([0.0]), np.array([-0.0])),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([1], "i4"), np.array([1], "f4")),
    ],
)
def test_constants_that_differ_stay_apart(b, one, other):
    x = b.input(normal(3))
    assert unchanged(merge_equal, b, b("add", x, one), b("add", x, other))


@pytest.mark.parametrize(("one", "other"), [(0, 0.0), (0.0, -0.0), (True, 1)])
def test_parameters_that_differ_stay_apart(b, one, other):
    x = b.input(normal(3))
    assert unchanged(merge_equal, b, *[b("pad", x, widths=((1, 0, 0),), value=v) for v in (one, other)])


def test_a_nan_is_itself(b):
    x = b.input(normal(3))
    assert len(rewritten(merge_equal, b, b("add", x, math.nan), b("add", x, float("nan"))).steps) == 1
    assert bits(math.nan) == bits(float("nan")) and bits(0.0) != bits(-0.0)


def test_other_parameters_or_inputs_stay_apart(b):
    x, y = b.input(normal(2, 2)), b.input(normal(2, 2))
    kept = [b("reduce_sum", x, axis=(-1,), keepdims=False), b("reduce_sum", x, axis=(-2,), keepdims=False)]
    kept += [b("subtract", x, y), b("subtract", y, x), b("add", x, y)]
    assert unchanged(merge_equal, b, *kept)


def test_long_arrays_are_compared_by_identity(b):
    x = b.input(normal(3, 1))
    long = np.ones(20_000)
    shared = Literal(long)
    one, other, third = [b("add", x, long) for _ in range(3)]
    b.steps[1:] = [s._replace(inputs=(s.inputs[0], shared)) for s in b.steps[1:]]
    assert len(rewritten(merge_equal, b, one, other, third).steps) == 2


@pytest.mark.parametrize(
    "declare", [lambda f: external(f, result=lambda x: x), lambda f: custom_op(lambda xp, x: f(x))]
)
def test_operations_of_authors_are_not_merged(declare):
    calls = []

    def count(x):
        calls.append(1)
        return x + len(calls)

    op = declare(count)
    graph = trace(lambda x: op(x) * op(x))(np.ones(3))
    assert merge_equal(graph) is graph and len(simplify(graph).steps) == 3
    assert [step.primitive.pure for step in graph.steps] == [False, False, True]


# Constants.


def test_constants_are_computed(b):
    x = b.input(normal(3))
    after = rewritten(fold_constants, b, b("add", x, b("multiply", b("exp", 2.0), 3)))
    assert names(after) == ["add"]
    assert after.steps[0].inputs[1].value == np.exp(2.0) * 3


def test_a_constant_keeps_its_dtype(b):
    x = b.input(normal(3))
    single = b("convert", np.float64(2), dtype=F4)
    after = rewritten(fold_constants, b, b("add", x, single))
    assert after.steps[0].inputs[1].value.dtype == F4 and after.steps[0].outputs[0].dtype == F4


def test_constant_results(b):
    b.input(normal(3))
    graph = rewritten(fold_constants, b, *b("modf", np.array([1.5, -2.5])))
    assert graph.steps == () and all(isinstance(a, Literal) for a in graph.outputs)


def test_large_broadcasts_are_not_kept(b):
    x = b.input(normal(1))
    wide = b("broadcast_to", np.float32(2), shape=(1 << 19,))
    assert unchanged(fold_constants, b, b("add", x, wide))
    narrow = b("broadcast_to", np.float32(2), shape=(10,))
    assert names(rewritten(fold_constants, b, b("add", x, narrow))) == ["add"]


def test_nothing_an_author_wrote_runs_while_planning():
    calls = []
    op = external(lambda x: calls.append(1) or x + 1, vmap_method="expand_dims", result=lambda x: x)
    (step,) = trace(op)(np.ones(3)).steps
    graph = trace(op)(np.ones(3)).with_steps([step._replace(inputs=(Literal(np.ones(3)),))], step.outputs)
    before = len(calls)
    assert fold_constants(graph) is graph and len(calls) == before


def test_what_raises_stays_to_raise(b):
    b.input(normal(3))
    good = b("nll_along", np.zeros((2, 3)), np.zeros((2, 1), int), axis=-1, ignored=-1)
    bad = b.steps[0]._replace(inputs=(Literal(np.zeros((2, 3))), Literal(np.full((2, 1), 7))))
    graph = b.graph(good).with_steps([bad])
    assert fold_constants(graph) is graph
    with pytest.raises(VmapcoreError):
        graph(*b.arrays)


def test_folding_warns_of_nothing(b):
    x = b.input(normal(1))
    assert names(rewritten(fold_constants, b, b("add", x, b("divide", np.float32(1), np.float32(0))))) == ["add"]


# No-ops.

X = np.array([[1.0, -0.0, math.nan], [math.inf, 0.0, -2.0]])

NOTHING = [
    ("convert", [], {"dtype": F8}),
    ("reshape", [], {"shape": (2, 3)}),
    ("transpose", [], {"perm": (-2, -1)}),
    ("transpose", [], {"perm": (-1,)}),
    ("positive", [], {}),
    ("conjugate", [], {}),
    ("duplicate", [], {}),
    ("multiply", [1], {}),
    ("multiply", [1.0], {}),
    ("multiply", [np.ones((2, 3))], {}),
    ("multiply", [np.ones(3, "f4")], {}),
    ("divide", [1], {}),
    ("subtract", [0], {}),
    ("subtract", [0.0], {}),
    ("add", [-0.0], {}),
    ("add", [np.full(3, -0.0)], {}),
    ("repeat_along", [], {"axis": (), "sizes": (), "keepdims": False}),
    ("broadcast_to", [], {"shape": (2, 3)}),
    ("slice_read", [], {"index": ((None, None, None), (None, None, None))}),
    ("slice_read", [], {"index": ((0, None, 1), (0, 3, None)), "copy": True}),
    ("pad", [], {"widths": ((0, 0, 0),)}),
    ("tile", [], {"reps": (1, 1)}),
    ("repeat", [], {"repeats": 1, "axis": -1}),
    ("concatenate", [], {"axis": -1}),
    ("reduce_max", [], {"axis": (), "keepdims": False}),
]


@pytest.mark.parametrize(("name", "others", "params"), NOTHING)
def test_what_does_nothing_goes(b, name, others, params):
    x = b.input(X)
    assert names(rewritten(drop_noops, b, b(name, x, *others, **params))) == []


RESHAPES = [
    ("repeat_along", (2, 3), {"axis": (-2,), "sizes": (1,), "keepdims": False}),
    ("repeat_along", (2, 1), {"axis": (-1,), "sizes": (1,), "keepdims": True}),
    ("broadcast_to", (2, 3), {"shape": (1, 2, 3)}),
    ("transpose", (2, 1, 3), {"perm": (-2, -3, -1)}),
    ("slice_read", (2, 3), {"index": (None, (None, None, None), None)}),
    ("slice_read", (1, 3), {"index": (0, (None, None, None))}),
    ("reduce_max", (2, 1), {"axis": (-1,), "keepdims": False}),
    ("reduce_min", (1, 2), {"axis": (-2,), "keepdims": False}),
    ("stack", (2, 3), {"axis": -1}),
]


@pytest.mark.parametrize(("name", "shape", "params"), RESHAPES)
def test_reshapes_by_another_name(b, name, shape, params):
    x = b.input(X[: math.prod(shape) // 3 or 1, : min(3, math.prod(shape))].reshape(shape))
    out = b(name, x, **params)
    expected = ["reshape"] if out.shape != shape else []
    assert names(rewritten(drop_noops, b, out)) == expected


KEPT = [
    ("convert", [], {"dtype": F4}),
    ("reshape", [], {"shape": (3, 2)}),
    ("transpose", [], {"perm": (-1, -2)}),
    ("add", [0], {}),
    ("add", [0.0], {}),
    ("subtract", [-0.0], {}),
    ("add", [np.zeros(3)], {}),
    ("subtract", [np.full(3, -0.0)], {}),
    ("multiply", [-1], {}),
    ("multiply", [np.array([1.0, 1.0, 2.0])], {}),
    ("multiply", [1j], {}),
    ("multiply", [np.ones((2, 2, 3))], {}),
    ("divide", [np.full(3, 1 + 0j)], {}),
    ("repeat_along", [], {"axis": (-1,), "sizes": (2,), "keepdims": False}),
    ("slice_read", [], {"index": ((None, None, -1), (None, None, None))}),
    ("slice_read", [], {"index": ((1, None, None), (None, None, None))}),
    ("reduce_sum", [], {"axis": (), "keepdims": False}),
    ("pad", [], {"widths": ((0, 1, 0),)}),
    ("absolute", [], {}),
]


@pytest.mark.parametrize(("name", "others", "params"), KEPT)
def test_what_does_something_stays(b, name, others, params):
    x = b.input(X)
    assert unchanged(drop_noops, b, b(name, x, *others, **params))


def test_complex_numbers_times_one_stay(b):
    """(inf + 0j) * (1 + 0j) has a NaN."""
    x = b.input(np.array([complex(math.inf, 0), 1j]))
    assert unchanged(drop_noops, b, b("multiply", x, 1), b("conjugate", x), b("real_part", x))


def test_wider_constants_widen(b):
    x = b.input(normal(3))
    assert unchanged(drop_noops, b, b("multiply", x, np.float64(1)), b("divide", b.input(np.ones(3, int)), 1))


def test_whole_numbers_plus_zero(b):
    x = b.input(np.arange(3))
    assert names(rewritten(drop_noops, b, b("add", x, 0), b("subtract", x, 0))) == []


def test_reshapes_join(b):
    x = b.input(normal(2, 6))
    after = rewritten(drop_noops, b, b("reshape", b("reshape", x, shape=(12,)), shape=(3, 4)))
    assert names(after) == ["reshape"]
    assert names(rewritten(drop_noops, b, b("reshape", b("reshape", x, shape=(12,)), shape=(2, 6)))) == []


def test_transposes_join(b):
    x = b.input(normal(2, 3, 4))
    once = b("transpose", x, perm=(-2, -1, -3))
    twice = b("transpose", once, perm=(-2, -1, -3))
    after = rewritten(drop_noops, b, twice)
    assert names(after) == ["transpose"] and after.steps[0].inputs == (x,)
    assert names(rewritten(drop_noops, b, b("transpose", twice, perm=(-2, -1, -3)))) == []
    assert names(rewritten(drop_noops, b, b("transpose", b("transpose", x, perm=(-1, -2)), perm=(-1, -2)))) == []


# Broadcasts.


def test_elementwise_steps_take_what_is_repeated(b):
    x, y = b.input(normal(3)), b.input(normal(4, 3))
    wide = b("repeat_along", x, axis=(-2,), sizes=(4,), keepdims=False)
    after = rewritten(keep_broadcasts_lazy, b, b("multiply", wide, y))
    assert names(after) == ["multiply"] and after.steps[0].inputs == (x, y)


def test_axes_in_the_middle_become_length_one(b):
    x, y = b.input(normal(4, 3)), b.input(normal(4, 2, 3))
    wide = b("repeat_along", x, axis=(-2,), sizes=(2,), keepdims=False)
    after = rewritten(keep_broadcasts_lazy, b, b("select", b("greater", y, 0), wide, 0))
    assert names(after) == ["greater", "reshape", "select"] and after.steps[1].outputs[0].shape == (4, 1, 3)


def test_the_result_is_repeated_where_all_operands_are(b):
    x = b.input(normal(3))
    wide = b("broadcast_to", x, shape=(4, 3))
    after = rewritten(keep_broadcasts_lazy, b, b("add", b("exp", wide), 1))
    assert names(after) == ["exp", "add", "broadcast_to"] and after.steps[1].outputs[0].shape == (3,)


def test_a_uniform_array_becomes_a_scalar_of_its_dtype(b):
    x = b.input(normal(3))
    after = rewritten(keep_broadcasts_lazy, b, b("divide", np.ones(3, "f8"), x))
    constant = after.steps[0].inputs[0].value
    assert constant.shape == () and constant.dtype == F8 and after.steps[0].outputs[0].dtype == F8


@pytest.mark.parametrize("value", [[1.0, 2.0], [0.0, -0.0], [math.nan, math.nan]])
def test_arrays_of_several_values_stay(b, value):
    x = b.input(normal(2))
    assert unchanged(keep_broadcasts_lazy, b, b("add", x, np.array(value)))


def test_powers_keep_their_exponents(b):
    """By a scalar 2, power is a square, which rounds otherwise."""
    x = b.input(normal(3, dtype=F8))
    assert unchanged(keep_broadcasts_lazy, b, b("power", x, np.full(3, 2.0)))


def test_products_take_what_is_repeated(b):
    """Of whole numbers, whose sums are the same in any order."""
    x, y = b.input(np.round(4 * normal(3))), b.input(np.round(4 * normal(4, 3, 5)))
    wide = b("repeat_along", x, axis=(-2,), sizes=(4,), keepdims=False)
    after = rewritten(keep_broadcasts_lazy, b, b("contract", wide, y, subscripts="ab,abc->ac"))
    assert names(after) == ["contract"] and after.steps[0].params["subscripts"] == "b,abc->ac"
    middle = b("repeat_along", b.input(np.round(4 * normal(4, 5))), axis=(-2,), sizes=(3,), keepdims=False)
    after = rewritten(keep_broadcasts_lazy, b, b("contract", y, middle, subscripts="abc,abc->ab"))
    assert after.steps[-1].params["subscripts"] == "abc,a1c->ab"


@pytest.mark.parametrize("subscripts", ["ab,bc->ac", "ab,abc->c"])
def test_products_that_need_the_axis_stay(b, subscripts):
    x, y = b.input(normal(3)), b.input(normal(*[{"a": 4, "b": 3, "c": 5}[c] for c in subscripts[3:].split("->")[0]]))
    wide = b("repeat_along", x, axis=(-2,), sizes=(4,), keepdims=False)
    assert unchanged(keep_broadcasts_lazy, b, b("contract", wide, y, subscripts=subscripts))


def test_cotangents_of_losses(b):
    g, y = b.input(normal(2)), b.input(np.array([[[0], [1], [2]]] * 2))
    wide = b("repeat_along", g, axis=(-2, -1), sizes=(3, 1), keepdims=False)
    out = b("nll_transpose", wide, y, axis=-1, ignored=-100, classes=4)
    assert rewritten(keep_broadcasts_lazy, b, out).steps[0].outputs[0].shape == (2, 1, 1)


# Products.


def subscripts(graph):
    return [step.params["subscripts"] for step in graph.steps if step.primitive.name == "contract"]


def whole(*shape):
    return rng.integers(-3, 4, shape).astype(float)


def test_transposed_operands(b):
    x, w = b.input(whole(2, 3)), b.input(whole(4, 3))
    after = rewritten(fold_into_products, b, b("contract", x, b("transpose", w, perm=(-1, -2)), subscripts="ij,jk->ik"))
    assert names(after) == ["contract"] and subscripts(after) == ["ij,kj->ik"]


def test_axes_of_length_one(b):
    x, w = b.input(whole(2, 3)), b.input(whole(3, 4))
    column = b("reshape", x, shape=(2, 1, 3))
    after = rewritten(fold_into_products, b, b("contract", column, w, subscripts="aij,jk->aik"))
    assert names(after) == ["contract"] and subscripts(after) == ["aj,jk->a1k"]


def test_an_outer_product_has_no_sum(b):
    """As the gradient of a weight for one example."""
    x, g = b.input(whole(5, 1, 3)), b.input(whole(5, 1, 2))
    after = rewritten(fold_into_products, b, b("contract", x, g, subscripts="dab,dac->dcb"))
    assert subscripts(after) == ["d1b,d1c->dcb"]


def test_a_name_of_length_one_in_the_result_alone_goes_too(b):
    x, y = b.input(whole(2, 3)), b.input(whole(3, 1))
    row = b("reshape", y, shape=(3,))
    out = b("contract", b("reshape", x, shape=(2, 1, 3)), b("reshape", row, shape=(1, 3)), subscripts="aij,ij->ai")
    assert subscripts(rewritten(lambda g: fold_into_products(drop_noops(g)), b, out)) == ["aj,j1->a1"]


def test_sums_over_a_stack_of_products(b):
    x, y = b.input(whole(4, 2, 3)), b.input(whole(4, 3, 5))
    product = b("contract", x, y, subscripts="dab,dbc->dac")
    after = rewritten(fold_into_products, b, b("reduce_sum", product, axis=(-3,), keepdims=False), signs=False)
    assert names(after) == ["contract"] and subscripts(after) == ["dab,dbc->ac"]
    after = rewritten(fold_into_products, b, b("reduce_sum", product, axis=(-3,), keepdims=True), signs=False)
    assert subscripts(after) == ["dab,dbc->1ac"]


def test_sums_over_an_axis_of_one_operand_stay(b):
    x, y = b.input(whole(2, 3)), b.input(whole(3, 5))
    product = b("contract", x, y, subscripts="ab,bc->ac")
    assert unchanged(fold_into_products, b, b("reduce_sum", product, axis=(-1,), keepdims=False))


def test_products_that_others_read_stay(b):
    x, y = b.input(whole(2, 3)), b.input(whole(2, 3, 5))
    product = b("contract", x, y, subscripts="ab,abc->ac")
    assert unchanged(fold_into_products, b, product, b("reduce_sum", product, axis=(-2,), keepdims=False))


def test_reshapes_that_split_stay(b):
    x, y = b.input(whole(12)), b.input(whole(3, 5))
    assert unchanged(fold_into_products, b, b("contract", b("reshape", x, shape=(4, 3)), y, subscripts="ab,bc->ac"))


# Rectifiers.


def masked(b, x, g, bound=0, other=0):
    return b("select", b("greater", x, bound), g, other)


def test_gradients_of_rectifiers(b):
    x, g = b.input(X), b.input(X[::-1])
    for zero in (0, 0.0):
        after = rewritten(fold_epilogues, b, masked(b, x, g, zero, zero))
        assert names(after) == ["rectify_grad"] and after.steps[0].inputs == (g, x)


def test_what_is_no_gradient_of_a_rectifier_stays(b):
    x, g = b.input(X), b.input(X[::-1])
    kept = [masked(b, x, g, 1), masked(b, x, g, 0, 1), masked(b, x, g, 0, -0.0), masked(b, x, 0, g)]
    kept += [masked(b, x, b.input(normal(3)), 0), masked(b, b.input(normal(3)), g), masked(b, x, g, np.float64(0))]
    kept += [masked(b, b.input(np.arange(6).reshape(2, 3)), g), b("select", b("less", x, 0), g, 0)]
    assert unchanged(fold_epilogues, b, *kept)


# Cross entropy.


def softmax_loss(b, shape=(4, 5), axis=-1, ignored=-100, targets=None, factor=None):
    z = b.input(normal(*shape, dtype=F8))
    kept = tuple([1 if i == axis % len(shape) else n for i, n in enumerate(shape)])
    y = b.input(rng.integers(0, shape[axis], kept) if targets is None else targets)
    t = b("log_softmax_along", z, axis=(axis,))
    loss = b("nll_along", t, y, axis=axis, ignored=ignored)
    g = b.input(normal(*kept, dtype=F8))
    a = b("nll_transpose", g, y, axis=axis, ignored=ignored, classes=shape[axis])
    whole = b("reduce_sum", a, axis=(axis,), keepdims=True)
    factors = [b("exp", t), whole if factor is None else factor]
    return t, loss, a, lambda order=1: b("subtract", a, b("multiply", *factors[::order]))


def close(graph, after, arrays):
    for x, y in zip(graph(*arrays), after(*arrays), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("shape", "axis"), [((4, 5), -1), ((2, 5, 3), -2), ((5,), -1), ((0, 4), -1)])
def test_cross_entropies(b, shape, axis, order):
    _, loss, _, gradient = softmax_loss(b, shape, axis)
    graph = b.graph(loss, gradient(order))
    after = drop_dead(fuse_cross_entropy(graph))
    assert names(after) == ["cross_entropy_along", "cross_entropy_grad"]
    close(graph, after, b.arrays)
    assert_same(b.graph(loss), drop_dead(after.with_steps(after.steps[:1], after.outputs[:1])), b.arrays, signs=False)


def test_ignored_targets_have_no_part(b):
    """Even where their cotangents are infinite, as those of a mean over no targets are."""
    targets = np.array([[1], [-100], [4], [-100]])
    _, loss, _, gradient = softmax_loss(b, targets=targets)
    graph = b.graph(loss, gradient())
    b.values[b.inputs[2]][1] = math.inf
    b.values[b.inputs[2]][3] = math.nan
    after = fuse_cross_entropy(graph)
    close(graph, after, b.arrays)
    assert not after(*b.arrays)[1][[1, 3]].any()


def test_targets_out_of_range_still_raise(b):
    _, _, _, gradient = softmax_loss(b)
    after = drop_dead(fuse_cross_entropy(b.graph(gradient())))
    b.values[b.inputs[1]][0] = 9
    with pytest.raises(VmapcoreError, match="target"):
        after(*b.arrays)


def test_log_probabilities_that_others_read_stay(b):
    t, loss, _, gradient = softmax_loss(b)
    assert unchanged(fuse_cross_entropy, b, loss, gradient(), t)
    assert unchanged(fuse_cross_entropy, b, loss, gradient(), b("add", t, 1))
    assert unchanged(fuse_cross_entropy, b, loss, gradient(), b("exp", t))


def test_exponentials_that_others_read_stay(b):
    _, loss, _, gradient = softmax_loss(b)
    exponential = next(step.outputs[0] for step in b.steps if step.primitive.name == "exp")
    assert unchanged(fuse_cross_entropy, b, loss, gradient(), exponential)


def test_sums_of_other_cotangents_stay(b):
    _, _, a, _ = softmax_loss(b)
    other = b("reduce_sum", b("multiply", a, 2.0), axis=(-1,), keepdims=True)
    exponential = next(step.outputs[0] for step in b.steps if step.primitive.name == "exp")
    assert unchanged(fuse_cross_entropy, b, b("subtract", a, b("multiply", exponential, other)))


def test_other_sums_stay(b):
    assert unchanged(fuse_cross_entropy, b, softmax_loss(b, factor=2.0)[3]())
    t, _, a, _ = softmax_loss(b)
    flat = b("reduce_sum", a, axis=(-2,), keepdims=True)
    assert unchanged(fuse_cross_entropy, b, b("subtract", a, b("multiply", b("exp", t), flat)))
    whole = b("reduce_sum", a, axis=(-1,), keepdims=True)
    assert unchanged(fuse_cross_entropy, b, b("subtract", b("multiply", b("exp", t), whole), a))


@pytest.mark.parametrize("ignored", [-100, 1])
@given(seed=st.integers(0, 10**6))
def test_fused_losses_are_those_of_the_rules(ignored, seed):
    """Recorded from the loss that users call, for logits of any size."""
    r = np.random.default_rng(seed)
    shape = tuple(r.integers(1, 5, r.integers(1, 4)))
    z = r.normal(size=(*shape[:1], 4, *shape[1:])) * 10.0 ** r.integers(-2, 3)
    y = r.integers(0, 4, shape)

    def loss(z, y):
        return cross_entropy(z, y, ignore_index=ignored, reduction="sum")

    for fun in (loss, grad(loss), vmap(grad(lambda z, y: loss(z[None], y[None])))):
        graph = trace(fun)(z, y)
        after = simplify(graph)
        assert len(after.steps) < len(graph.steps)
        for a, b in zip(graph(z, y), after(z, y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# All of them.


@settings(max_examples=300 if settings.default.max_examples < 100 else settings.default.max_examples)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 25))
def test_passes_are_exact_on_random_graphs(seed, length):
    """One after the other, with NaNs, infinities, signed zeros and mixed dtypes."""
    b = Random(seed, length, integers=False)
    graph = b.result()
    for step in EXACT:
        after = step(graph)
        assert_same(graph, after, b.arrays)
        graph = after


@settings(max_examples=300 if settings.default.max_examples < 100 else settings.default.max_examples)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 25))
def test_all_passes_are_exact_where_no_sum_is_rounded(seed, length):
    b = Random(seed, length, integers=True)
    graph = first = b.result()
    for step in PASSES:
        after = step(graph)
        assert_same(graph, after, b.arrays, signs=step in EXACT)
        assert after.inputs == graph.inputs and len(after.outputs) == len(graph.outputs)
        graph = after
    done = simplify(first)
    assert_same(first, done, b.arrays, signs=False)
    assert simplify(done) is done, f"{done}\n{simplify(done)}"


@given(seed=st.integers(0, 2**32), length=st.integers(1, 25))
def test_graphs_are_not_changed(seed, length):
    graph = Random(seed, length, integers=True).result()
    before = graph.steps, graph.outputs, [(step.inputs, dict(step.params), step.outputs) for step in graph.steps]
    simplify(graph)
    after = graph.steps, graph.outputs, [(step.inputs, dict(step.params), step.outputs) for step in graph.steps]
    assert before == after


@each([row for row in OPS if row.args])
def test_every_operation_and_its_gradient(row):
    args = arguments(row, dtypes(row)[0], batch=(2,))

    def fun(*xs):
        return row.fun(*xs, **row.params)

    def total(*xs):
        return sum([np.sum(leaf) for leaf in flatten(fun(*xs))[0] if leaf.dtype.kind == "f"])

    wanted = [i for i in differentiable(row) if args[i].dtype.kind == "f"]
    for transformed in [vmap(fun), *[vmap(grad(total, argnums=i)) for i in wanted[:1]]]:
        try:
            graph = trace(transformed)(*args)
        except (VmapcoreError, AttributeError, TypeError):
            continue
        after = simplify(graph)
        assert len(after.steps) <= len(graph.steps) + 2
        with np.errstate(all="ignore"):
            results = graph(*args), after(*args)
        for a, b in zip(*results, strict=True):
            a, b = np.asarray(a), np.asarray(b)
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 * row.tol)


# Networks.


def lenet(n=2):
    return nn.LeNet5(rng=0), normal(n, 1, 32, 32), rng.integers(0, 10, n)


def loss_of(net, x, y):
    return cross_entropy(net.logits(x) if hasattr(net, "logits") else net(x), y)


def adam(net, state, x, y):
    return nn.Adam(1e-3).step(net, grad(loss_of)(net, x, y), state)


def persample():
    net = nn.SimpleMLP(rng=0)
    fun = vmap(grad(lambda net, x, y: loss_of(net, x[None], y[None])), in_axes=(None, 0, 0))
    return fun, (net, normal(3, 1, 28, 28), rng.integers(0, 10, 3))


NETWORKS = {
    "mlp_persample": (persample, 28),
    "lenet_forward": (lambda: (lambda net, x: net(x), lenet()[:2]), 20),
    "lenet_gradients": (lambda: (grad(loss_of), lenet()), 46),
    "cnn_gradients": (lambda: (grad(loss_of), (nn.SimpleCNN(rng=0), normal(2, 1, 28, 28), np.array([1, 2]))), 42),
    "lenet_adam": (lambda: (adam, (lenet()[0], nn.Adam(1e-3).init(lenet()[0]), *lenet()[1:])), 200),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    make, most = NETWORKS[name]
    fun, args = make()
    graph = trace(fun)(*args)
    after = simplify(graph)
    arrays = [x for x in flatten((args, {}))[0] if hasattr(x, "shape")]
    assert len(after.steps) <= min(most, len(graph.steps)) and after.flops <= graph.flops
    for a, b in zip(graph(*arrays), after(*arrays), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_planning_is_fast():
    """A program of 2000 steps; the bound is generous for a busy machine."""

    def fun(x):
        for _ in range(500):
            x = np.stack([x[1] * 0.5, x[0] + x[1]])
        return x

    graph = trace(fun)(np.ones(2))
    assert len(graph.steps) > 2000
    times = []
    for _ in range(3):
        start = time.perf_counter()
        simplify(graph)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


# What passes are made of.


def test_elementwise_primitives_broadcast():
    """The table holds what works element by element, and only that."""
    for primitive in ELEMENTWISE:
        assert not primitive.multiple and primitive.pure, primitive.name


def test_fused_primitives_are_pure():
    assert all(p.pure for p in (rectify_grad, cross_entropy_along, cross_entropy_grad))


def test_who_reads_is_known_after_values_were_replaced(b):
    x = b.input(normal(2))
    y = b("positive", x)
    graph = b.graph(b("sin", y))
    walk = Walk(graph)
    walk.replace(y, x)
    assert not walk.sole(x) and walk.readers[x] == 2
    assert not walk.sole(graph.outputs[0]) and not walk.sole(Literal(1))
