"""Hand-batched NumPy: what someone writes who puts the batch axis through everything, gradients included.

A leading axis of members runs through all of it, of length 1 where members share an array: minibatches are
(members, images, ...), parameters (members, ...). Per-sample gradients are those of members with one image each.
On a CUDA device the same functions run on CuPy arrays.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from . import programs
from .library import Call
from .models import MODELS, Model
from .numpy_library import NumPyLibrary
from .optimisers import adam, sgd
from .plain import ODE_DT, ODE_STEPS, distance, lotka_volterra
from .trees import tree_map
from .workloads import Workload

Arrays = dict[str, Any]


def at(x: Any, member: int) -> Any:
    """What belongs to a member, or to all."""
    return x[member % len(x)]


def output_size(image: Any, kernel: Any) -> tuple[int, int]:
    return image.shape[-2] - kernel.shape[-2] + 1, image.shape[-1] - kernel.shape[-1] + 1


def taps(image: Any, kernel: Any) -> Iterator[tuple[int, int, Any]]:
    """Each position of the kernel, with the index of what it meets in the image."""
    height, width = output_size(image, kernel)
    for i, j in product(range(kernel.shape[-2]), range(kernel.shape[-1])):
        yield i, j, (..., slice(i, i + height), slice(j, j + width))


def columns(images: Any, kernel: Any) -> Any:
    """im2col: (images, channels, height, width) -> (images, channels·kh·kw, positions)."""
    n, channels = images.shape[:2]
    cols = np.empty_like(images, shape=(n, channels, *kernel.shape[-2:], *output_size(images, kernel)))
    for i, j, part in taps(images, kernel):
        cols[:, :, i, j] = images[part]
    return cols.reshape(n, kernel[0].size, -1)


def conv(x: Any, w: Any) -> Any:
    """A convolution as one GEMM per image, one member's columns at a time."""
    members, n, outputs = max(len(x), len(w)), x.shape[1], w.shape[1]
    height, width = output_size(x, w)
    out = np.empty_like(x, shape=(members, n, outputs, height * width))
    for m in range(members):
        if m < len(x):
            cols = columns(x[m], at(w, m))
        np.matmul(at(w, m).reshape(outputs, -1), cols, out=out[m])
    return out.reshape(members, n, outputs, height, width)


def conv_gradients(x: Any, w: Any, g: Any, wants_x: bool) -> tuple[Any, Any]:
    """The gradients of `conv` by image, if wanted, and by kernel."""
    members, n, outputs = g.shape[:3]
    size = g.shape[-2:]
    g = g.reshape(members, n, outputs, -1)
    dw = np.empty_like(w, shape=(members, *w.shape[1:]))
    dx = np.zeros_like(x, shape=(members, *x.shape[1:])) if wants_x else None
    for m in range(members):
        images, kernel = at(x, m), at(w, m)
        cols = columns(images, kernel)
        dw[m] = np.matmul(g[m], cols.swapaxes(-1, -2)).sum(axis=0).reshape(kernel.shape)
        if dx is not None:
            np.matmul(kernel.reshape(outputs, -1).T, g[m], out=cols)
            spread = cols.reshape(n, *kernel.shape[1:], *size)
            for i, j, part in taps(images, kernel):
                dx[m][part] += spread[:, :, i, j]
    return dx, dw


QUARTERS = [(..., slice(i, None, 2), slice(j, None, 2)) for i, j in product((0, 1), (0, 1))]


def pool(x: Any) -> Any:
    """The maximum of every 2×2 square."""
    a, b, c, d = (x[quarter] for quarter in QUARTERS)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


def pool_gradient(x: Any, out: Any, g: Any) -> Any:
    dx = np.empty_like(x)
    for quarter in QUARTERS:  # the only ties are zeros, and the relu before the pool passes nothing on for those
        dx[quarter] = g * (x[quarter] == out)
    return dx


def forward(model: Model, params: Arrays, x: Any, inputs: list[Any] | None = None) -> Any:
    """All members' logits; what each layer was given goes into `inputs`."""
    for layer in model.layers:
        if inputs is not None:
            inputs.append(x)
        if layer == "relu":
            x = np.maximum(x, 0)
        elif layer == "pool":
            x = pool(x)
        elif layer == "flatten":
            x = x.reshape(*x.shape[:2], -1)
        else:
            w, b = params[f"{layer}.weight"], params.get(f"{layer}.bias")
            x = np.matmul(x, w.swapaxes(-1, -2)) if w.ndim == 3 else conv(x, w)
            if b is not None:
                x += b.reshape(len(b), 1, -1, *(1,) * (x.ndim - 3))
    return x


