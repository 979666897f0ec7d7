"""Rules of primitives that are several ufuncs and reductions: norms, activations, losses, what plans made of these.

They are written as their evals are, so that their results are the same.
"""

import math

import numpy as np

from .building import Builder, Value
from .primitives import Rule, broadcast_to, largest, rectify, registering, total, where

COMPOSITES: dict[str, Rule] = {}
"""Name of a primitive -> `rule(builder, *values, **params)`."""

rule = registering(COMPOSITES)


@rule("deviation")
def deviation(b: Builder, x: Value, axis: tuple[int, ...], keepdims: bool) -> Value:
    count = math.prod([x.shape[i] for i in axis])
    d = b.apply(np.subtract, x, b.apply(np.divide, total(b, x, axis, True), b.constant(count)))
    return total(b, b.apply(np.multiply, d, d), axis, keepdims)


@rule("logistic")
def logistic(b: Builder, x: Value) -> Value:
    return b.apply(np.reciprocal, b.apply(np.add, b.apply(np.exp, b.apply(np.negative, x)), b.constant(1)))


@rule("log_one_plus_exp")
def log_one_plus_exp(b: Builder, x: Value) -> Value:
    e = b.apply(np.exp, b.apply(np.negative, b.apply(np.absolute, x)))
    u = b.apply(np.add, e, b.constant(1))
    rest = b.apply(np.divide, b.apply(np.subtract, e, b.apply(np.subtract, u, b.constant(1))), u)
    return b.apply(np.add, b.apply(np.add, b.apply(np.log, u), rest), rectify(b, x))


@rule("softmax_along")
def softmax_along(b: Builder, x: Value, axis: tuple[int, ...]) -> Value:
    e = b.apply(np.exp, b.apply(np.subtract, x, largest(b, x, axis, True)))
    return b.apply(np.divide, e, total(b, e, axis, True))


@rule("log_softmax_along")
def log_softmax_along(b: Builder, x: Value, axis: tuple[int, ...]) -> Value:
    less = b.apply(np.subtract, x, largest(b, x, axis, True))
    return b.apply(np.subtract, less, b.apply(np.log, total(b, b.apply(np.exp, less), axis, True)))


@rule("logsumexp_along")
def logsumexp_along(b: Builder, x: Value, axis: tuple[int, ...]) -> Value:
    peak = largest(b, x, axis, True)
    peak = where(b, b.apply(np.isfinite, peak), peak, b.constant(0))
    terms = b.apply(np.exp, b.apply(np.subtract, x, peak))
    return b.apply(np.add, peak, b.apply(np.log, total(b, terms, axis, True)))


@rule("exp_share")
def exp_share(b: Builder, x: Value, out: Value) -> Value:
    whole = where(b, b.apply(np.equal, out, b.constant(-math.inf)), b.constant(0), out)
    return b.apply(np.exp, b.apply(np.subtract, x, whole))


@rule("nll_along")
def nll_along(b: Builder, scores: Value, targets: Value, axis: int, ignored: int) -> Value:
    """The score at the place of the target, as a sum whose other terms are zeros."""
    counts, place = _place(b, targets, ignored, scores.shape[axis])
    here = b.apply(np.equal, b.index(scores, axis), place)
    score = total(b, where(b, here, scores, b.constant(0)), (axis,), True)
    return b.apply(np.negative, where(b, counts, score, b.constant(0)))


@rule("nll_transpose")
def nll_transpose(b: Builder, g: Value, targets: Value, axis: int, ignored: int, classes: int) -> Value:
    counts, place = _place(b, targets, ignored, classes)
    taken = b.apply(np.negative, where(b, counts, g, b.constant(0)))
    rank = len(taken.shape)
    full = broadcast_to(b, taken, tuple([classes if i - rank == axis else n for i, n in enumerate(taken.shape)]))
    return where(b, b.apply(np.equal, b.index(full, axis), place), taken, b.constant(0))


def _place(b: Builder, targets: Value, ignored: int, classes: int) -> tuple[Value, Value]:
    """Which targets count, and where they are; notes that those out of range are an error."""
    counts = b.apply(np.not_equal, targets, b.constant(ignored))
    place = b.convert(where(b, counts, targets, b.constant(0)), np.dtype(np.int64))
    low, high = b.apply(np.less, place, b.constant(0)), b.apply(np.greater_equal, place, b.constant(classes))
    wrong = b.apply(np.logical_or, low, high)
    b.checks += wrong.parts.ravel().tolist()
    return counts, place


# What plans have made of these.


COMPOSITES["rectify_grad"] = lambda b, g, x: where(b, b.apply(np.greater, x, b.constant(0)), g, b.constant(0))


@rule("cross_entropy_along")
def cross_entropy_along(b: Builder, scores: Value, targets: Value, axis: int, ignored: int) -> Value:
    less = b.apply(np.subtract, scores, largest(b, scores, (axis,), True))
    sums = b.apply(np.log, total(b, b.apply(np.exp, less), (axis,), True))
    losses = b.apply(np.add, nll_along(b, less, targets, axis, ignored), sums)
    return where(b, b.apply(np.not_equal, targets, b.constant(ignored)), losses, b.constant(0))


@rule("cross_entropy_grad")
def cross_entropy_grad(b: Builder, g: Value, scores: Value, targets: Value, axis: int, ignored: int) -> Value:
    counts = b.apply(np.not_equal, targets, b.constant(ignored))
    shares = b.apply(np.multiply, softmax_along(b, scores, (axis,)), where(b, counts, g, b.constant(0)))
    return b.apply(np.add, shares, nll_transpose(b, g, targets, axis, ignored, scores.shape[axis]))
