"""Rectifiers: pooled first and rectified then, which is less work, and their derivative in one step."""

import math

from ...core import PRIMITIVES, Primitive
from ...graph import Atom, Graph, Literal, Step, Var
from ...rules.activations import rectify
from ...rules.pooling import max_pool, max_pool_scatter
from ...rules.selection import select
from ..plan_primitives import rectify_grad
from .rewriting import Rewrite, Walk, like, rewrite

greater = PRIMITIVES["greater"]


def pool_before_rectifying(graph: Graph) -> Graph:
    """Takes the maximum of windows before it rectifies, and in the derivative too.

    Before: b = rectify(a); c = max_pool(b); d = max_pool_scatter(g, b, c); e = rectify_grad(d, b); return c, e
    After:  m = max_pool(a); c = rectify(m); d = max_pool_scatter(g, a, c); e = rectify_grad(d, a); return c, e

    Exact. The first element of a window of `b` that is not less than `c` is, where c > 0, the first such one of `a`;
    where c = 0 it gets nothing, since no element of the window is positive; where `c` is NaN it is the first of all in
    both. The rectified array must have no other readers: one that lives on anyway costs less memory than two.
    """
    uses: dict[Atom, list[Step]] = {}
    rectified = {step.outputs[0]: step for step in graph.steps if step.primitive is rectify}
    if not rectified:
        return graph
    for step in graph.steps:
        for a in dict.fromkeys(step.inputs):
            uses.setdefault(a, []).append(step)
    found = {
        b: step.inputs[0]
        for b, step in rectified.items()
        if b not in graph.outputs and _pooled_only(b, uses, graph.outputs)
    }
    return _swapped(graph, found) if found else graph


def _pooled_only(b: Var, uses: dict[Atom, list[Step]], outputs: tuple[Atom, ...]) -> bool:
    """Whether what was rectified is pooled, and read for derivatives of that and of the rectifier alone."""
    readers = uses.get(b, [])
    if max_pool not in [step.primitive for step in readers]:
        return False
    for step in readers:
        if step.primitive is max_pool_scatter:
            scattered = step.outputs[0]
            masks = uses.get(scattered, [])
            masked = all(m.primitive is rectify_grad and m.inputs == (scattered, b) for m in masks)
            if step.inputs[1] is not b or b in (step.inputs[0], step.inputs[2]) or not masked or scattered in outputs:
                return False
        elif step.primitive is rectify_grad:
            if step.inputs[0] is b:
                return False
        elif step.primitive is not max_pool:
            return False
    return True


def _swapped(graph: Graph, found: dict[Var, Atom]) -> Graph:
    steps: list[Step] = []
    for step in graph.steps:
        given = [a for a in step.inputs if isinstance(a, Var) and a in found]
        if not given:
            steps.append(step)
            continue
        inputs = tuple([found.get(a, a) if isinstance(a, Var) else a for a in step.inputs])
        if step.primitive is max_pool:
            out = step.outputs[0]
            pooled = Var(out.shape, out.dtype)
            steps.append(step._replace(inputs=inputs, outputs=(pooled,)))
            steps.append(Step(rectify, (pooled,), {}, (out,), step.line))
        else:
            steps.append(step._replace(inputs=inputs))
    return graph.with_steps(steps)


def fuse_rectifier_gradients(graph: Graph) -> Graph:
    """Writes the derivative of a rectifier as one step.

    Before: b = greater(x, 0); c = select(b, g, 0); return c
    After:  c = rectify_grad(g, x); return c

    Exact. `g` and `x` must have the shape of the result.
    """
    return rewrite(graph, RULES)


def _select(walk: Walk, step: Step) -> Atom | None:
    condition, g, zero = step.inputs
    out = step.outputs[0]
    made = walk.maker(condition, greater)
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


RULES: dict[Primitive, Rewrite] = {select: _select}
