"""Primitives that only plans have: several steps of a recording in one. They are neither batched nor differentiated."""

from functools import partial
from typing import Any

from ..core import PRIMITIVES, Axes, Primitive, facts
from ..evals.products import terms_of
from ..evals.reductions import largest, total
from ..rules._axes import ALONG, EACH, Labels
from ..rules._work import each, parts, per_input
from ..rules.activations import rectify, softmax_along
from ..rules.contract import contract, contract_axes, contract_work
from ..rules.conv import CONVOLVED, conv, conv_work
from ..rules.losses import nll_along, nll_transpose
from ..rules.pooling import POOLED, max_pool, max_pool_scatter, pooled_work
from ..rules.selection import select


def fused(evaluate: Any) -> Primitive:
    """Makes a primitive that is in no table, since no user's code can reach it."""
    return Primitive(evaluate, listed=False)


@facts(axes=EACH, work=each, formula=True)
@fused
def rectify_grad(xp: Any, g: Any, x: Any) -> Any:
    """`g` where `x`, which was rectified or is so already, is positive, else 0."""
    return select.eval(xp, x > 0, g, 0)


@facts(axes=ALONG, work=per_input(5))
@fused
def cross_entropy_along(xp: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    """`nll_along` of `log_softmax_along`: the logarithm of the sum of exponentials less the score of the target."""
    if not scores.size:
        return nll_along.eval(xp, scores, targets, axis=axis, ignored=ignored)
    return _cross_entropy(nll_along.eval, xp, scores, targets, axis=axis, ignored=ignored)


def _cross_entropy(nll: Any, xp: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    lowered = scores - largest(xp, scores, (axis,), True)
    sums = xp.log(total(xp, xp.exp(lowered), (axis,), True))
    losses = nll(xp, lowered, targets, axis=axis, ignored=ignored) + sums
    return xp.where(targets != ignored, losses, 0)


cross_entropy_along.def_formula(partial(_cross_entropy, nll_along.formula))


@facts(axes=ALONG, work=lambda ins, outs, **params: 6 * outs[0].size)
@fused
def cross_entropy_grad(xp: Any, g: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    """The cotangent of the scores for that of the losses: `g` times the softmax, less `g` at the target."""
    return _cross_entropy_grad(nll_transpose.eval, xp, g, scores, targets, axis=axis, ignored=ignored)


def _cross_entropy_grad(sent: Any, xp: Any, g: Any, scores: Any, targets: Any, *, axis: int, ignored: int) -> Any:
    out = softmax_along.eval(xp, scores, axis=(axis,))
    out *= xp.where(targets != ignored, g, 0)
    out += sent(xp, g, targets, axis=axis, ignored=ignored, classes=out.shape[axis])
    return out


cross_entropy_grad.def_formula(partial(_cross_entropy_grad, nll_transpose.formula))


WINDOWS_2X2 = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
"""The windows that `conv_block` pools."""


def _conv_block_work(ins: Any, outs: Any, *, pooled: bool, **params: Any) -> float:
    """As `conv`, of whose result four elements may become one."""
    return conv_work(ins, outs, **params) * (4 if pooled else 1)


@facts(axes=CONVOLVED, work=_conv_block_work)
@fused
def conv_block(xp: Any, x: Any, w: Any, b: Any = None, *, pooled: bool, rectified: bool, **params: Any) -> Any:
    """`conv`, then perhaps `max_pool` of 2x2 windows, then perhaps `rectify`."""
    out = conv.eval(xp, x, w, b, **params)
    if pooled:
        out = max_pool.eval(xp, out, **WINDOWS_2X2)
    return rectify.eval(xp, out) if rectified else out


def _contract_block_axes(shapes: Any, outs: Any, *, subscripts: str, bias: str, rectified: bool) -> Labels:
    """Of what is summed no piece can be made: the bias belongs to the whole sum."""
    (x, y), (out,) = contract_axes(shapes, outs, subscripts=subscripts)
    x, y = [tuple([label if label in out else None for label in term]) for term in (x, y)]
    return Labels((x, y, tuple([None if c == "1" else c for c in bias])), (out,))


def _contract_block_work(ins: Any, outs: Any, *, subscripts: str, **params: Any) -> float:
    """As `contract`; the bias is one more."""
    return contract_work(ins[:2], outs, subscripts=subscripts) + outs[0].size * parts(ins)


@facts(axes=Axes(_contract_block_axes), work=_contract_block_work)
@fused
def contract_block(xp: Any, x: Any, y: Any, b: Any, *, subscripts: str, bias: str, rectified: bool) -> Any:
    """`contract` plus `b`, whose axes `bias` names in the order of the result's, then perhaps `rectify`."""
    out = contract.eval(xp, x, y, subscripts=subscripts) + b.reshape(aligned(b.shape, subscripts, bias))
    return rectify.eval(xp, out) if rectified else out


def aligned(shape: tuple[int, ...], subscripts: str, bias: str) -> tuple[int, ...]:
    """The shape of such a bias with an axis for each of the result's, of length 1 where it has none."""
    lengths = {c: n for c, n in zip(bias, shape, strict=True) if c != "1"}
    return tuple([lengths.get(c, 1) for c in terms_of(subscripts)[2]])


@facts(axes=POOLED, work=pooled_work)
@fused
def max_pool_scatter_rectified(xp: Any, g: Any, x: Any, out: Any, **params: Any) -> Any:
    """`rectify_grad` of `max_pool_scatter`, by the same `x`."""
    return rectify_grad.eval(xp, max_pool_scatter.eval(xp, g, x, out, **params), x)


FUSED = (rectify_grad, cross_entropy_along, cross_entropy_grad, conv_block, contract_block, max_pool_scatter_rectified)
"""All of them."""

ELEMENTWISE = frozenset([p for p in (*PRIMITIVES.values(), *FUSED) if p.axes is EACH and not p.multiple])
"""Primitives of one result that work element by element and broadcast their inputs."""
