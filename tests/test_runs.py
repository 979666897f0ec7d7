"""Runs of steps that may become one kernel: whatever their order, each step after what it needs, and none lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmapcore import threads, trace
from vmapcore.cpu import compiled, units
from vmapcore.cpu.plan import Plan
from vmapcore.graph import Var
from vmapcore.planning.expressions.repeats import cut
from vmapcore.planning.runs import runs_of

from .graphs import Random

pytestmark = pytest.mark.plans

needs_numba = pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")

seeds = st.integers(0, 2**32)
lengths = st.integers(1, 25)


@given(seed=seeds, length=lengths, fusible=st.sets(st.integers(0, 24)))
def test_every_step_runs_once_and_after_what_it_needs(seed, length, fusible):
    graph = Random(seed, length, integers=True).result()
    chosen = {id(step) for i, step in enumerate(graph.steps) if i in fusible}
    found = runs_of(graph.steps, lambda step: id(step) in chosen)
    assert sorted(id(step) for run in found for step in run) == sorted(map(id, graph.steps))
    made = set(graph.inputs)
    for run in found:
        assert len(run) == 1 or all(id(step) in chosen for step in run)
        for step in run:
            assert all(a in made for a in step.inputs if isinstance(a, Var))
            made |= set(step.outputs)


def laid_out(x, how):
    """The same numbers: in their own order, in Fortran's, with gaps, or backwards in memory."""
    if how == 0 or not x.ndim:
        return x
    if how == 1:
        return np.asfortranarray(x)
    if how == 2:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    return np.flip(np.flip(x).copy())


def check_plan(seed, length, **patches):
    """Whole numbers, of which no sum is rounded; a second call, into the buffers of the first, gives the same."""
    b = Random(seed, length, integers=True)
    graph, arrays = b.result(), [laid_out(x, (seed + i) % 4) for i, x in enumerate(b.arrays)]
    before = [x.copy() for x in arrays]
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        for name, value in patches.items():
            patch.setattr(units, name, value)
        patch.setattr(threads, "available", lambda: 3)
        plan = Plan(graph)
        expected, first = graph(*arrays), plan(arrays)
        kept = [np.array(x) for x in first]
        for results in (kept, plan(arrays), first):
            for ours, theirs in zip(results, expected, strict=True):
                assert np.shape(ours) == np.shape(theirs) and np.asarray(ours).dtype == np.asarray(theirs).dtype
                np.testing.assert_array_equal(ours, theirs)
    for x, same in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, same)


@given(seed=seeds, length=lengths)
def test_plans_give_what_random_graphs_give(seed, length):
    check_plan(seed, length)


@pytest.mark.parametrize("native", [False, pytest.param(True, marks=needs_numba)])
@given(seed=seeds, length=lengths)
def test_plans_with_every_kernel_on_threads(native, seed, length):
    check_plan(seed, length, ENOUGH=1, MOST_CALLS=1000, TILED=1, worth_compiling=lambda fused: native)


def test_steps_apart_become_kernels_apart():
    def f(x, y):
        return np.sin(x) + 1, np.cos(y) * 2, x @ y, np.exp(x @ y) - 1

    graph = trace(f)(np.ones((9, 9)), np.ones((9, 9)))
    found = runs_of(graph.steps, lambda step: step.primitive.name != "contract")
    kernels = {tuple([step.primitive.name for step in run]) for run in found}
    assert {("contract",), ("cos", "multiply"), ("sin", "add"), ("exp", "subtract")} <= kernels


def test_what_is_read_late_runs_late():
    """Averages decay in the kernel that adds the gradient to them, which there is only after a product."""

    def f(m, v, x, y):
        g = x @ y
        return 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g, np.sin(m)

    n = (9, 9)
    graph = trace(f)(np.ones(n), np.ones(n), np.ones(n), np.ones(n))
    found = runs_of(graph.steps, lambda step: step.primitive.name != "contract")
    kernels = [[step.primitive.name for step in run] for run in found]
    assert kernels[:2] == [["sin"], ["contract"]] and len(kernels) == 3


def test_long_runs_are_cut():
    def f(x):
        for _ in range(10):
            x = x + 1
        return x

    steps = trace(f)(np.ones(3)).steps
    (run,) = runs_of(steps, lambda step: True)
    assert [len(part) for part in cut(run, 4)] == [4, 4, 2]
