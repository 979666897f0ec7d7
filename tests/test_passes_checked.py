"""A pass that gives a graph that cannot run is found, and named."""

import numpy as np
import pytest

from tests.graphs import Builder, check_pass
from vmapcore import planning
from vmapcore.graph import Var


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


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_pass_is_named(broken):
    with pytest.raises(AssertionError, match=f"{broken.__name__}: {BROKEN[broken]}"):
        check_pass(broken, graph())


def test_every_pass_is_checked_in_tests():
    assert planning.PASSES and all(hasattr(each, "__wrapped__") for each in planning.PASSES)
