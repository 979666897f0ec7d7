"""Layers, named and ordered as PyTorch's, in its layouts: weights (out, in, *kernel), images (N, C, H, W)."""

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, describe
from ..pytree import one_level
from . import functional as F
from .init import Initialiser, generator, resolve, torch_default
from .module import Module, replace, static

Ints = int | tuple[int, ...]


class Linear(Module):
    """`x @ weight.T + bias` over the last axis.

    Args:
        in_features, out_features: sizes of the last axis of argument and result.
        bias: whether there is one.
        rng: a Generator, a seed, or None.
        dtype: of the arrays.
        weight_init, bias_init: initialisers; by default uniform in ±1/sqrt(in_features).

    Example:
        >>> Linear(3, 4, rng=0)(np.ones((2, 3), np.float32)).shape
        (2, 4)
    """

    weight: Any
    bias: Any

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = np.float32,
        weight_init: Initialiser | None = None,
        bias_init: Initialiser | None = None,
    ) -> None:
        rng = generator(rng)
        default = torch_default(in_features)
        self.weight = resolve(weight_init, default)(rng, (out_features, in_features), dtype)
        self.bias = resolve(bias_init, default)(rng, (out_features,), dtype) if bias else None

    def __call__(self, x: Any) -> Any:
        return F.linear(x, self.weight, self.bias)


