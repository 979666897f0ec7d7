"""Constants: what depends on no input of the graph is computed while planning."""

import numpy as np

from ...graph import Atom, Graph, Literal, Step, Var
from ...thresholds import FOLDED
from .rewriting import renamed


def fold_constants(graph: Graph) -> Graph:
    """Runs steps whose inputs are all constants, once.

    Before: b = multiply(2, 3.0); c = add(a, b); return c
    After:  c = add(a, 6.0); return c

    Exact. A step that raises stays, to raise when it is run.
    """
    known: dict[Atom, Atom] = {}
    kept: list[Step] = []
    for step in graph.steps:
        step = renamed(step, known)
        if Var in map(type, step.inputs) or not _fold(step, known):
            kept.append(step)
    return graph.with_steps(kept, [known.get(a, a) for a in graph.outputs]) if known else graph


def _fold(step: Step, known: dict[Atom, Atom]) -> bool:
    """Whether a step of constants could be run and its results be kept."""
    made = sum([v.nbytes for v in step.outputs])
    if not step.primitive.pure or made > FOLDED + 2 * sum([a.nbytes for a in step.inputs]):
        return False
    try:
        with np.errstate(all="ignore"):  # what it warns of was said when it was recorded
            results = step.run([a.value for a in step.inputs if isinstance(a, Literal)])
    except Exception:
        return False
    known.update(zip(step.outputs, map(Literal, results), strict=True))
    return True
