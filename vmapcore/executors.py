"""Who runs a graph: a plan of `cpu/`, imported when the first is built, for NumPy's arrays; others go step by step."""

import gc
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .arguments import separate
from .arrays import namespace
from .graph import Graph
from .locks import IMPORTS

Replay = Callable[[list[Any]], list[Any]]


def build(graph: Graph, arrays: Sequence[Any], donated: Sequence[bool]) -> Replay:
    """Returns what runs `graph` on arrays of the shapes and dtypes of `arrays`: a plan, or step by step off the CPU."""

    def step_by_step(leaves: list[Any]) -> list[Any]:
        return separate(graph(*leaves), leaves)

    if namespace(arrays) is not np:
        return step_by_step

    def plan() -> Replay:
        with IMPORTS:  # the one import that waits for its need: Numba takes longer to load than all else together
            cpu = import_module(".cpu.plan", __package__)
        return cpu.build(graph, donated, step_by_step)

    return _without_search_for_garbage(plan)


def _without_search_for_garbage(plan: Callable[[], Replay]) -> Replay:
    """Without Python's search for cycles: what is made here stays, and would be looked at several times."""
    usual = gc.get_threshold()
    if usual[0] == 0 or not gc.isenabled():
        return plan()
    try:
        _usual[:] = usual
        gc.set_threshold(0)
        return plan()
    finally:  # an interrupt may come after any call, of which there is one
        del _usual[:]
        gc.set_threshold(*usual)


_usual: list[int] = []
"""The thresholds of that search, which a thread that plans will have it keep again."""


def _after_fork() -> None:
    if _usual:  # that thread has gone
        gc.set_threshold(*_usual)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
