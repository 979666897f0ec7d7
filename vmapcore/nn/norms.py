"""Layers that standardise: over the axes of one example, or over a batch, whose statistics they keep."""

from typing import Any

import numpy as np

from ..errors import ShapeError, describe
from . import functional as F
from .module import Module, buffer, replace, static


class LayerNorm(Module):
    """Standardises the last axes of shape `normalized_shape` (Ba et al., 2016).

    Example:
        >>> LayerNorm(4)(np.ones((2, 4), np.float32)).shape
        (2, 4)
    """

    weight: Any
    bias: Any
    axes: int = static()
    eps: float = static(default=1e-5)

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5, *, dtype: Any = np.float32) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.weight, self.bias = np.ones(shape, dtype), np.zeros(shape, dtype)
        self.axes, self.eps = len(shape), eps

    def __call__(self, x: Any) -> Any:
        return F.layer_norm(x, self.axes, self.weight, self.bias, self.eps)


class BatchNorm(Module):
    """Standardises each channel, axis 1 (Ioffe and Szegedy, 2015); for any number of axes behind it.

    Its running statistics are buffers. A call uses them; `train_call` uses the batch's own and returns the layer with
    statistics moved towards them, so state goes in and comes out in plain sight.

    Example:
        >>> norm = BatchNorm(3)
        >>> y, norm = norm.train_call(np.ones((8, 3, 4, 4), np.float32))
        >>> y.shape, norm.running_mean
        ((8, 3, 4, 4), array([0.1, 0.1, 0.1], dtype=float32))
    """

    weight: Any
    bias: Any
    running_mean: Any = buffer()
    running_var: Any = buffer()
    eps: float = static(default=1e-5)
    momentum: float = static(default=0.1)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, dtype: Any = np.float32) -> None:
        self.weight, self.bias = np.ones(num_features, dtype), np.zeros(num_features, dtype)
        self.running_mean, self.running_var = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        self.eps, self.momentum = eps, momentum

    def __call__(self, x: Any) -> Any:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)

    def train_call(self, x: Any) -> tuple[Any, "BatchNorm"]:
        """Returns the result and the layer with its statistics updated by this batch."""
        F.check_channels("BatchNorm.train_call", x, running_mean=self.running_mean)
        axes = (0, *range(2, x.ndim))
        count = x.size // x.shape[1]
        if count < 2:
            raise ShapeError("BatchNorm.train_call", f"x is {describe(x)}", "statistics need two values per channel")
        mean, var = np.mean(x, axis=axes), np.var(x, axis=axes)
        y = F.batch_norm(x, mean, var, self.weight, self.bias, self.eps)
        keep, unbiased = 1 - self.momentum, var * (count / (count - 1))
        moved = {
            "running_mean": keep * self.running_mean + self.momentum * mean,
            "running_var": keep * self.running_var + self.momentum * unbiased,
        }
        return y, replace(self, moved)
