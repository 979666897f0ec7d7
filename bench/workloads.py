"""The table of workloads: the function of one member, the arguments of all, the mapped axes, the tolerance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import programs
from .models import MODELS
from .trees import tree_map

Axes = tuple[int | None, ...]
Arguments = tuple[Any, ...]

SEED = 0
SIZES = ("full", "small")


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    `task` names the function of one member, which every library has; only how it is mapped over the members differs.
    `levels` are the mapped axes of nested maps, outermost first. `make(rng, **sizes[size])` gives the arguments of all
    members as NumPy arrays. `stacked` says that a loop must stack what it collects to be of use.
    """

    name: str
    title: str
    task: str
    levels: tuple[Axes, ...]
    make: Callable[..., Arguments]
    sizes: dict[str, dict[str, int]]
    model: str = ""
    stacked: bool = False
    atol: float = 1e-4
    rtol: float = 1e-3
    signature: str = ""
    op: str = ""

    def arguments(self, size: str) -> Arguments:
        """The same NumPy arrays in every process."""
        return self.make(np.random.default_rng(SEED), **self.sizes[size])

    @property
    def convolves(self) -> bool:
        """Whether it puts batches of images through convolutions."""
        return "conv1" in self.layers and self.task != "sample gradients"

    @property
    def layers(self) -> tuple[str, ...]:
        return MODELS[self.model].layers if self.model else ()

    def described(self, size: str) -> str:
        return ", ".join(f"{value} {key}" for key, value in self.sizes[size].items())


def _images(rng: np.random.Generator, model: str, *leading: int) -> np.ndarray:
    return rng.standard_normal((*leading, *MODELS[model].image), dtype=np.float32)


def _ensemble(model: str, shared: bool) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator, members: int, images: int) -> Arguments:
        params = MODELS[model].parameters(rng, members)
        return params, _images(rng, model, *([] if shared else [members]), images)

    return make


def _per_sample(model: str) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator, samples: int) -> Arguments:
        return MODELS[model].parameters(rng), _images(rng, model, samples), rng.integers(0, 10, samples)

    return make


def _training(model: str, task: str) -> Callable[..., Arguments]:
    def make(rng: np.random.Generator, members: int, images: int) -> Arguments:
        params = MODELS[model].parameters(rng, members)
        batch = _images(rng, model, members, images), rng.integers(0, 10, (members, images))
        lr = np.linspace(1e-3, 1e-2, members, dtype=np.float32) * (10 if task == "sgd step" else 1)
        if task == "adam step":
            return params, _moments(rng, params), *batch, lr
        return (params, *batch, lr) if task == "sgd step" else (params, *batch)

    return make


def _moments(rng: np.random.Generator, params: Any) -> dict[str, Any]:
    """Adam's state in the middle of a run."""

    def positive(p: np.ndarray) -> np.ndarray:
        return rng.uniform(1e-5, 1e-4, p.shape).astype(np.float32)

    return {
        "m": tree_map(lambda p: rng.standard_normal(p.shape, dtype=np.float32) * np.float32(1e-3), params),
        "v": tree_map(positive, params),
        "vmax": tree_map(positive, params),
    }


def _parameter_pairs(rng: np.random.Generator, pairs: int) -> Arguments:
    a, b = rng.uniform(0.5, 1.5, (2, pairs)).astype(np.float32)
    return a, b, np.array([1.0, 0.5], dtype=np.float32)


def _points(rng: np.random.Generator, points: int, dimensions: int) -> Arguments:
    return tuple(rng.standard_normal((2, points, dimensions), dtype=np.float32))


def _chain(rng: np.random.Generator, batch: int, width: int) -> Arguments:
    x, y = rng.uniform(0.9, 1.1, (2, batch, width))
    return x.astype(np.float32), y.astype(np.float32)


def _leaves(rng: np.random.Generator, leaves: int) -> Arguments:
    return ({f"w{i}": rng.standard_normal(3, dtype=np.float32) for i in range(leaves)},)


def _sweep(name: str) -> Callable[..., Arguments]:
    return lambda rng, rows: programs.load(name).rows(rows, rng)


def _no_arguments(rng: np.random.Generator) -> Arguments:
    return ()


