"""Whether what planning makes is what it says: graphs after each pass, and the steps of a tile.

Graphs are looked at where `CHECKING` says so. Tiles always are, when a plan is built: a wrong label would be a wrong
number.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import PlanError, ShapeError, describe
from ..graph import Atom, Graph, Literal, Step, Var
from ..graph.values import is_same

CHECKING = BESIDE = os.environ.get("VMAPCORE_CHECK", "0") not in ("", "0")
"""Whether every pass is checked; and every call of a plan, beside its graph."""

REPORT = "The function runs step by step, and is right; please report this"


def check_pass(name: str, before: Graph, after: Graph) -> None:
    """Raises unless what a pass made of a graph can run, and gives as many results of the same shapes and dtypes."""
    for fault in _faults(before, after):
        raise PlanError(name, fault, "", f"It was given\n{before}")


def _faults(before: Graph, after: Graph) -> Iterator[str]:
    if after.inputs != before.inputs:
        yield "it changed the inputs"
    known = set(after.inputs)
    for n, step in enumerate(after.steps):
        if not known.issuperset([a for a in step.inputs if isinstance(a, Var)]):
            yield f"step {n}, {step.primitive.name}, reads what is not made"
        if not known.isdisjoint(step.outputs):
            yield f"step {n}, {step.primitive.name}, makes again what is made"
        known.update(step.outputs)
    if len(after.outputs) != len(before.outputs):
        yield f"it gives {len(after.outputs)} results"
    for n, (a, b) in enumerate(zip(after.outputs, before.outputs, strict=False)):
        if isinstance(a, Var) and a not in known:
            yield f"result {n} is not made"
        if a is not b and (a.shape != b.shape or not is_same(a.dtype, b.dtype)):  # what is the same may be a text
            yield f"result {n} is {a}, and was {b}"


def check_settled(graph: Graph) -> None:
    """Raises if a step's results are read by nobody, or are not of the shapes and dtypes that it makes."""
    wanted = {*graph.outputs, *graph.readers}
    for n, step in enumerate(graph.steps):
        if wanted.isdisjoint(step.outputs):
            raise PlanError("simplify", f"nobody reads step {n}, {step.primitive.name}")
    stated = [s for s in graph.steps if s.primitive.axes is not None or s.primitive.formula is not None]
    check_steps(stated)  # others want numbers of some kind


def check_steps(steps: Iterable[Step]) -> None:
    """Raises unless the results of each follow from its inputs; of those that are alike, looks at one."""
    alike = {
        (step.primitive, repr(step.params), *[(a.shape, a.dtype) for a in (*step.inputs, *step.outputs)]): step
        for step in steps
    }
    for step in alike.values():
        try:
            with np.errstate(all="ignore"):
                step.run([made_up(a, i) for i, a in enumerate(step.inputs)])
        except (ShapeError, ValueError, IndexError, TypeError) as error:
            shapes = ", ".join(map(str, step.inputs))
            fact = f"{step.primitive.name} of {shapes} does not make {', '.join(map(str, step.outputs))}"
            raise PlanError("plan", fact) from error


Replay = Callable[[list[Any]], list[Any]]


def beside(plan: Replay, step_by_step: Replay) -> Replay:
    """Runs both in each call, and raises where results differ by more than rounding."""

    def checked(leaves: list[Any]) -> list[Any]:
        expected = step_by_step([np.array(x) if isinstance(x, np.ndarray) else x for x in leaves])
        found = plan(leaves)
        for i, (x, y) in enumerate(zip(found, expected, strict=True)):
            if not _is_close(np.asarray(x), np.asarray(y)):
                fact = f"result {i} of its plan, {describe(x)}, is not what its steps give"
                raise PlanError("jit", fact, "", "Please report this; VMAPCORE_CHECK=0 does not compare")
        return found

    return checked


def _is_close(x: Any, y: Any) -> bool:
    """Whether two results are the same; floats up to half of their digits, for the rounding of long sums."""
    if x.shape != y.shape or not is_same(x.dtype, y.dtype):
        return False
    if x.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    size = float(np.max(np.abs(y[np.isfinite(y)]), initial=0))
    return bool(np.allclose(x, y, rtol=0, atol=np.sqrt(np.finfo(y.dtype).eps) * size, equal_nan=True))


PATTERN = np.random.default_rng(0).random(1009)


def made_up(a: Atom, seed: int = 0) -> Any:
    """Numbers of the shape and dtype of a value: positive if they are floats, zero if they name places."""
    if isinstance(a, Literal):
        return a.value
    if a.dtype.kind in "fc":
        return np.resize(np.roll(PATTERN, 101 * seed), a.shape).astype(a.dtype)
    return np.zeros(a.shape, a.dtype)


def check_sum(step: Step, axes: dict[int, int]) -> None:
    """Raises unless the terms that two halves give, cut along `axes` (axis by input), add up to the whole."""
    given = [made_up(a, i) for i, a in enumerate(step.inputs)]

    def run(part: slice) -> Any:
        cut = [x[(slice(None),) * axes[i] + (part,)] if i in axes else x for i, x in enumerate(given)]
        return step.primitive.eval(np, *cut, **step.params)

    whole, terms = run(slice(None)), [run(slice(0, 1)), run(slice(1, None))]
    if not np.allclose(terms[0] + terms[1], whole, rtol=1e-3, atol=1e-3 * float(np.max(np.abs(whole), initial=0))):
        raise PlanError("plan", f"{step.primitive.name} of two halves does not add up to the whole")
