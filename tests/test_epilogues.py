"""Biases, rectifiers and pooling folded into what comes before them: where they are, and where they must not be."""

import numpy as np
import pytest

from vmapcore import grad, jit, trace
from vmapcore.nn import functional as F
from vmapcore.planning import simplify
from vmapcore.planning.passes.dead import drop_dead
from vmapcore.planning.passes.epilogues import fold_epilogues

from .graphs import assert_same, names

pytestmark = pytest.mark.plans
DEEP = pytest.mark.deep

X = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
W = np.random.default_rng(1).standard_normal((4, 3, 3, 3))


def folded(fun, *args):
    graph = trace(fun)(*args)
    new = drop_dead(fold_epilogues(graph))
    assert_same(graph, new, args)
    return names(new)


def test_a_convolution_rectifies_its_result():
    assert folded(lambda x, w: F.relu(F.conv2d(x, w)), X, W) == ["conv_block"]


def test_a_convolution_pools_its_result():
    assert folded(lambda x, w: F.max_pool2d(F.conv2d(x, w), 2), X, W) == ["conv_block"]
    assert folded(lambda x, w: F.relu(F.max_pool2d(F.conv2d(x, w), 2)), X, W) == ["conv_block"]
    assert folded(lambda x, w: F.max_pool2d(F.relu(F.conv2d(x, w)), 2), X, W) == ["conv_block"]
    assert folded(lambda x, w: F.max_pool2d(F.max_pool2d(F.conv2d(x, w), 2), 2), X, W) == ["conv_block", "max_pool"]
    assert folded(lambda x, w: F.max_pool2d(F.relu(F.conv2d(x, w)), 3), X, W) == ["conv_block", "max_pool"]


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, w: (F.relu(F.conv2d(x, w)), F.conv2d(x, w) + 1),
        lambda x, w: [F.relu(y := F.conv2d(x, w)), y],
        lambda x, w: np.sin(F.relu(y := F.conv2d(x, w))) + y,
    ],
    ids=["twice, each alone", "a result", "read again"],
)
def test_one_that_others_read_stays(fun):
    found = folded(fun, X, W)
    assert "conv" in found
    if "rectify" in found:
        assert "conv_block" not in found


def test_pooling_masks_what_it_sends_back():
    def loss(x, w):
        return np.sum(F.max_pool2d(F.relu(F.conv2d(x, w)), 2) ** 2)

    graph = trace(grad(loss, argnums=1))(X, W)
    new = simplify(graph)
    assert "max_pool_scatter_rectified" in names(new) and "max_pool_scatter" not in names(new)
    np.testing.assert_allclose(new(X, W)[0], graph(X, W)[0], rtol=1e-12)


A, B, BIAS = (
    np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate([(2, 5, 4), (2, 4, 3), (2, 1, 3)])
)


def test_products_add_their_bias():
    assert folded(lambda a, b, c: a @ b + c, A, B, BIAS) == ["contract_block"]
    assert folded(lambda a, b, c: c + a @ b, A, B, BIAS[0, 0]) == ["contract_block"]
    assert folded(lambda a, b, c: F.relu(a @ b + c), A, B, BIAS) == ["contract_block"]
    assert folded(lambda a, b, c: F.relu(a @ b + c) + 1, A, B, BIAS) == ["contract_block", "add"]
    assert folded(lambda a, b, c: a @ b + np.reshape(c, (2, 1, 3)), A, B, BIAS[:, 0]) == ["contract_block"]
    assert folded(lambda a, b, c: a @ b + np.reshape(c, (1, 1, 3)), A, B, BIAS[0, 0]) == ["contract_block"]
    assert "reshape" in folded(lambda a, b, c: a @ b + np.reshape(c, (2, 1, 3)), A, B, BIAS.reshape(6))


@pytest.mark.parametrize(
    "fun",
    [
        lambda a, b, c: [y := a @ b, y + c],
        lambda a, b, c: a @ b + c[:, :, :1],
        lambda a, b, c: a @ b + np.ones((2, 5, 3)),
        lambda a, b, c: a @ b + 1.0,
        lambda a, b, c: (a @ b).astype(np.float32) + c,
        lambda a, b, c: np.einsum("dij,dk->dijk", a, c[:, 0]) + np.ones(3),
        lambda a, b, c: a[0, :1] @ b[0] + np.ones((5, 3)),
    ],
    ids=["a result", "a column", "another array", "a number", "of another dtype", "sums nothing", "wider"],
)
def test_what_is_no_bias_is_added_as_it_is(fun):
    assert "contract_block" not in folded(fun, A, B, BIAS)


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"kernel_size": 3, "stride": 2, "padding": 1}])
@pytest.mark.parametrize("images", [pytest.param(1, marks=DEEP), 3, pytest.param(16, marks=DEEP), 40])
def test_pooling_sends_back_where_the_winner_was_positive(options, images):
    """In a window with a NaN the winner is its first element, whatever the others are."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((images, 3, 8, 8)).astype("f")
    x[rng.random(x.shape) < 0.1] = np.nan
    w = rng.standard_normal(x.shape)

    def loss(x):
        pooled = F.max_pool2d(F.relu(x), **{"kernel_size": 2, **options})
        return np.sum(np.where(np.isnan(pooled), 1, 0.5) * pooled * w[:, :, : pooled.shape[2], : pooled.shape[3]])

    expected, replayed = grad(loss)(x), jit(grad(loss))
    for _ in range(2):
        np.testing.assert_allclose(replayed(x), expected, rtol=1e-5)
    assert (expected[np.isnan(x)] == 0).all() and np.count_nonzero(expected) > images
