"""Lengths that are equal by chance, or 1: what tells axes apart is never how long they are."""

import itertools

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.nn import functional as F
from vmapcore.testing import assert_same

pytestmark = pytest.mark.plans

RNG = np.random.default_rng(11)


def cube(n, axes=3):
    return RNG.standard_normal((n,) * axes)


def check(fun, *args):
    """jit does what eager does, in the first call and in later ones."""
    expected, replayed = fun(*args), jit(fun)
    for _ in range(3):
        assert_same(replayed(*args), expected, tol=10)


@pytest.mark.parametrize("n", [2, 4, 33])
@pytest.mark.parametrize("axes", list(itertools.product((0, 1, 2), (0, 1, 2), (0, 1, 2))))
def test_products_of_members_in_any_place(n, axes):
    check(vmap(lambda x, y: x @ y, axes[:2], axes[2]), cube(n), cube(n))


@pytest.mark.parametrize("n", [4, 64])
@pytest.mark.parametrize("shape", ["n", "nn", "n1", "1n", "nnn", "n1n", "nn1", "1nn", "11n"])
@pytest.mark.parametrize("members", [0, 1, 2])
def test_biases_of_any_shape(n, shape, members):
    b = RNG.standard_normal([n if c == "n" else 1 for c in shape])
    check(lambda x, w, b: F.relu(x @ w + b), np.moveaxis(cube(n), 0, members), cube(n), b)


@pytest.mark.parametrize(
    "shapes", [((1, 4, 33), (1, 33, 3)), ((1, 1, 5), (1, 5, 4)), ((3, 1, 4), (3, 4, 1)), ((1, 1, 1), (1, 1, 1))]
)
@pytest.mark.parametrize("after", [F.relu, np.tanh, lambda x: x + 1.0, lambda x: x])
def test_axes_of_length_one(shapes, after):
    x, w = [RNG.standard_normal(shape) for shape in shapes]
    check(lambda x, w: after(x @ w), x, w)
    check(lambda x, w: after(x[0] @ w[0]), x, w)
    check(lambda x, w: after((x[0] @ w[0])[None]), x, w)
    check(grad(lambda x, w: np.sum(after(x[0] @ w[0]) ** 2), argnums=(0, 1)), x, w)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("axes", list(itertools.product((0, 1), (0, 2), (0, 1))))
def test_gradients_of_products(n, axes):
    def loss(w, x, b):
        return np.sum(np.tanh(x @ w + b) ** 2)

    check(vmap(grad(loss, argnums=(0, 1, 2)), axes), cube(n), cube(n), cube(n, 2))
    check(vmap(grad(loss, argnums=(0, 1, 2)), (None, 0, None)), cube(n, 2), cube(n), cube(n, 1))
    check(vmap(vmap(grad(loss), (None, 0, None)), (axes[0], None, 0)), cube(n), cube(n), cube(n, 1))


@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.numpy_plans)])
@pytest.mark.parametrize("axes", list(itertools.product((0, None), (0, 1), (0, None))))
def test_convolutions(n, axes):
    shared = [a is None for a in axes]
    x = RNG.standard_normal((n, n, 6, 6) if shared[0] else (n, n, n, 6, 6))
    w, b = RNG.standard_normal((n, n, n, 3, 3)), RNG.standard_normal((n,) if shared[2] else (n, n))

    def loss(w, x, b):
        return np.sum(F.max_pool2d(F.relu(F.conv2d(x, w, b)), 2) ** 2)

    order = axes[1], axes[0], axes[2]
    check(vmap(F.conv2d, (axes[0], axes[1], axes[2])), x, w, b)
    check(vmap(grad(loss, argnums=(0, 1, 2)), order), w, x, b)
