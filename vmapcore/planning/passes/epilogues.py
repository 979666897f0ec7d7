"""Biases, rectifiers and pooling as the last part of what makes their array: less to write and read again."""

import math

from ...core import PRIMITIVES, Primitive
from ...evals.products import terms_of
from ...graph import Atom, Graph, Literal, Step, Var
from ...rules import ufuncs
from ...rules.activations import rectify
from ...rules.contract import contract
from ...rules.conv import conv
from ...rules.layout import reshape
from ...rules.pooling import max_pool, max_pool_scatter
from ...rules.selection import select
from ..plan_primitives import WINDOWS_2X2, contract_block, conv_block, max_pool_scatter_rectified, rectify_grad
from .axis_names import with_ones
from .rewriting import Rewrite, Shape, Walk, like, rewrite


def fold_epilogues(graph: Graph) -> Graph:
    """Lets a convolution pool and rectify its result, a product add a bias, and the transpose of pooling mask its.

    Before: a = conv(x, w); m = max_pool(a); b = rectify(m); return b
    After:  b = conv_block(x, w, pooled=True, rectified=True); return b

    Before: b = greater(x, 0); c = select(b, g, 0); return c
    After:  c = rectify_grad(g, x); return c

    Before: c = max_pool_scatter(g, x, p); d = rectify_grad(c, x); return d
    After:  d = max_pool_scatter_rectified(g, x, p); return d

    Before: a = contract(x, w); b = add(a, bias); c = rectify(b); return c
    After:  c = contract_block(x, w, bias, rectified=True); return c

    The bias goes as it was before it was given axes of length 1.

    Exact. What is pooled, rectified or masked must have no other readers; windows are those of 2x2.
    """
    return rewrite(graph, RULES)


def _rectify(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], conv, conv_block, contract_block)
    if made is None or not walk.sole(step.inputs[0]) or made.params.get("rectified"):
        return None
    if made.primitive is contract_block:
        return walk.emit(step, contract_block, made.inputs, **{**made.params, "rectified": True})
    return walk.emit(step, conv_block, made.inputs, **{"pooled": False, **made.params, "rectified": True})


def _add(walk: Walk, step: Step) -> Atom | None:
    """The sum of a product and of an array that is the same for some axis of it."""
    for a, b in (step.inputs, step.inputs[::-1]):
        made = walk.maker(a, contract)
        if made is None or not walk.sole(a) or not _sums(made.params["subscripts"]):
            continue
        if like(a, step.outputs[0]) and _is_bias(b, a):
            bias, b = _named(walk, b, made.params["subscripts"], a.shape)
            return walk.emit(step, contract_block, (*made.inputs, b), **made.params, bias=bias, rectified=False)
    return None


def _named(walk: Walk, b: Atom, subscripts: str, shape: Shape) -> tuple[str, Atom]:
    """The names of the axes of a bias of a product of `shape`, and the bias as it was before it was given axes of
    length 1."""
    _, _, out = terms_of(subscripts)
    lead = len(shape) - len(b.shape)
    bias = "".join([c if n == m else "1" for c, n, m in zip(out[lead:], b.shape, shape[lead:], strict=True)])
    move = walk.maker(b, reshape)
    while move is not None:
        found = with_ones(bias, b.shape, move.inputs[0].shape)
        if found is None:
            break
        bias, b = found, move.inputs[0]
        move = walk.maker(b, reshape)
    return bias, b


def _sums(subscripts: str) -> bool:
    """Whether a product is of matrices; one that sums nothing is an elementwise step, and fused as such."""
    x, y, out = terms_of(subscripts)
    return any(c not in out for c in x + y if c != "1")


def _is_bias(b: Atom, a: Atom) -> bool:
    return 1 < b.size < a.size and b.shape[-1:] == a.shape[-1:]


def _pool(walk: Walk, step: Step) -> Atom | None:
    """Before or after a rectifier: the largest of what is rectified is what is largest, rectified."""
    made = walk.maker(step.inputs[0], conv, conv_block)
    if made is None or made.params.get("pooled") or not walk.sole(step.inputs[0]) or step.params != WINDOWS_2X2:
        return None
    return walk.emit(step, conv_block, made.inputs, **{"rectified": False, **made.params, "pooled": True})


def _select(walk: Walk, step: Step) -> Atom | None:
    """What is kept where an array of the shape of the result is positive."""
    condition, g, zero = step.inputs
    out = step.outputs[0]
    made = walk.maker(condition, PRIMITIVES["greater"])
    if made is None or not (_is_zero(zero) and like(g, out)):
        return None
    x, bound = made.inputs
    if not (_is_zero(bound) and isinstance(x, Var) and x.shape == out.shape and x.dtype.kind == "f"):
        return None
    return walk.emit(step, rectify_grad, (g, x))


def _is_zero(a: Atom) -> bool:
    """Whether `a` is the Python number 0, and not -0.0."""
    x = a.value if isinstance(a, Literal) else None
    return type(x) in (int, float) and x == 0 and math.copysign(1, x) > 0


def _mask(walk: Walk, step: Step) -> Atom | None:
    made = walk.maker(step.inputs[0], max_pool_scatter)
    if made is None or made.inputs[1] is not step.inputs[1] or not walk.sole(step.inputs[0]):
        return None
    return walk.emit(step, max_pool_scatter_rectified, made.inputs, **made.params)


RULES: dict[Primitive, Rewrite] = {
    ufuncs.add: _add,
    rectify: _rectify,
    max_pool: _pool,
    select: _select,
    rectify_grad: _mask,
}
