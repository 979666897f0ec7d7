"""The functions behind the layers, with PyTorch's names and argument order."""

import math
from typing import Any

import numpy as np

from ..errors import ShapeError, describe
from ..rules.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    logsumexp,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
)
from ..rules.conv import conv1d, conv2d, conv3d
from ..rules.losses import binary_cross_entropy_with_logits, cross_entropy, huber_loss, l1_loss, mse_loss, nll_loss
from ..rules.matmul import inner
from ..rules.pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "elu",
    "flatten",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
]


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Returns `x @ weight.T + bias`.

    Args:
        x: (..., n).
        weight: (m, n).
        bias: (m,) or None.

    Returns:
        (..., m).

    Example:
        >>> linear(np.ones((2, 3)), np.ones((4, 3))).shape
        (2, 4)
    """
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        fact = f"x is {describe(x)} and weight {describe(weight)}"
        raise ShapeError("linear", fact, "they must be (..., n) and (m, n)")
    out = inner(x, weight)  # not x @ weight.T: the gradient of weight then comes in its own memory order
    return out if bias is None else out + bias


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Joins axes `start_dim` to `end_dim` of `x` into one.

    Example:
        >>> flatten(np.ones((2, 3, 4)), 1).shape
        (2, 12)
    """
    if x.ndim == 0:
        return np.reshape(x, (1,))
    for axis in (start_dim, end_dim):
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError("flatten", f"x is {describe(x)}, which has no axis {axis}")
    start, end = start_dim % x.ndim, end_dim % x.ndim + 1
    return np.reshape(x, x.shape[:start] + (math.prod(x.shape[start:end]),) + x.shape[end:])


def one_hot(x: Any, num_classes: int, dtype: Any = np.float32) -> Any:
    """Returns an axis more, 1 at the integer's place and 0 elsewhere; all 0 for an integer that is no class.

    Example:
        >>> one_hot(np.array([1, 0]), 2)
        array([[0., 1.],
               [1., 0.]], dtype=float32)
    """
    return np.equal(np.expand_dims(x, -1), np.arange(num_classes)).astype(dtype)


def layer_norm(x: Any, axes: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Standardises the last `axes` axes of `x`, then scales and shifts.

    Example:
        >>> layer_norm(np.array([[1.0, 3.0]]), 1).round(3)
        array([[-1.,  1.]])
    """
    for name, scale in (("weight", weight), ("bias", bias)):
        if scale is not None and (x.ndim < axes or scale.shape != x.shape[x.ndim - axes :]):
            fact = f"{name} is {describe(scale)} and x {describe(x)}"
            raise ShapeError("layer_norm", fact, f"it must have x's last {axes} axes")
    last = tuple(range(-axes, 0))
    centred = x - np.mean(x, axis=last, keepdims=True)
    out = centred / np.sqrt(np.mean(centred * centred, axis=last, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def check_channels(call: str, x: Any, **per_channel: Any) -> None:
    """Raises unless each array has a value for each channel, axis 1 of `x`."""
    for name, value in per_channel.items():
        if value is not None and (x.ndim < 2 or value.shape != (x.shape[1],)):
            fact = f"{name} is {describe(value)} and x {describe(x)}"
            raise ShapeError(call, fact, "x has channels on axis 1, and it one value each")


def batch_norm(x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Standardises each channel (axis 1) of `x` with the given statistics, then scales and shifts.

    Example:
        >>> batch_norm(np.ones((2, 1, 2)), np.ones(1), np.ones(1)).shape
        (2, 1, 2)
    """
    check_channels("batch_norm", x, mean=mean, var=var, weight=weight, bias=bias)
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale = 1 / np.sqrt(var + eps)
    scale = scale if weight is None else scale * weight
    out = (x - np.reshape(mean, shape)) * np.reshape(scale, shape)
    return out if bias is None else out + np.reshape(bias, shape)
