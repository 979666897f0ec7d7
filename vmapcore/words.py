"""Names that a call does not know: a typo, or another library's word. What is meant by one, and the error.

What a parameter is called elsewhere stands here, and nowhere else.
"""

import dis
import functools
import inspect
import sys
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any, ParamSpec, TypeVar

from .errors import ArgumentError, MissingAttributeError, MissingNameError

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
    "use_amsgrad": "amsgrad",
    "kernel_init": "weight_init",
    "generator": "rng",
    "key": "rng",
    "rngs": "rng",
    "seed": "rng",
    "axis": "dim",
}
"""By the words of PyTorch, JAX, Flax, Optax, Keras and MindSpore: ours for the same."""

ONE_WAY = "Leave it out; there is one way"
OVER_ROWS = 'Leave it out; out_axes="sum" and "mean" reduce over the batch'

INSTEAD = {
    "affine": "It always scales and shifts",
    "allow_int": "Leave it out; what has no derivative is left out of argnums",
    "axis_name": OVER_ROWS,
    "backend": ONE_WAY,
    "chunk_size": "Leave it out, or call it on parts of the arguments",
    "device": "Arrays are made on the host; move a model with tree_map",
    "fullgraph": ONE_WAY,
    "holomorphic": "Leave it out; jvp and vjp take complex functions as they are",
    "inplace": "Leave it out; a layer returns a new array",
    "nopython": ONE_WAY,
    "params": "Pass them to init and step: state = opt.init(params)",
    "requires_grad": "A field that is not trained is declared with nn.buffer()",
    "spmd_axis_name": OVER_ROWS,
    "weights": "Make them an argument of the function, and name it in argnums",
}
"""By words for what we have otherwise: what to do."""

CALLED = "Call the module itself"
FIELDS = "The modules in it are its fields"
MOVED = "Move it with tree_map"
IN_USE = "A call is for use; training has a call of its own, train_call"
TRAINED = "Use nn.named_parameters(net)"

METHODS = {
    "add_module": "Declare the field, and assign it in __init__",
    "apply": CALLED,
    "buffers": "Use nn.named_buffers(net)",
    "cells": FIELDS,
    "children": FIELDS,
    "construct": CALLED,
    "cpu": MOVED,
    "cuda": MOVED,
    "double": MOVED,
    "eval": IN_USE,
    "float": MOVED,
    "forward": CALLED,
    "get_parameters": TRAINED,
    "half": MOVED,
    "load_state_dict": "Use nn.load_state_dict(net, state)",
    "modules": FIELDS,
    "named_buffers": "Use nn.named_buffers(net)",
    "named_parameters": TRAINED,
    "parameters": TRAINED,
    "parameters_and_names": TRAINED,
    "parameters_dict": TRAINED,
    "register_buffer": "Declare the field with nn.buffer()",
    "register_parameter": "Declare the field, and assign it in __init__",
    "requires_grad_": "Differentiate by the part that is trained",
    "set_train": IN_USE,
    "to": MOVED,
    "train": IN_USE,
    "trainable_params": TRAINED,
    "update": "Use params, state = opt.step(params, grads, state)",
    "zero_grad": "Leave it out; grad returns gradients, and keeps none",
}
"""By methods that models and optimisers have elsewhere: what to do."""

HOST = "Leave it out; an array is where it was made"
IN_PLACE = "Write x += y and its like"

