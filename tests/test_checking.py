"""A pass that breaks a graph is named; a wrong label is found when a plan is built, a wrong plan beside its graph."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.graphs import Builder
from vmapcore import grad, jit, planning, vmap
from vmapcore.core import PRIMITIVES, Axes
from vmapcore.cpu import compiled, cuts, plan
from vmapcore.errors import PlanError, PlanWarning
from vmapcore.graph import Var
from vmapcore.planning import checking, groups
from vmapcore.planning.checking import check_pass, check_settled
from vmapcore.planning.labels import Labels


def graph():
    b = Builder()
    x = b.input(np.ones((2, 3), "f"))
    return b.graph(b("negative", b("exp", x)))


def reads_what_comes_later(g):
    return g.with_steps(g.steps[::-1])


def loses_a_step(g):
    return g.with_steps(g.steps[1:])


def loses_a_result(g):
    return g.with_steps(g.steps, ())


def gives_the_step_before(g):
    return g.with_steps(g.steps[:1])


def makes_twice(g):
    return g.with_steps((*g.steps, g.steps[-1]))


def gives_another_shape(g):
    v = Var((3,), np.dtype("f"))
    return g.with_steps((*g.steps[:1], g.steps[1]._replace(outputs=(v,))), [v])


def gives_another_dtype(g):
    v = Var((2, 3), np.dtype("d"))
    return g.with_steps((*g.steps[:1], g.steps[1]._replace(outputs=(v,))), [v])


BROKEN = {
    reads_what_comes_later: "step 0, negative, reads",
    loses_a_step: "step 0, negative, reads",
    loses_a_result: "0 results",
    gives_the_step_before: "result 0 is not made",
    makes_twice: "step 2, negative, makes again",
    gives_another_shape: r"result 0 is f32\[3\]",
    gives_another_dtype: r"result 0 is f64",
}


def broken_graph(broken):
    before = graph()
    check_pass(broken.__name__, before, broken(before))


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_pass_is_named(broken):
    with pytest.raises(PlanError, match=f"{broken.__name__}: .*{BROKEN[broken]}"):
        broken_graph(broken)


def test_the_order_of_bytes_is_no_fault(rng):
    """Operations keep or change it as they come to be computed."""
    x = rng.normal(size=(4, 4)).astype(">f8")
    for fun in (
        grad(lambda x: np.sum(x * 2)),
        lambda x: np.kron(x, x),
        lambda x: np.sort(x) @ np.take(x, [0, 1, 2, 3], 0),
    ):
        compiled = jit(fun)
        for _ in range(3):
            np.testing.assert_allclose(compiled(x), fun(x), rtol=1e-12)


def test_every_pass_is_checked_in_tests(monkeypatch):
    monkeypatch.setattr(planning, "PASSES", (*planning.PASSES, reads_what_comes_later))
    with pytest.raises(PlanError, match="reads_what_comes_later"):
        planning.simplify(graph())


def test_what_nobody_reads_is_found():
    g = graph()
    with pytest.raises(PlanError, match="nobody reads step 1, negative"):
        check_settled(g.with_steps(g.steps, [g.steps[0].outputs[0]]))


def test_a_result_of_another_shape_is_found():
    g = graph()
    v = Var((2, 4), np.dtype("f"))
    with pytest.raises(PlanError, match=r"negative of f32\[2,3\] does not make f32\[2,4\]"):
        check_settled(g.with_steps((g.steps[0], g.steps[1]._replace(outputs=(v,))), [v]))


# Tiles.

RNG = np.random.default_rng(0)
W, X = RNG.standard_normal((6, 6, 6)), RNG.standard_normal((6, 6, 6))
SQUARE = vmap(lambda w, x: np.sum(np.tanh(np.transpose(x @ w)) * 2, axis=1))
"""All lengths are equal, so that a label at another place has the right length."""


def swapped(shapes, outs, **params):
    return Labels(((1, 0, 2),), ((0, 1, 2),))


def called_a_sum(shapes, outs, **params):
    return Labels(((0, 1, 2),), ((1, 2),))


def of_two_swapped(shapes, outs, **params):
    return Labels(((1, 0, 2), ()), ((0, 1, 2),))


@pytest.fixture
def in_tiles(monkeypatch):
    for module, name, size in [(cuts, "FOOTPRINT", 1), (cuts, "ROOM", 1), (cuts, "TASK", 1), (groups, "MEMBER", 1)]:
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(groups, "ROWS_AGAIN", 0)


@pytest.mark.parametrize("native", [False, True], ids=["numpy", "as installed"])
@pytest.mark.parametrize(
    ("name", "wrong", "fun"),
    [
        ("tanh", swapped, SQUARE),
        ("multiply", of_two_swapped, lambda w, x: (x @ w) * 2),
        ("reduce_max", called_a_sum, lambda w, x: np.max(np.matmul(x, w), axis=0)),
    ],
)
def test_a_wrong_label_is_no_number(name, wrong, fun, native, in_tiles, monkeypatch):
    """The plan is not used, with one warning; the results are those without jit."""
    if not native:
        monkeypatch.setattr(compiled, "AVAILABLE", False)
    monkeypatch.setattr(PRIMITIVES[name], "axes", Axes(wrong))
    planned = jit(fun)
    with pytest.warns(PlanWarning, match="a plan is wrong") as caught:
        found = [planned(W, X * (1 + call)) for call in range(4)]
    assert len(caught) == 1
    for call, x in enumerate(found):
        np.testing.assert_allclose(x, fun(W, X * (1 + call)))


def test_right_labels_pass(in_tiles):
    for fun in (SQUARE, lambda w, x: np.max(np.matmul(x, w), axis=0), lambda w, x: np.sum(np.tanh(x @ w), axis=0)):
        planned = jit(fun)
        for call in range(3):
            np.testing.assert_allclose(planned(W, X + call), fun(W, X + call))


# Plans beside their graphs.


def test_a_plan_that_computes_otherwise_is_found(monkeypatch):
    monkeypatch.setattr(checking, "BESIDE", True)
    fun = jit(lambda x: (x + 1, x * 2))
    fun(X)
    assert fun(X)[0].shape == X.shape
    monkeypatch.setattr(plan.Plan, "__call__", lambda self, arrays: [arrays[0] + 1, arrays[0] * 2.001])
    with pytest.raises(PlanError, match="result 1 of its plan"):
        fun(X)


def test_donated_arguments_are_compared_as_they_were(monkeypatch):
    monkeypatch.setattr(checking, "BESIDE", True)
    fun = jit(lambda x: np.exp(x) * 2, donate_argnums=0)
    for _ in range(3):
        np.testing.assert_allclose(fun(X.copy()), np.exp(X) * 2)


def test_the_environment_switches_it_on():
    code = "from vmapcore.planning import checking; print(checking.CHECKING)"
    for value, expected in (("1", "True"), ("0", "False"), ("", "False")):
        run = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "VMAPCORE_CHECK": value}, capture_output=True, text=True
        )
        assert run.stdout.strip() == expected
