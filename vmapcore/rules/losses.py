"""Losses with PyTorch's meaning: plain functions, for one example as for a batch of them.

Scores have the classes on axis 1, or on axis 0 where they have no other.
"""

from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, IndexingError, ShapeError, describe
from ..evals.places import grid
from ..numpy_protocol import NUMPY
from ._axes import ALONG
from ._families import linear, match, of_one_rank, operand, trailing
from ._work import each, per_input
from .activations import log_one_plus_exp, log_softmax_along
from .casts import cast, inexact
from .selection import select

# Regression.


def _residual(call: str, input: Any, target: Any) -> Any:
    x, t = inexact(input), operand(target)
    if x.shape != t.shape:
        remedy = "Reshape one of them, or broadcast it with np.broadcast_to"
        raise ShapeError(call, f"input is {describe(x)} and target {describe(t)}", "they must have one shape", remedy)
    return x - t


def _reduced(call: str, losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return np.mean(losses)
    if reduction == "sum":
        return np.sum(losses)
    if reduction == "none":
        return losses
    raise ArgumentError(call, f"reduction is {reduction!r}", "it must be 'mean', 'sum' or 'none'")


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Returns the squared error.

    Example:
        >>> mse_loss(np.array([1.0, 3.0]), np.zeros(2))
        np.float64(5.0)
    """
    return _reduced("mse_loss", np.square(_residual("mse_loss", input, target)), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Returns the absolute error.

    Example:
        >>> l1_loss(np.array([1.0, -3.0]), np.zeros(2))
        np.float64(2.0)
    """
    return _reduced("l1_loss", np.absolute(_residual("l1_loss", input, target)), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Returns half the squared error up to an error of `delta`, and from there on its tangent.

    Example:
        >>> huber_loss(np.array([1.0, 3.0]), np.zeros(2), "none")
        array([0.5, 2.5])
    """
    r = _residual("huber_loss", input, target)
    size = np.absolute(r)
    return _reduced("huber_loss", select(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta)), reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """Returns the cross entropy of truths between 0 and 1 and `sigmoid(input)`.

    Args:
        input: the logits.
        target: of the same shape.
        weight: a factor on each loss.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor on the truths.

    Example:
        >>> binary_cross_entropy_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0]), reduction="none").round(4)
        array([0.6931, 0.    ])
    """
    call = "binary_cross_entropy_with_logits"
    _residual(call, input, target)
    x, t = inexact(input), operand(target)
    log_odds = log_one_plus_exp(-x)
    losses = (1 - t) * x + (log_odds if pos_weight is None else (1 + (pos_weight - 1) * t) * log_odds)
    return _reduced(call, losses if weight is None else losses * weight, reduction)


# Classification.


@trailing(work=each, axes=ALONG)
def nll_along(xp: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    """Minus the scores of the targets, which have length 1 on the axis of the classes; 0 for those `ignored`."""
    scores, targets = of_one_rank(scores, targets)
    counts, places = _places(xp, scores.shape, targets, axis, ignored)
    return -xp.where(counts, scores[places], 0)


@trailing(work=per_input(1), axes=ALONG)
def nll_transpose(xp: Any, g: Any, targets: Any, *, axis: int, ignored: int, classes: int) -> Any:
    """Minus `g` at the places of the targets, and 0 elsewhere."""
    g, targets = of_one_rank(g, targets)
    shape = list(np.broadcast_shapes(g.shape, targets.shape))
    shape[axis] = classes
    out = xp.zeros(shape, g.dtype)
    counts, places = _places(xp, shape, targets, axis, ignored)
    out[places] = -xp.where(counts, g, 0)
    return out


@nll_along.def_formula
def nll_along_formula(xp: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    """The score at the place of the target, as a sum whose other terms are zeros."""
    counts, place = _place(xp, targets, ignored, scores.shape[axis])
    score = xp.where(xp.position(scores, axis) == place, scores, 0).sum((axis,), keepdims=True)
    return -xp.where(counts, score, 0)


@nll_transpose.def_formula
def nll_transpose_formula(xp: Any, g: Any, targets: Any, *, axis: int, ignored: int, classes: int) -> Any:
    counts, place = _place(xp, targets, ignored, classes)
    taken = -xp.where(counts, g, 0)
    full = xp.broadcast_to(taken, [classes if i - taken.ndim == axis else n for i, n in enumerate(taken.shape)])
    return xp.where(xp.position(full, axis) == place, taken, 0)


def _place(xp: Any, targets: Any, ignored: int, classes: int) -> tuple[Any, Any]:
    """Which targets count, and where they are; one that is out of range is an error."""
    counts = targets != ignored
    place = xp.where(counts, targets, 0).astype(np.int64)
    xp.refuse((place < 0) | (place >= classes))
    return counts, place


def _places(xp: Any, shape: Any, targets: Any, axis: int, ignored: int) -> tuple[Any, tuple[Any, ...]]:
    """Which targets count, and the index of their places in an array of `shape`; raises if one is no class."""
    counts = targets != ignored
    index = xp.where(counts, targets, 0)
    if index.size and not 0 <= index.min() <= index.max() < shape[axis]:
        wrong = index.min() if index.min() < 0 else index.max()
        allowed = f"there are {shape[axis]} classes: 0 <= target < {shape[axis]}, or ignore_index"
        raise IndexingError("nll_loss", f"a target is {wrong}", allowed)
    places = list(grid(xp, len(shape), shape))
    places[axis] = index
    return counts, tuple(places)


@linear(nll_along)
def nll_vjp(g: Any, out: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    return match(nll_transpose(g, targets, axis=axis, ignored=ignored, classes=scores.shape[axis]), scores)


linear(nll_transpose)(lambda ct, out, g, targets, *, classes, **params: match(nll_along(ct, targets, **params), g))


def _class_axis(call: str, scores: Any) -> int:
    if not scores.shape:
        raise ShapeError(call, f"input is {describe(scores)}", "it needs an axis of classes")
    return 1 if len(scores.shape) > 1 else 0


def nll_loss(input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Returns the negative log-likelihood of the right classes.

    Args:
        input: log-probabilities, (n, classes, ...) or (classes,).
        target: the numbers of the right classes, (n, ...) or ().
        weight: (classes,), a factor on the losses of each class; the mean is then the weighted one.
        ignore_index: a target that counts for nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        IndexingError: a target is not the number of a class.

    Example:
        >>> nll_loss(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 1]), reduction="none").round(3)
        array([0.693, 0.288])
    """
    return _nll("nll_loss", inexact(input), operand(target), weight, ignore_index, reduction)


