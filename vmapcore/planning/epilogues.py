"""Rectifiers as the last part of what makes the array that they cut: one pass over memory less."""

from ..core import Primitive
from ..graph import Atom, Graph, Step
from ..rules.activations import rectify
from ..rules.conv import conv
from ..rules.pooling import max_pool_scatter
from .fused import conv_rectified, max_pool_scatter_rectified, rectify_grad
from .rewriting import Rule, Walk, rewrite


def fold_rectifiers(graph: Graph) -> Graph:
    """Lets a convolution rectify its result, and the transpose of pooling mask its.

    Before: a = conv(x, w); b = rectify(a); c = max_pool_scatter(g, x, p); d = rectify_grad(c, x); return b, d
    After:  b = conv_rectified(x, w); d = max_pool_scatter_rectified(g, x, p); return b, d

    Exact. What is rectified or masked must have no other readers.
    """
    return rewrite(graph, RULES)


def _rectify(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], conv)
    if made is None or not walk.sole(step.inputs[0]):
        return None
    return walk.emit(step, conv_rectified, made.inputs, **made.params)


def _mask(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], max_pool_scatter)
    if made is None or made.inputs[1] is not step.inputs[1] or not walk.sole(step.inputs[0]):
        return None
    return walk.emit(step, max_pool_scatter_rectified, made.inputs, **made.params)


RULES: dict[Primitive, Rule] = {rectify: _rectify, rectify_grad: _mask}
