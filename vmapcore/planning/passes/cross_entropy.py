"""The cross entropy of targets and a softmax, forward and backward, each in one step."""

from collections import Counter
from typing import Any, NamedTuple

from ...core import PRIMITIVES, Primitive
from ...graph import Atom, Graph, Step, Var
from ...rules.activations import log_softmax_along
from ...rules.losses import nll_along, nll_transpose
from ...rules.reductions import reduce_sum
from ...rules.ufuncs import multiply, subtract
from ..plan_primitives import cross_entropy_along, cross_entropy_grad
from .rewriting import dtype_of, made_by, readers

exp = PRIMITIVES["exp"]


class Match(NamedTuple):
    """What a step becomes, and the log-probabilities that it reads no more."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: dict[str, Any]
    log_probs: Var


def fuse_cross_entropy(graph: Graph) -> Graph:
    """Writes the loss of a softmax, and the cotangent of its scores, without the array of log-probabilities.

    Before: t = log_softmax_along(z); loss = nll_along(t, y)
            a = nll_transpose(g, y); b = reduce_sum(a); c = exp(t); d = multiply(c, b); e = subtract(a, d)
    After:  loss = cross_entropy_along(z, y)
            e = cross_entropy_grad(g, z, y)

    The loss is exact; the cotangent is so up to rounding, as a quotient takes the place of an exponential, and signs of
    zeros. Where anything else reads the log-probabilities or their exponentials, all stays as it is.
    """
    if not any(step.primitive is log_softmax_along for step in graph.steps):
        return graph
    makers = graph.makers
    counts = readers(graph)
    found: dict[Var, Match] = {}
    for step in graph.steps:
        match = _loss(step, makers) or _grad(step, makers, counts)
        if match is not None:
            found[step.outputs[0]] = match
    explained = Counter([match.log_probs for match in found.values()])
    steps = []
    for step in graph.steps:
        match = found.get(step.outputs[0]) if step.outputs else None
        if match is not None and explained[match.log_probs] == counts[match.log_probs]:
            step = step._replace(primitive=match.primitive, inputs=match.inputs, params=match.params)
        steps.append(step)
    return graph.with_steps(steps) if any(a is not b for a, b in zip(steps, graph.steps, strict=True)) else graph


Makers = dict[Var, Step]


def _scores(log_probs: Atom, axis: int, makers: Makers) -> Atom | None:
    """The scores whose log-softmax along one axis these are."""
    made = made_by(makers, log_probs, log_softmax_along)
    return made.inputs[0] if made is not None and made.params["axis"] == (axis,) else None


def _loss(step: Step, makers: Makers) -> Match | None:
    if step.primitive is not nll_along:
        return None
    log_probs, targets = step.inputs
    scores = _scores(log_probs, step.params["axis"], makers)
    if scores is None or not isinstance(log_probs, Var):
        return None
    return Match(cross_entropy_along, (scores, targets), step.params, log_probs)


def _grad(step: Step, makers: Makers, counts: dict[Var, int]) -> Match | None:
    """For the difference of what a target sends to its score and the softmax times all that is sent."""
    product = made_by(makers, step.inputs[1], multiply) if step.primitive is subtract else None
    sent = made_by(makers, step.inputs[0], nll_transpose) if product is not None else None
    if product is None or sent is None:
        return None
    axis, ignored = sent.params["axis"], sent.params["ignored"]
    for share, summed in (product.inputs, product.inputs[::-1]):
        exponential, whole = made_by(makers, share, exp), made_by(makers, summed, reduce_sum)
        if exponential is None or whole is None or counts[exponential.outputs[0]] != 1:
            continue
        log_probs = exponential.inputs[0]
        scores = _scores(log_probs, axis, makers)
        if scores is None or not isinstance(log_probs, Var) or whole.inputs[0] is not sent.outputs[0]:
            continue
        g, targets = sent.inputs
        out = step.outputs[0]
        alike = scores.shape == out.shape and dtype_of(scores) == dtype_of(g) == out.dtype
        if alike and whole.params == {"axis": (axis,), "keepdims": True}:
            params = {"axis": axis, "ignored": ignored}
            return Match(cross_entropy_grad, (g, scores, targets), params, log_probs)
    return None
