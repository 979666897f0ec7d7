"""Random programs of arrays that meet themselves: all pairs, transposes, reductions that are broadcast back.

All numbers are whole and small, so that every result is exact. Loops are run as the Python they are written in, which
takes no time to compile, and some by Numba too.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmapcore.cpu import compiled
from vmapcore.cpu.fusion.fused import fuse

from .test_fusion import QUICK, eager, empty_outputs, graph_of, own_cache, run

pytestmark = pytest.mark.plans

__all__ = ["own_cache"]

PYTHON = {
    "get": lambda x, i, own, count: x[i],
    "put": lambda x, i, value, own, count: x.__setitem__(i, value),
    "plus": lambda x, y: x + y,
    "larger": np.maximum,
    "smaller": np.minimum,
    "np": np,
}


def interpreted(fused, arrays):
    """What the loops give, as Python."""
    lines = [line for line in fused.source.splitlines() if not line.startswith(("from", "import", "@"))]
    known = dict(PYTHON)
    exec("\n".join(lines), known)
    ins = [_flat(x, fused.orders.get(v)) for x, v in zip(arrays, fused.inputs, strict=True)]
    outs = [np.full(v.size, 7).astype(v.dtype) for v in fused.outputs]
    lengths = fused.expression.lengths
    known["kernel"](0, lengths[0] if lengths else 1, 1, *lengths, *ins, *map(_flat, fused.captured), *outs)
    return [_unflat(y, v.shape, fused.orders.get(v)) for y, v in zip(outs, fused.outputs, strict=True)]


def _flat(x, order=None):
    return np.ascontiguousarray(x.transpose(order)).reshape(-1)


def _unflat(y, shape, order=None):
    order = range(len(shape)) if order is None else order
    return y.reshape([shape[i] for i in order]).transpose(np.argsort(order))


REDUCTIONS = (np.sum, np.max, np.min)
OPERATIONS = (np.add, np.subtract, np.maximum, np.minimum, np.multiply)


@st.composite
def programs(draw):
    """A function of one array, and the array: an axis or none, then a square or the members to make all pairs of."""
    n, lead, behind = draw(st.integers(2, 4)), draw(st.integers(0, 1)), draw(st.integers(0, 1))
    square = draw(st.booleans())
    shape = (3,) * lead + (n,) * (1 + square) + (2,) * behind
    rows, columns = lead, lead + 1
    steps = draw(st.lists(st.tuples(*[st.integers(0, 30)] * 4), min_size=1, max_size=6))

    def small(x):
        return np.clip(x, -9, 9)

    def apply(values, step):
        kind, a, b, c = step
        x, y = values[a % len(values)], values[b % len(values)]
        operation = OPERATIONS[c % len(OPERATIONS)]
        if kind % 5 == 0:
            return small(operation(np.swapaxes(x, rows, columns), y))
        if kind % 5 == 1:
            return small(operation(x, y))
        axis = (rows, columns)[kind % 2]
        r = REDUCTIONS[c % 3](x, axis=axis)
        down, across = np.expand_dims(r, columns), np.expand_dims(r, rows)
        if kind % 5 == 2:
            return small(operation(down, across))
        return small(operation((down, across)[b % 2], y))

    def fun(x):
        pairs = x if square else small(np.expand_dims(x, rows + 1) * 2 - np.expand_dims(x, rows))
        values = [pairs]
        for step in steps:
            values.append(apply(values, step))
        return values[-1] if steps[0][1] % 3 else (values[-1], np.sum(values[-1], axis=rows))

    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    x = numbers.integers(-4, 5, shape).astype(draw(st.sampled_from("dfi")))
    order = draw(st.permutations(range(len(shape))))
    return fun, x, tuple(order)


def group_of(program):
    fun, x, order = program
    graph = graph_of(fun, x)
    fused = fuse(graph.steps, graph.inputs, graph.outputs, orders={graph.inputs[0]: order})
    return graph, fused


def check(found, graph, x):
    for got, expected in zip(found, eager(graph, x), strict=True):
        np.testing.assert_array_equal(got, expected)


@settings(deadline=None)
@given(programs())
def test_loops(program):
    graph, fused = group_of(program)
    if fused is not None:
        check(interpreted(fused, [program[1]]), graph, program[1])


@settings(deadline=None)
@given(programs())
def test_calls_of_numpy(program):
    graph, fused = group_of(program)
    if fused is not None:
        outs, kernel = empty_outputs(graph), fused.numpy()
        kernel([_lying(program[1], program[2])], outs)
        check(outs, graph, program[1])


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
@settings(max_examples=6, deadline=None, phases=QUICK)
@given(programs())
def test_compiled_loops(program):
    graph, fused = group_of(program)
    if fused is not None:
        outs = empty_outputs(graph)
        fused.numba()([_lying(program[1], program[2])], outs)
        check(outs, graph, program[1])


def _lying(x, order):
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


def test_most_programs_are_groups():
    """The tests above test something."""
    found = []

    @settings(max_examples=30, deadline=None, database=None)
    @given(programs())
    def count(program):
        found.append(group_of(program)[1] is not None)

    count()
    assert sum(found) > len(found) // 2


def normalised(x):
    k = np.exp(-((x[:, None] - x[None]) ** 2))
    d = np.sum(k, axis=1)
    return k / np.sqrt(d[:, None] * d[None, :])


def centred(x):
    d = (x[:, None] - x[None]) ** 2
    r = np.mean(d, axis=1)
    return d - r[:, None] - r[None, :] + np.mean(d)


def spread(x):
    n = (x[:, None] - x[None]) ** 2
    return np.var(n, axis=1)[None] * n


@pytest.mark.parametrize(
    "backend", ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba"))]
)
@pytest.mark.parametrize("shape", [(6,), (20, 3)])
@pytest.mark.parametrize("fun", [normalised, centred, spread])
def test_sums_over_pairs_that_meet_again(fun, shape, backend):
    x = np.random.default_rng(3).standard_normal(shape)
    graph = graph_of(fun, x)
    for got, expected in zip(run(graph, backend, x), eager(graph, x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
