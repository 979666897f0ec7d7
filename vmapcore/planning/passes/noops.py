"""Steps that return an input as it is, to the last bit: NaNs, infinities, signs of zeros, dtype and shape.

So `x * 1` goes and `x + 0` stays, which makes 0.0 of -0.0; complex `x * 1` stays, which makes NaNs of infinite parts.
"""

import math
from typing import Any

import numpy as np

from ...core import Primitive
from ...derivatives import detach
from ...graph import Atom, Graph, Literal, Step
from ...rules import joining, layout, reductions, repeating, ufuncs
from ...rules.casts import convert, convert_to_discrete, real_part
from ...rules.decompositions import constant
from ...rules.layout import reshape, transpose
from ...rules.slicing import slice_read
from .rewriting import Rewrite, Walk, dtype_of, like, rewrite


def drop_noops(graph: Graph) -> Graph:
    """Drops steps that change nothing, joins those that undo or follow one another, and names others by what they do.

    Before: b = reshape(a, (2, 3)); c = reshape(b, (6,)); d = repeat_along(c, (1,)); e = multiply(d, 1); return e
    After:  c = reshape(a, (6,)); d = reshape(c, (1, 6)); return d

    Exact.
    """
    return rewrite(graph, RULES)


# One after the other.


def _reshape(walk: Walk, step: Step) -> Atom | None:
    x, out = step.inputs[0], step.outputs[0]
    if like(x, out):
        return x
    before = walk.maker(x, reshape)
    return None if before is None else reshaped(walk, step, before.inputs[0])


def reshaped(walk: Walk, step: Step, x: Atom) -> Atom:
    """`x` in the shape of the result of `step`."""
    out = step.outputs[0]
    return x if like(x, out) else walk.emit(step, reshape, (x,), shape=out.shape)


def full_perm(step: Step) -> tuple[int, ...]:
    """The order of all axes that a transpose puts them in."""
    n, perm = len(step.outputs[0].shape), step.params["perm"]
    return (*range(n - len(perm)), *[p % n for p in perm])


def _transpose(walk: Walk, step: Step) -> Atom | None:
    x = step.inputs[0]
    perm = full_perm(step)
    before = walk.maker(x, transpose)
    if before is not None:
        inner = full_perm(before)
        perm, x = tuple([inner[p] for p in perm]), before.inputs[0]
    moved = [p for p in perm if x.shape[p] != 1]
    if moved == sorted(moved):
        return reshaped(walk, step, x)
    if before is None:
        return None
    return walk.emit(step, transpose, (x,), perm=tuple([p - len(perm) for p in perm]))


# Nothing at all.


def _same(walk: Walk, step: Step) -> Atom | None:
    """For what returns its first input where that has the shape and dtype of the result."""
    x = step.inputs[0]
    return x if like(x, step.outputs[0]) else None


def _conjugate(walk: Walk, step: Step) -> Atom | None:
    return None if step.outputs[0].dtype.kind == "c" else _same(walk, step)


def _neutral(value: float, left: bool) -> Rewrite:
    """For an operation that leaves one input as it is if the other is `value`, on the left too if `left`."""

    def rule(walk: Walk, step: Step) -> Atom | None:
        x, y = step.inputs
        out = step.outputs[0]
        if out.dtype.kind == "c":
            return None
        if isinstance(y, Literal) and like(x, out) and _all(y, value, out.dtype):
            return x
        if left and isinstance(x, Literal) and like(y, out) and _all(x, value, out.dtype):
            return y
        return None

    return rule


def _all(literal: Literal, value: float, dtype: Any) -> bool:
    """Whether every element is `value`, of the same sign where `dtype` has signed zeros."""
    x = literal.value
    if isinstance(x, (int, float)):
        return x == value and (value != 0 or dtype.kind != "f" or math.copysign(1, x) == math.copysign(1, value))
    if isinstance(x, complex) or getattr(x, "dtype", dtype).kind == "c" or not literal.size:
        return False
    signed = value != 0 or dtype.kind != "f" or bool((np.signbit(x) == np.signbit(value)).all())
    return bool((x == value).all()) and signed


# A reshape by another name.


def _of_one(walk: Walk, step: Step) -> Atom | None:
    """For what repeats, takes the largest of or joins nothing but axes of length 1, so that no element is lost."""
    x, out = step.inputs[0], step.outputs[0]
    same = len(step.inputs) == 1 and x.size == out.size and dtype_of(x) == out.dtype
    return reshaped(walk, step, x) if same else None


def _slice(walk: Walk, step: Step) -> Atom | None:
    """Everything, forwards: none of a length is lost where none of the elements is."""
    if step.inputs[0].size != step.outputs[0].size:
        return None
    backwards = any(isinstance(e, tuple) and e[2] is not None and e[2] < 0 for e in step.params["index"])
    return None if backwards else _of_one(walk, step)


def _extremum(walk: Walk, step: Step) -> Atom | None:
    return None if step.outputs[0].dtype.kind == "c" else _of_one(walk, step)


RULES: dict[Primitive, Rewrite] = {
    reshape: _reshape,
    transpose: _transpose,
    **dict.fromkeys([convert, convert_to_discrete, real_part, layout.duplicate, detach, constant], _same),
    **dict.fromkeys([ufuncs.positive, joining.pad], _same),
    ufuncs.conjugate: _conjugate,
    ufuncs.multiply: _neutral(1, True),
    ufuncs.divide: _neutral(1, False),
    ufuncs.subtract: _neutral(0.0, False),
    ufuncs.add: _neutral(-0.0, True),
    **dict.fromkeys([reductions.repeat_along, layout.broadcast_to, repeating.repeat, repeating.tile], _of_one),
    **dict.fromkeys([joining.concatenate, joining.stack], _of_one),
    **dict.fromkeys([reductions.reduce_max, reductions.reduce_min], _extremum),
    slice_read: _slice,
}
