"""Which axes of a step's arrays go together, as its operation says; see `rules/_axes.py`."""

from typing import Any

from ..graph import Step
from ..rules._axes import Label, Labels, Names, Shape

__all__ = ["Label", "Labels", "Names", "Shape", "labels_of", "params_for", "sizes_of"]


def labels_of(step: Step) -> Labels | None:
    """The labels of a step; None if it runs whole."""
    axes = step.primitive.axes
    if axes is None:
        return None
    found: Labels = axes.labels([a.shape for a in step.inputs], [v.shape for v in step.outputs], **step.params)
    return found


def sizes_of(step: Step, labels: Labels) -> dict[Label, int]:
    """The length of every label."""
    pairs = zip((*step.inputs, *step.outputs), (*labels.inputs, *labels.outputs), strict=True)
    return {a: n for x, axes in pairs for a, n in zip(axes, x.shape, strict=True) if a is not None}


def params_for(step: Step, shape: Shape) -> dict[str, Any]:
    """The parameters that make a piece of the first output of `shape`, cut along its labels."""
    axes = step.primitive.axes
    return axes.resized(step.params, shape) if axes is not None and axes.resized is not None else step.params
