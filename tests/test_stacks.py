"""Stacks of products in one call, against NumPy's; and products with a bias in plans."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_kernels import close
from vmapcore import jit, set_threads, vmap
from vmapcore.cpu import compiled, steps
from vmapcore.cpu.kernels import stacks
from vmapcore.cpu.kernels.lanes import WIDE, lanes
from vmapcore.graph import Step, Var
from vmapcore.planning.lifetimes import Slot
from vmapcore.planning.plan_primitives import contract_block
from vmapcore.rules.contract import contract

pytestmark = pytest.mark.plans

RNG = np.random.default_rng(5)
DTYPES = [np.float32, np.float64]


def turned(a):
    """The same matrices, which lie by columns."""
    return np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2)


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_stacks(dtype, data):
    draw = data.draw
    sides = [(3, 9, 70, 70), (2, 40, 2200, 9)][draw(st.integers(0, 1))]
    members, rows, depth, columns = [draw(st.integers(1, n)) for n in sides]
    ways = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    x = RNG.standard_normal((members, rows, depth)).astype(dtype)
    y = RNG.standard_normal((members, depth, columns)).astype(dtype)
    lie = [turned(a) if t else a for a, t in zip((x, y), ways[:2], strict=True)]
    if ways[2]:
        lie[0] = np.repeat(lie[0], 2, axis=2)[:, :, ::2]
    if not stacks.takes(*lie):
        assert min(depth, columns) < max(lanes(dtype), 6)
        return
    stack = stacks.Stack(*lie)
    parts = draw(st.integers(1, max(1, columns // max(lanes(dtype), 6))))
    stack.sizes = (*stack.sizes[:4], parts)
    stack.pieces = draw(st.integers(1, members * parts))
    bias = draw(st.sampled_from([None, (columns,), (members, columns)]))
    bias = None if bias is None else RNG.standard_normal(bias).astype(dtype)
    relu = draw(st.booleans())
    expected = np.matmul(x.astype(np.float64), y.astype(np.float64))
    if bias is not None:
        expected += bias if bias.ndim == 1 else bias[:, None]
    out = np.full((members + 1, rows, columns), np.nan, dtype)
    stack(*lie, out[:members], bias, relu)
    close(out[:members], np.maximum(expected, 0) if relu else expected, dtype)
    assert np.isnan(out[members]).all()


def test_what_stacks_are_for():
    x, y = np.ones((4, 3, 120), np.float32), np.ones((4, 120, 400), np.float32)
    assert bool(stacks.stack(x, y)) == compiled.AVAILABLE
    assert bool(stacks.stack(x, turned(y))) == compiled.AVAILABLE
    many = np.ones((1, 64, 784)), turned(np.ones((1, 784, 128)))
    assert bool(stacks.stack(*many)) == (compiled.AVAILABLE and WIDE == 64)
    assert bool(stacks.stack(*many, True)) == compiled.AVAILABLE
    assert stacks.stack(np.ones((1, 300, 784)), many[1], True) is None
    small = np.ones((4, 3, 84), np.float32), turned(np.ones((4, 84, 10), np.float32))
    assert stacks.stack(*small) is None and bool(stacks.stack(*small, True)) == compiled.AVAILABLE
    for a, b in [(x[0], y[0]), (x, y[:, ::2]), (x[:, :1], y), (x, y[:1]), (x, y.astype(np.float64)), (x[:0], y[:0])]:
        assert stacks.stack(a, b) is None


def block(subscripts, x, y, b, rectified):
    """How a plan runs a product with a bias."""
    out = subscripts.split("->")[1]
    shape = contract.eval(np, x, y, subscripts=subscripts).shape
    lead = len(shape) - b.ndim
    bias = "".join([c if n == m else "1" for c, n, m in zip(out[lead:], b.shape, shape[lead:], strict=True)])
    params = {"subscripts": subscripts, "bias": bias, "rectified": rectified}
    made = contract_block.eval(np, x, y, b, **params)
    inputs = tuple([Var(a.shape, a.dtype) for a in (x, y, b)])
    step = Step(contract_block, inputs, params, (Var(made.shape, made.dtype),), None)
    return steps.kernel_of(step, Slot(), None, False).run, made


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(
    ("subscripts", "x", "y", "b"),
    [
        ("dij,dkj->dik", (4, 3, 400), (4, 120, 400), (4, 1, 120)),
        ("dij,dkj->dik", (4, 3, 400), (4, 120, 400), (120,)),
        ("dij,djk->dik", (4, 3, 128), (4, 128, 130), (1, 1, 130)),
        ("dij,dkj->dik", (4, 3, 400), (4, 120, 400), (3, 120)),  # along rows too
        ("dij,dkj->dki", (4, 3, 400), (4, 120, 400), (4, 1, 3)),  # turned
        ("dij,kj->dik", (4, 16, 512), (128, 512), (128,)),  # one product of 64 rows
        ("ij,kj->ik", (64, 512), (128, 512), (1, 128)),
        ("ij,kj->ik", (6, 5), (7, 5), (7,)),
        ("dij,dj->di", (4, 100, 5), (4, 5), (100,)),
        ("d1j,dkj->dk", (4, 1, 50), (4, 9, 50), (9,)),
    ],
)
def test_products_with_a_bias(subscripts, x, y, b, rectified):
    """In memory of their own, in the same once more, and where they are told to be."""
    x, y, b = [RNG.standard_normal(shape).astype(np.float32) for shape in (x, y, b)]
    run, expected = block(subscripts, x, y, b, rectified)
    workspace = {}
    for _ in range(2):
        close(run(workspace, None, x, y, b), expected, np.float32)
    out = np.full(expected.shape, np.nan, np.float32)
    assert run(workspace, out, x, y, b) is out
    close(out, expected, np.float32)
    strided = np.full((*expected.shape, 2), np.nan, np.float32)[..., 0]
    close(run(workspace, strided, x, y, b), expected, np.float32)


@pytest.mark.parametrize("rows", [3, 64])
def test_jit_gives_the_same_bits_on_any_number_of_threads(rows):
    x, w = RNG.standard_normal((6, rows, 512)).astype("f"), RNG.standard_normal((6, 200, 512)).astype("f")
    b = RNG.standard_normal((6, 200)).astype("f")
    run, found = jit(vmap(lambda x, w, b: np.maximum(x @ w.T + b, 0))), []
    run(x, w, b)  # recorded, not replayed
    try:
        for count in (1, 2, 3, 1, 4):
            set_threads(count)
            found.append(run(x, w, b))
    finally:
        set_threads(None)
    np.testing.assert_allclose(found[0], np.maximum(x @ w.swapaxes(1, 2) + b[:, None], 0), rtol=1e-4, atol=1e-3)
    for other in found:
        np.testing.assert_array_equal(other, found[0])


def test_nan_and_infinite_sums_stay():
    x, y = np.ones((2, 3, 64), np.float32), turned(np.ones((2, 64, 70), np.float32))
    x[0, 0, 0], x[1, 1, 1] = np.nan, -np.inf
    bias = np.full((70,), -100, np.float32)
    with np.errstate(invalid="ignore"):
        run, expected = block("dij,djk->dik", x, y, bias, True)
        np.testing.assert_array_equal(run({}, None, x, y, bias), expected)


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [33, 94, 100, 127, 130])
def test_what_is_infinite_stays_so_at_the_ends_of_sums(dtype, depth):
    """The last register overlaps the one before, and must not add 0 times inf."""
    x = np.abs(RNG.standard_normal((2, 40, depth))).astype(dtype)
    y = turned(np.abs(RNG.standard_normal((2, depth, 50))).astype(dtype))
    for k in range(depth):
        spoiled = y.copy(order="K")
        spoiled[:, k, 3] = np.inf
        out = np.empty((2, 40, 50), dtype)
        stacks.Stack(x, spoiled)(x, spoiled, out)
        assert (out[:, :, 3] == np.inf).all() and np.isfinite(np.delete(out, 3, axis=2)).all()
