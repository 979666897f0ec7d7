"""Transposes and reshapes on their way down: behind elementwise steps, into reductions, until they meet a product."""

from ...core import Primitive
from ...graph import Atom, Graph, Step, Var
from ...rules.layout import reshape, transpose
from ...rules.reductions import reduce_all, reduce_any, reduce_max, reduce_min, reduce_sum
from ..plan_primitives import ELEMENTWISE
from .noops import full_perm
from .rewriting import Rewrite, Walk, rewrite


def sink_moves(graph: Graph) -> Graph:
    """Applies elementwise steps before transposes and reshapes of all their operands, and reduces other axes instead.

    Before: b = transpose(a, perm=(-1, -2)); c = exp(b); d = reduce_max(c, axis=(-1,)); return d
    After:  c = exp(a); d = reduce_max(c, axis=(-2,)); return d

    Exact, but that sums may be added up in another order. Only where no other step reads what was moved.
    """
    return rewrite(graph, RULES)


def _elementwise(walk: Walk, step: Step) -> Atom | None:
    out = step.outputs[0]
    moves: list[Step | None] = []
    for a in step.inputs:
        move = walk.maker(a, transpose, reshape)
        if move is None and a.shape:
            return None
        moves.append(move if a.shape else None)
    first = next((m for m in moves if m is not None), None)
    if first is None or not all(m is None or _alike(m, first, out) for m in moves):
        return None
    for a, m in zip(step.inputs, moves, strict=True):
        if m is not None and not walk.sole(a, step.inputs.count(a)):
            return None
    inputs = tuple([a if m is None else m.inputs[0] for a, m in zip(step.inputs, moves, strict=True)])
    made = walk.emit(step, step.primitive, inputs, Var(first.inputs[0].shape, out.dtype), **step.params)
    return walk.emit(step, first.primitive, (made,), **first.params)


def _alike(move: Step, other: Step, out: Var) -> bool:
    """Whether two arrays of the shape of the result were moved there alike."""
    same = move.primitive is other.primitive and move.inputs[0].shape == other.inputs[0].shape
    if move.outputs[0].shape != out.shape or not same:
        return False
    return move.primitive is reshape or full_perm(move) == full_perm(other)


def _reduction(walk: Walk, step: Step) -> Atom | None:
    """Reduces the axes as they were before a transpose, and transposes what is left."""
    move = walk.maker(step.inputs[0], transpose)
    if move is None or not walk.sole(step.inputs[0]):
        return None
    perm = full_perm(move)
    n = len(perm)
    axis = tuple(sorted([perm[a] - n for a in step.params["axis"]]))
    keepdims = step.params["keepdims"]
    left = [p for p in perm if keepdims or p - n not in axis]
    order = sorted(left)
    source = move.inputs[0]
    made = Var(tuple([1 if p - n in axis else source.shape[p] for p in order]), step.outputs[0].dtype)
    walk.emit(step, step.primitive, (source,), made, axis=axis, keepdims=keepdims)
    if left == order:
        return made
    return walk.emit(step, transpose, (made,), perm=tuple([order.index(p) - len(left) for p in left]))


RULES: dict[Primitive, Rewrite] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys([reduce_sum, reduce_max, reduce_min, reduce_any, reduce_all], _reduction),
}
