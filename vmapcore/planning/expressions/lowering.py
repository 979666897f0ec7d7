"""Each primitive that a kernel can do, as statements: group -> expression. What has no rule does not fuse."""

from collections.abc import Callable, Sequence
from typing import Any

from ...core import PRIMITIVES
from ...graph import Step
from ..plan_primitives import FUSED
from .building import DTYPES, Builder, UnfusibleError, Value
from .composites import COMPOSITES
from .primitives import RULES, keeps_axes, picks_or_keeps, sums_nothing

ALL = RULES | COMPOSITES


def _always(step: Step) -> bool:
    return True


FITS: dict[str, Callable[[Step], bool]] = {
    "contract": lambda step: sums_nothing(step.params["subscripts"]),
    "reshape": lambda step: keeps_axes(step.inputs[0], step.params["shape"]),
    "slice_read": lambda step: picks_or_keeps(step.inputs[0], step.params["index"]),
}


def fusible(step: Step) -> bool:
    """Whether there is a rule for the primitive, its shapes and dtypes; what it is grouped with may still not fit."""
    primitive = step.primitive
    if primitive.name not in ALL or not (PRIMITIVES.get(primitive.name) is primitive or primitive in FUSED):
        return False
    arrays = [*[getattr(a, "value", a) for a in step.inputs], *step.outputs]
    return all(map(_holds, arrays)) and FITS.get(primitive.name, _always)(step)


def _holds(x: Any) -> bool:
    """Whether kernels take such a variable or constant."""
    if type(x) in (int, float):
        return True
    return getattr(x, "dtype", None) in DTYPES and 0 not in getattr(x, "shape", ())


def lower(builder: Builder, step: Step, values: Sequence[Value]) -> Value:
    """The result of a step; raises `UnfusibleError` unless it has the shape and dtype that was recorded."""
    if not fusible(step):
        raise UnfusibleError(step.primitive.name)
    made = ALL[step.primitive.name](builder, *values, **step.params)
    out = step.outputs[0]
    if made.shape != out.shape or made.dtype != out.dtype:
        raise UnfusibleError(f"{step.primitive.name} makes {made.dtype}{made.shape}, recorded {out!r}")
    return made