def gradients(model: Model, params: Arrays, x: Any, y: Any) -> Arrays:
    """The gradients of every member's mean cross-entropy."""
    inputs: list[Any] = []
    logits = forward(model, params, x, inputs)
    g = np.exp(logits - logits.max(axis=-1, keepdims=True))
    g /= g.sum(axis=-1, keepdims=True)
    g -= y[..., None] == np.arange(g.shape[-1], like=y)
    g /= x.shape[1]
    grads = {}
    first = next(layer for layer in model.layers if layer not in ("relu", "pool", "flatten"))
    outputs = [*inputs[1:], logits]
    for layer, given, out in zip(model.layers[::-1], inputs[::-1], outputs[::-1], strict=True):
        if layer == "relu":
            g = g * (out > 0)
        elif layer == "pool":
            g = pool_gradient(given, out, g)
        elif layer == "flatten":
            g = g.reshape(len(g), *given.shape[1:])
        else:
            w = params[f"{layer}.weight"]
            if f"{layer}.bias" in params:
                grads[f"{layer}.bias"] = g.sum(axis=(1, *range(3, g.ndim)))
            if w.ndim == 5:
                g, grads[f"{layer}.weight"] = conv_gradients(given, w, g, layer != first)
            else:
                grads[f"{layer}.weight"] = np.matmul(g.swapaxes(-1, -2), given)
                g = np.matmul(g, w) if layer != first else g
            if layer == first:
                return grads
    return grads


def per_member(lr: Any) -> Any:
    """One learning rate per member, shaped for a parameter."""
    return lambda p: lr.reshape(-1, *(1,) * (p.ndim - 1))


def lotka_volterra_sweep(a: Any, b: Any, start: Any) -> Any:
    """The sweep with the pairs along the last axis, which keeps NumPy's inner loops long."""

    def velocity(state: Any) -> Any:
        eaten = b * state[0] * state[1]
        return np.stack([a * state[0] - eaten, eaten - state[1]])

    state = np.broadcast_to(start[:, None], (2, len(a)))
    for _ in range(ODE_STEPS):
        k1 = velocity(state)
        k2 = velocity(state + ODE_DT / 2 * k1)
        k3 = velocity(state + ODE_DT / 2 * k2)
        k4 = velocity(state + ODE_DT * k3)
        state = state + ODE_DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state.T


class ByHand(NumPyLibrary):
    """Everything batched by hand; and `np.vectorize` for what it can do."""

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        if variant == "vectorize":
            return self._vectorized(workload, args)
        if workload.task == "lotka_volterra":
            return lambda: lotka_volterra_sweep(*args)
        if workload.task == "distance":
            a, b = args
            return lambda: np.sqrt(np.square(a[:, None] - b).sum(axis=-1))
        return self._model(workload, args)

    def _vectorized(self, workload: Workload, args: tuple[Any, ...]) -> Call:
        if workload.task == "program":
            return self._program(programs.load(workload.op), args)
        plain = {"lotka_volterra": lotka_volterra, "distance": distance}[workload.task]
        f = np.vectorize(plain, signature=workload.signature)
        if workload.task == "distance":  # pairs come by broadcasting
            args = args[0][:, None], args[1]
        return lambda: f(*args)

    def _program(self, program: programs.Program, sweep: tuple[Any, ...]) -> Call:
        """Results are what each row returns: a tree, which only an array of objects holds, where it is no tuple."""
        axes = [",".join([f"n{i}{j}" for j in range(x.ndim - 1)]) for i, x in enumerate(sweep)]
        signature = f"{','.join([f'({names})' for names in axes])}->()"
        f = np.vectorize(lambda *row: {"row": program.fun(*row, *program.fixed)}, [object], signature=signature)
        return lambda: programs.stacked(f(*sweep))

    def _model(self, workload: Workload, args: tuple[Any, ...]) -> Call:
        model = MODELS[workload.model]
        params, *rest = args
        if workload.task == "forward":
            x = rest[0] if workload.levels[0][1] == 0 else rest[0][None]
            return lambda: forward(model, params, x)
        if workload.task == "sample gradients":
            params = tree_map(lambda p: p[None], params)
            x, y = (a[:, None] for a in rest)
            return lambda: gradients(model, params, x, y)
        if workload.task == "gradients":
            return lambda: gradients(model, params, *rest)
        *state, x, y, lr = rest
        rate = per_member(lr)
        if workload.task == "sgd step":
            return lambda: sgd(params, gradients(model, params, x, y), rate)
        return lambda: adam(params, gradients(model, params, x, y), state[0], rate, np.sqrt, np.maximum)


LIBRARY = ByHand()
