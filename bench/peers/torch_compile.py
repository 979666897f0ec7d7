"""torch.compile: a loop over the compiled function of one member, and the compiled vmap of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch._dynamo  # with the module and not in the first call

from ..library import Call
from ..workloads import Axes, Workload
from .torch_peer import Torch, lotka_volterra, runge_kutta


class TorchCompile(Torch):
    """torch through its compiler; gradients are torch.func's, which it can compile."""

    def jit(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(f)

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        f = super().member(workload, "vmap")
        if variant != "loop":
            return f
        if workload.task == "lotka_volterra":  # a minute of compiling all steps is more than a loop can make up for
            return partial(lotka_volterra, step=torch.compile(runge_kutta))
        return torch.compile(f)

    def wants_channels_last(self, workload: Workload, variant: str) -> bool:
        """Loops over convolutions of batches are faster so."""
        return variant == "loop" and workload.convolves

    def vmapped(self, f: Callable[..., Any], levels: tuple[Axes, ...]) -> Callable[..., Any]:
        return torch.compile(super().vmapped(f, levels))

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        torch._dynamo.reset()
        return super().build(workload, variant, args)


LIBRARY = TorchCompile()
