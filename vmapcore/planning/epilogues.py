"""Rectifiers and pooling as the last part of what makes the array that they work on: less to write and read again."""

from ..core import Primitive
from ..graph import Atom, Graph, Step
from ..rules.activations import rectify
from ..rules.conv import conv
from ..rules.pooling import max_pool, max_pool_scatter
from .fused import HALVES, conv_block, max_pool_scatter_rectified, rectify_grad
from .rewriting import Rule, Walk, rewrite


def fold_epilogues(graph: Graph) -> Graph:
    """Lets a convolution pool and rectify its result, and the transpose of pooling mask its.

    Before: a = conv(x, w); m = max_pool(a); b = rectify(m); return b
    After:  b = conv_block(x, w, pooled=True, rectified=True); return b

    Before: c = max_pool_scatter(g, x, p); d = rectify_grad(c, x); return d
    After:  d = max_pool_scatter_rectified(g, x, p); return d

    Exact. What is pooled, rectified or masked must have no other readers; windows are those of 2x2.
    """
    return rewrite(graph, RULES)


def _rectify(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], conv, conv_block)
    if made is None or not walk.sole(step.inputs[0]) or made.params.get("rectified"):
        return None
    return walk.emit(step, conv_block, made.inputs, **{"pooled": False, **made.params, "rectified": True})


def _pool(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], conv)
    if made is None or not walk.sole(step.inputs[0]) or step.params != HALVES:
        return None
    return walk.emit(step, conv_block, made.inputs, **made.params, pooled=True, rectified=False)


def _mask(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], max_pool_scatter)
    if made is None or made.inputs[1] is not step.inputs[1] or not walk.sole(step.inputs[0]):
        return None
    return walk.emit(step, max_pool_scatter_rectified, made.inputs, **made.params)


RULES: dict[Primitive, Rule] = {rectify: _rectify, max_pool: _pool, rectify_grad: _mask}
