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
    moved = x.transpose(0, *range(2, x.ndim), 1)
    if x.flags.c_contiguous and not moved.flags.c_contiguous:
        return x, False
    return contiguous(moved, new, name), True


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

    def evaluated(self, arrays: Any) -> Any:
        """What the primitive itself makes of them."""
        return self.step.primitive.eval(np, *arrays, **self.step.params)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
        return windows("conv", size, kernel, *self.window)

    def split(self, a: Any, b: Any) -> tuple[Any, Any, Lead]:
        """Both with axes (members, own, ...), in the dtype of the result."""
        return split_lead(a.astype(self.dtype, copy=False), b.astype(self.dtype, copy=False), self.core)


class OfImages(Convolution):
    """What makes images of images and weights: `conv` and its transpose."""

    def __call__(self, workspace: Workspace, out: Any, x: Any, w: Any, b: Any = None) -> Any:
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
        made = made.reshape(*made.shape[:2], self.groups * shape[0], *made.shape[4:])
        made = made.transpose(0, 1, made.ndim - 1, *range(2, made.ndim - 1))
        return copied(split.scatter(made, (images, *made.shape[3:])), out)

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
        height = self.groups * shape[2]
        return copied(split.scatter(made.reshape(len(x), 1, 1, height, *shape[3:]), (height, *shape[3:])), out)

    def _kernel(self, x: Shape, g: Shape) -> tuple[Kernel | None, Shape]:
        """For images (members, n, C, ...) and cotangents (members, n, O, ...), and the shape of its results."""
        win = self.windows(x[3:], self.step.params["kernel"])
        channels, height = x[2] // self.groups, g[2] // self.groups
        kernel, shape = convolution(win, channels, height, x[1], self.dtype), (x[0], self.groups, height, channels)
        return None if isinstance(kernel, Direct) and not kernel.few else kernel, (*shape, *win.kernel)


KERNELS = {conv: Forward, conv_block: Forward, conv_input_grad: InputGrad, conv_weight_grad: WeightGrad}
