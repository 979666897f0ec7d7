"""Names that a call does not know: a typo, or another library's word. What is meant by one, and the error.

What a parameter is called elsewhere stands here, and nowhere else.
"""

import functools
import inspect
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any, ParamSpec, TypeVar

from .errors import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")

OURS = {
    "fn": "fun",
    "func": "fun",
    "in_dims": "in_axes",
    "out_dims": "out_axes",
    "grad_position": "argnums",
    "wrt": "argnums",
    "learning_rate": "lr",
    "b1": "betas",
    "b2": "betas",
    "beta1": "betas",
    "beta2": "betas",
    "epsilon": "eps",
    "features": "out_features",
    "units": "out_features",
    "filters": "out_channels",
    "feature_group_count": "groups",
    "use_bias": "bias",
    "has_bias": "bias",
    "kernel_init": "weight_init",
    "generator": "rng",
    "key": "rng",
    "rngs": "rng",
    "seed": "rng",
    "axis": "dim",
}
"""By the words of PyTorch, JAX, Flax, Optax, Keras and MindSpore: ours for the same."""

INSTEAD = {
    "affine": "It always scales and shifts",
    "device": "Arrays are made on the host; move a model with tree_map",
    "inplace": "Leave it out; a layer returns a new array",
    "params": "Pass them to init and step: state = opt.init(params)",
    "requires_grad": "A field that is not trained is declared with nn.buffer()",
}
"""By words for what we have otherwise: what to do."""


METHODS = {
    "buffers": "Use nn.named_buffers(net)",
    "cuda": "Move it with tree_map",
    "eval": "A call is for use; training has a call of its own, train_call",
    "forward": "Call the module itself",
    "load_state_dict": "Use nn.load_state_dict(net, state)",
    "named_buffers": "Use nn.named_buffers(net)",
    "named_parameters": "Use nn.named_parameters(net)",
    "parameters": "Use nn.named_parameters(net)",
    "register_buffer": "Declare the field with nn.buffer()",
    "register_parameter": "Declare the field, and assign it in __init__",
    "requires_grad_": "Differentiate by the part that is trained",
    "to": "Move it with tree_map",
    "train": "A call is for use; training has a call of its own, train_call",
    "update": "Use params, state = opt.step(params, grads, state)",
    "zero_grad": "Leave it out; grad returns gradients, and keeps none",
}
"""By methods that models and optimisers have elsewhere: what to do."""


def meant(name: str, known: Collection[str]) -> str:
    """The remedy for a name that is none of those known; empty if nothing is like it."""
    if name in INSTEAD:
        return INSTEAD[name]
    found = [OURS[name]] if OURS.get(name) in known else get_close_matches(name, known, 1)
    return f"Write {found[0]}" if found else ""


def checks_keywords(fun: Callable[P, R]) -> Callable[P, R]:
    """Makes `fun` say of a keyword that it does not have which one is meant; of an `__init__`, as its class."""
    parameters = inspect.signature(fun).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return fun
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = known[fun.__name__ == "__init__" :]

    @functools.wraps(fun)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                call = type(args[0]).__name__ if fun.__name__ == "__init__" else fun.__name__
                raise unknown_name(call, "parameter", name, known)
        return fun(*args, **kwargs)

    return checked


def unknown_name(call: str, what: str, name: Any, known: Collection[str]) -> ArgumentError:
    """The error for a name that is none of those known."""
    there = f"it has {', '.join(known)}" if known else "it has none"
    return ArgumentError(call, f"there is no {what} {name!r}", there, meant(str(name), known))