MEMBERS = {"mlp": (10, 64), "cnn": (10, 64), "lenet": (4, 3)}
TITLES = {"mlp": "MLPs 784-128-128-10", "cnn": "CNNs 28×28", "lenet": "LeNet-5 32×32"}
TASKS = {
    "gradients": ("gradients of a step", (0, 0, 0)),
    "sgd step": ("a step of SGD", (0, 0, 0, 0)),
    "adam step": ("a step of Adam (amsgrad), a learning rate per member", (0, 0, 0, 0, 0)),
}


def _sizes(model: str) -> dict[str, dict[str, int]]:
    members, images = MEMBERS[model]
    return {"full": {"members": members, "images": images}, "small": {"members": 2, "images": 2}}


def _table() -> list[Workload]:
    table = []
    for model, title in TITLES.items():
        table += [
            Workload(
                f"{model}_ensemble",
                f"{title}, forward, a minibatch each",
                "forward",
                ((0, 0),),
                _ensemble(model, False),
                _sizes(model),
                model,
            ),
            Workload(
                f"{model}_ensemble_shared",
                f"{title}, forward, one minibatch for all",
                "forward",
                ((0, None),),
                _ensemble(model, True),
                _sizes(model),
                model,
            ),
        ]
    for model in ("mlp", "cnn"):
        table.append(
            Workload(
                f"{model}_persample",
                f"{model.upper()}, the gradient for every sample",
                "sample gradients",
                ((None, 0, 0),),
                _per_sample(model),
                {"full": {"samples": 64}, "small": {"samples": 3}},
                model,
                stacked=True,
            )
        )
    for name, model, task in [
        ("lenet_train", "lenet", "adam step"),
        ("lenet_train:gradients", "lenet", "gradients"),
        ("cnn_train", "cnn", "sgd step"),
        ("cnn_train:gradients", "cnn", "gradients"),
    ]:
        what, axes = TASKS[task]
        table.append(
            Workload(
                name, f"{TITLES[model]}, {what}", task, (axes,), _training(model, task), _sizes(model), model, atol=1e-5
            )
        )
    table += [
        Workload(
            "ode_sweep",
            "Lotka-Volterra by Runge-Kutta, a parameter pair each",
            "lotka_volterra",
            ((0, 0, None),),
            _parameter_pairs,
            {"full": {"pairs": 1000}, "small": {"pairs": 5}},
            stacked=True,
            signature="(),(),(n)->(n)",
        ),
        Workload(
            "pairwise",
            "distances of every pair of points, mapped twice",
            "distance",
            ((0, None), (None, 0)),
            _points,
            {"full": {"points": 300, "dimensions": 16}, "small": {"points": 4, "dimensions": 3}},
            stacked=True,
            signature="(d),(d)->()",
        ),
    ]
    for op in ("multiply", "sin", "add", "custom"):
        table.append(
            Workload(
                f"overhead:{op}",
                f"machinery per primitive, a chain of {'sin as a custom operation' if op == 'custom' else op}",
                "overhead",
                ((0, 0),),
                _chain,
                {size: {"batch": 5, "width": 3} for size in SIZES},
                op=op,
            )
        )
    for op, what in (("nothing", "nothing comes back"), ("identity", "all leaves come back")):
        sizes = {size: {"leaves": 6} for size in SIZES}
        table.append(
            Workload(f"dispatch:{op}", f"a call of a compiled function: {what}", "dispatch", (), _leaves, sizes, op=op)
        )
    for name in programs.names():
        sizes = {"full": {"rows": 1000}, "small": {"rows": 3}}
        title, make, rtol = programs.title(name), _sweep(name), programs.LOOSE.get(name, 1e-6)
        table.append(
            Workload(f"programs:{name}", title, "program", (), make, sizes, op=name, atol=rtol / 10, rtol=rtol)
        )
    table.append(
        Workload(
            "overhead:import", "import beyond NumPy's own", "import", (), _no_arguments, {size: {} for size in SIZES}
        )
    )
    return table


WORKLOADS = {workload.name: workload for workload in _table()}


def select(names: list[str]) -> list[Workload]:
    """The workloads of these names, in the table's order: `overhead` is every `overhead:...`; `all` or no name is all.

    Raises:
        KeyError: a name that selects nothing.
    """
    if not names or "all" in names:
        return list(WORKLOADS.values())
    for name in names:
        if not any(_selects(name, workload) for workload in WORKLOADS):
            raise KeyError(name)
    return [workload for name, workload in WORKLOADS.items() if any(_selects(chosen, name) for chosen in names)]


def _selects(chosen: str, name: str) -> bool:
    return name == chosen or name.startswith(chosen + ":")
