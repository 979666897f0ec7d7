"""torch: a loop over members with autograd, and torch.func's vmap and grad."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.func import grad, vmap
from torch.nn.functional import conv2d, cross_entropy, linear, max_pool2d, relu

from ..library import Library
from ..models import MODELS, Model
from ..optimisers import adam, sgd
from ..plain import ODE_DT, ODE_STEPS
from ..workloads import Axes, Workload

Arrays = dict[str, Any]


def forward(model: Model, params: Arrays, x: Any) -> Any:
    for layer in model.layers:
        if layer == "relu":
            x = relu(x)
        elif layer == "pool":
            x = max_pool2d(x, 2)
        elif layer == "flatten":
            x = x.flatten(1)
        else:
            w, b = params[f"{layer}.weight"], params.get(f"{layer}.bias")
            x = linear(x, w, b) if w.ndim == 2 else conv2d(x, w, b)
    return x


def loss(model: Model, params: Arrays, x: Any, y: Any) -> Any:
    return cross_entropy(forward(model, params, x), y)


def sample_loss(model: Model, params: Arrays, x: Any, y: Any) -> Any:
    return loss(model, params, x[None], y[None])


def autograd(f: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient as a loop in torch takes it: without torch.func."""

    def gradients(params: Arrays, *rest: Any) -> Arrays:
        leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
        return dict(zip(leaves, torch.autograd.grad(f(leaves, *rest), list(leaves.values())), strict=True))

    return gradients


def lotka_volterra(a: Any, b: Any, start: Any) -> Any:
    def velocity(state: Any) -> Any:
        prey, predators = state
        eaten = b * prey * predators
        return torch.stack([a * prey - eaten, eaten - predators])

    state = start
    for _ in range(ODE_STEPS):
        k1 = velocity(state)
        k2 = velocity(state + ODE_DT / 2 * k1)
        k3 = velocity(state + ODE_DT / 2 * k2)
        k4 = velocity(state + ODE_DT * k3)
        state = state + ODE_DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def distance(a: Any, b: Any) -> Any:
    return torch.linalg.vector_norm(a - b)


class Torch(Library):
    """Eager torch."""

    def start(self, device: str, precision: str) -> dict[str, Any]:
        self.device = torch.device(device)
        tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        return {"threads": torch.get_num_threads(), "device": name, "tf32": tf32}

    def array(self, x: Any) -> Any:
        return torch.tensor(x, device=self.device)

    def numpy(self, x: Any) -> Any:
        return x.detach().cpu().numpy()

    def wait(self, out: Any) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def stack(self, arrays: list[Any]) -> Any:
        return torch.stack(arrays)

    def vmap(self, f: Callable[..., Any], axes: Axes) -> Callable[..., Any]:
        return vmap(f, in_dims=axes)

    def grad(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return grad(f)

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        if not workload.model:
            return {"lotka_volterra": lotka_volterra, "distance": distance}[workload.task]
        model = MODELS[workload.model]
        differentiate = autograd if variant == "loop" else grad
        gradients = differentiate(partial(sample_loss if workload.task == "sample gradients" else loss, model))

        def sgd_step(params: Arrays, x: Any, y: Any, lr: Any) -> Any:
            return sgd(params, gradients(params, x, y), lambda p: lr)

        def adam_step(params: Arrays, state: Any, x: Any, y: Any, lr: Any) -> Any:
            return adam(params, gradients(params, x, y), state, lambda p: lr, torch.sqrt, torch.maximum)

        return {
            "forward": partial(forward, model),
            "gradients": gradients,
            "sample gradients": gradients,
            "sgd step": sgd_step,
            "adam step": adam_step,
        }[workload.task]

    def chain(self, op: str) -> Callable[[Any, Any], Any]:
        return {"multiply": lambda x, y: x * y, "sin": lambda x, y: torch.sin(x), "add": lambda x, y: x + y}[
            "sin" if op == "custom" else op
        ]


LIBRARY = Torch()
