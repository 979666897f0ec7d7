"""Ensemble: members of one structure, run together by vmap."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..batching import vmap
from ..errors import ArgumentError
from .init import generator
from .module import Module, stack, unstack


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
