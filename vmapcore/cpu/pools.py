"""Maximum pooling of a tile whose images lie innermost in memory, as convolutions leave them."""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..evals.windows import Windows, windows
from ..graph import Step
from ..planning.plan_primitives import max_pool_scatter_rectified
from ..rules.pooling import max_pool, max_pool_scatter
from .kernels import pooling
from .kernels.reorder import copied
from .workspace import Workspace, contiguous, scratch


class Pooling:
    """What pooling and its transpose share."""

    def __init__(self, step: Step, key: Any) -> None:
        self.step, self.key = step, key
        self.axes = len(step.params["kernel"])

    def windows(self, x: Any) -> Windows:
        return windows("max_pool", x.shape[-self.axes :], **self.step.params)

    def order(self, x: Any) -> tuple[int, ...] | None:
        """The axes of `x` as a kernel wants them: as they lie, or the axis before the channels innermost; or None."""
        found = images_innermost(x, self.axes)
        images = x.ndim - self.axes - 2
        if found is not None or images < 0 or not pooling.compilable(x, self.axes):
            return found
        return (*[i for i in range(x.ndim) if i != images], images)


class Pool(Pooling):
    """`max_pool`."""

    def __call__(self, workspace: Workspace, out: Any, x: Any) -> Any:
        order = self.order(x)
        if order is None:
            return copied(max_pool.eval(np, x, **self.step.params), out)
        new = scratch(workspace, x.dtype)
        win = self.windows(x)
        laid = flat_lead(contiguous(x.transpose(order), new, "x"), self.axes)
        made = new(self.key, (len(laid), *win.out, laid.shape[-1]))
        pooling.max_pool(laid, made, win)
        return copied(_restored(made, [x.shape[i] for i in order[: -self.axes - 1]], order), out)


class Scatter(Pooling):
    """`max_pool_scatter`, perhaps with the mask of a rectifier."""

    def __call__(self, workspace: Workspace, out: Any, g: Any, x: Any, pooled: Any) -> Any:
        order = self.order(x)
        if order is None or not g.ndim == x.ndim == pooled.ndim or g.shape != pooled.shape or g.dtype != x.dtype:
            return copied(self.step.primitive.eval(np, g, x, pooled, **self.step.params), out)
        new = scratch(workspace, x.dtype)
        win = self.windows(x)
        laid = flat_lead(contiguous(x.transpose(order), new, "x"), self.axes)
        given = [contiguous(a.transpose(order), new, name) for a, name in ((g, "g"), (pooled, "pooled"))]
        g, pooled = [flat_lead(a, self.axes) for a in given]
        made = new(self.key, laid.shape)
        pooling.max_pool_scatter(g, laid, pooled, made, win, self.step.primitive is max_pool_scatter_rectified)
        return copied(_restored(made, [x.shape[i] for i in order[: -self.axes - 1]], order), out)


def images_innermost(x: Any, axes: int) -> tuple[int, ...] | None:
    """The axes of `x` as they lie in memory, if a leading one is innermost there and the others are in their order."""
    return _innermost(x.shape, x.strides, x.itemsize, axes)


@lru_cache(maxsize=1024)
def _innermost(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int, axes: int) -> tuple[int, ...] | None:
    lead = len(shape) - axes
    alone = lead < 2 or shape[lead - 2] == 1  # there is but one image, if there are several anywhere else
    for i in [i for i in range(lead) if shape[i] > 1 or alone]:
        order = (*[k for k in range(len(shape)) if k != i], i)
        steps = [itemsize * prod([shape[j] for j in order[n + 1 :]]) for n in range(len(order))]
        if all(shape[k] == 1 or strides[k] == step for k, step in zip(order, steps, strict=True)):
            return order
    return None


def flat_lead(x: Any, axes: int) -> Any:
    """(lead..., *size, n) with the leading axes as one."""
    return x.reshape(-1, *x.shape[x.ndim - axes - 1 :])


def _restored(made: Any, lead: list[int], order: tuple[int, ...]) -> Any:
    """A result (lead, *size, n) with its axes where those of the argument were."""
    axis = order[-1]
    last = len(order) - 1
    return made.reshape(*lead, *made.shape[1:]).transpose(*range(axis), last, *range(axis, last))


KERNELS = {max_pool: Pool, max_pool_scatter: Scatter, max_pool_scatter_rectified: Scatter}
