"""Which axes of a step's arrays go together, for families of operations: what may be cut into tiles.

A label stands for one axis of the result and for the axes of operands that run along with it, as letters do in
`np.einsum`. Cut every axis of one label alike, and the step makes that piece of its result. A label that only operands
have is summed over: pieces give terms of the result. An axis without a label is never cut.
"""

from typing import Any, NamedTuple

from ..core import Axes

Label = int | str | None
Names = tuple[Label, ...]
Shape = tuple[int, ...]


class Labels(NamedTuple):
    """The labels of the axes of every input and output of a step."""

    inputs: tuple[Names, ...]
    outputs: tuple[Names, ...]


def leading(shape: Shape, core: int, lead: Shape) -> Names:
    """Labels of the axes before `core` others, which broadcast to `lead`; its axes are labels 0, 1, ..."""
    core = min(core, len(shape))
    free = shape[: len(shape) - core]
    start = len(lead) - len(free)
    return tuple([start + i if n == lead[start + i] else None for i, n in enumerate(free)]) + (None,) * core


def broadcasting(shapes: list[Shape], outs: list[Shape], core: int) -> Labels:
    """Labels of axes that broadcast, before `core` core axes of each array; those of the first output count."""
    lead = outs[0][: len(outs[0]) - core]
    return Labels(
        tuple([leading(shape, core, lead) for shape in shapes]), tuple([leading(shape, core, lead) for shape in outs])
    )


def _reduced(shapes: list[Shape], outs: list[Shape], *, axis: Any, keepdims: bool, **params: Any) -> Labels:
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = len(shapes[0])
    source: Names = tuple([None if i - rank in axes else i for i in range(rank)])
    return Labels((source,), (tuple([a for i, a in enumerate(source) if keepdims or i - rank not in axes]),))


EACH = Axes(lambda shapes, outs, **params: broadcasting(shapes, outs, 0))
"""Works element by element, and broadcasts."""

ALONG = Axes(
    lambda shapes, outs, *, axis, **params: broadcasting(shapes, outs, -min(axis) if isinstance(axis, tuple) else -axis)
)
"""Works along `axis`, whose length it may change but which it keeps."""

REDUCED = Axes(_reduced)
"""Combines what lies along `axis`."""

SUMMED = Axes(
    lambda shapes, outs, **params: Labels((tuple(range(len(shapes[0]))),), _reduced(shapes, outs, **params).outputs)
)
"""Adds up what lies along `axis`: pieces of it give terms."""
