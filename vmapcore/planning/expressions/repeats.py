"""Cuts a long run of steps into groups of a size that compiles soon, alike where the program repeats itself.

Steps of a loop in the user's code were recorded once per round; groups that begin at the same place of each round have
equal sources, and so share one kernel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph import Literal, Step
from ...thresholds import STEPS_OF_A_KERNEL

ALIKE = 0.9
"""The part of all steps that must come again after one period."""


def cut(steps: Sequence[Step], limit: int = STEPS_OF_A_KERNEL) -> list[Sequence[Step]]:
    """The steps in order, as groups of `limit` steps or fewer."""
    if len(steps) <= limit:
        return [steps]
    names: dict[Any, int] = {}
    period = _period(np.array([names.setdefault(_look(s), len(names)) for s in steps]), limit)
    size = limit // period * period if period else limit
    return [steps[i : i + size] for i in range(0, len(steps), size)]


def _look(step: Step) -> Any:
    """What must be equal of two steps for their sources to be."""
    inputs = [(a.dtype, len(a.shape)) if not isinstance(a, Literal) else repr(a.value) for a in step.inputs]
    return step.primitive.name, repr(step.params), tuple(inputs)


def _period(looks: Any, limit: int) -> int:
    """After how many steps the run repeats itself; 0 if it does not."""
    for p in range(1, limit + 1):
        same = np.count_nonzero(looks[:-p] == looks[p:])
        if same >= ALIKE * (len(looks) - p):
            return p
    return 0
