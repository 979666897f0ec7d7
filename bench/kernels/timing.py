"""Times short calls that take turns, in processor time of this thread, so that other programs disturb little."""

import time
from collections.abc import Callable

import numpy as np


def times(calls: dict[str, Callable[[], object]], rounds: int = 20, inner: int = 1) -> dict[str, float]:
    """Seconds of one call of each: the lower quartile of `rounds` rounds in which they alternate."""
    for call in calls.values():
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.thread_time()
            for _ in range(inner):
                call()
            found[name].append((time.thread_time() - start) / inner)
    return {name: float(np.quantile(each, 0.25)) for name, each in found.items()}
