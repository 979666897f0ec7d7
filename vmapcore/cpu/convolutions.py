"""Convolutions on a tile: members and images as the primitives have them, as calls of the kernels: of one for
all members where there is one, else for each.

Results have the images innermost in memory, which is how the next convolution wants them: nothing is moved in between.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ..evals import patches
from ..evals.patches import Lead, split_lead
from ..evals.windows import Windows, windows
from ..graph import Step
from ..planning.plan_primitives import conv_block
from ..rules.conv import bias_of, conv, conv_input_grad, conv_weight_grad, grouped
from . import compiled
from .kernels.direct import Direct
from .kernels.reorder import copied
from .kernels.winograd import Winograd
from .kernels.winograd_numpy import WinogradNumPy
from .workspace import Workspace, contiguous, scratch

OfMember = Winograd | WinogradNumPy
Kernel = Direct | OfMember


def convolution(win: Windows, channels: int, height: int, images: int, dtype: Any) -> Kernel | None:
    """The kernel for tiles of so many images of `channels` channels, per group, into `height` channels, if there is a
    faster one than what `eval` does."""
    return _convolution(win, channels, height, images, np.dtype(dtype), compiled.AVAILABLE)


@lru_cache(maxsize=256)
def _convolution(win: Windows, channels: int, height: int, images: int, dtype: Any, native: bool) -> Kernel | None:
    ways: tuple[Any, ...] = (Winograd, Direct) if native else (WinogradNumPy,)
    fitting = [kind for kind in ways if kind.fits(win, channels, height, images, dtype)]
    return fitting[0](win, channels, height, images, dtype) if fitting else None


def innermost(x: Any, new: Any, name: str) -> Any:
    """Images (n, C, ...) as (C, ..., n), contiguous: itself, seen so, if it lies so, else a copy."""
    return contiguous(x.transpose(*range(1, x.ndim), 0), new, name)


def lying(x: Any, new: Any, name: str) -> tuple[Any, bool]:
    """Images (members, n, C, ...) as they lie, if they are contiguous, or a copy; whether images are innermost then."""
    if _lies_innermost(x) is False:
        return x, False
    return contiguous(x.transpose(0, *range(2, x.ndim), 1), new, name), True


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
        self.step, self.key = step, key
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

    def evaluated(self, arrays: Any) -> Any:
        """What the primitive itself makes of them."""
        return self.step.primitive.eval(np, *arrays, **self.step.params)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
        return windows("conv", size, kernel, *self.window)

    def split(self, a: Any, b: Any) -> tuple[Any, Any, Lead]:
        """Both with axes (members, own, ...), in the dtype of the result."""
        a, b = a.astype(self.dtype, copy=False), b.astype(self.dtype, copy=False)
        if a.ndim == b.ndim == self.core + 1 and len(a) == len(b) and a.strides[0] and b.strides[0]:
            return a[:, None], b[:, None], Lead((len(a),), (0,), (), ())
        return split_lead(a, b, self.core)


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


class OfImages(Convolution):
    """What makes images of images and weights: `conv` and its transpose."""

    def __call__(self, workspace: Workspace, out: Any, x: Any, w: Any, b: Any = None) -> Any:
        way = self.straight(x, w)
        if way is not None and (b is None or (b.ndim == w.ndim and b.shape[:2] == w.shape[:2])):
            bias = None if b is None else b.ravel()
            return copied(way(workspace, self.dtype, x.ravel("K"), w.reshape(-1), bias), out)
        new = scratch(workspace, self.dtype)
        given = x, w, b
        x, w, split = self.split(x, w)
        images = x.shape[2]
        x = x.reshape(len(x), x.shape[1] * images, *x.shape[3:])
        kernel, shape = self.kernel(x.shape, w.shape[1:])
        bias = None if b is None else bias_of(np, b, split, self.core, self.groups)
        own_axes = b is not None and bias is None  # leading ones, which neither x nor w has
        if own_axes or (kernel is None and self.pooled):
            return copied(self.evaluated(given if b is not None else given[:2]), out)
        bias = None if bias is None else np.ascontiguousarray(bias)
        made = new(self.key, (len(x), w.shape[1], self.groups, *shape, x.shape[1]))
        if kernel is None:
            into = made.transpose(0, 1, made.ndim - 1, *range(2, made.ndim - 1))
            if made.size:
                self.by_patches(grouped(x, 2, self.groups), grouped(w, 2, self.groups), bias, into)
        elif isinstance(kernel, Direct):
            laid, is_innermost = lying(x, new, "x")
            flat = None if bias is None else bias.reshape(-1)
            run = self.all_members(kernel, (*w.shape[:2], self.groups), is_innermost)
            run(laid.reshape(-1), np.ascontiguousarray(w).reshape(-1), flat, made.reshape(-1))
        else:
            for m, v in np.ndindex(*w.shape[:2]):
                if v == 0:
                    laid = grouped(innermost(x[m], new, "x"), 0, self.groups)
                self.one(
                    kernel,
                    laid,
                    grouped(w[m, v], 0, self.groups),
                    None if bias is None else bias[m, v],
                    made[m, v],
                    new,
                )
        return _given(made, split, (images, self.groups * shape[0], *shape[1:]), out)

    def way(self, x: Any, w: Any) -> Straight | None:
        (kernel, shape), is_innermost = self.kernel(x.shape, w.shape), _lies_innermost(x)
        if is_innermost is None or not w.flags.c_contiguous or not isinstance(kernel, Direct):
            return None
        run = self.all_members(kernel, (len(w), 1, self.groups), is_innermost)
        return Straight(run, self.key, (len(x), 1, self.groups, *shape, x.shape[1]), _images)

    def kernel(self, x: Shape, w: Shape) -> tuple[Kernel | None, Shape]:
        """For images (members, n, C, ...) and weights (members, O, C / groups, ...); and the shape of an image made of
        one group."""
        raise NotImplementedError

    def all_members(self, kernel: Direct, lead: tuple[int, int, int], is_innermost: bool) -> Any:
        """The kernel's call."""
        raise NotImplementedError

    def one(self, kernel: OfMember, x: Any, w: Any, bias: Any, made: Any, new: Any) -> None:
        """Calls a kernel for one member."""
        raise NotImplementedError

    pooled = False
    """Whether only the maxima of windows are wanted: what no kernel takes is left to `eval` then."""

    def by_patches(self, x: Any, w: Any, bias: Any, made: Any) -> None:
        """Does what no kernel takes as `eval` does, and puts the results where the next convolution wants them."""
        raise NotImplementedError


