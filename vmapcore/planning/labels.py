"""Which axes of a step's arrays go together: what may be cut into tiles, for any primitive that has a row here.

A label stands for one axis of the result and for the axes of operands that run along with it, as letters do in
`np.einsum`. Cut every axis of one label alike, and the step makes that piece of its result. A label that only operands
have is summed over: pieces give terms of the result. An axis without a label is never cut.
"""

from collections.abc import Callable
from itertools import takewhile
from math import prod
from typing import Any, NamedTuple

from ..evals.products import terms_of
from ..graph import Atom, Literal, Step
from ..rules import activations, casts, layout, losses, norms, pooling, reductions, selection
from ..rules.contract import contract
from ..rules.conv import conv, conv_input_grad, conv_weight_grad
from .plan_primitives import (
    contract_block,
    conv_block,
    cross_entropy_along,
    cross_entropy_grad,
    max_pool_scatter_rectified,
    rectify_grad,
)

Label = int | str | None
Axes = tuple[Label, ...]
Shape = tuple[int, ...]


class Labels(NamedTuple):
    """The labels of the axes of every input and output of a step."""

    inputs: tuple[Axes, ...]
    outputs: tuple[Axes, ...]


def labels_of(step: Step) -> Labels | None:
    """The labels of a step; None if nothing is known of its primitive."""
    rule = RULES.get(step.primitive) or (_elementwise if step.primitive.ufunc is not None else None)
    if rule is None:
        return None
    return rule([shape_of(a) for a in step.inputs], [v.shape for v in step.outputs], **step.params)


def shape_of(a: Atom) -> Shape:
    """The shape of an input of a step."""
    return getattr(a.value, "shape", ()) if isinstance(a, Literal) else a.shape


def sizes_of(step: Step, labels: Labels) -> dict[Label, int]:
    """The length of every label."""
    shapes = [*map(shape_of, step.inputs), *[v.shape for v in step.outputs]]
    pairs = zip(shapes, (*labels.inputs, *labels.outputs), strict=True)
    return {a: n for shape, axes in pairs for a, n in zip(axes, shape, strict=True) if a is not None}


def leading(shape: Shape, core: int, lead: Shape) -> Axes:
    """Labels of the axes before `core` others, which broadcast to `lead`; its axes are labels 0, 1, ..."""
    core = min(core, len(shape))
    free = shape[: len(shape) - core]
    start = len(lead) - len(free)
    return tuple([start + i if n == lead[start + i] else None for i, n in enumerate(free)]) + (None,) * core


def broadcasting(shapes: list[Shape], outs: list[Shape], cores: list[int], out_cores: list[int]) -> Labels:
    """Labels of axes that broadcast, before so many core axes of each array; those of the first output count."""
    lead = outs[0][: len(outs[0]) - out_cores[0]]
    return Labels(
        tuple([leading(shape, core, lead) for shape, core in zip(shapes, cores, strict=True)]),
        tuple([leading(shape, core, lead) for shape, core in zip(outs, out_cores, strict=True)]),
    )


def _elementwise(shapes: list[Shape], outs: list[Shape], **params: Any) -> Labels:
    return broadcasting(shapes, outs, [0] * len(shapes), [0] * len(outs))


def _along(shapes: list[Shape], outs: list[Shape], *, axis: int | tuple[int, ...], **params: Any) -> Labels:
    """Works along `axis`, whose length it may change but which it keeps."""
    core = -min(axis) if isinstance(axis, tuple) else -axis
    return broadcasting(shapes, outs, [core] * len(shapes), [core] * len(outs))


def _reduction(shapes: list[Shape], outs: list[Shape], *, axis: Any, keepdims: bool) -> Labels:
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = len(shapes[0])
    source: Axes = tuple([None if i - rank in axes else i for i in range(rank)])
    return Labels((source,), (tuple([a for i, a in enumerate(source) if keepdims or i - rank not in axes]),))


def _sum(shapes: list[Shape], outs: list[Shape], *, axis: tuple[int, ...], keepdims: bool) -> Labels:
    rank = len(shapes[0])
    kept = _reduction(shapes, outs, axis=axis, keepdims=keepdims).outputs
    return Labels((tuple(range(rank)),), kept)


def _repeat_along(
    shapes: list[Shape], outs: list[Shape], *, axis: tuple[int, ...], sizes: Any, keepdims: bool
) -> Labels:
    rank = len(outs[0])
    every = tuple(range(rank))
    kept = tuple([None if keepdims and i - rank in axis else i for i in every if keepdims or i - rank not in axis])
    return Labels((kept[len(kept) - len(shapes[0]) :],), (every,))


