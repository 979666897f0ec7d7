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
from typing import Any

from .. import memory
from ..core import Primitive, primitive
from ..errors import DTypeError, ShapeError, describe, message
from . import _im2col
from ._families import add_tangents, bilinear, fit, match, operand, trailing
from ._windows import Ints, each_axis, pad_pairs, windows


@primitive
def conv(xp: Any, x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Slides w over x, in tiles; b, if given, has the shape (*lead, O, 1, *ones) and is added."""
    core = len(stride) + 2
    dtype = xp.result_type(*[a for a in (x, w, b) if a is not None])
    win = windows(x.shape[2 - core:], w.shape[2 - core:], stride, padding, dilation)
    images, height = x.shape[-core], w.shape[-core]
    x, w, lead = _im2col.split_lead(x.astype(dtype, copy=False), w.astype(dtype, copy=False), core)
    x, w = _grouped(x.reshape(len(x), x.shape[1] * images, *x.shape[3:]), 2, groups), _grouped(w, 2, groups)
    out = memory.empty(xp, (len(x), w.shape[1], x.shape[1], *w.shape[2:4], *win.out), dtype)
    if out.size:
        _im2col.forward(xp, x, w, None if b is None else _bias(xp, b, lead, images, core, groups), out, win)
    return lead.scatter(out, (images, height, *win.out))


@primitive
def conv_input_grad(xp: Any, g: Any, w: Any, *, size: Ints, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The transpose of `conv` in x, whose spatial axes have lengths `size`: columns by products, then added in place."""
    core = len(stride) + 2
    dtype = xp.result_type(g, w)
    win = windows(size, w.shape[2 - core:], stride, padding, dilation)
    images, channels = g.shape[-core], w.shape[1 - core]
    g, w, lead = _im2col.split_lead(g.astype(dtype, copy=False), w.astype(dtype, copy=False), core)
    g, w = _grouped(g.reshape(len(g), g.shape[1] * images, *g.shape[3:]), 2, groups), _grouped(w, 2, groups)
    out = memory.empty(xp, (len(g), w.shape[1], g.shape[1], groups, channels, *size), dtype)
    if g.size and w.size:
        _im2col.input_grad(xp, g, w, out, win)
    else:
        out[...] = 0
    return lead.scatter(out, (images, groups * channels, *size))


@primitive
def conv_weight_grad(xp: Any, x: Any, g: Any, *, kernel: Ints, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The transpose of `conv` in w, whose kernel has shape `kernel`: columns and products, summed over images."""
    core = len(stride) + 2
    dtype = xp.result_type(x, g)
    win = windows(x.shape[2 - core:], kernel, stride, padding, dilation)
    channels, height = x.shape[1 - core] // groups, g.shape[1 - core]
    x, g, lead = _im2col.split_lead(x.astype(dtype, copy=False), g.astype(dtype, copy=False), core)
    x, g = _grouped(x, 3, groups), _grouped(g, 3, groups)
    members, own, variants = len(x), x.shape[1], g.shape[1]
    out = memory.empty(xp, (own, members, groups, variants * height // groups, channels * math.prod(kernel)), dtype)
    if x.size and g.size:
        for i in range(own):
            _im2col.weight_grad(xp, x[:, i], g, out[i], win)
    else:
        out[...] = 0
    out = out.reshape(own, members, groups, variants, height // groups, out.shape[-1]).transpose(1, 3, 0, 2, 4, 5)
    return lead.scatter(out, (height, channels, *kernel))


def _grouped(a: Any, axis: int, groups: int) -> Any:
    """Returns `a` with `axis` split into groups."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1:])


def _bias(xp: Any, b: Any, lead: _im2col.Lead, images: int, core: int, groups: int) -> Any:
    """Returns b as (M, V, images or 1, G, O)."""
    rank = len(lead.shape)
    b = b.reshape((1,) * (rank + core - b.ndim) + b.shape[:b.ndim - core + 1])
    first = lead.first if any(b.shape[i] > 1 for i in lead.first) else ()
    b = xp.broadcast_to(b, (*[1 if i in lead.first and not first else n for i, n in enumerate(lead.shape)], b.shape[-1]))
    b = _grouped(lead.gather(b, lead.both, lead.second, first), 3, groups)
    if not first:
        return b
    each = xp.broadcast_to(b[:, :, :, None], (*b.shape[:3], images, *b.shape[3:]))
    return each.reshape(*b.shape[:2], b.shape[2] * images, *b.shape[3:])


# Derivatives.


def _contract(made: Primitive, a: Any, b: Any, like: Any, groups: int, **params: Any) -> Any:
    """Applies `made` to `a` and `b`, summed over the leading axes that `like` lacks, and fits the result to `like`.

    The sum joins the one that `made` does anyway, over images, input or output channels: see `_SUMMED`.
    """
    core = len(params["stride"]) + 2
    rank = max(a.ndim, b.ndim) - core
    lead = [n if n != 1 else m for n, m in zip(*[(1,) * (rank + core - x.ndim) + x.shape[:x.ndim - core] for x in (a, b)], strict=True)]
    own = (1,) * (rank + core - like.ndim) + like.shape[:like.ndim - core]
    shared = [i for i, n in enumerate(lead) if n != 1 and own[i] == 1]
    if shared:
        (axis_a, grouped_a), (axis_b, grouped_b) = _SUMMED[made]
        a = _fold(a, rank, core, shared, axis_a, groups if grouped_a else 1)
        b = _fold(b, rank, core, shared, axis_b, groups if grouped_b else 1)
    return match(made(a, b, groups=groups, **params), like)


def _fold(a: Any, rank: int, core: int, axes: list[int], into: int, groups: int) -> Any:
    """Moves leading axes into core axis number `into`, inside its groups."""
    a = a.reshape((1,) * (rank + core - a.ndim) + a.shape)
    at = rank + into
    kept = [i for i in range(rank) if i not in axes]
    split = a.reshape((*a.shape[:at], groups, a.shape[at] // groups, *a.shape[at + 1:]))
    order = (*kept, *range(rank, at + 1), *axes, *range(at + 1, rank + core + 1))
    length = math.prod([a.shape[i] for i in (*axes, at)])
    shape = [a.shape[i] for i in (*kept, *range(rank, at))]
    return split.transpose(order).reshape((*shape, length, *a.shape[at + 1:]))


_SUMMED = {conv: ((1, True), (1, False)), conv_input_grad: ((1, True), (0, True)), conv_weight_grad: ((0, False), (0, False))}
"""For each primitive, per argument: which core axis it sums over, and whether groups divide that axis."""


def conv_x_vjp(g: Any, out: Any, x: Any, w: Any, b: Any = None, **params: Any) -> Any:
    return _contract(conv_input_grad, g, w, x, size=x.shape[-len(params["stride"]):], **params)


def conv_w_vjp(g: Any, out: Any, x: Any, w: Any, b: Any = None, **params: Any) -> Any:
    return _contract(conv_weight_grad, x, g, w, kernel=w.shape[-len(params["stride"]):], **params)


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
        db = db.reshape((*db.shape[:-axes - 2], 1, db.shape[-axes - 2], *(1,) * axes))
        total = db if total is None else total + db
    return fit(total, out)


conv.def_vjp(conv_x_vjp, conv_w_vjp, conv_b_vjp)
bilinear(conv_input_grad,
         lambda ct, out, g, w, *, size, **params: _contract(conv, ct, w, g, **params),
         lambda ct, out, g, w, *, size, **params:
         _contract(conv_weight_grad, ct, g, w, kernel=w.shape[-len(size):], **params))
bilinear(conv_weight_grad,
         lambda ct, out, x, g, *, kernel, **params:
         _contract(conv_input_grad, g, ct, x, size=x.shape[-len(kernel):], **params),
         lambda ct, out, x, g, *, kernel, **params: _contract(conv, x, ct, g, **params))
for _made in (conv, conv_input_grad, conv_weight_grad):
    trailing(_made)


# What users call, in torch's argument order and layout.


def conv1d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Convolves x (N, C, L) with w (O, C/groups, k); see `conv2d`."""
    return _convolve("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv2d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Convolves images x (N, C, H, W) with weights w (O, C/groups, kh, kw), as torch.nn.functional.conv2d.

    out[n, o, i, j] == b[o] + sum over c, p, q of x[n, c, i * stride + p * dilation, j * stride + q * dilation] * w[o, c, p, q]

    As in every deep-learning library the kernel is not flipped.

    Args:
        x: one image (C, H, W) or several (N, C, H, W).
        w: weights (O, C/groups, kh, kw).
        b: a bias (O,), or None.
        stride: the step between windows: an int, or one per axis.
        padding: zeros put around each image: an int, one per axis, a pair (before, after) per axis, "valid" for none, or
            "same" for as many results as pixels.
        dilation: the step between the pixels of a window: an int, or one per axis.
        groups: into how many independent convolutions the channels are divided.

    Returns:
        (O, H', W') or (N, O, H', W').

    Raises:
        ShapeError: shapes do not fit each other, or an option is out of range.

    Example:
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


def conv_transpose1d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
                     dilation: Any = 1) -> Any:
    """The transpose of `conv1d`; see `conv_transpose2d`."""
    return _convolve_transposed("conv_transpose1d", 1, x, w, b, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
                     dilation: Any = 1) -> Any:
    """The transpose of `conv2d` in its images, as torch.nn.functional.conv_transpose2d.

    Args:
        x: one image (C, H, W) or several (N, C, H, W).
        w: weights (C, O/groups, kh, kw).
        b: a bias (O,), or None.
        stride, padding, dilation, groups: those of the convolution that this transposes.
        output_padding: rows and columns added after the result, less than `stride`: that many sizes of image share one
            size of result under `conv2d`.

    Example:
        >>> conv_transpose2d(np.ones((1, 1, 2)), np.ones((1, 1, 1, 2)), stride=2)
        array([[[1., 1., 1., 1.],
                [0., 0., 0., 0.]]])
    """
    return _convolve_transposed("conv_transpose2d", 2, x, w, b, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
                     dilation: Any = 1) -> Any:
    """The transpose of `conv3d`; see `conv_transpose2d`."""
    return _convolve_transposed("conv_transpose3d", 3, x, w, b, stride, padding, output_padding, groups, dilation)


def _convolve(call: str, axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    x, w, groups = _checked(call, axes, x, w, groups)
    params = _params(call, w.shape[2:], stride, padding, dilation, groups)
    channels, per_group = x.shape[-axes - 1], w.shape[1]
    if channels != per_group * groups:
        raise ShapeError(message(call, f"x is {describe(x)} with {channels} channels, w is {describe(w)} for {per_group} channels in each "
                                 f"of {groups} groups", "the product must be the channels of x"))
    if w.shape[0] % groups:
        raise ShapeError(message(call, f"w is {describe(w)} with {w.shape[0]} output channels", f"groups={groups} must divide them"))
    win = windows(x.shape[-axes:], w.shape[2:], params["stride"], params["padding"], params["dilation"])
    if any(d * (k - 1) + 1 > n for d, k, n in zip(win.dilation, win.kernel, win.padded, strict=True)):
        reach = tuple([d * (k - 1) + 1 for d, k in zip(win.dilation, win.kernel, strict=True)])
        raise ShapeError(message(call, f"the kernel reaches over {reach} pixels, x with padding has {win.padded}", "it must fit",
                                 "Pad more, or use a smaller kernel"))
    if b is not None:
        b = _checked_bias(call, b, w.shape[0]).reshape((-1, *(1,) * (axes + 1)))
    if x.ndim == axes + 1:
        out = conv(x.reshape((1, *x.shape)), w, *(() if b is None else (b,)), **params)
        return out.reshape(out.shape[1:])
    return conv(x, w, *(() if b is None else (b,)), **params)


def _convolve_transposed(call: str, axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, output_padding: Any, groups: Any,
                         dilation: Any) -> Any:
    x, w, groups = _checked(call, axes, x, w, groups)
    params = _params(call, w.shape[2:], stride, padding, dilation, groups)
    extra = each_axis(call, "output_padding", output_padding, axes, 0)
    channels = x.shape[-axes - 1]
    if channels != w.shape[0] or channels % groups:
        raise ShapeError(message(call, f"x is {describe(x)} with {channels} channels, w is {describe(w)} for {w.shape[0]}, groups={groups}",
                                 "the channels must be as many, and groups must divide them"))
    if any(e >= s for e, s in zip(extra, params["stride"], strict=True)):
        raise ShapeError(message(call, f"output_padding is {extra} with stride {params['stride']}", "it must be less than the stride"))
    size = tuple([(n - 1) * s + d * (k - 1) + 1 + e - lo - hi for n, s, d, k, e, (lo, hi) in zip(
        x.shape[-axes:], params["stride"], params["dilation"], w.shape[2:], extra, params["padding"], strict=True)])
    if min(size) < 1 or 0 in x.shape[-axes:]:
        raise ShapeError(message(call, f"the result would have spatial axes of lengths {size}", "they must be at least 1"))
    single = x.ndim == axes + 1
    out = conv_input_grad(x.reshape((1, *x.shape)) if single else x, w, size=size, **params)
    if b is not None:
        out = out + _checked_bias(call, b, w.shape[1] * groups).reshape((-1, *(1,) * axes))
    return out.reshape(out.shape[1:]) if single else out


def _checked(call: str, axes: int, x: Any, w: Any, groups: Any) -> tuple[Any, Any, int]:
    """Returns x and w as arrays of a fitting rank and dtype, and groups as an int."""
    x, w = operand(x), operand(w)
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(message(call, f"x is {describe(x)}", f"it must have {axes + 1} axes, channels first, or {axes + 2}, images first",
                                 "Use vmap for more leading axes"))
    if w.ndim != axes + 2:
        raise ShapeError(message(call, f"w is {describe(w)}", f"it must have {axes + 2} axes: output channels, channels per group, kernel"))
    for name, a in (("x", x), ("w", w)):
        if a.dtype.kind not in "fciu":
            raise DTypeError(message(call, f"{name} is {describe(a)}", "it must hold numbers", f"Convert it with {name}.astype(float)"))
    if 0 in w.shape[2:]:
        raise ShapeError(message(call, f"w is {describe(w)}", "its kernel must have at least one element"))
    return x, w, each_axis(call, "groups", groups, 1, 1)[0]


def _params(call: str, kernel: Ints, stride: Any, padding: Any, dilation: Any, groups: int) -> dict[str, Any]:
    axes = len(kernel)
    steps, dilations = each_axis(call, "stride", stride, axes, 1), each_axis(call, "dilation", dilation, axes, 1)
    return {"stride": steps, "padding": pad_pairs(call, padding, kernel, steps, dilations), "dilation": dilations, "groups": groups}


def _checked_bias(call: str, b: Any, channels: int) -> Any:
    b = operand(b)
    if b.shape != (channels,):
        raise ShapeError(message(call, f"b is {describe(b)}", f"it must have one number for each of the {channels} output channels"))
    return b
