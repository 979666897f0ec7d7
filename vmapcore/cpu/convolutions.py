"""Convolutions on a tile: members and images as the primitives have them, as calls of the kernels: of one for
all members where there is one, else for each.

Results have the images innermost in memory, which is how the next convolution wants them: nothing is moved in between.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ..evals.patches import Lead, split_lead
from ..evals.windows import Windows, windows
from ..graph import Step
from ..planning.plan_primitives import conv_block
from ..rules.conv import bias_of, conv, conv_input_grad, conv_weight_grad
from . import compiled
from .kernels.direct import Direct
from .kernels.patches import Columns
from .kernels.reorder import copy
from .kernels.winograd import Winograd
from .kernels.winograd_numpy import WinogradNumPy
from .workspace import Workspace, scratch


def convolution(win: Windows, channels: int, height: int, images: int, dtype: Any) -> Columns:
    """The fastest way for tiles of so many images of `channels` channels, per group, into `height` channels."""
    return _convolution(win, channels, height, images, np.dtype(dtype), compiled.AVAILABLE)


@lru_cache(maxsize=256)
def _convolution(win: Windows, channels: int, height: int, images: int, dtype: Any, native: bool) -> Columns:
    ways: tuple[type[Columns], ...] = (Winograd, Direct) if native else (WinogradNumPy,)
    for kind in ways:
        if kind.fits(win, channels, height, images, dtype):
            return kind(win, channels, height, images, dtype)
    return Columns(win, channels, height, images, dtype)


def innermost(x: Any, new: Any, name: str) -> Any:
    """Images (n, C, ...) as (C, ..., n), contiguous: itself, seen so, if it lies so, else a copy."""
    moved = x.transpose(*range(1, x.ndim), 0)
    if moved.flags.c_contiguous:
        return moved
    laid = new(name, moved.shape)
    copy(laid, moved)
    return laid


def lying(x: Any, new: Any, name: str) -> tuple[Any, bool]:
    """Images (members, n, C, ...) as they lie, if they are contiguous, or a copy; whether images are innermost then."""
    lie = _lies_innermost(x)
    if lie is False:
        return x, False
    moved = x.transpose(0, *range(2, x.ndim), 1)
    if lie is None:
        laid = new(name, moved.shape)
        copy(laid, moved)
        return laid, True
    return moved, True


def _lies_innermost(x: Any) -> bool | None:
    """Whether images (members, n, C, ...) are innermost in memory, or outermost; None if neither."""
    if x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous:
        return True
    return False if x.flags.c_contiguous else None


Shape = tuple[int, ...]


class Convolution:
    """What the three primitives share: arguments split into members, and the kernel for their shapes."""

    def __init__(self, step: Step, key: Any) -> None:
        params = step.params
        self.key = key
        self.dtype = step.outputs[0].dtype
        self.core = len(params["stride"]) + 2
        self.groups = params["groups"]
        self.window = (params["stride"], params["padding"], params["dilation"])
        self.ways: dict[Any, Straight | None] = {}

    def straight(self, a: Any, b: Any) -> "Straight | None":
        """What does arrays that lie so at once, if there is such a way: found once."""
        lie = a.strides, b.strides
        if lie not in self.ways:
            plain = a.ndim == b.ndim == self.core + 1 and len(a) == len(b) and a.dtype == b.dtype == self.dtype
            self.ways[lie] = self.way(a, b) if plain else None
        return self.ways[lie]

    def way(self, a: Any, b: Any) -> "Straight | None":
        """What does members that both arrays have, if a kernel takes them as they lie."""
        raise NotImplementedError

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
        return windows("conv", size, kernel, *self.window)

    def split(self, a: Any, b: Any) -> tuple[Any, Any, Lead]:
        """Both with axes (members, own, ...), in the dtype of the result."""
        a, b = a.astype(self.dtype, copy=False), b.astype(self.dtype, copy=False)
        if a.ndim == b.ndim == self.core + 1 and len(a) == len(b) and a.strides[0] and b.strides[0]:
            return a[:, None], b[:, None], Lead((len(a),), (0,), (), ())
        return split_lead(a, b, self.core)

    def grouped(self, x: Any) -> Any:
        """(C, ...) as (groups, C / groups, ...)."""
        return x.reshape(self.groups, x.shape[0] // self.groups, *x.shape[1:])


class Straight:
    """A call of a kernel for all members, of arrays that lie as it wants them: nothing is split, cast or laid out."""

    def __init__(self, run: Any, key: Any, shape: tuple[int, ...], result: Any) -> None:
        self.run, self.key, self.shape, self.result = run, key, shape, result

    def __call__(self, workspace: Workspace, dtype: Any, *arrays: Any) -> Any:
        made = scratch(workspace, dtype)(self.key, self.shape)
        self.run(*arrays, made.reshape(-1))
        return self.result(made)


def _images(made: Any) -> Any:
    """Results of kernels (members, 1, groups, C / groups, ..., n) as (members, n, C, ...)."""
    members, _, groups, channels, *rest = made.shape
    images = made.reshape(members, groups * channels, *rest)
    return images.transpose(0, images.ndim - 1, *range(1, images.ndim - 1))


class Forward(Convolution):
    """`conv`, and `conv_block`, which pools and rectifies."""

    def __init__(self, step: Step, key: Any) -> None:
        super().__init__(step, key)
        self.step = step
        self.pooled, self.relu = [step.params.get(name, False) for name in ("pooled", "rectified")]

    def __call__(self, workspace: Workspace, out: Any, x: Any, w: Any, b: Any = None) -> Any:
        way = self.straight(x, w)
        if way is not None and (b is None or (b.ndim == w.ndim and b.shape[:2] == w.shape[:2])):
            bias = None if b is None else b.ravel()
            return copied(way(workspace, self.dtype, x.ravel("K"), w.reshape(-1), bias), out)
        new = scratch(workspace, self.dtype)
        given = x, w, b
        x, w, split = self.split(x, w)
        bias = None if b is None else bias_of(np, b, split, self.core, self.groups)
        if b is not None and bias is None:  # one that has leading axes of its own
            return copied(self.step.primitive.eval(np, *given, **self.step.params), out)
        bias = None if bias is None else np.ascontiguousarray(bias)
        images = x.shape[2]
        x = x.reshape(len(x), x.shape[1] * images, *x.shape[3:])
        kernel, size = self._kernel(x.shape, w.shape[1:])
        n, height = x.shape[1], w.shape[2] // self.groups
        made = new(self.key, (len(x), w.shape[1], self.groups, height, *size, n))
        if isinstance(kernel, Direct):
            lead = (*w.shape[:2], self.groups)
            laid, innermost = lying(x, new, "x")
            flat = None if bias is None else bias.reshape(-1)
            run = kernel.forward_all(lead, innermost, self.relu, self.pooled)
            run(laid.reshape(-1), kernel.weights(w, new).reshape(-1), flat, made.reshape(-1))
        else:
            self.one_by_one(workspace, kernel, x, w, bias, made)
        return _given(made, split, (images, w.shape[2], *size), out)

    def _kernel(self, x: Shape, w: Shape) -> tuple[Columns, Shape]:
        """For images (members, n, C, ...) and weights (members, O, C / groups, ...), and the size of results."""
        win = self.windows(x[3:], w[3:])
        kernel = convolution(win, w[2], w[1] // self.groups, x[1], self.dtype)
        return kernel, tuple([p // 2 for p in win.out]) if self.pooled else win.out

    def way(self, x: Any, w: Any) -> Straight | None:
        kernel, size = self._kernel(x.shape, w.shape)
        innermost = _lies_innermost(x)
        if innermost is None or not w.flags.c_contiguous or not isinstance(kernel, Direct):
            return None
        run = kernel.forward_all((len(w), 1, self.groups), innermost, self.relu, self.pooled)
        shape = (len(x), 1, self.groups, w.shape[1] // self.groups, *size, x.shape[1])
        return Straight(run, self.key, shape, _images)

    def one_by_one(self, workspace: Workspace, kernel: Columns, x: Any, w: Any, bias: Any, made: Any) -> None:
        new = scratch(workspace, self.dtype)
        run = kernel.forward_pooled if self.pooled else kernel.forward
        for m, v in np.ndindex(*w.shape[:2]):
            if v == 0:
                laid = self.grouped(innermost(x[m], new, "x"))
            weights = kernel.weights(self.grouped(w[m, v]), new)
            run(laid, weights, None if bias is None else bias[m, v], self.relu, made[m, v], new)


class InputGrad(Convolution):
    """`conv_input_grad`."""

    def __init__(self, step: Step, key: Any) -> None:
        super().__init__(step, key)
        self.size = step.params["size"]

    def __call__(self, workspace: Workspace, out: Any, g: Any, w: Any) -> Any:
        way = self.straight(g, w)
        if way is not None:
            return copied(way(workspace, self.dtype, g.ravel("K"), w.reshape(-1), None), out)
        new = scratch(workspace, self.dtype)
        g, w, split = self.split(g, w)
        images = g.shape[2]
        g = g.reshape(len(g), g.shape[1] * images, *g.shape[3:])
        kernel = self._kernel(g.shape, w.shape[1:])
        n, channels = g.shape[1], w.shape[3]
        made = new(self.key, (len(g), w.shape[1], self.groups, channels, *self.size, n))
        if isinstance(kernel, Direct) and kernel.flips:
            laid, innermost = lying(g, new, "g")
            run = kernel.input_grad_all((*w.shape[:2], self.groups), innermost)
            run(laid.reshape(-1), kernel.weights(w, new).reshape(-1), None, made.reshape(-1))
        else:
            self.one_by_one(workspace, kernel, g, w, made)
        return _given(made, split, (images, self.groups * channels, *self.size), out)

    def _kernel(self, g: Shape, w: Shape) -> Columns:
        """For cotangents (members, n, O, ...) and weights (members, O, C / groups, ...)."""
        return convolution(self.windows(self.size, w[3:]), w[2], w[1] // self.groups, g[1], self.dtype)

    def way(self, g: Any, w: Any) -> Straight | None:
        kernel, innermost = self._kernel(g.shape, w.shape), _lies_innermost(g)
        if innermost is None or not w.flags.c_contiguous or not (isinstance(kernel, Direct) and kernel.flips):
            return None
        shape = (len(g), 1, self.groups, w.shape[2], *self.size, g.shape[1])
        return Straight(kernel.input_grad_all((len(w), 1, self.groups), innermost), self.key, shape, _images)

    def one_by_one(self, workspace: Workspace, kernel: Columns, g: Any, w: Any, made: Any) -> None:
        new = scratch(workspace, self.dtype)
        for m, v in np.ndindex(*w.shape[:2]):
            if v == 0:
                laid = self.grouped(innermost(g[m], new, "g"))
            weights = kernel.back_weights(self.grouped(w[m, v]), new)
            kernel.input_grad(laid, weights, made[m, v], new)


class WeightGrad(Convolution):
    """`conv_weight_grad`."""

    def __init__(self, step: Step, key: Any) -> None:
        super().__init__(step, key)
        self.step = step

    def __call__(self, workspace: Workspace, out: Any, x: Any, g: Any) -> Any:
        way = self.straight(x, g)
        if way is not None:
            return copied(way(workspace, self.dtype, x.ravel("K"), g.ravel("K")), out)
        new = scratch(workspace, self.dtype)
        given = x, g
        x, g, split = self.split(x, g)
        if x.shape[1] > 1 or g.shape[1] > 1:  # leading axes that only one of them has
            return copied(conv_weight_grad.eval(np, *given, **self.step.params), out)
        x, g = x[:, 0], g[:, 0]
        kernel, shape = self._kernel(x.shape, g.shape)
        made = new(self.key, shape)
        if isinstance(kernel, Direct) and kernel.few:
            (x, x_innermost), (g, g_innermost) = lying(x, new, "x"), lying(g, new, "g")
            run = kernel.weight_grad_all((len(x), 1, self.groups), x_innermost, g_innermost)
            run(x.reshape(-1), g.reshape(-1), made.reshape(-1))
        else:
            self.one_by_one(workspace, kernel, x, g, made)
        weights = _weights(made)
        return copied(split.scatter(weights[:, None, None], weights.shape[1:]), out)

    def _kernel(self, x: Shape, g: Shape) -> tuple[Columns, Shape]:
        """For images (members, n, C, ...) and cotangents (members, n, O, ...), and the shape of its results."""
        win = self.windows(x[3:], self.step.params["kernel"])
        channels, height = x[2] // self.groups, g[2] // self.groups
        return convolution(win, channels, height, x[1], self.dtype), (x[0], self.groups, height, channels, *win.kernel)

    def way(self, x: Any, g: Any) -> Straight | None:
        (kernel, shape), lie = self._kernel(x.shape, g.shape), (_lies_innermost(x), _lies_innermost(g))
        if None in lie or not (isinstance(kernel, Direct) and kernel.few):
            return None
        run = kernel.weight_grad_all((len(x), 1, self.groups), bool(lie[0]), bool(lie[1]))
        return Straight(run, self.key, shape, _weights)

    def one_by_one(self, workspace: Workspace, kernel: Columns, x: Any, g: Any, made: Any) -> None:
        new = scratch(workspace, self.dtype)
        for m in range(len(x)):
            laid, cotangent = [self.grouped(innermost(a[m], new, name)) for a, name in ((x, "x"), (g, "g"))]
            kernel.weight_grad(laid, cotangent, made[m], False, new)


def _weights(made: Any) -> Any:
    """Gradients (members, groups, O / groups, ...) as (members, O, ...)."""
    members, groups, height, *rest = made.shape
    return made.reshape(members, groups * height, *rest)


def _given(made: Any, lead: Lead, tail: tuple[int, ...], out: Any) -> Any:
    """Results of kernels (members, variants, groups, C / groups, ..., n) as the primitive's, with the axes `tail`."""
    members, variants, groups, channels, *rest = made.shape
    if len(lead.shape) == len(lead.both) == 1:
        return copied(_images(made), out)
    images = made.reshape(members, variants, groups * channels, *rest)
    images = images.transpose(0, 1, images.ndim - 1, *range(2, images.ndim - 1))
    return copied(lead.scatter(images, tail), out)


def copied(made: Any, out: Any) -> Any:
    if out is None:
        return made
    copy(out, made)
    return out


KERNELS = {conv: Forward, conv_block: Forward, conv_input_grad: InputGrad, conv_weight_grad: WeightGrad}
