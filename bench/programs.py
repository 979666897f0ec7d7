"""The gallery: programs of people who know nothing of vmapcore, as they are, over a sweep of their arguments."""

import ast
import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "numpy_code"

AS_ONE = {
    "bateman_chain",
    "battery_pack",
    "bootstrap_ci",
    "buffer_ph",
    "cosmic_distance",
    "energy_balance",
    "gp_regression",
    "implied_vol",
    "kalman_track",
    "kepler_orbit",
    "laser_pulse",
    "lennard_jones",
    "lotka_volterra",
    "lqr_tracking",
    "median_denoise",
    "motif_scan",
    "raman_fit",
    "ray_transfer",
    "robot_arm",
    "seismic_trigger",
    "tree_likelihood",
    "truss_solve",
    "two_compartment",
    "wind_energy",
}
"""Those that ask for no value of a row, under `jit` either: `vmap` needs to be told nothing."""

NO_DERIVATIVES = {
    "portfolio_risk",  # a function of SciPy without any
    "pipe_flow",  # its root is found by comparisons alone
    "transit_curve",  # a square root at 0 is infinitely steep, where the maximum that made the 0 is flat
}
"""Those that have derivatives which vmapcore does not find."""

RAGGED = {"lif_neuron", "wright_fisher"}
"""Their results have a shape of their own for each row, so they make a list."""


LOOSE = {
    "logistic_gd": 1e-5,  # its steps are halved where the loss does not fall, which in the end is by rounding
    "raman_fit": 1e-5,  # a fit to within a tolerance
}
"""How far results over many rows may be from the loop's, where that is not 1e-6: ends that are a matter of rounding."""


@dataclass(frozen=True)
class Program:
    """A function of one row of a sweep, and of what is fixed for all rows."""

    name: str
    fun: Callable[..., Any]
    sweep: tuple[np.ndarray, ...]
    fixed: tuple[Any, ...]
    differentiable: bool
    features: tuple[str, ...] = ()

    @property
    def in_axes(self) -> tuple[int | None, ...]:
        return (0,) * len(self.sweep) + (None,) * len(self.fixed)

    @property
    def options(self) -> dict[str, Any]:
        """What `vmap` must be told."""
        lists = {"out_axes": list} if self.name in RAGGED else {}
        return lists if self.name in AS_ONE else {**lists, "branches": "split"}

    def rows(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Rows of the sweep, and beyond them others between two of them, or of either where numbers are whole."""
        length = len(self.sweep[0])
        if count <= length:
            return tuple([x[:count] for x in self.sweep])
        first = rng.integers(0, length, count)
        second = (first + rng.integers(1, length, count)) % length
        share = rng.uniform(size=count)

        def between(x: np.ndarray) -> np.ndarray:
            s = share.reshape(-1, *(1,) * (x.ndim - 1))
            mixed = (
                (1 - s) * x[first] + s * x[second] if x.dtype.kind in "fc" else np.where(s < 0.5, x[first], x[second])
            )
            return mixed.astype(x.dtype)

        return tuple(map(between, self.sweep))

    def each(self, sweep: tuple[np.ndarray, ...]) -> list[tuple[Any, ...]]:
        """The arguments of a call for each row."""
        return [(*row, *self.fixed) for row in zip(*sweep, strict=True)]


def names() -> list[str]:
    """All programs of the gallery."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def title(name: str) -> str:
    """What a program says of itself; it is not imported."""
    return (ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or "").rstrip(".")


def load(name: str) -> Program:
    """The program of this name, imported anew."""
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look
    spec.loader.exec_module(module)
    case = module.CASES
    arguments = tuple(case["sweep"]), tuple(case["fixed"])
    differentiable = case["differentiable"] and name not in NO_DERIVATIVES
    return Program(name, case["fun"], *arguments, differentiable, tuple(case["features"]))


def leaves(result: Any) -> Iterator[Any]:
    """The numbers and arrays of a result, in their order; those of a dict in that of its keys."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    elif dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, (list, tuple)):
        for part in result:
            yield from leaves(part)
    elif result is not None:
        yield result


def stacked(results: Any) -> tuple[np.ndarray, ...]:
    """What rows returned one by one, as arrays of all rows: where shapes differ, the lengths and all elements."""
    columns = zip(*[map(np.asarray, leaves(result)) for result in results], strict=True)
    return tuple([array for column in columns for array in _joined(column)])


def _joined(column: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    if len({x.shape for x in column}) == 1:
        return [np.array(column)]
    return [np.array([x.size for x in column]), np.concatenate([x.ravel() for x in column])]


def columns(name: str, out: Any) -> tuple[np.ndarray, ...]:
    """What `vmap` returned for a program, as `stacked` has it."""
    return stacked(out) if name in RAGGED else tuple(leaves(out))
