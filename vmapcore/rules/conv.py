"""Convolution over any number of spatial axes, and its two transposes.

The three primitives are what one trilinear form of an input x, weights w and a cotangent g becomes when the third is
asked for: conv(x, w), conv_input_grad(g, w), conv_weight_grad(x, g). Each is bilinear, and the derivatives of one are
the other two, so every order of derivative stays among them.

Arrays are x (*lead, N, C, *spatial), w (*lead, O, C/groups, *kernel), g (*lead, N, O, *out), whose leading axes
broadcast as in np.matmul: under vmap a primitive becomes itself. What a shared operand costs is decided in eval:

- w shared: the leading axes are more images;
- x shared, w per member: the members are more output channels over one set of columns;
- both per member: one batched matrix product, never a grouped convolution.

The cotangent of a shared operand sums over members; that sum is folded into the axis the product sums over anyway
(images, output or input channels), so that no member's cotangent is made.
"""

import math
from collections.abc import Callable
from typing import Any

from .. import memory
from ..core import Axes, Primitive
from ..errors import DTypeError, ShapeError, describe
from ..evals import patches
from ..evals.windows import Ints, agree, each_axis, window_options, windows
from ._axes import Labels, leading
from ._families import add_tangents, bilinear, fit, match, of_rank, operand, trailing
from ._work import SUMMAND, complexes, parts

# How axes go together, and what is computed.


def conv_axes(shapes: Any, outs: Any, *, stride: Any, **params: Any) -> Labels:
    """x (*lead, N, C, ...), w (*lead, O, C, ...), perhaps b (*lead, O, 1, ...): result (*lead, N, O, ...)."""
    core = len(stride) + 1
    images = outs[0][:-core]
    weights = [leading(shape, core + 1, images[:-1]) for shape in shapes[1:]]
    return Labels((leading(shapes[0], core, images), *weights), (leading(outs[0], core, images),))


CONVOLVED = Axes(conv_axes)


def _weight_grad_axes(shapes: Any, outs: Any, *, stride: Any, **params: Any) -> Labels:
    """x (*lead, N, C, ...), g (*lead, N, O, ...): result (*lead, O, C, ...), a sum over the images."""
    core = len(stride) + 1
    lead = outs[0][: -core - 1]
    inputs = [(*leading(shape, core + 1, lead)[: -core - 1], "images", *(None,) * core) for shape in shapes]
    return Labels(tuple(inputs), (leading(outs[0], core + 1, lead),))


