"""Fusion groups where axes meet: arrays that meet themselves, turned or reduced; steps that only plans have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmapcore.cpu import compiled
from vmapcore.cpu.fusion.fused import fuse, worth_compiling
from vmapcore.errors import IndexingError
from vmapcore.graph import Graph, Literal, Step, Var
from vmapcore.planning.expressions.lowering import fusible
from vmapcore.planning.expressions.nodes import Nodes
from vmapcore.planning.plan_primitives import cross_entropy_along, cross_entropy_grad, rectify_grad
from vmapcore.planning.runs import runs_of

from .graphs import Random
from .test_fusion import BACKENDS, QUICK, RNG, eager, empty_outputs, graph_of, own_cache, run, whole

pytestmark = pytest.mark.plans

__all__ = ["own_cache"]

X = RNG.standard_normal((4, 4)).astype("f")
V, W = RNG.standard_normal((2, 4)).astype("f")
R, S = RNG.standard_normal((2, 1, 4)).astype("f")
C = RNG.standard_normal((4, 4, 4)).astype("f")
PAIR = RNG.standard_normal(2).astype("f")


def symmetric(x):
    return np.tanh(x + x.T)


MEETINGS = {
    "a matrix and its transpose": (lambda x: x + x.T, X),
    "all against all": (lambda v: np.exp(v)[:, None] - np.exp(v)[None, :], V),
    "a reduction in both": (lambda v: (v - v.sum())[:, None] * (v - v.sum())[None, :], V),
    "the same axis later": (lambda v, w: ((v[:, None] * w[None, :]).sum(1), v + w), V, W),
    "the same axis before": (lambda v, w: (v + w, (v[:, None] - w[None, :]).max(0)), V, W),
    "a choice by a column": (lambda r, s: (np.where(r.reshape(4, 1) > 0, s, 0), r + s), R, S),
    "its sum": (lambda r, s: (r + s, np.where(r.reshape(4, 1) > 0, s, 0).sum(0)), R, S),
    "an axis that was reduced": (lambda x, v: (x * v).sum(1) * v + (x * v[:, None]).sum(0), X, V),
    "rows against columns": (lambda x: (x.sum(1)[:, None] * x.sum(0)[None, :]) + x.T * x.sum(1), X),
    "a broadcast array": (lambda v: np.broadcast_to(v, (4, 4)) + np.broadcast_to(v, (4, 4)).T, V),
    "its square": (lambda x: (x[:, :, None] * x[None, :, :]).sum(1), X),
    "rows against rows": (lambda x: (x[:, None, :] * x[None, :, :]).sum(-1), X),
    "distances": (lambda x: np.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(-1)), X),
    "three axes": (lambda c: c + c.transpose(1, 2, 0) + c.transpose(2, 0, 1) * c.transpose(0, 2, 1), C),
    "twice": (lambda x: symmetric(x) - symmetric(x).T * x, X),
    "rows less their mean": (lambda x: (x - x.mean(1, keepdims=True)).T * (x - x.mean(1, keepdims=True)), X),
    "sums of columns": (lambda x, v: x + v[:, None] * v + np.tanh(x * v).sum(0)[:, None] * v, X, V),
    "positions apart": (lambda v: np.stack([v[:, None] * v, v[:, None] + v], -1).sum(-1), V),
    "all positions apart": (lambda p: np.stack([p[0] * p[1], p[0] - p[1]]).sum(), PAIR),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MEETINGS)
def test_what_meets_itself(name, backend):
    fun, *arrays = MEETINGS[name]
    graph = graph_of(fun, *arrays)
    for got, expected in zip(run(graph, backend, *arrays), eager(graph, *arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_no_memory_in_place_of_what_meets_itself():
    assert whole(graph_of(lambda x: x + x.T, X), in_place={0: 0}) is None


def test_axes_of_one_array_stay_apart():
    nodes = Nodes()
    a, b, c = [nodes.new(3) for _ in range(3)]
    nodes.note([a, b])
    assert nodes.unite(b, c) and not nodes.unite(a, c) and not nodes.unite(c, a)
    assert nodes.meet([(a, b), (c, a)]) == ([a, b], [{}, {b: a, a: b}])


def check_random_groups(seed, length, backend):
    """Whole numbers, of which no sum is rounded."""
    b = Random(seed, length, integers=True)
    graph = b.result()
    runs = [r for r in runs_of(graph.steps, fusible) if fusible(r[0])]
    for steps in runs:
        made = {v: None for step in steps for v in step.outputs}
        inputs = list(dict.fromkeys([a for s in steps for a in s.inputs if isinstance(a, Var) and a not in made]))
        fused = fuse(steps, inputs, list(made))
        kernel = fused and getattr(fused, backend)()
        if kernel is not None:
            group = Graph(tuple(inputs), tuple(steps), tuple(made))
            outs = empty_outputs(group)
            arrays = [np.asarray(b.values[v]) for v in inputs]
            kernel(arrays, outs)
            for got, v in zip(outs, made, strict=True):
                np.testing.assert_array_equal(got, b.values[v])


seeds, lengths = st.integers(0, 2**32), st.integers(1, 25)


@given(seed=seeds, length=lengths)
def test_groups_of_random_graphs_by_numpy(seed, length):
    check_random_groups(seed, length, "numpy")


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
@settings(max_examples=10, deadline=None, phases=QUICK)
@given(seed=seeds, length=lengths)
def test_groups_of_random_graphs_by_numba(seed, length):
    check_random_groups(seed, length, "numba")


@pytest.mark.parametrize("backend", BACKENDS)
def test_signs_of_zeros(backend):
    v = np.array([0, -0.0, 2, -3], "f")
    graph = graph_of(lambda v: v[:, None] * v, v)
    np.testing.assert_array_equal(np.signbit(run(graph, backend, v)[0]), np.signbit(v[:, None] * v))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_choice_that_is_known(backend):
    a = Var(X.shape, X.dtype)
    for known in (True, False):
        out = Var(X.shape, X.dtype)
        double = Var(X.shape, X.dtype)
        steps = [
            graph_of(lambda x: x * 2, X).steps[0]._replace(inputs=(a, Literal(2)), outputs=(double,)),
            graph_of(lambda c, x: np.where(c, x, 0), X > 0, X).steps[0],
        ]
        steps[1] = steps[1]._replace(inputs=(Literal(np.bool_(known)), double, Literal(0)), outputs=(out,))
        np.testing.assert_array_equal(run(Graph((a,), tuple(steps), (out,)), backend, X)[0], X * 2 if known else X * 0)


# Steps that plans have made.


def made_by_plan(primitive, arrays, **params):
    inputs = tuple([Var(x.shape, x.dtype) for x in arrays])
    expected = primitive.eval(np, *arrays, **params)
    step = Step(primitive, inputs, params, (Var(expected.shape, expected.dtype),))
    assert fusible(step)
    return Graph(inputs, (step,), step.outputs), expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", "fd")
def test_gradients_of_rectifiers(backend, dtype):
    x = np.array([-1, -0.0, 0.0, 2, np.nan, np.inf, -np.inf], dtype)
    g = np.array([3, np.nan, -0.0, np.inf, 5, -0.0, 1], dtype)
    graph, expected = made_by_plan(rectify_grad, np.meshgrid(g, x))
    got = run(graph, backend, *np.meshgrid(g, x))[0]
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


SCORES = RNG.standard_normal((5, 7, 6)) * 3
LABELS = {-1: RNG.integers(0, 6, (5, 7, 1)), -2: RNG.integers(0, 7, (5, 1, 6))}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("axis", LABELS)
@pytest.mark.parametrize("dtype", "fd")
def test_cross_entropies(backend, axis, dtype):
    scores, targets = SCORES.astype(dtype), LABELS[axis].copy()
    targets[1] = -100
    g = RNG.standard_normal(targets.shape).astype(dtype)
    params = {"axis": axis, "ignored": -100}
    rtol = 2e-6 if dtype == "f" else 1e-14
    for primitive, arrays in ((cross_entropy_along, (scores, targets)), (cross_entropy_grad, (g, scores, targets))):
        graph, expected = made_by_plan(primitive, arrays, **params)
        got = run(graph, backend, *arrays)[0]
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)
        assert (got[expected == 0] == 0).all() and expected.dtype == got.dtype
        with pytest.raises(IndexingError, match="a target is 9"):
            run(graph, backend, *arrays[:-1], np.where(targets == 1, 9, targets))


# What is worth it, and what is taken.


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
def test_what_is_worth_compiling(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def group(rows, fun=lambda x: np.tanh(x * 1.75) + 2):
        return whole(graph_of(fun, np.ones((rows, 100), "f")))

    small, large = group(3), group(3000)
    assert worth_compiling(large) and not worth_compiling(small)
    assert not worth_compiling(group(3000, lambda x: np.sin(x) * 2))  # faster in NumPy
    assert not worth_compiling(group(3, lambda x: np.left_shift(x.astype(int), 2) + 1))  # no loops for it
    large.numba()
    assert not worth_compiling(small)  # the same kernel, but the choice is the same in every process


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_of_all_kinds(backend):
    """Numbers of NumPy, read-only, unaligned and far apart, other types of array; results too."""
    fused = whole(graph_of(lambda x, s: x * s + 1, X, np.float32(2) * np.ones((), "f")))
    kernel = getattr(fused, backend)()
    expected = X * 2 + 1
    frozen = X.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"_" + X.tobytes(), np.uint8)[1:].view("f").reshape(X.shape)
    for x in (X, frozen, unaligned, np.asfortranarray(X), np.repeat(X, 2, 1)[:, ::2], X.view(np.memmap)):
        for s in (np.float32(2), np.array(2, "f")):
            for out in (np.zeros((4, 4), "f"), np.zeros((4, 4), "f", order="F"), np.zeros((4, 8), "f")[:, ::2]):
                kernel([x, s], [out])
                np.testing.assert_array_equal(out, expected)
    if backend == "numba":
        with pytest.raises(TypeError, match="a kernel of float32 was given float64"):
            kernel([X.astype("d"), np.float32(2)], [np.zeros((4, 4), "f")])
    readonly = np.zeros((4, 4), "f")
    readonly.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernel([X, np.float32(2)], [readonly])
