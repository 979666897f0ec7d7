"""Rows for vmapcore/rules/losses.py."""

import numpy as np

from vmapcore.rules import losses as L

from . import Arg, row

X, Y = Arg((4, 3)), Arg((4, 3), low=3, high=5)
LABELS, LABEL = Arg((4,), "i", 0, 3), Arg((), "i", 0, 3)
WEIGHT = Arg((3,), low=0.5)
PIXELS, PIXEL_LABELS = Arg((2, 3, 2)), Arg((2, 2), "i", -1, 3)


def plain_nll(x, t):
    return -np.mean(x[np.arange(len(t)), t])


def plain_cross_entropy(x, t):
    return plain_nll(x - np.log(np.exp(x).sum(1, keepdims=True)), t)


REGRESSION = [
    row("mse_loss", L.mse_loss, X, Y, kinds="fi", loop=lambda x, y: np.mean((x - y) ** 2)),
    row("mse_loss reduction=none", L.mse_loss, X, Y, params={"reduction": "none"}),
    row("l1_loss reduction=sum", L.l1_loss, X, Y, params={"reduction": "sum"}),
    row("huber_loss far", L.huber_loss, X, Y),
    row(
        "huber_loss near", L.huber_loss, X, X, params={"delta": 9.0}, loop=lambda x, y, delta: np.mean((x - y) ** 2) / 2
    ),
    row(
        "binary_cross_entropy_with_logits",
        L.binary_cross_entropy_with_logits,
        X,
        Arg((4, 3), low=0, high=1),
        loop=lambda x, t: np.mean(t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))),
    ),
    row(
        "binary_cross_entropy_with_logits weight= pos_weight=",
        lambda x, t, w, p: L.binary_cross_entropy_with_logits(x, t, w, pos_weight=p, reduction="sum"),
        X,
        Arg((4, 3), low=0, high=1),
        WEIGHT,
        WEIGHT,
    ),
]

CLASSIFICATION = [
    row("nll_loss", L.nll_loss, X, LABELS, loop=plain_nll),
    row("nll_loss of one example", L.nll_loss, (3,), LABEL, loop=lambda x, t: -x[t]),
    row("nll_loss weight=", L.nll_loss, X, LABELS, WEIGHT),
    row(
        "nll_loss ignore_index=",
        lambda x, t, w: L.nll_loss(x, t, w, ignore_index=1, reduction="sum"),
        X,
        LABELS,
        WEIGHT,
        loop=lambda x, t, w: -np.sum((t != 1) * w[t] * x[np.arange(len(t)), t]),
    ),
    row("nll_loss of pixels", lambda x, t: L.nll_loss(x, t, ignore_index=-1, reduction="none"), PIXELS, PIXEL_LABELS),
    row("cross_entropy", L.cross_entropy, X, LABELS, kinds="fi", loop=plain_cross_entropy),
    row("cross_entropy of one example", L.cross_entropy, (3,), LABEL),
    row(
        "cross_entropy of pixels", lambda x, t, w: L.cross_entropy(x, t + 1, w), Arg((2, 4, 2)), PIXEL_LABELS, Arg((4,))
    ),
    row(
        "cross_entropy label_smoothing=",
        lambda x, t, w: L.cross_entropy(x, t, w, label_smoothing=0.2, ignore_index=2, reduction="sum"),
        X,
        LABELS,
        WEIGHT,
    ),
    row("cross_entropy of probabilities", L.cross_entropy, X, Arg((4, 3), low=0, high=1), WEIGHT),
    row(
        "cross_entropy of probabilities label_smoothing=",
        lambda x, t: L.cross_entropy(x, t, label_smoothing=0.1, reduction="none"),
        (3,),
        Arg((3,), low=0, high=1),
    ),
]

ROWS = REGRESSION + CLASSIFICATION
