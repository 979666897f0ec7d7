"""Each step that a kernel can do, as statements: its operation's formula. What has none does not fuse."""

import functools
from collections.abc import Sequence
from typing import Any

from ...core import Memory, Primitive
from ...graph import Step
from .building import DTYPES, Builder, UnfusibleError, Value
from .formulas import Formulas


def fusible(step: Step) -> bool:
    """Whether there is a formula for its shapes and dtypes; what it is grouped with may still not fit."""
    primitive = step.primitive
    if primitive.formula is None:
        return False
    for a in (*step.inputs, *step.outputs):
        if not _holds(getattr(a, "value", a)):
            return False
    if primitive.fits is not None and not primitive.fits(step.inputs, step.outputs, **step.params):
        return False
    return primitive.memory is not Memory.VIEW or _moves(primitive, step.inputs[0].shape, tuple(step.params.items()))


def _holds(x: Any) -> bool:
    """Whether kernels take such a variable or constant."""
    if type(x) in (int, float):
        return True
    return getattr(x, "dtype", None) in DTYPES and 0 not in getattr(x, "shape", ())


@functools.lru_cache(maxsize=4096)
def _moves(primitive: Primitive, shape: tuple[int, ...], params: Any) -> bool:
    """Whether statements can move an array of this shape so, as is seen when it is tried."""
    assert primitive.formula is not None
    xp = Formulas(Builder())
    try:
        primitive.formula(xp, xp.made(xp.builder.operand(0, shape, DTYPE, range(len(shape)))), **dict(params))
    except UnfusibleError:
        return False
    return True


DTYPE = next(iter(DTYPES))
"""Any: moves do not depend on it."""


def lower(xp: Formulas, step: Step, args: Sequence[Any]) -> Value:
    """The result of a step; raises `UnfusibleError` unless it has the shape and dtype that was recorded."""
    if not fusible(step):
        raise UnfusibleError(step.primitive.name)
    assert step.primitive.formula is not None
    made = xp.value(step.primitive.formula(xp, *args, **step.params))
    out = step.outputs[0]
    if made.shape != out.shape or made.dtype != out.dtype:
        raise UnfusibleError(f"{step.primitive.name} makes {made.dtype}{made.shape}, recorded {out!r}")
    return made