def _nll(
    call: str, scores: Any, targets: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float = 0.0
) -> Any:
    axis = _class_axis(call, scores)
    expected = scores.shape[:axis] + scores.shape[axis + 1 :]
    if targets.shape != expected:
        fact = f"input is {describe(scores)} and target {describe(targets)}"
        raise ShapeError(call, fact, f"with the classes on axis {axis} the target must have shape {expected}")
    if targets.dtype.kind not in "iu":
        raise DTypeError(call, f"target is {describe(targets)}", "it must hold integers, the numbers of classes")
    ignored, targets = int(ignore_index), np.expand_dims(targets, axis)
    counted = factor = np.not_equal(targets, ignored)
    losses = nll_along(scores, targets, axis=axis - len(scores.shape), ignored=ignored)
    if weight is not None:
        weights = NUMPY[np.take](weight, select(counted, targets, 0))  # np.take looks at weight alone
        factor = select(counted, weights, 0)
        losses = losses * factor
    if smoothing:
        even = -np.sum(_weighted(scores, weight, axis), axis, keepdims=True) / scores.shape[axis]
        losses = (1 - smoothing) * losses + smoothing * select(counted, even, 0)
    if reduction == "mean":
        return np.sum(losses) / cast(np.sum(factor), losses.dtype)
    return _reduced(call, np.squeeze(losses, axis), reduction)


def _weighted(scores: Any, weight: Any, axis: int) -> Any:
    if weight is None:
        return scores
    return scores * np.reshape(weight, (-1,) + (1,) * (len(scores.shape) - 1 - axis))


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Returns the cross entropy of the targets and `softmax(input)`.

    Args:
        input: scores, (n, classes, ...) or (classes,).
        target: the numbers of the right classes, (n, ...) or (); or their probabilities, of the shape of `input`.
        weight: (classes,), a factor on each class; with numbers the mean is then the weighted one.
        ignore_index: a target that counts for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: the part of each target that is spread evenly over all classes.

    Raises:
        IndexingError: a target is not the number of a class.

    Example:
        >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])).round(4)
        np.float64(1.3863)
    """
    x, t = inexact(input), operand(target)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError("cross_entropy", f"label_smoothing is {label_smoothing!r}", "it must lie in [0, 1]")
    axis = _class_axis("cross_entropy", x)
    log_probs = log_softmax_along(x, axis=(axis - len(x.shape),))
    if t.dtype.kind != "f":
        return _nll("cross_entropy", log_probs, t, weight, ignore_index, reduction, label_smoothing)
    if t.shape != x.shape:
        fact = f"input is {describe(x)} and target {describe(t)}"
        allowed = "targets that are floats are probabilities, one for each score"
        raise ShapeError("cross_entropy", fact, allowed, "Give the numbers of classes as integers")
    if label_smoothing:
        t = (1 - label_smoothing) * t + label_smoothing / x.shape[axis]
    losses = -np.sum(_weighted(t * log_probs, weight, axis), axis)
    return _reduced("cross_entropy", losses, reduction)
