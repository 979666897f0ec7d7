"""Rectifiers folded into convolutions and into the transpose of pooling: where they are, and where they must not be."""

import numpy as np
import pytest

from vmapcore import grad, trace
from vmapcore.nn import functional as F
from vmapcore.planning import simplify
from vmapcore.planning.dead import drop_dead
from vmapcore.planning.epilogues import fold_epilogues

from .graphs import assert_same, names

X = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
W = np.random.default_rng(1).standard_normal((4, 3, 3, 3))


def folded(fun, *args):
    graph = trace(fun)(*args)
    new = drop_dead(fold_epilogues(graph))
    assert_same(graph, new, args)
    return names(new)


def test_a_convolution_rectifies_its_result():
    assert folded(lambda x, w: F.relu(F.conv2d(x, w)), X, W) == ["conv_block"]


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
