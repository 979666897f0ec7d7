"""Plans whose arguments lie otherwise in memory in every call: nothing that was seen of one call holds for the next."""

import numpy as np
import pytest

from vmapcore import grad, jit, nn, vmap
from vmapcore.nn import functional as F
from vmapcore.pytree import flatten, unflatten
from vmapcore.testing import assert_same

pytestmark = pytest.mark.plans

RNG = np.random.default_rng(8)


def array(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def gaps(x):
    wide = np.full([2 * n for n in x.shape], np.nan if x.dtype.kind == "f" else 99).astype(x.dtype)
    view = wide[tuple([slice(None, None, 2)] * x.ndim)]
    view[...] = x
    return view


def backwards(x):
    every = tuple([slice(None, None, -1)] * x.ndim)
    return x[every].copy()[every]


def shifted(x):
    """Not at a multiple of its size."""
    y = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    y[...] = x
    return y


def turned(x):
    return (
        np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1 % max(x.ndim, 1), *range(x.ndim - 1)) if x.ndim else x
    )


def padded(x):
    return np.concatenate([x, x[..., :3]], -1)[..., : x.shape[-1]] if x.ndim else x


def frozen(x):
    y = x.copy()
    y.flags.writeable = False
    return y


LAYOUTS = [np.array, np.asfortranarray, gaps, backwards, shifted, turned, padded, frozen]


def loss(net, x, y):
    return F.cross_entropy(net(x), y)


def adam(net, state, x, y):
    return nn.Adam(1e-3, eps=1e-3).step(net, grad(loss)(net, x, y), state)


NETS = nn.Ensemble.init(nn.SimpleMLP, 2, RNG).stacked
LENETS = nn.Ensemble.init(nn.LeNet5, 2, RNG).stacked


PROGRAMS = {
    "dense": (lambda x, w, b: F.relu(x @ w + b), array(4, 64), array(64, 256), array(256)),
    "dense, few": (lambda x, w, b: x @ w + b, array(2, 3), array(3, 2), array(2)),
    "dense, members": (vmap(lambda x, w, b: x @ w + b), array(3, 5, 64), array(3, 64, 96), array(3, 96)),
    "linear, members": (vmap(F.linear), array(4, 3, 400), array(4, 120, 400), array(4, 120)),
    "rows of a bias": (lambda x, w, b: F.relu(x @ w + b), array(2, 2, 64), array(2, 64, 64), array(2, 64)),
    "rows of a bias, shared": (
        vmap(lambda x, w, b: x @ w + b, (0, 0, None)),
        array(4, 4, 64),
        array(4, 64, 64),
        array(4, 64),
    ),
    "a bias of outer members": (lambda x, w, b: x @ w + b, array(2, 2, 2, 64), array(2, 2, 64, 64), array(2, 1, 2, 64)),
    "a bias of rows and members": (lambda x, w, b: x @ w + b, array(1, 4, 3, 64), array(64, 64), array(4, 1, 64)),
    "gradients of a product": (lambda x, w, g: (g @ w.T, x.T @ g), array(64, 784), array(784, 128), array(64, 128)),
    "conv": (lambda x, w, b: F.conv2d(x, w, b, padding=1), array(16, 8, 12, 12), array(17, 8, 3, 3), array(17)),
    "conv, members": (vmap(F.conv2d), array(2, 6, 8, 10, 10), array(2, 17, 8, 3, 3), array(2, 17)),
    "conv, 5x5": (vmap(F.conv2d), array(3, 3, 1, 32, 32), array(3, 6, 1, 5, 5), array(3, 6)),
    "conv, a bias of outer members": (
        vmap(vmap(F.conv2d, (0, 0, None)), (None, None, 0)),
        array(2, 3, 4, 9, 9),
        array(2, 8, 4, 3, 3),
        array(2, 8),
    ),
    "conv and pool": (
        vmap(lambda x, w, b: F.max_pool2d(F.relu(F.conv2d(x, w, b)), 2)),
        array(2, 4, 6, 14, 14),
        array(2, 16, 6, 5, 5),
        array(2, 16),
    ),
    "gradients of conv and pool": (
        vmap(grad(lambda p, x: np.sum(F.max_pool2d(F.relu(F.conv2d(x, *p)), 2) ** 2))),
        (array(2, 16, 6, 5, 5), array(2, 16)),
        array(2, 4, 6, 14, 14),
    ),
    "cross entropy": (vmap(grad(F.cross_entropy)), array(3, 8, 10), RNG.integers(0, 10, (3, 8))),
    "distances": (lambda x, y: np.sqrt(np.sum((x[:, None] - y[None]) ** 2, -1)), array(40, 3), array(50, 3)),
    "normalised": (
        lambda x, s, b: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * s + b,
        array(64, 512),
        array(512),
        array(512),
    ),
    "sums and products": (
        lambda x, y: (np.sum(x * y, 0), np.max(x + y, 1), (x * y).T),
        array(200, 300),
        array(200, 300),
    ),
    "a step of Adam": (
        vmap(adam),
        NETS,
        vmap(nn.Adam(1e-3).init)(NETS),
        array(2, 8, 784),
        RNG.integers(0, 10, (2, 8)),
    ),
    "gradients of LeNet": (vmap(grad(loss)), LENETS, array(2, 3, 1, 32, 32), RNG.integers(0, 10, (2, 3))),
    "in float64": (
        vmap(lambda x, w, b: np.tanh(x @ w + b)),
        array(3, 5, 64, dtype=float),
        array(3, 64, 96, dtype=float),
        array(3, 96, dtype=float),
    ),
}


