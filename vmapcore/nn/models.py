"""The models of the seed tutorials: two for 28x28 images, and LeNet-5 for 32x32."""

from typing import Any

import numpy as np

from . import functional as F
from .init import Initialiser, generator, normal, zeros
from .layers import Conv2d, Linear
from .module import Module


class SimpleMLP(Module):
    """784-128-128-10 with relu, for 28x28 images.

    Example:
        >>> SimpleMLP(rng=0)(np.ones((64, 1, 28, 28), np.float32)).shape
        (64, 10)
    """

    fc1: Linear
    fc2: Linear
    fc3: Linear

    def __init__(self, *, rng: Any = None, dtype: Any = np.float32) -> None:
        rng = generator(rng)
        self.fc1 = Linear(784, 128, rng=rng, dtype=dtype)
        self.fc2 = Linear(128, 128, rng=rng, dtype=dtype)
        self.fc3 = Linear(128, 10, rng=rng, dtype=dtype)

    def __call__(self, x: Any) -> Any:
        x = F.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class SimpleCNN(Module):
    """Two 3x3 convolutions, a pool and two linear layers, for 28x28 images; returns log-probabilities.

    Example:
        >>> SimpleCNN(rng=0)(np.ones((2, 1, 28, 28), np.float32)).shape
        (2, 10)
    """

    conv1: Conv2d
    conv2: Conv2d
    fc1: Linear
    fc2: Linear

    def __init__(self, *, rng: Any = None, dtype: Any = np.float32) -> None:
        rng = generator(rng)
        self.conv1 = Conv2d(1, 32, 3, 1, rng=rng, dtype=dtype)
        self.conv2 = Conv2d(32, 64, 3, 1, rng=rng, dtype=dtype)
        self.fc1 = Linear(9216, 128, rng=rng, dtype=dtype)
        self.fc2 = Linear(128, 10, rng=rng, dtype=dtype)

    def __call__(self, x: Any) -> Any:
        return F.log_softmax(self.logits(x), 1)

    def logits(self, x: Any) -> Any:
        """What the log-probabilities are made of; the ensembling tutorial's model returns these."""
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = F.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


class LeNet5(Module):
    """LeNet-5 (LeCun et al., 1998) with relu and max pooling, for 32x32 images.

    Args:
        num_class: how many outputs.
        num_channel: how many channels an image has.
        rng: a Generator, a seed, or None.
        dtype: of the arrays.
        weight_init: an initialiser for all weights; by default normal with standard deviation 0.01. Biases start at
            zero, and the convolutions have none.

    Example:
        >>> LeNet5(rng=0)(np.ones((3, 1, 32, 32), np.float32)).shape
        (3, 10)
    """

    conv1: Conv2d
    conv2: Conv2d
    fc1: Linear
    fc2: Linear
    fc3: Linear

    def __init__(
        self,
        num_class: int = 10,
        num_channel: int = 1,
        *,
        rng: Any = None,
        dtype: Any = np.float32,
        weight_init: Initialiser | None = None,
    ) -> None:
        rng = generator(rng)
        weights = normal(0.01) if weight_init is None else weight_init
        options: dict[str, Any] = {"rng": rng, "dtype": dtype, "weight_init": weights}
        self.conv1 = Conv2d(num_channel, 6, 5, bias=False, **options)
        self.conv2 = Conv2d(6, 16, 5, bias=False, **options)
        self.fc1 = Linear(16 * 5 * 5, 120, bias_init=zeros, **options)
        self.fc2 = Linear(120, 84, bias_init=zeros, **options)
        self.fc3 = Linear(84, num_class, bias_init=zeros, **options)

    def __call__(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2, 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2, 2)
        x = F.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
