"""The three models as data: layers in order, parameters by torch's names and layout, and random ones to start from."""

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Model:
    """What every contender needs to know of a model; each writes the layers in its own way."""

    layers: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    image: tuple[int, int, int]

    def parameters(self, rng: np.random.Generator, members: int | None = None) -> dict[str, np.ndarray]:
        """Uniform in ±1/sqrt(fan in), float32; stacked along axis 0 where `members` is given."""
        stacked = () if members is None else (members,)
        return {name: self._uniform(rng, name, stacked + shape) for name, shape in self.shapes.items()}

    def _uniform(self, rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
        bound = prod(self.shapes[name.replace("bias", "weight")][1:]) ** -0.5
        return rng.uniform(-bound, bound, shape).astype(np.float32)


def _shapes(biases: bool = True, **weights: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Weights with their biases after them; convolutions may go without."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, shape in weights.items():
        shapes[f"{layer}.weight"] = shape
        if biases or len(shape) == 2:
            shapes[f"{layer}.bias"] = shape[:1]
    return shapes


MODELS = {
    "mlp": Model(
        ("flatten", "fc1", "relu", "fc2", "relu", "fc3"),
        _shapes(fc1=(128, 784), fc2=(128, 128), fc3=(10, 128)),
        (1, 28, 28),
    ),
    "cnn": Model(
        ("conv1", "relu", "conv2", "relu", "pool", "flatten", "fc1", "relu", "fc2"),
        _shapes(conv1=(32, 1, 3, 3), conv2=(64, 32, 3, 3), fc1=(128, 9216), fc2=(10, 128)),
        (1, 28, 28),
    ),
    "lenet": Model(
        ("conv1", "relu", "pool", "conv2", "relu", "pool", "flatten", "fc1", "relu", "fc2", "relu", "fc3"),
        _shapes(False, conv1=(6, 1, 5, 5), conv2=(16, 6, 5, 5), fc1=(120, 400), fc2=(84, 120), fc3=(10, 84)),
        (1, 32, 32),
    ),
}
