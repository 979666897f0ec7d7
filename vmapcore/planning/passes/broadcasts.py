"""Broadcasts, kept lazy: what broadcasts anyway is given the array that another step would have repeated for it."""

import functools

import numpy as np

from ...core import Primitive
from ...evals.products import terms_of
from ...graph import Atom, Graph, Literal, Step, Var
from ...rules.contract import contract
from ...rules.layout import broadcast_to, reshape
from ...rules.losses import nll_transpose
from ...rules.reductions import repeat_along
from ...rules.ufuncs import power
from ..plan_primitives import ELEMENTWISE
from .rewriting import Rewrite, Shape, Walk, dtype_of, rewrite

REPEATS = (repeat_along, broadcast_to)


def keep_broadcasts_lazy(graph: Graph) -> Graph:
    """Gives operands of elementwise steps and products as they were before they were repeated.

    Before: b: f32[4,3] = repeat_along(a, axis=(-2,), sizes=(4,)); c: f32[4,3] = multiply(b, x); return c
    After:  c: f32[4,3] = multiply(a, x); return c

    Where all operands were repeated, so is the result instead. An array of one value over and over, as the cotangent
    that a gradient begins with, becomes a scalar of its dtype, not a Python number: the result keeps its dtype.

    Exact, but for the order in which products are added up.
    """
    return rewrite(graph, RULES)


def _elementwise(walk: Walk, step: Step) -> Atom | None:
    found = [_narrow(walk, a) for a in step.inputs]
    if not any(found):
        return None
    inputs = [a if new is None else new[0] for a, new in zip(step.inputs, found, strict=True)]
    shapes = [a.shape if new is None else new[1] for a, new in zip(step.inputs, found, strict=True)]
    full = step.outputs[0]
    narrow = Var(_broadcast(*shapes), full.dtype)
    ready = tuple([_shaped(walk, step, a, shape) for a, shape in zip(inputs, shapes, strict=True)])
    walk.emit(step, step.primitive, ready, narrow, **step.params)
    return narrow if narrow.shape == full.shape else walk.emit(step, broadcast_to, (narrow,), shape=full.shape)


_broadcast = functools.lru_cache(maxsize=4096)(np.broadcast_shapes)


def _narrow(walk: Walk, a: Atom) -> tuple[Atom, Shape] | None:
    """The array that `a` repeats, and the shape that it broadcasts from; None if it repeats none."""
    if isinstance(a, Literal):
        return _uniform(a)
    made = walk.makers.get(a)
    if made is None or made.primitive not in REPEATS:
        return None
    source = made.inputs[0]
    if made.primitive is broadcast_to:
        return source, source.shape
    repeated, n = made.params["axis"], len(a.shape)
    shape = tuple([1 if i - n in repeated else length for i, length in enumerate(a.shape)])
    while shape[:1] == (1,) and len(shape) > len(source.shape):
        shape = shape[1:]
    return source, shape


def _uniform(literal: Literal) -> tuple[Atom, Shape] | None:
    """The one value of an array among the constants, as a scalar of its dtype."""
    x = literal.value
    if type(x) is not np.ndarray or x.size < 2 or x.dtype.kind not in "fiub":
        return None
    first = x.reshape(-1)[0]
    same = bool((x == first).all()) and (first != 0 or not np.signbit(x).any() if x.dtype.kind == "f" else True)
    return (Literal(first), ()) if same else None


def _shaped(walk: Walk, step: Step, a: Atom, shape: Shape) -> Atom:
    return a if a.shape == shape else walk.emit(step, reshape, (a,), Var(shape, dtype_of(a)), shape=shape)


def _contract(walk: Walk, step: Step) -> Atom | None:
    """A letter that one operand only repeats along, and that the other and the result have, leaves the first."""
    terms = list(terms_of(step.params["subscripts"]))
    inputs = list(step.inputs)
    for i, a in enumerate(step.inputs):
        new = _narrow(walk, a) if isinstance(a, Var) else None
        if new is None:
            continue
        source, shape = new
        term = terms[i][len(a.shape) - len(shape) :]
        lost = set(terms[i][: len(a.shape) - len(shape)])
        lost |= {c for c, n, m in zip(term, shape, a.shape[len(a.shape) - len(shape) :], strict=True) if n != m}
        lost.discard("1")
        if lost and all(c in terms[1 - i] and c in terms[2] for c in lost):
            terms[i] = "".join(["1" if c in lost else c for c in term])
            inputs[i] = _shaped(walk, step, source, shape)
    if inputs == list(step.inputs):
        return None
    return walk.emit(step, contract, tuple(inputs), subscripts=f"{terms[0]},{terms[1]}->{terms[2]}")


def _nll_transpose(walk: Walk, step: Step) -> Atom | None:
    """The cotangents may be fewer than the targets."""
    g, targets = step.inputs
    new = _narrow(walk, g) if isinstance(g, Var) else None
    if new is None or _broadcast(new[1], targets.shape) != _broadcast(g.shape, targets.shape):
        return None
    return walk.emit(step, nll_transpose, (_shaped(walk, step, *new), targets), **step.params)


RULES: dict[Primitive, Rewrite] = {
    **dict.fromkeys(ELEMENTWISE - {power}, _elementwise),  # by a number, power computes squares and roots otherwise
    contract: _contract,
    nll_transpose: _nll_transpose,
}