class Forward(OfImages):
    """`conv`, and `conv_block`, which pools and rectifies."""

    def __init__(self, step: Step, key: Any) -> None:
        super().__init__(step, key)
        self.pooled, self.relu = [step.params.get(name, False) for name in ("pooled", "rectified")]

    def kernel(self, x: Shape, w: Shape) -> tuple[Kernel | None, Shape]:
        win, height = self.windows(x[3:], w[3:]), w[1] // self.groups
        size = [p // 2 for p in win.out] if self.pooled else win.out
        return convolution(win, w[2], height, x[1], self.dtype), (height, *size)

    def all_members(self, kernel: Direct, lead: tuple[int, int, int], is_innermost: bool) -> Any:
        return kernel.forward_all(lead, is_innermost, self.relu, self.pooled)

    def one(self, kernel: OfMember, x: Any, w: Any, bias: Any, made: Any, new: Any) -> None:
        run = kernel.forward_pooled if self.pooled else kernel.forward
        run(x, kernel.weights(w, new), bias, self.relu, made, new)

    def by_patches(self, x: Any, w: Any, bias: Any, made: Any) -> None:
        patches.forward(np, x, w, bias, made, self.windows(x.shape[4:], w.shape[5:]))
        if self.relu:
            np.maximum(made, 0, out=made)


class InputGrad(OfImages):
    """`conv_input_grad`: images are cotangents."""

    def kernel(self, x: Shape, w: Shape) -> tuple[Kernel | None, Shape]:
        size = self.step.params["size"]
        kernel = convolution(self.windows(size, w[3:]), w[2], w[1] // self.groups, x[1], self.dtype)
        return None if isinstance(kernel, Direct) and not kernel.flips else kernel, (w[2], *size)

    def all_members(self, kernel: Direct, lead: tuple[int, int, int], is_innermost: bool) -> Any:
        return kernel.input_grad_all(lead, is_innermost)

    def one(self, kernel: OfMember, x: Any, w: Any, bias: Any, made: Any, new: Any) -> None:
        kernel.input_grad(x, kernel.back_weights(w, new), made, new)

    def by_patches(self, x: Any, w: Any, bias: Any, made: Any) -> None:
        patches.input_grad(np, x, w, made, self.windows(self.step.params["size"], w.shape[5:]))


class WeightGrad(Convolution):
    """`conv_weight_grad`."""

    def __call__(self, workspace: Workspace, out: Any, x: Any, g: Any) -> Any:
        way = self.straight(x, g)
        if way is not None:
            return copied(way(workspace, self.dtype, x.ravel("K"), g.ravel("K")), out)
        new = scratch(workspace, self.dtype)
        given = x, g
        x, g, split = self.split(x, g)
        alone = x.shape[1] > 1 or g.shape[1] > 1  # leading axes that only one of them has
        x, g = x[:, 0], g[:, 0]
        kernel, shape = self._kernel(x.shape, g.shape)
        if alone or kernel is None:
            return copied(self.evaluated(given), out)
        made = new(self.key, shape)
        if isinstance(kernel, Direct):
            (x, x_innermost), (g, g_innermost) = lying(x, new, "x"), lying(g, new, "g")
            run = kernel.weight_grad_all((len(x), 1, self.groups), x_innermost, g_innermost)
            run(x.reshape(-1), g.reshape(-1), made.reshape(-1))
        else:
            for m in range(len(x)):
                laid, cotangent = [
                    grouped(innermost(a[m], new, name), 0, self.groups) for a, name in ((x, "x"), (g, "g"))
                ]
                kernel.weight_grad(laid, cotangent, made[m], new)
        weights = _weights(made)
        return copied(split.scatter(weights[:, None, None], weights.shape[1:]), out)

    def _kernel(self, x: Shape, g: Shape) -> tuple[Kernel | None, Shape]:
        """For images (members, n, C, ...) and cotangents (members, n, O, ...), and the shape of its results."""
        win = self.windows(x[3:], self.step.params["kernel"])
        channels, height = x[2] // self.groups, g[2] // self.groups
        kernel, shape = convolution(win, channels, height, x[1], self.dtype), (x[0], self.groups, height, channels)
        return None if isinstance(kernel, Direct) and not kernel.few else kernel, (*shape, *win.kernel)

    def way(self, x: Any, g: Any) -> Straight | None:
        (kernel, shape), lie = self._kernel(x.shape, g.shape), (_lies_innermost(x), _lies_innermost(g))
        if None in lie or not isinstance(kernel, Direct):
            return None
        run = kernel.weight_grad_all((len(x), 1, self.groups), bool(lie[0]), bool(lie[1]))
        return Straight(run, self.key, shape, _weights)


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


KERNELS = {conv: Forward, conv_block: Forward, conv_input_grad: InputGrad, conv_weight_grad: WeightGrad}
