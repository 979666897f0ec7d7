"""torch: a loop over members with autograd, with channels first and last; and torch.func's vmap and grad."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.func import grad, vmap
from torch.nn.functional import conv2d, cross_entropy, linear, max_pool2d, relu
from torch.optim.adam import adam as optimise

from ..library import Call, Library
from ..models import MODELS, Model
from ..optimisers import BETAS, EPS, STEP, adam, sgd
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


def fused_adam(params: Arrays, grads: Arrays, state: dict[str, Arrays], lr: Any) -> tuple[Arrays, dict[str, Arrays]]:
    """torch.optim's fastest step, which works in place, on copies."""
    new = {key: {name: x.clone() for name, x in state[key].items()} for key in ("m", "v", "vmax")}
    updated = {name: p.clone() for name, p in params.items()}
    optimise(
        list(updated.values()),
        [grads[name] for name in updated],
        list(new["m"].values()),
        list(new["v"].values()),
        list(new["vmax"].values()),
        [torch.tensor(float(STEP - 1), device=lr.device) for _ in updated],
        fused=True,
        amsgrad=True,
        beta1=BETAS[0],
        beta2=BETAS[1],
        lr=float(lr),
        weight_decay=0.0,
        eps=EPS,
        maximize=False,
    )
    return updated, new


def runge_kutta(state: Any, a: Any, b: Any) -> Any:
    def velocity(state: Any) -> Any:
        prey, predators = state
        eaten = b * prey * predators
        return torch.stack([a * prey - eaten, eaten - predators])

    k1 = velocity(state)
    k2 = velocity(state + ODE_DT / 2 * k1)
    k3 = velocity(state + ODE_DT / 2 * k2)
    k4 = velocity(state + ODE_DT * k3)
    return state + ODE_DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def lotka_volterra(a: Any, b: Any, start: Any, step: Callable[..., Any] = runge_kutta) -> Any:
    state = start
    for _ in range(ODE_STEPS):
        state = step(state, a, b)
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
        eager = variant.startswith("loop")
        differentiate = autograd if eager else grad
        gradients = differentiate(partial(sample_loss if workload.task == "sample gradients" else loss, model))

        def sgd_step(params: Arrays, x: Any, y: Any, lr: Any) -> Any:
            return sgd(params, gradients(params, x, y), lambda p: lr)

        def adam_step(params: Arrays, state: Any, x: Any, y: Any, lr: Any) -> Any:
            grads = gradients(params, x, y)
            if eager:
                return fused_adam(params, grads, state, lr)
            return adam(params, grads, state, lambda p: lr, torch.sqrt, torch.maximum)

        return {
            "forward": partial(forward, model),
            "gradients": gradients,
            "sample gradients": gradients,
            "sgd step": sgd_step,
            "adam step": adam_step,
        }[workload.task]

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        differentiates = "gradients" in workload.task or "step" in workload.task
        torch.set_grad_enabled(differentiates)
        self.channels_last = self.wants_channels_last(workload, variant)
        return super().build(workload, variant, args)

    def wants_channels_last(self, workload: Workload, variant: str) -> bool:
        return "nhwc" in variant

    def part(self, x: Any, member: int) -> Any:
        last = self.channels_last and x.ndim == 5
        return x[member].clone(memory_format=torch.channels_last) if last else x[member]

    def chain(self, op: str) -> Callable[[Any, Any], Any]:
        return {"multiply": lambda x, y: x * y, "sin": lambda x, y: torch.sin(x), "add": lambda x, y: x + y}[
            "sin" if op == "custom" else op
        ]


LIBRARY = Torch()
