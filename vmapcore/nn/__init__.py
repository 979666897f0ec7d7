"""Models as values: layers, the seed tutorials' models, ensembles, optimisers."""

from typing import TYPE_CHECKING

from ..words import missing_name
from . import functional, init
from .ensemble import Ensemble, combine_state_for_ensemble, stack, stack_module_state, unstack
from .layers import (
    GELU,
    Activation,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Conv3d,
    Embedding,
    Flatten,
    Identity,
    Linear,
    LogSoftmax,
    MaxPool2d,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from .models import LeNet5, SimpleCNN, SimpleMLP
from .module import (
    Module,
    buffer,
    functional_call,
    load_state_dict,
    named_buffers,
    named_parameters,
    replace,
    skeleton,
    static,
)
from .norms import BatchNorm, LayerNorm
from .optim import SGD, Adam, AdamState, AdamW, SGDState, axes_of

__all__ = [
    "GELU",
    "SGD",
    "Activation",
    "Adam",
    "AdamState",
    "AdamW",
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Embedding",
    "Ensemble",
    "Flatten",
    "Identity",
    "LayerNorm",
    "LeNet5",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "ReLU",
    "SGDState",
    "Sequential",
    "Sigmoid",
    "SimpleCNN",
    "SimpleMLP",
    "Softmax",
    "Tanh",
    "axes_of",
    "buffer",
    "combine_state_for_ensemble",
    "functional",
    "functional_call",
    "init",
    "load_state_dict",
    "named_buffers",
    "named_parameters",
    "replace",
    "skeleton",
    "stack",
    "stack_module_state",
    "static",
    "unstack",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name, __all__)