def conv_work(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over the channels of its group and the kernel; a bias is one more."""
    summed = math.prod(ins[1].shape[-len(stride) - 1 :])
    bias = parts(ins) if len(ins) > 2 else 0
    return outs[0].size * (SUMMAND[complexes(ins[:2])] * summed + bias)


def _input_grad_work(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the cotangent, of every image, goes to the channels of its group and the kernel."""
    core = len(stride) + 1
    products = math.prod(outs[0].shape[:-core]) * math.prod(ins[0].shape[-core:]) * math.prod(ins[1].shape[-core:])
    return SUMMAND[complexes(ins)] * products


def _weight_grad_work(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over images and places of the cotangent."""
    core = len(stride)
    return SUMMAND[complexes(ins)] * outs[0].size * ins[1].shape[-core - 2] * math.prod(ins[1].shape[-core:])


@trailing(work=conv_work, axes=CONVOLVED)
def conv(xp: Any, x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Slides w over x; b, if given, has the shape (*lead, O, 1, *ones), of the rank of w, and is added."""
    core = len(stride) + 2
    dtype = xp.result_type(*[a for a in (x, w, b) if a is not None])
    win = windows("conv", x.shape[2 - core :], w.shape[2 - core :], stride, padding, dilation)
    images, height = x.shape[-core], w.shape[-core]
    agree("conv", x.shape[1 - core], w.shape[1 - core] * groups)
    x, w, lead = patches.split_lead(x.astype(dtype, copy=False), w.astype(dtype, copy=False), core)
    x, w = grouped(x.reshape(len(x), x.shape[1] * images, *x.shape[3:]), 2, groups), grouped(w, 2, groups)
    out = memory.empty(xp, (len(x), w.shape[1], x.shape[1], *w.shape[2:4], *win.out), dtype)
    fused = None if b is None else bias_of(xp, b, lead, core, groups)
    if out.size:
        patches.forward(xp, x, w, fused, out, win)
    out = lead.scatter(out, (images, height, *win.out))
    if b is not None and fused is None:
        out = out + b.reshape((*b.shape[:-core], 1, height, *(1,) * len(win.out)))
    return out


@trailing(work=_input_grad_work, axes=CONVOLVED)
def conv_input_grad(
    xp: Any, g: Any, w: Any, *, size: Ints, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The transpose of `conv` in x, whose spatial axes have lengths `size`."""
    core = len(stride) + 2
    dtype = xp.result_type(g, w)
    win = windows("conv_input_grad", size, w.shape[2 - core :], stride, padding, dilation)
    images, channels = g.shape[-core], w.shape[1 - core]
    agree("conv_input_grad", g.shape[1 - core :], (w.shape[-core], *win.out))
    g, w, lead = patches.split_lead(g.astype(dtype, copy=False), w.astype(dtype, copy=False), core)
    g, w = grouped(g.reshape(len(g), g.shape[1] * images, *g.shape[3:]), 2, groups), grouped(w, 2, groups)
    out = memory.empty(xp, (len(g), w.shape[1], g.shape[1], groups, channels, *size), dtype)
    if g.size and w.size:
        patches.input_grad(xp, g, w, out, win)
    else:
        out[...] = 0
    return lead.scatter(out, (images, groups * channels, *size))


@trailing(work=_weight_grad_work, axes=Axes(_weight_grad_axes))
def conv_weight_grad(
    xp: Any, x: Any, g: Any, *, kernel: Ints, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The transpose of `conv` in w, whose kernel has the shape `kernel`."""
    core = len(stride) + 2
    dtype = xp.result_type(x, g)
    win = windows("conv_weight_grad", x.shape[2 - core :], kernel, stride, padding, dilation)
    channels, height = x.shape[1 - core] // groups, g.shape[1 - core]
    agree("conv_weight_grad", (g.shape[-core], *g.shape[2 - core :]), (x.shape[-core], *win.out))
    x, g, lead = patches.split_lead(x.astype(dtype, copy=False), g.astype(dtype, copy=False), core)
    x, g = grouped(x, 3, groups), grouped(g, 3, groups)
    members, own, variants = len(x), x.shape[1], g.shape[1]
    out = memory.empty(xp, (own, members, groups, variants * height // groups, channels * math.prod(kernel)), dtype)
    if x.size and g.size:
        for i in range(own):
            patches.weight_grad(xp, x[:, i], g, out[i], win)
    else:
        out[...] = 0
    out = out.reshape(own, members, groups, variants, height // groups, out.shape[-1]).transpose(1, 3, 0, 2, 4, 5)
    return lead.scatter(out, (height, channels, *kernel))


def grouped(a: Any, axis: int, groups: int) -> Any:
    """Returns `a` with `axis` split into groups."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def bias_of(xp: Any, b: Any, lead: patches.Lead, core: int, groups: int) -> Any:
    """Returns b as (M, V, G, O) if it has no other leading axes than w, else None."""
    rank = len(lead.shape)
    own = (1,) * (rank + core - b.ndim) + b.shape[: b.ndim - core]
    shape = tuple([1 if i in lead.first else n for i, n in enumerate(lead.shape)])
    if len(own) != rank or any(n not in (1, m) for n, m in zip(own, shape, strict=True)):
        return None
    height = b.shape[-core]
    b = xp.broadcast_to(b.reshape(*own, height), (*shape, height))
    return grouped(lead.gather(b, lead.both, lead.second), 2, groups)


# Derivatives.


def _contract(made: Primitive, a: Any, b: Any, like: Any, groups: int, **params: Any) -> Any:
    """Applies `made` to `a` and `b`, summed over the leading axes that `like` lacks, and fits the result to `like`.

    The sum joins the one that `made` does anyway, over images, input or output channels: see `_SUMMED`.
    """
    core = len(params["stride"]) + 2
    rank = max(a.ndim, b.ndim) - core
    a, b = of_rank(a, rank + core), of_rank(b, rank + core)
    own = (1,) * (rank + core - like.ndim) + like.shape[: like.ndim - core]
    shared = [i for i in range(rank) if own[i] == 1 and not a.shape[i] == b.shape[i] == 1]
    if shared:
        (axis_a, grouped_a), (axis_b, grouped_b) = _SUMMED[made]
        a = _fold(a, rank, shared, axis_a, groups if grouped_a else 1)
        b = _fold(b, rank, shared, axis_b, groups if grouped_b else 1)
    ct = made(a, b, groups=groups, **params)
    return match(ct.reshape(like.shape) if shared else ct, like)


def _fold(a: Any, rank: int, axes: list[int], into: int, groups: int) -> Any:
    """Moves some of the `rank` leading axes into the core axis number `into`, inside its groups."""
    at = rank + into
    kept = [i for i in range(at) if i not in axes]
    split = a.reshape((*a.shape[:at], groups, a.shape[at] // groups, *a.shape[at + 1 :]))
    length = math.prod([a.shape[i] for i in (*axes, at)])
    order = (*kept, at, *axes, *range(at + 1, a.ndim + 1))
    return split.transpose(order).reshape((*[a.shape[i] for i in kept], length, *a.shape[at + 1 :]))


_SUMMED = {
    conv: ((1, True), (1, False)),
    conv_input_grad: ((1, True), (0, True)),
    conv_weight_grad: ((0, False), (0, False)),
}
"""For each primitive, per argument: which core axis it sums over, and whether groups divide that axis."""


def conv_x_vjp(g: Any, out: Any, x: Any, w: Any, b: Any = None, **params: Any) -> Any:
    return _contract(conv_input_grad, g, w, x, size=x.shape[-len(params["stride"]) :], **params)


def conv_w_vjp(g: Any, out: Any, x: Any, w: Any, b: Any = None, **params: Any) -> Any:
    return _contract(conv_weight_grad, x, g, w, kernel=w.shape[-len(params["stride"]) :], **params)


def conv_b_vjp(g: Any, out: Any, x: Any, w: Any, b: Any, *, stride: Any, **params: Any) -> Any:
    axes = len(stride)
    total = g.sum((-axes - 2, *range(-axes, 0)))
    return match(total.reshape((*total.shape, *(1,) * (axes + 1))), b)


@conv.def_jvp
def conv_jvp(tangents: Any, out: Any, x: Any, w: Any, b: Any = None, **params: Any) -> Any:
    dx, dw, db = (*tangents, None)[:3]
    total = add_tangents([None if dx is None else conv(dx, w, **params), None if dw is None else conv(x, dw, **params)])
    if db is not None:
        axes = len(params["stride"])
        db = db.reshape((*db.shape[: -axes - 2], 1, db.shape[-axes - 2], *(1,) * axes))
        total = db if total is None else total + db
    return fit(total, out)


conv.def_vjp(conv_x_vjp, conv_w_vjp, conv_b_vjp)
bilinear(
    conv_input_grad,
    lambda ct, out, g, w, *, size, **params: _contract(conv, ct, w, g, **params),
    lambda ct, out, g, w, *, size, **params: _contract(
        conv_weight_grad, ct, g, w, kernel=w.shape[-len(size) :], **params
    ),
)
bilinear(
    conv_weight_grad,
    lambda ct, out, x, g, *, kernel, **params: _contract(
        conv_input_grad, g, ct, x, size=x.shape[-len(kernel) :], **params
    ),
    lambda ct, out, x, g, *, kernel, **params: _contract(conv, x, ct, g, **params),
)


# What users call, in torch's argument order and layout.


def conv1d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Convolves x (N, C, L) with w (O, C/groups, k); see `conv2d`."""
    return _convolve("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv2d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Convolves images x (N, C, H, W) with weights w (O, C/groups, kh, kw), as torch.nn.functional.conv2d.

    out[n, o, i, j] == b[o] + sum over c, p, q of w[o, c, p, q] * x[n, c, i*stride + p*dilation, j*stride + q*dilation]

    As in every deep-learning library the kernel is not flipped.

    Args:
        x: one image (C, H, W) or several (N, C, H, W).
        w: weights (O, C/groups, kh, kw).
        b: a bias (O,), or None.
        stride: the step between windows: an int, or one per axis.
        padding: zeros put around each image: an int, one per axis, a pair (before, after) per axis, "valid" for none,
            or "same" for as many results as pixels.
        dilation: the step between the pixels of a window: an int, or one per axis.
        groups: into how many independent convolutions the channels are divided.

    Returns:
        (O, H', W') or (N, O, H', W').

    Raises:
        ShapeError: shapes do not fit each other, or an option is out of range.

    Example:
        >>> import numpy as np
        >>> conv2d(np.ones((1, 4, 4)), np.ones((2, 1, 3, 3)), padding=1)[0]
        array([[4., 6., 6., 4.],
               [6., 9., 9., 6.],
               [6., 9., 9., 6.],
               [4., 6., 6., 4.]])
    """
    return _convolve("conv2d", 2, x, w, b, stride, padding, dilation, groups)


def conv3d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Convolves volumes x (N, C, D, H, W) with w (O, C/groups, kd, kh, kw); see `conv2d`."""
    return _convolve("conv3d", 3, x, w, b, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv1d`; see `conv_transpose2d`."""
    return _convolve_transposed("conv_transpose1d", 1, x, w, b, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv2d` in its images, as torch.nn.functional.conv_transpose2d.

    Args:
        x: one image (C, H, W) or several (N, C, H, W).
        w: weights (C, O/groups, kh, kw).
        b: a bias (O,), or None.
        stride, padding, dilation, groups: those of the convolution that this transposes.
        output_padding: rows and columns added after the result, less than `stride`: that many sizes of image share one
            size of result under `conv2d`.

    Example:
        >>> import numpy as np
        >>> conv_transpose2d(np.ones((1, 1, 2)), np.ones((1, 1, 1, 2)), stride=2)
        array([[[1., 1., 1., 1.]]])
    """
    return _convolve_transposed("conv_transpose2d", 2, x, w, b, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv3d`; see `conv_transpose2d`."""
    return _convolve_transposed("conv_transpose3d", 3, x, w, b, stride, padding, output_padding, groups, dilation)


def _convolve(
    call: str, axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    x, w, groups = _checked(call, axes, x, w, groups)
    params = window_options(call, w.shape[2:], stride, padding, dilation)
    found, taken = x.shape[-axes - 1], w.shape[1] * groups
    if found != taken:
        fact = f"x is {describe(x)}, so it has {found} channels; w is {describe(w)} with groups={groups}"
        raise ShapeError(call, f"{fact}, which takes {taken}", "they must be as many")
    if w.shape[0] % groups:
        fact = f"w is {describe(w)}, so it makes {w.shape[0]} channels"
        raise ShapeError(call, fact, f"groups={groups} must divide them")
    windows(call, x.shape[-axes:], w.shape[2:], **params)
    bias = () if b is None else (_checked_bias(call, b, w.shape[0], axes + 1),)
    return _of_images(axes, x, lambda images: conv(images, w, *bias, **params, groups=groups))


def _convolve_transposed(
    call: str, axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, extra: Any, groups: Any, dilation: Any
) -> Any:
    x, w, groups = _checked(call, axes, x, w, groups)
    params = window_options(call, w.shape[2:], stride, padding, dilation)
    if x.shape[-axes - 1] != w.shape[0] or w.shape[0] % groups:
        fact = f"x is {describe(x)}, so it has {x.shape[-axes - 1]} channels; w is {describe(w)}, it takes {w.shape[0]}"
        raise ShapeError(call, fact, f"they must be as many, and groups={groups} must divide them")
    extra = each_axis(call, "output_padding", extra, axes, 0)
    stride, padding, dilation = params["stride"], params["padding"], params["dilation"]
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        raise ShapeError(call, f"output_padding is {extra} with stride {stride}", "it must be less than the stride")
    # The least lengths of which a convolution makes those of x, and `extra` more.
    lengths = zip(x.shape[-axes:], w.shape[2:], extra, stride, padding, dilation, strict=True)
    size = tuple([(n - 1) * s + (k - 1) * d + 1 + e - low - high for n, k, e, s, (low, high), d in lengths])
    if min(size) < 1 or 0 in x.shape[-axes:]:
        raise ShapeError(call, f"the result would have spatial axes of lengths {size}", "they must be at least 1")
    bias = None if b is None else _checked_bias(call, b, w.shape[1] * groups, axes)
    out = _of_images(axes, x, lambda images: conv_input_grad(images, w, size=size, **params, groups=groups))
    return out if bias is None else out + bias


def _of_images(axes: int, x: Any, convolve: Callable[[Any], Any]) -> Any:
    """`convolve(x)` of several images, and of one as if it were several."""
    if x.ndim == axes + 2:
        return convolve(x)
    out = convolve(x.reshape((1, *x.shape)))
    return out.reshape(out.shape[1:])


def _checked(call: str, axes: int, x: Any, w: Any, groups: Any) -> tuple[Any, Any, int]:
    """Returns x and w as arrays of a fitting rank and dtype, and groups as an int."""
    x, w = operand(x), operand(w)
    if x.ndim not in (axes + 1, axes + 2):
        allowed = f"it must have {axes + 1} axes, channels first, or {axes + 2}, images first"
        raise ShapeError(call, f"x is {describe(x)}", allowed, "Use vmap for more leading axes")
    if w.ndim != axes + 2:
        allowed = f"it must have {axes + 2} axes: output channels, channels per group, kernel"
        raise ShapeError(call, f"w is {describe(w)}", allowed)
    for name, a in (("x", x), ("w", w)):
        if a.dtype.kind not in "fciu":
            fact = f"{name} is {describe(a)}"
            raise DTypeError(call, fact, "it must hold numbers", f"Convert it with {name}.astype(float)")
    if 0 in w.shape[2:]:
        raise ShapeError(call, f"w is {describe(w)}", "its kernel must have at least one element")
    return x, w, each_axis(call, "groups", groups, 1, 1)[0]


def _checked_bias(call: str, b: Any, channels: int, behind: int) -> Any:
    """Returns b with that many axes of length 1 behind."""
    b = operand(b)
    if b.shape != (channels,):
        allowed = f"it must have one number for each of the {channels} output channels"
        raise ShapeError(call, f"b is {describe(b)}", allowed)
    return b.reshape((channels, *(1,) * behind))
