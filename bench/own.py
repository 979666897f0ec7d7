"""vmapcore: the function of one member in a Python loop on plain arrays, and vmapped; each as it is and under jit."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from vmapcore import custom_op, grad, jit, memory, nn, trace, vmap
from vmapcore.cpu import compiled
from vmapcore.nn.functional import cross_entropy
from vmapcore.pytree import flatten
from vmapcore.pytree import tree_map as pytree_map

from . import programs
from .floors import counted
from .library import Call
from .numpy_library import NumPyLibrary
from .optimisers import BETAS, EPS, STEP
from .plain import distance, lotka_volterra
from .workloads import Axes, Workload

custom_sin = custom_op(lambda xp, x: xp.sin(x), name="custom_sin").elementwise(lambda out, x: np.cos(x))

MODELS = {"mlp": nn.SimpleMLP, "cnn": nn.SimpleCNN, "lenet": nn.LeNet5}


def forward(net: Any, x: Any) -> Any:
    """The logits, which the CNN wraps into log-probabilities when it is called."""
    return net.logits(x) if isinstance(net, nn.SimpleCNN) else net(x)


def loss(net: Any, x: Any, y: Any) -> Any:
    return cross_entropy(forward(net, x), y)


def sample_loss(net: Any, x: Any, y: Any) -> Any:
    return loss(net, x[None], y[None])


gradients = grad(loss)


def sgd_step(net: Any, x: Any, y: Any, lr: Any) -> Any:
    optimiser = nn.SGD(lr)
    return optimiser.step(net, gradients(net, x, y), optimiser.init(net))[0]


def adam_step(net: Any, state: Any, x: Any, y: Any, lr: Any) -> Any:
    return nn.Adam(lr, betas=BETAS, eps=EPS, amsgrad=True).step(net, gradients(net, x, y), state)


TASKS: dict[str, Callable[..., Any]] = {
    "forward": forward,
    "gradients": gradients,
    "sample gradients": grad(sample_loss),
    "sgd step": sgd_step,
    "adam step": adam_step,
    "lotka_volterra": lotka_volterra,
    "distance": distance,
}


class Own(NumPyLibrary):
    """This project. A loop runs the same functions on plain arrays, so vmap alone is the difference."""

    tree_map = staticmethod(pytree_map)
    jitted: tuple[Any, ...] = ()

    def start(self, device: str, precision: str) -> dict[str, Any]:
        import_module("vmapcore.cpu.plan")  # which is loaded once a process: no part of planning
        return {**super().start(device, precision), "numba": compiled.AVAILABLE}

    def vmap(self, f: Callable[..., Any], axes: Axes) -> Callable[..., Any]:
        return vmap(f, in_axes=axes)

    def grad(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return grad(f)

    def jit(self, f: Callable[..., Any]) -> Callable[..., Any]:
        self.jitted = (*self.jitted, jit(f))
        return self.jitted[-1]

    def settled(self) -> int:
        memory.clear()
        return sum([f.held for f in self.jitted])

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        if workload.task != "program":
            return super().build(workload, variant, args)
        program = programs.load(workload.op)
        if variant == "loop":
            rows = program.each(args)
            return lambda: programs.stacked([program.fun(*row) for row in rows])
        mapped = vmap(program.fun, program.in_axes, **program.options)
        jit = self.jit if "jit" in variant else lambda f: f
        swept = jit(lambda *sweep: mapped(*sweep, *program.fixed))
        return lambda: programs.columns(program.name, swept(*args))

    def counts(self, workload: Workload, args: tuple[Any, ...]) -> dict[str, Any]:
        if workload.task == "program":
            return {}
        arrays = [x for x in flatten(args)[0] if isinstance(x, self.xp.ndarray)]
        return counted(trace(self.vmapped(TASKS[workload.task], workload.levels))(*args), arrays)

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        return TASKS[workload.task]

    def arguments(self, workload: Workload, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        args = super().arguments(workload, arrays)
        if not workload.model:
            return args
        net = self._net(workload, args[0])
        if workload.task != "adam step":
            return net, *args[1:]
        m, v, vmax = (list(args[1][key].values()) for key in ("m", "v", "vmax"))
        count = self.xp.full(len(m[0]), STEP - 1)
        return net, nn.AdamState(count, m, v, vmax), *args[2:]

    def _net(self, workload: Workload, params: dict[str, Any]) -> Any:
        empty = MODELS[workload.model](rng=0)
        if workload.levels[0][0] is None:
            return nn.load_state_dict(empty, params)
        members = range(len(next(iter(params.values()))))
        return nn.stack([nn.load_state_dict(empty, {name: p[i] for name, p in params.items()}) for i in members])

    def collect(self, results: list[Any]) -> Any:
        return nn.stack(results) if isinstance(results[0], nn.Module) else super().collect(results)

    def result(self, workload: Workload, out: Any) -> Any:
        if workload.task == "program":
            return tuple(programs.leaves(out))
        if isinstance(out, list):
            return [self.result(workload, member) for member in out]
        if isinstance(out, nn.Module):
            return out.state_dict()
        if not (isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], nn.AdamState)):
            return out
        params, state = out[0].state_dict(), out[1]
        moments = {"m": state.mean, "v": state.square, "vmax": state.largest}
        return params, {key: dict(zip(params, values, strict=True)) for key, values in moments.items()}

    def chain(self, op: str) -> Callable[[Any, Any], Any]:
        return (lambda x, y: custom_sin(x)) if op == "custom" else super().chain(op)


LIBRARY = Own()
