"""Programs: units in a loop at first, written out when they run often, with the same results; how plans are built."""

import gc

import numpy as np
import pytest

from vmapcore import executors, trace
from vmapcore.cpu import program
from vmapcore.cpu.plan import Plan

pytestmark = pytest.mark.plans


def function(x, y):
    """Results of several kinds: one that reads a constant, two of one step, an argument, one that comes twice."""
    small, large = np.split(np.sort(x + np.arange(4.0)), 2)
    z = np.exp(-x) * y
    return small, large, z @ y, x, z, z


def plan_and_arguments():
    arrays = [np.array([0.3, -1.5, 2.0, 0.25]), np.array([1.0, 0.5, -2.0, 4.0])]
    graph = trace(function)(*arrays)
    return Plan(graph), graph, arrays


def test_results_are_the_same_in_every_call(monkeypatch):
    monkeypatch.setattr(program, "OFTEN", 3)
    plan, graph, arrays = plan_and_arguments()
    ways = []
    for scale in range(1, 6):
        given = [x * scale for x in arrays]
        for ours, theirs in zip(plan(given), graph(*given), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        ways.append(plan.program.run)
    assert ways[0] == ways[1] == plan.program._one_by_one
    assert ways[2] is ways[3] is ways[4] != ways[0]


@pytest.mark.parametrize("often", [1, 100])
def test_nothing_of_a_call_is_kept_for_the_next(monkeypatch, often):
    monkeypatch.setattr(program, "OFTEN", often)
    plan, _, arrays = plan_and_arguments()
    first = plan(arrays)
    kept = [np.array(x) for x in first]
    plan([2 * x for x in arrays])
    for ours, theirs in zip(first, kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("searching", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_search_for_garbage_goes_on_as_it_was(monkeypatch, searching, fails):
    seen = []

    def simplify(graph):
        seen.append(gc.isenabled() and gc.get_threshold()[0] > 0)
        if fails:
            raise RuntimeError("while planning")
        return graph

    monkeypatch.setattr("vmapcore.cpu.plan.simplify", simplify)
    x = np.ones(3)
    graph = trace(np.sin)(x)
    was, usual = gc.isenabled(), gc.get_threshold()
    try:
        (gc.enable if searching else gc.disable)()
        if fails:
            with pytest.raises(RuntimeError, match="while planning"):
                executors.build(graph, [x], [False])
        else:
            executors.build(graph, [x], [False])
        assert gc.isenabled() == searching and gc.get_threshold() == usual
    finally:
        (gc.enable if was else gc.disable)()
    assert seen == [False]
