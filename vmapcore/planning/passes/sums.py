"""Sums of one term, and sums of sums."""

from ...graph import Atom, Graph, Step, Var
from ...rules.reductions import reduce_sum
from .noops import reshaped
from .rewriting import Walk, dtype_of, rewrite


def shorten_sums(graph: Graph) -> Graph:
    """Makes a sum over axes of length 1 a reshape, and of a sum of sums one.

    Before: a: f32[5,3,4]; b: f32[3,4] = reduce_sum(a, axis=(-3,)); c: f32[3] = reduce_sum(b, axis=(-1,)); return c
    After:  c: f32[3] = reduce_sum(a, axis=(-3, -1)); return c

    Up to rounding, and NumPy's sum of one -0.0 is 0.0, where this leaves -0.0.
    """
    return rewrite(graph, {reduce_sum: _reduce_sum})


def _reduce_sum(walk: Walk, step: Step) -> Atom | None:
    x, out = step.inputs[0], step.outputs[0]
    axis, keepdims = step.params["axis"], step.params["keepdims"]
    if dtype_of(x) != out.dtype:  # small integers and truth values are added up in a wider dtype
        return None
    if all(x.shape[a] == 1 for a in axis):
        return reshaped(walk, step, x)
    before = walk.maker(x, reduce_sum)
    if before is None or not walk.sole(x):
        return None
    source, first = before.inputs[0], before.params["axis"]
    n = len(source.shape)
    rest = list(range(-n, 0)) if before.params["keepdims"] else [a for a in range(-n, 0) if a not in first]
    both = tuple(sorted({*first, *[rest[a] for a in axis]}))
    if before.params["keepdims"] == keepdims:
        return walk.emit(step, reduce_sum, (source,), axis=both, keepdims=keepdims)
    made = Var(tuple([length for i, length in enumerate(source.shape, -n) if i not in both]), out.dtype)
    return reshaped(walk, step, walk.emit(step, reduce_sum, (source,), made, axis=both, keepdims=False))