MANY = "linear, members", "conv, members", "conv, 5x5", "gradients of LeNet"
"""Of their layouts nearly every mixture is a kernel of its own."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.numpy_plans if name in MANY else ()) for name in PROGRAMS]
)
def test_any_layout_in_any_call(name):
    fun, *args = PROGRAMS[name]
    leaves, tree = flatten(args)
    expected = fun(*args)
    replayed = jit(fun)
    replayed(*args)
    kept = []
    for turn in range((3 if len(leaves) < 5 else 1) * len(LAYOUTS)):  # each mixture may be a kernel of its own
        lie = RNG.integers(0, len(LAYOUTS), len(leaves)) if turn >= len(LAYOUTS) else [turn] * len(leaves)
        given = [LAYOUTS[i](x) for i, x in zip(lie, leaves, strict=True)]
        found = replayed(*unflatten(tree, given))
        assert_same(found, expected, f"layouts {lie}", tol=50)
        kept.append(found)
    for found in kept:
        assert_same(found, expected, "an earlier result", tol=50)


SWAPPED = {
    "a product": lambda x, w: x @ w,
    "a stack of products": lambda x, w: np.maximum(x.reshape(4, 64, 300) @ w[None, :, :100], 0),
    "pooling": lambda x, w: F.max_pool2d(x.reshape(1, 3, 160, 160), 2),
    "gradient of pooling": lambda x, w: grad(lambda x: np.sum(F.max_pool2d(x.reshape(1, 3, 160, 160), 2) ** 2))(x),
    "convolution": lambda x, w: F.conv2d(x.reshape(1, 3, 160, 160), w[0, :27].reshape(1, 3, 3, 3)),
    "a kernel": lambda x, w: np.tanh(x) * np.sum(w) + x.T.sum(),
    "a view": lambda x, w: (x.T, w * 1),
}


@pytest.mark.parametrize("name", SWAPPED)
@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4"])
def test_bytes_in_another_order(name, dtype):
    x, w = array(256, 300).astype(dtype), array(300, 600).astype(dtype)
    expected = SWAPPED[name](x.astype(dtype[1:]), w.astype(dtype[1:]))
    replayed = jit(SWAPPED[name])
    for _ in range(3):
        found = replayed(x, w)
        for a, b in zip(flatten(found)[0], flatten(expected)[0], strict=True):
            np.testing.assert_allclose(a, b, 1e-4, 1e-3)
