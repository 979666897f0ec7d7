"""What a call costs that computes nothing: the way in and out of a compiled function."""

import time
from collections.abc import Callable
from typing import Any

from .library import Call, Library
from .workloads import Workload

CALLS = 200

FUNCTIONS: dict[str, Callable[[Any], Any]] = {"nothing": lambda tree: (), "identity": lambda tree: tree}


def called(library: Library, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
    """One call, of the compiled function or, where `variant` is plain, of the function itself."""
    f = FUNCTIONS[workload.op]
    if variant != "plain":
        f = library.jit(f)
    (tree,) = args
    return lambda: f(tree)


def seconds(library: Library, call: Call) -> Callable[[], float]:
    """A function that measures the seconds of a call once; a library may work on while the next is made."""

    def sample() -> float:
        out = None
        start = time.perf_counter()
        for _ in range(CALLS):
            out = call()
        library.wait(out)
        return (time.perf_counter() - start) / CALLS

    return sample