def _reshape(shapes: list[Shape], outs: list[Shape], *, shape: Shape) -> Labels:
    """The axes in front that stay as they are."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(shapes[0], outs[0], strict=False))))
    if prod(shapes[0]) == 0:
        same = 0
    front = tuple(range(same))
    return Labels(
        (front + (None,) * (len(shapes[0]) - same),),
        (front + (None,) * (len(outs[0]) - same),),
    )


def _transpose(shapes: list[Shape], outs: list[Shape], *, perm: tuple[int, ...]) -> Labels:
    rank = len(shapes[0])
    kept = rank - len(perm)
    source = tuple(range(rank))
    return Labels((source,), (source[:kept] + tuple([source[p % rank if p >= 0 else p + rank] for p in perm]),))


def _broadcast_to(shapes: list[Shape], outs: list[Shape], *, shape: Shape) -> Labels:
    return broadcasting(shapes, outs, [0], [0])


def _contract(shapes: list[Shape], outs: list[Shape], *, subscripts: str) -> Labels:
    terms: list[Axes] = [tuple([None if c == "1" else c for c in term]) for term in terms_of(subscripts)]
    return Labels((terms[0], terms[1]), (terms[2],))


def _contract_block(shapes: list[Shape], outs: list[Shape], *, subscripts: str, bias: str, rectified: bool) -> Labels:
    """Of what is summed no piece can be made: the bias belongs to the whole sum."""
    (x, y), (out,) = _contract(shapes, outs, subscripts=subscripts)
    x, y = [tuple([label if label in out else None for label in term]) for term in (x, y)]
    return Labels((x, y, tuple([None if c == "1" else c for c in bias])), (out,))


def _pool(shapes: list[Shape], outs: list[Shape], *, kernel: Any, **params: Any) -> Labels:
    core = len(kernel)
    return broadcasting(shapes, outs, [core] * len(shapes), [core] * len(outs))


def _conv(shapes: list[Shape], outs: list[Shape], *, stride: Any, **params: Any) -> Labels:
    """x (*lead, N, C, ...), w (*lead, O, C, ...), perhaps b (*lead, O, 1, ...): result (*lead, N, O, ...)."""
    core = len(stride) + 1
    images = outs[0][:-core]
    weights = [leading(shape, core + 1, images[:-1]) for shape in shapes[1:]]
    return Labels((leading(shapes[0], core, images), *weights), (leading(outs[0], core, images),))


def _conv_weight_grad(shapes: list[Shape], outs: list[Shape], *, stride: Any, **params: Any) -> Labels:
    """x (*lead, N, C, ...), g (*lead, N, O, ...): result (*lead, O, C, ...), a sum over the images."""
    core = len(stride) + 1
    lead = outs[0][: -core - 1]
    inputs = [(*leading(shape, core + 1, lead)[: -core - 1], "images", *(None,) * core) for shape in shapes]
    return Labels(tuple(inputs), (leading(outs[0], core + 1, lead),))


Rule = Callable[..., Labels]

RULES: dict[Any, Rule] = {
    contract: _contract,
    contract_block: _contract_block,
    conv: _conv,
    conv_block: _conv,
    conv_input_grad: _conv,
    conv_weight_grad: _conv_weight_grad,
    layout.reshape: _reshape,
    layout.transpose: _transpose,
    layout.broadcast_to: _broadcast_to,
    reductions.reduce_sum: _sum,
    reductions.repeat_along: _repeat_along,
    cross_entropy_along: _along,
    cross_entropy_grad: _along,
    losses.nll_along: _along,
    losses.nll_transpose: _along,
}
RULES |= dict.fromkeys(
    [
        rectify_grad,
        activations.rectify,
        activations.logistic,
        activations.log_one_plus_exp,
        activations.normal_cdf,
        casts.convert,
        casts.convert_to_discrete,
        layout.duplicate,
        selection.select,
        selection.clamp,
    ],
    _elementwise,
)
RULES |= dict.fromkeys(
    [
        norms.euclidean,
        reductions.reduce_all,
        reductions.reduce_any,
        reductions.reduce_max,
        reductions.reduce_min,
        reductions.reduce_prod,
        reductions.position_of_max,
        reductions.position_of_min,
    ],
    _reduction,
)
RULES |= dict.fromkeys([activations.softmax_along, activations.log_softmax_along], _along)
RULES |= dict.fromkeys(
    [
        max_pool_scatter_rectified,
        pooling.max_pool,
        pooling.max_pool_scatter,
        pooling.max_pool_gather,
        pooling.avg_pool,
        pooling.avg_pool_spread,
    ],
    _pool,
)

_SHAPED: dict[Any, Callable[[dict[str, Any], Shape], dict[str, Any]]] = {
    layout.reshape: lambda params, shape: {"shape": shape},
    layout.broadcast_to: lambda params, shape: {"shape": shape},
    reductions.repeat_along: lambda params, shape: params | {"sizes": tuple([shape[i] for i in params["axis"]])},
}


def params_for(step: Step, shape: Shape) -> dict[str, Any]:
    """The parameters that make a piece of the first output of `shape`, cut along its labels."""
    fit = _SHAPED.get(step.primitive)
    return fit(step.params, shape) if fit else step.params
