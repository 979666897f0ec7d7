"""vmap from the first function to ensemble training: the systems of MindSpore's vmap tutorial.

python examples/vmap_tour.py
"""

from typing import Any

import numpy as np

import vmapcore as vc
import vmapcore.nn.functional as F
from vmapcore import nn

# A one-dimensional convolution, written for one signal with a Python loop.


def convolve(x: Any, w: Any) -> Any:
    """Slides `w`, of length 3, over `x`."""
    output = []
    for i in range(1, len(x) - 1):
        output.append(np.dot(x[i - 1 : i + 2], w))
    return np.stack(output)


def convolutions() -> dict[str, Any]:
    """One signal; a batch; a batch on other axes; one window for all; every window over every signal."""
    x = np.arange(5, dtype=np.float32)
    w = np.array([1, 2, 3], np.float32)
    xs, ws = np.stack([x] * 3), np.stack([w] * 3)
    many_x = np.arange(1, 6, dtype=np.float32) + np.arange(3, dtype=np.float32)[:, None]
    many_w = np.repeat(np.arange(1, 4, dtype=np.float32), 3).reshape(3, 3)
    return {
        "one": convolve(x, w),
        "batch": vc.vmap(convolve)(xs, ws),
        "axes": vc.vmap(convolve, in_axes=(0, 1), out_axes=1)(xs, ws.T).T,
        "shared": vc.vmap(convolve, in_axes=(0, None), out_axes=0)(xs, w),
        "every": vc.vmap(vc.vmap(convolve, in_axes=[None, 0]), in_axes=[0, None])(many_x, many_w),
    }


# Gradients by two arguments, inside and outside vmap.


def forward(x: Any, y: Any) -> Any:
    """A scalar of two vectors."""
    return np.sum(np.sin(x + 2 * y))


def gradients() -> dict[str, Any]:
    """The gradient of a batch of scalars' sum, and the batch of gradients: the same numbers."""
    x = np.array([[1, 2, 3], [2, 3, 4]], np.float32)
    y = np.array([[2, 3, 4], [3, 4, 5]], np.float32)
    return {
        "grad_of_vmap": vc.grad(lambda x, y: np.sum(vc.vmap(forward)(x, y)), argnums=(0, 1))(x, y),
        "vmap_of_grad": vc.vmap(vc.grad(forward, argnums=(0, 1)))(x, y),
    }


# A layer as a free variable: only what is passed is mapped.


def layer(rng: Any = 0) -> dict[str, Any]:
    """A dense layer on three inputs, one by one and by vmap."""
    dense = nn.Linear(3, 4, rng=rng, weight_init=nn.init.normal(0.01), bias_init=nn.init.zeros)
    inputs = np.arange(1, 7, dtype=np.float32).reshape(2, 3) + np.arange(3, dtype=np.float32)[:, None, None]
    return {"loop": np.stack([dense(x) for x in inputs]), "vmap": vc.vmap(dense)(inputs), "dense": dense}


# LeNet-5 ensembles: evaluation on shared and on separate minibatches, then training.


def loss(net: nn.LeNet5, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of one network."""
    return F.cross_entropy(net(images), labels)


def train_step(net: Any, state: Any, opt: nn.Adam, images: Any, labels: Any) -> Any:
    """One step of one network."""
    value, gradient = vc.value_and_grad(loss)(net, images, labels)
    net, state = opt.step(net, gradient, state)
    return net, state, value


def ensembles(steps: int = 10) -> dict[str, Any]:
    """Four networks: run, trained ten steps with a learning rate each, and one of them used alone."""
    rng = np.random.default_rng(0)
    nets = [nn.LeNet5(rng=child) for child in rng.spawn(4)]
    minibatch = rng.standard_normal((3, 1, 32, 32), dtype=np.float32)
    minibatches = rng.standard_normal((4, 3, 1, 32, 32), dtype=np.float32)
    ensemble = nn.Ensemble(nets)
    results: dict[str, Any] = {
        "nets": nets,
        "minibatch": minibatch,
        "minibatches": minibatches,
        "shared": ensemble(minibatch),
        "separate": ensemble(minibatches, in_axes=0),
    }

    images = rng.standard_normal((4, 3, 1, 32, 32), dtype=np.float32)
    labels = rng.integers(1, 10, (4, 3))
    opt = nn.Adam(lr=np.array([1e-2, 1e-3, 2e-3, 3e-3]), amsgrad=True)
    opt_axes = nn.axes_of(opt)
    step = vc.vmap(train_step, in_axes=(0, 0, opt_axes, 0, 0))
    stacked = ensemble.stacked
    state = vc.vmap(opt.init)(stacked)
    losses = []
    for i in range(1, steps + 1):
        stacked, state, value = step(stacked, state, opt, images, labels)
        losses.append(value)
        print(f"step {i:2}  loss of each member", np.round(value, 4))
    results["losses"] = np.stack(losses)
    results["trained"] = nn.Ensemble(stacked)(minibatch)
    results["member"] = nn.unstack(stacked)[0](minibatch)
    return results


if __name__ == "__main__":
    for name, values in {**convolutions(), **gradients()}.items():
        print(f"{name}:\n{values}")
    dense = layer()
    print("a layer, loop and vmap agree:", np.allclose(dense["loop"], dense["vmap"]))
    results = ensembles()
    print(
        "member 0 alone gives its row of the ensemble:",
        np.allclose(results["trained"][0], results["member"], rtol=1e-4),
    )
