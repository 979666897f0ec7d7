"""JAX: a loop over members and vmap, each through jit, and each op by op."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..library import Library
from ..models import MODELS, Model
from ..optimisers import adam, sgd
from ..plain import ODE_DT, ODE_STEPS
from ..workloads import Axes, Workload

Arrays = dict[str, Any]


def forward(model: Model, params: Arrays, x: Any) -> Any:
    for layer in model.layers:
        if layer == "relu":
            x = jax.nn.relu(x)
        elif layer == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        elif layer == "flatten":
            x = x.reshape(len(x), -1)
        else:
            w, b = params[f"{layer}.weight"], params.get(f"{layer}.bias")
            x = x @ w.T if w.ndim == 2 else lax.conv_general_dilated(x, w, (1, 1), "VALID")
            if b is not None:
                x = x + b.reshape(-1, *(1,) * (x.ndim - 2))
    return x


def loss(model: Model, params: Arrays, x: Any, y: Any) -> Any:
    likelihoods = jax.nn.log_softmax(forward(model, params, x))
    return -jnp.take_along_axis(likelihoods, y[:, None], axis=1).mean()


def sample_loss(model: Model, params: Arrays, x: Any, y: Any) -> Any:
    return loss(model, params, x[None], y[None])


def runge_kutta(_: Any, carry: Any) -> Any:
    """One step. It closes over nothing, so that JAX compiles the loop once and not for every member."""
    state, a, b = carry

    def velocity(state: Any) -> Any:
        prey, predators = state
        eaten = b * prey * predators
        return jnp.stack([a * prey - eaten, eaten - predators])

    k1 = velocity(state)
    k2 = velocity(state + ODE_DT / 2 * k1)
    k3 = velocity(state + ODE_DT / 2 * k2)
    k4 = velocity(state + ODE_DT * k3)
    return state + ODE_DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4), a, b


def lotka_volterra(a: Any, b: Any, start: Any) -> Any:
    """With JAX's own loop: XLA takes minutes to compile a Python loop of this length."""
    return lax.fori_loop(0, ODE_STEPS, runge_kutta, (start, a, b))[0]


def distance(a: Any, b: Any) -> Any:
    return jnp.linalg.norm(a - b)


class Jax(Library):
    """JAX; its platform is chosen by the environment that the driver starts this process with."""

    def start(self, device: str, precision: str) -> dict[str, Any]:
        if device == "cuda":
            jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "highest")
        return {
            "devices": [f"{d.platform} {d.device_kind}" for d in jax.devices()],
            "products": jax.config.jax_default_matmul_precision or "default",
        }

    def array(self, x: Any) -> Any:
        return jnp.asarray(x)

    def numpy(self, x: Any) -> Any:
        return np.asarray(x)

    def wait(self, out: Any) -> None:
        jax.block_until_ready(out)

    def stack(self, arrays: list[Any]) -> Any:
        return jnp.stack(arrays)

    def vmap(self, f: Callable[..., Any], axes: Axes) -> Callable[..., Any]:
        return jax.vmap(f, in_axes=axes)

    def grad(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return jax.grad(f)

    def jit(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(f)

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        if not workload.model:
            return {"lotka_volterra": lotka_volterra, "distance": distance}[workload.task]
        model = MODELS[workload.model]
        gradients = jax.grad(partial(sample_loss if workload.task == "sample gradients" else loss, model))

        def sgd_step(params: Arrays, x: Any, y: Any, lr: Any) -> Any:
            return sgd(params, gradients(params, x, y), lambda p: lr)

        def adam_step(params: Arrays, state: Any, x: Any, y: Any, lr: Any) -> Any:
            return adam(params, gradients(params, x, y), state, lambda p: lr, jnp.sqrt, jnp.maximum)

        return {
            "forward": partial(forward, model),
            "gradients": gradients,
            "sample gradients": gradients,
            "sgd step": sgd_step,
            "adam step": adam_step,
        }[workload.task]

    def chain(self, op: str) -> Callable[[Any, Any], Any]:
        return {"multiply": lambda x, y: x * y, "sin": lambda x, y: jnp.sin(x), "add": lambda x, y: x + y}[
            "sin" if op == "custom" else op
        ]


LIBRARY = Jax()
