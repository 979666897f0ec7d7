"""Rows for vmapcore/rules/activations.py."""

import math

import numpy as np

from vmapcore.rules import activations as A

from . import Arg, row

X = Arg((2, 3), low=-4, high=4)
FAR = np.array([-1000.0, -30.0, 30.0, 1000.0])


def plain_softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True, initial=-9))
    return e / e.sum(axis, keepdims=True)


def plain_normal_cdf(x):
    return np.vectorize(lambda v: 0.5 * math.erfc(-v * math.sqrt(0.5)), otypes=[float])(x).astype(x.dtype)


ELEMENTWISE = [
    row("relu", A.relu, X, kinds="fiu", loop=lambda x: np.maximum(x, 0)),
    row("relu of many", A.relu, Arg((4100,)), loop=lambda x: np.maximum(x, 0)),
    row("leaky_relu", A.leaky_relu, X, params={"negative_slope": 0.1}),
    row("leaky_relu steep", lambda x: A.leaky_relu(x, 3.0), X, loop=lambda x: np.where(x > 0, x, 3 * x)),
    row("elu", A.elu, X, params={"alpha": 0.7}),
    row("elu far from 0", lambda x: A.elu(x + FAR.astype(x.dtype)), (4,)),
    row("sigmoid", A.sigmoid, X, kinds="fci", loop=lambda x: 1 / (1 + np.exp(-x))),
    row("sigmoid far from 0", lambda x: A.sigmoid(x + FAR.astype(x.dtype)), (4,)),
    row("silu", A.silu, X, loop=lambda x: x / (1 + np.exp(-x))),
    row("softplus", A.softplus, X, kinds="fi", loop=lambda x: np.log1p(np.exp(x))),
    row("softplus beta=", A.softplus, X, params={"beta": 2.0}),
    row("softplus far from 0", lambda x: A.softplus(x + FAR.astype(x.dtype)), (4,)),
    row("softplus of many", A.softplus, Arg((40000,)), loop=lambda x: np.log1p(np.exp(x)), differentiable=False),
    row("logsigmoid", A.logsigmoid, X, loop=lambda x: -np.log1p(np.exp(-x))),
    row("normal_cdf", A.normal_cdf, X, loop=plain_normal_cdf),
    row("normal_cdf far from 0", lambda x: A.normal_cdf(x + FAR.astype(x.dtype)), (4,)),
    row("gelu", A.gelu, X, loop=lambda x: x * plain_normal_cdf(x)),
    row("gelu approximate=tanh", A.gelu, X, params={"approximate": "tanh"}),
]

SOFTMAX = [
    row("softmax", A.softmax, X, kinds="fi", loop=lambda x: plain_softmax(x, -1)),
    row("softmax axis=0", A.softmax, X, params={"axis": 0}, loop=plain_softmax),
    row("softmax dim=1", A.softmax, X, params={"dim": 1}, loop=lambda x, dim: plain_softmax(x, dim)),
    row("softmax of large numbers", lambda x: A.softmax(x + FAR.astype(x.dtype)), (4,)),
    row("log_softmax", A.log_softmax, X, kinds="fi", loop=lambda x: np.log(plain_softmax(x, -1))),
    row("log_softmax axis=(0, 1)", A.log_softmax, X, params={"axis": (0, 1)}),
    row("log_softmax of large numbers", lambda x: A.log_softmax(x + FAR.astype(x.dtype)), (4,)),
    row("softmax of short rows", A.softmax, Arg((2, 70, 3)), loop=lambda x: plain_softmax(x, -1)),
    row("log_softmax of short rows", A.log_softmax, Arg((70, 3)), loop=lambda x: np.log(plain_softmax(x, -1))),
    row("logsumexp", A.logsumexp, X, kinds="fci", loop=lambda x: np.log(np.exp(x).sum())),
    row("logsumexp axis=0", A.logsumexp, X, params={"axis": 0}, loop=lambda x, axis: np.log(np.exp(x).sum(axis))),
    row("logsumexp keepdims=True", A.logsumexp, X, params={"axis": (-1,), "keepdims": True}),
    row(
        "logsumexp of -inf",
        lambda x: A.logsumexp(np.where([[True, False, True], [False] * 3], x, -np.inf), 1),
        X,
        differentiable=False,
    ),
    row("exp_share", A.exp_share, X, Arg((3,), low=2, high=3), loop=lambda x, out: np.exp(x - out)),
]

ROWS = ELEMENTWISE + SOFTMAX