OF_ARRAYS = {
    **{name: f"Use np.{name}(x)" for name in ("abs", "cos", "exp", "log", "sin", "sqrt", "tanh")},
    **dict.fromkeys(("asnumpy", "cpu", "cuda", "numpy", "to"), HOST),
    **dict.fromkeys(("add_", "mul_", "sub_"), IN_PLACE),
    "at": "Write x[i] = v, or vmapcore.at(x)[i].set(v)",
    "backward": "There is no tape: vmapcore.grad(f) makes the gradient of a function",
    "block_until_ready": "Leave it out; a result is ready when it is returned",
    "clone": "Use x.copy()",
    "contiguous": "Leave it out",
    "detach": "Use vmapcore.stop_gradient(x)",
    "dim": "Use x.ndim",
    "double": "Use x.astype(np.float64)",
    "expand": "Use np.broadcast_to(x, shape)",
    "float": "Use x.astype(np.float32)",
    "long": "Use x.astype(np.int64)",
    "numel": "Use x.size",
    "permute": "Use x.transpose(axes)",
    "pow": "Use x ** n",
    "requires_grad_": "Leave it out; argnums says by what is differentiated",
    "unsqueeze": "Use x[None], or np.expand_dims(x, axis)",
}
"""By attributes that arrays have elsewhere: what to do."""

CONTROL = 'Write Python\'s loops and branches; where rows answer differently, vmap(f, branches="split")'
AS_VALUES = "Leave it out; a model is a value that vmap and grad take as an argument"
A_STEP = "Write the step as a function: value_and_grad of the loss, then opt.step"

NAMES = {
    "vmapcore": {
        **dict.fromkeys(("lax", "fori_loop", "scan", "while_loop"), CONTROL),
        **dict.fromkeys(("checkpoint", "remat"), "Leave it out"),
        **dict.fromkeys(("Tensor", "array", "tensor"), "Use NumPy's arrays"),
        **dict.fromkeys(("compile", "ms_function"), "Use jit"),
        **dict.fromkeys(("egrad", "elementwise_grad"), "Use vmap(grad(f))"),
        **dict.fromkeys(("make_functional", "make_functional_with_buffers"), AS_VALUES),
        **dict.fromkeys(("tree", "tree_util"), "Use tree_map; register_pytree is for types of your own"),
        "block_until_ready": "Leave it out; a result is ready when it is returned",
        "combine_state_for_ensemble": "It is in vmapcore.nn",
        "device_put": "Make the array there, with CuPy",
        "functional_call": "It is in vmapcore.nn",
        "functionalize": "Leave it out; writes in place work as they are",
        "grad_and_value": "Use value_and_grad, which returns the value first",
        "jacobian": "Use jacrev, or jacfwd",
        "linearize": "Use jvp",
        "make_jaxpr": "Use trace(f)(x)",
        "make_jvp": "Use jvp",
        "make_vjp": "Use vjp",
        "no_grad": "Leave it out; nothing is differentiated but by grad and its kin",
        "pmap": "Use jit(vmap(f)), which works on all cores",
        "random": "Use np.random.default_rng(seed)",
        "stack_module_state": "It is in vmapcore.nn",
    },
    "vmapcore.nn": {
        **dict.fromkeys(("CellList", "ModuleList"), "Use nn.Ensemble(nets), or a field with a list"),
        **dict.fromkeys(
            ("CrossEntropyLoss", "SoftmaxCrossEntropyWithLogits"), "Use nn.functional.cross_entropy, a function"
        ),
        **dict.fromkeys(("TrainOneStepCell", "WithLossCell"), A_STEP),
        "Cell": "Use nn.Module",
        "Conv": "Use nn.Conv2d",
        "Dense": "Use nn.Linear",
        "Dropout": "Multiply by a mask that is an argument",
        "Parameter": "Assign the array; fields of arrays are trained",
        "SequentialCell": "Use nn.Sequential",
    },
}
"""By modules, names that are elsewhere in their place: what to do."""


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


def missing_name(module: str, name: str, known: Collection[str]) -> ImportError | AttributeError:
    """The error for a name that a module of ours does not have, as `from module import name` shows it or `module.name`.

    An import puts an error of its own in the place of an AttributeError.
    """
    found = get_close_matches(name, known, 1)
    remedy = NAMES[module].get(name, f"Write {found[0]}" if found else "")
    frame = sys._getframe(2)  # of whoever asked the module's __getattr__
    imports = dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"
    return (MissingNameError if imports else MissingAttributeError)(
        f"{module}.{name}", "there is no such name", "", remedy
    )
