"""Cost of the machinery per primitive: the slope of the time of chains over their length, and the time of an import."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from .library import Call, Library
from .workloads import Workload

SHORT, LONG = 10, 60
CALLS = 15


def chain(op: Callable[[Any, Any], Any], length: int) -> Callable[[Any, Any], Any]:
    """`op` applied `length` times."""

    def run(x: Any, y: Any) -> Any:
        for _ in range(length):
            x = op(x, y)
        return x

    return run


def transformed(library: Library, f: Callable[[Any, Any], Any], variant: str) -> Callable[[Any, Any], Any]:
    """`f` itself, or under a transform; `grad` differentiates the sum of what it returns."""

    def total(x: Any, y: Any) -> Any:
        return f(x, y).sum()

    if variant == "plain":
        return f
    if variant == "vmap":
        return library.vmap(f, (0, 0))
    gradient = library.grad(total)
    return gradient if variant == "grad" else library.vmap(gradient, (0, 0))


def slope(library: Library, workload: Workload, variant: str, args: tuple[Any, ...]) -> Callable[[], float]:
    """A function that measures the seconds per primitive once."""
    short, long = (transformed(library, chain(library.chain(workload.op), n), variant) for n in (SHORT, LONG))

    def seconds(f: Callable[..., Any]) -> float:
        start = time.perf_counter()
        library.wait(f(*args))
        return time.perf_counter() - start

    def sample() -> float:
        pairs = [(seconds(short), seconds(long)) for _ in range(CALLS)]
        return (median([p[1] for p in pairs]) - median([p[0] for p in pairs])) / (LONG - SHORT)

    return sample


def outcome(library: Library, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
    """What the long chain gives, so that it can be compared."""
    f = transformed(library, chain(library.chain(workload.op), LONG), variant)
    return lambda: {"gradient" if "grad" in variant else "value": f(*args)}


def expected(op: str, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The value of the long chain and its derivative by the chain rule, in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    gradient = np.ones_like(x)
    for _ in range(LONG):
        gradient = gradient * {"multiply": y, "sin": np.cos(x), "custom": np.cos(x), "add": 1.0}[op]
        x = {"multiply": x * y, "sin": np.sin(x), "custom": np.sin(x), "add": x + y}[op]
    return {"value": x, "gradient": gradient}


def import_seconds(module: str) -> float:
    """How long `import module` takes in a fresh interpreter that has NumPy already, once its bytecode is cached."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = f"import time, numpy; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)
