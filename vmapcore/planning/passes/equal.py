"""Common subexpressions: equal steps of equal inputs, merged."""

from contextlib import suppress
from typing import Any

import numpy as np

from ...graph import Atom, Graph, Literal, Step, Var
from ...thresholds import COMPARED
from .rewriting import renamed


def merge_equal(graph: Graph) -> Graph:
    """Merges steps of one primitive with the same parameters and inputs.

    Before: b = sin(a); c = sin(a); d = b * c; return d
    After:  b = sin(a); d = b * b; return d

    Exact. Constants are the same if they are to the last bit: 0.0 is not -0.0, 1 not 1.0, a NaN is itself. Results of
    the graph that were computed twice become one value, which whoever runs it returns in two arrays.
    """
    seen: dict[Any, tuple[Var, ...]] = {}
    replaced: dict[Atom, Atom] = {}
    values: dict[Literal, Any] = {}
    kept: list[Step] = []
    for step in graph.steps:
        step = renamed(step, replaced)
        first = step.outputs
        if step.primitive.pure:
            with suppress(TypeError):  # a parameter that is not hashable
                first = seen.setdefault(_key(step, values), first)
        if first is step.outputs:
            kept.append(step)
        else:
            replaced.update(zip(step.outputs, first, strict=True))
    return graph.with_steps(kept, [replaced.get(a, a) for a in graph.outputs]) if replaced else graph


def _key(step: Step, values: dict[Literal, Any]) -> Any:
    """What equal steps have in common."""
    key: list[Any] = [step.primitive]
    for a in step.inputs:
        if isinstance(a, Literal):
            if a not in values:
                values[a] = bits(a.value) or a
            key.append(values[a])
        else:
            key.append(a)
    for name, value in step.params.items():
        key.append(name)
        key.append(_exact(value))
    return tuple(key)


def bits(value: Any) -> Any:
    """A constant to the last bit, hashable; None for a long one."""
    kind = type(value)
    if kind in (int, bool, str):
        return kind, value
    if kind in (float, complex):
        return kind, repr(value)
    if not hasattr(value, "tobytes") or value.nbytes > COMPARED:
        return None
    return isinstance(value, np.generic), value.dtype, value.shape, value.tobytes()


def _exact(value: Any) -> Any:
    """A parameter, told apart where Python finds equal what is not the same: True and 1, 0.0 and -0.0."""
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is tuple:
        return tuple([_exact(v) for v in value])
    if kind is bool or kind in (float, complex) or isinstance(value, np.generic):
        return bits(value)
    return value