class _Conv(Module):
    """What convolutions of one, two and three spatial axes share."""

    weight: Any
    bias: Any
    stride: Ints = static(default=1)
    padding: Any = static(default=0)
    dilation: Ints = static(default=1)
    groups: int = static(default=1)

    _axes: ClassVar[int]
    _conv: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Any = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = np.float32,
        weight_init: Initialiser | None = None,
        bias_init: Initialiser | None = None,
    ) -> None:
        rng = generator(rng)
        if groups < 1 or in_channels % groups or out_channels % groups:
            fact = f"groups={groups} does not divide {in_channels} and {out_channels} channels"
            raise ShapeError(type(self).__name__, fact)
        kernel = (kernel_size,) * self._axes if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(kernel) != self._axes:
            fact = f"kernel_size is {kernel_size}"
            raise ShapeError(type(self).__name__, fact, f"it must be an int or {self._axes} of them")
        default = torch_default(in_channels // groups * math.prod(kernel))
        self.weight = resolve(weight_init, default)(rng, (out_channels, in_channels // groups, *kernel), dtype)
        self.bias = resolve(bias_init, default)(rng, (out_channels,), dtype) if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def __call__(self, x: Any) -> Any:
        return self._conv(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(_Conv, init=False):
    """Convolution over the last axis of (N, C, L); arguments as `Conv2d`.

    Example:
        >>> Conv1d(1, 4, 3, rng=0)(np.ones((2, 1, 8), np.float32)).shape
        (2, 4, 6)
    """

    _axes = 1
    _conv = staticmethod(F.conv1d)


class Conv2d(_Conv, init=False):
    """Convolution over the last two axes of (N, C, H, W).

    Args:
        in_channels, out_channels: sizes of axis 1 of argument and result.
        kernel_size, stride, padding, dilation: an int, or one per spatial axis; padding also "same" or "valid".
        groups: into how many independent convolutions the channels are split.
        bias, rng, dtype, weight_init, bias_init: as `Linear`.

    Example:
        >>> Conv2d(1, 32, 3, rng=0)(np.ones((2, 1, 28, 28), np.float32)).shape
        (2, 32, 26, 26)
    """

    _axes = 2
    _conv = staticmethod(F.conv2d)


class Conv3d(_Conv, init=False):
    """Convolution over the last three axes of (N, C, D, H, W); arguments as `Conv2d`.

    Example:
        >>> Conv3d(1, 4, 3, rng=0)(np.ones((2, 1, 5, 5, 5), np.float32)).shape
        (2, 4, 3, 3, 3)
    """

    _axes = 3
    _conv = staticmethod(F.conv3d)


class _Pooling(Module):
    """What pools share."""

    kernel_size: Ints = static()
    stride: Ints | None = static(default=None)
    padding: Ints = static(default=0)

    _pool: ClassVar[Callable[..., Any]]

    def __call__(self, x: Any) -> Any:
        return self._pool(x, self.kernel_size, self.stride, self.padding)


class MaxPool2d(_Pooling):
    """The largest value of each window of the last two axes.

    Example:
        >>> MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
        (1, 3, 4, 4)
    """

    _pool = staticmethod(F.max_pool2d)


class AvgPool2d(_Pooling):
    """The mean of each window of the last two axes.

    Example:
        >>> AvgPool2d(2)(np.ones((1, 3, 8, 8))).shape
        (1, 3, 4, 4)
    """

    _pool = staticmethod(F.avg_pool2d)


class Flatten(Module):
    """Joins the axes from `start_dim` on into one.

    Example:
        >>> Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
    """

    start_dim: int = static(default=1)

    def __call__(self, x: Any) -> Any:
        return F.flatten(x, self.start_dim)


class Activation(Module):
    """A function without parameters as a layer.

    Example:
        >>> Activation(np.tanh)(np.zeros(2))
        array([0., 0.])
    """

    fun: Callable[[Any], Any] = static()

    def __call__(self, x: Any) -> Any:
        return self.fun(x)


class ReLU(Module):
    """`np.maximum(x, 0)`.

    Example:
        >>> ReLU()(np.array([-1.0, 2.0]))
        array([0., 2.])
    """

    def __call__(self, x: Any) -> Any:
        return F.relu(x)


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`.

    Example:
        >>> Sigmoid()(np.zeros(1))
        array([0.5])
    """

    def __call__(self, x: Any) -> Any:
        return F.sigmoid(x)


class Tanh(Module):
    """`np.tanh(x)`.

    Example:
        >>> Tanh()(np.zeros(1))
        array([0.])
    """

    def __call__(self, x: Any) -> Any:
        return np.tanh(x)


class GELU(Module):
    """`x * P(Z <= x)` for a standard normal Z (Hendrycks and Gimpel, 2016).

    Example:
        >>> GELU()(np.zeros(1))
        array([0.])
    """

    def __call__(self, x: Any) -> Any:
        return F.gelu(x)


class Softmax(Module):
    """`softmax` along `dim`.

    Example:
        >>> Softmax(-1)(np.zeros((1, 2)))
        array([[0.5, 0.5]])
    """

    dim: int = static(default=-1)

    def __call__(self, x: Any) -> Any:
        return F.softmax(x, self.dim)


class LogSoftmax(Module):
    """`log_softmax` along `dim`.

    Example:
        >>> LogSoftmax(-1)(np.zeros((1, 1)))
        array([[0.]])
    """

    dim: int = static(default=-1)

    def __call__(self, x: Any) -> Any:
        return F.log_softmax(x, self.dim)


class Identity(Module):
    """Returns its argument.

    Example:
        >>> Identity()(3)
        3
    """

    def __call__(self, x: Any) -> Any:
        return x


class Sequential(Module):
    """Layers or functions one after the other; their arrays have PyTorch's names, of their places.

    Example:
        >>> net = Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
        >>> net(np.ones((5, 3), np.float32)).shape, list(net.state_dict())[0]
        ((5, 2), '0.weight')
    """

    layers: tuple[Any, ...] = field(metadata={"unnamed": True})

    def __init__(self, *layers: Any) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                fact = f"argument {i} is {describe(layer)}"
                raise ArgumentError("Sequential", fact, "each must be a layer", "Write Sequential(*layers)")
        self.layers = tuple([Activation(x) if one_level(x) is None else x for x in layers])

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def train_call(self, x: Any) -> tuple[Any, "Sequential"]:
        """Returns the result, and the layers with the state of those moved that have a `train_call`."""
        layers = []
        for layer in self.layers:
            x, layer = layer.train_call(x) if hasattr(layer, "train_call") else (layer(x), layer)
            layers.append(layer)
        return x, replace(self, {"layers": tuple(layers)})

    def __getitem__(self, i: int | slice) -> Any:
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)


class Embedding(Module):
    """A row of a table for each integer.

    Example:
        >>> Embedding(10, 4, rng=0)(np.array([1, 2])).shape
        (2, 4)
    """

    weight: Any

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: Any = None, dtype: Any = np.float32) -> None:
        self.weight = generator(rng).standard_normal((num_embeddings, embedding_dim)).astype(dtype)

    def __call__(self, x: Any) -> Any:
        if self.weight.ndim != 2:
            raise ShapeError("Embedding", f"weight is {describe(self.weight)}", "it must be a row for each integer")
        x = x if hasattr(x, "dtype") else np.asarray(x)
        if x.dtype.kind not in "iu":
            raise DTypeError("Embedding", f"x is {describe(x)}", "it must be of ints")
        return np.take(self.weight, x, axis=0)
