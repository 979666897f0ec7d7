"""torch.compile: a loop over the compiled function of one member, and the compiled vmap of it."""

from collections.abc import Callable
from typing import Any

import torch

from ..library import Call
from ..workloads import Axes, Workload
from .torch_peer import Torch


class TorchCompile(Torch):
    """torch through its compiler; gradients are torch.func's, which it can compile."""

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        f = super().member(workload, "vmap")
        return torch.compile(f) if variant == "loop" else f

    def vmapped(self, f: Callable[..., Any], levels: tuple[Axes, ...]) -> Callable[..., Any]:
        return torch.compile(super().vmapped(f, levels))

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        torch._dynamo.reset()
        return super().build(workload, variant, args)


LIBRARY = TorchCompile()
