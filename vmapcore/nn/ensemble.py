"""Models of one structure together: stacked, by the state of each, and as an Ensemble that vmap runs."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..batching import vmap
from ..errors import ArgumentError, DTypeError, ShapeError, StructureError, describe
from ..pytree import flatten, names, tree_map
from .init import generator
from .module import Module, functional_call, named_buffers, named_parameters, skeleton

M = TypeVar("M", bound=Module)


def stack(nets: Sequence[M]) -> M:
    """Joins models of one structure into one whose arrays have a leading axis of members.

    Law:  vmap(lambda net: net(x))(stack(nets))[i] == nets[i](x)

    Raises:
        StructureError: there are no models, or they differ in structure or in what is no array.
        ShapeError, DTypeError: an array has not the same shape, or dtype, in all.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> stack([Line(np.ones(2)), Line(np.zeros(2))]).slope.shape
        (2, 2)
    """
    nets = list(nets)
    if not nets:
        raise StructureError("stack", "got no models", "there must be one at least")
    leaves, tree = flatten(nets[0])
    for i, net in enumerate(nets):
        if type(net) is not type(nets[0]):
            fact = f"model {i} is a {type(net).__name__}"
            raise StructureError("stack", fact, f"model 0 is a {type(nets[0]).__name__}")
        others, structure = flatten(net)
        if structure != tree:
            fact = f"model {i} differs in structure from model 0"
            raise StructureError("stack", fact, "all must have the same layers")
        for name, x, first in zip(names(tree), others, leaves, strict=True):
            facts = f"'{name}' of model {i} is {describe(x)}", f"that of model 0 is {describe(first)}"
            if not (hasattr(x, "shape") and hasattr(first, "shape")):
                if x is not first and (type(x) is not type(first) or x != first):
                    raise StructureError("stack", *facts, "What differs between members must be an array")
            elif x.shape != first.shape:
                raise ShapeError("stack", *facts)
            elif x.dtype != first.dtype:
                raise DTypeError("stack", *facts)
    made: dict[tuple[int, ...], Any] = {}  # an array in two places of each model is one in the result

    def stacked(*xs: Any) -> Any:
        key = tuple(map(id, xs))
        if key not in made:
            made[key] = np.stack(xs) if hasattr(xs[0], "shape") else xs[0]
        return made[key]

    return tree_map(stacked, *nets)


def unstack(big: M) -> list[M]:
    """Splits a stacked model into its members: the inverse of `stack`.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> [net.slope.shape for net in unstack(Line(np.ones((3, 2))))]
        [(2,), (2,), (2,)]
    """
    sizes = {x.shape[:1] for x in big.state_dict().values()}
    if len(sizes) != 1 or () in sizes:
        raise ShapeError("unstack", "the arrays have no leading axis of one size", "the model must come from stack")
    ((count,),) = sizes
    return [tree_map(lambda x, i=i: x[i].copy() if hasattr(x, "shape") else x, big) for i in range(count)]


def stack_module_state(nets: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the parameters and the buffers of several models, stacked, each a dict by name.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> params, buffers = stack_module_state([Line(np.ones(2)), Line(np.zeros(2))])
        >>> params["slope"].shape, buffers
        ((2, 2), {})
    """
    big = stack(nets)
    return named_parameters(big), named_buffers(big)


def combine_state_for_ensemble(nets: Sequence[Module]) -> tuple[Any, list[Any], list[Any]]:
    """Returns a function of the state of a model, and the stacked state of several.

    Law:  vmap(fmodel, in_axes=(0, 0, None))(params, buffers, x)[i] == nets[i](x)

    Returns:
        `(fmodel, params, buffers)`: `fmodel(params, buffers, *args)` with lists of arrays in declaration order.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        ...     def __call__(self, x): return self.slope * x
        >>> fmodel, params, buffers = combine_state_for_ensemble([Line(np.ones(2)), Line(np.zeros(2))])
        >>> [p.shape for p in params]
        [(2, 2)]
    """
    params, buffers = stack_module_state(nets)
    base = skeleton(nets[0])

    def fmodel(params_: Sequence[Any], buffers_: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        state = (dict(zip(params, params_, strict=True)), dict(zip(buffers, buffers_, strict=True)))
        return functional_call(base, state, args, kwargs)

    return fmodel, list(params.values()), list(buffers.values())


class Ensemble(Module):
    """Models of one structure as one: their arrays stacked, their calls one vmap.

    Law:  Ensemble(nets)(x)[i] == nets[i](x)

    It is a pytree like any module: `grad` of a loss of an Ensemble is the gradients of all members.

    Args:
        members: the models, or one model that is stacked already.

    Example:
        >>> from vmapcore import nn
        >>> ens = nn.Ensemble([nn.Linear(3, 2, rng=i) for i in range(5)])
        >>> ens(np.ones((7, 3), np.float32)).shape, ens(np.ones((5, 7, 3), np.float32), in_axes=0).shape
        ((5, 7, 2), (5, 7, 2))
    """

    stacked: Any

    instead_of_vmap = (
        "Call it: ensemble(xs, in_axes=0) runs member i on xs[i], ensemble(xs) every member on all. For the results of "
        "every member on each x, vmap(lambda x: ensemble(x))"
    )

    def __init__(self, members: Sequence[Module] | Module) -> None:
        self.stacked = members if isinstance(members, Module) else stack(members)
        if not self.stacked.state_dict():
            raise ArgumentError("Ensemble", "its members have no arrays", "they would all be the same")

    @classmethod
    def init(cls, make: Callable[..., Module], count: int, rng: Any = None, **options: Any) -> "Ensemble":
        """Makes `count` members by `make(rng=…, **options)`, each with a generator of its own spawned from `rng`."""
        if count < 1:
            raise ArgumentError("Ensemble.init", f"count is {count}", "it must be 1 at least")
        return cls([make(rng=child, **options) for child in generator(rng).spawn(count)])

    def __call__(self, *args: Any, in_axes: Any = None) -> Any:
        """Runs every member: on the same arguments, or with `in_axes=0` (or one per argument) each on its own."""
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        return vmap(lambda net, *xs: net(*xs), in_axes=(0, *axes))(self.stacked, *args)

    @property
    def members(self) -> list[Any]:
        """The models one by one, as copies."""
        return unstack(self.stacked)

    def __len__(self) -> int:
        return int(next(iter(self.stacked.state_dict().values())).shape[0])

    def __getitem__(self, i: int) -> Any:
        return self.members[i]

    def mean(self, *args: Any, in_axes: Any = None) -> Any:
        """The mean of the members' results."""
        return np.mean(self(*args, in_axes=in_axes), axis=0)
