"""The process of one contender: reads commands from its input, a JSON object a line, and answers each with one."""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .library import Library, load
from .overhead import expected, import_seconds, outcome, slope
from .trees import gather, named, tree_map
from .workloads import WORKLOADS, Workload


class Job:
    """One contender of one workload, ready to run."""

    def __init__(self, library: str, variant: str, workload: str, size: str, device: str, precision: str) -> None:
        self.workload: Workload = WORKLOADS[workload]
        self.variant = variant
        self.library: Library = load(library)
        self.notes = self.library.start(device, precision)
        self.arrays = self.workload.arguments(size)
        if self.workload.task == "import":
            self.call: Callable[[], Any] = partial(import_seconds, library)
            self.sample: Callable[[], float] = self.call
            return
        args = self.library.arguments(self.workload, self.arrays)
        if self.workload.task == "overhead":
            self.call = outcome(self.library, self.workload, variant, args)
            self.sample = slope(self.library, self.workload, variant, args)
        else:
            self.call = self.library.build(self.workload, variant, args)
            self.sample = self._seconds

    def _seconds(self) -> float:
        start = time.perf_counter()
        self.library.wait(self.call())
        return time.perf_counter() - start

    def prepare(self) -> dict[str, Any]:
        """The first call, which may compile."""
        start = time.perf_counter()
        self.library.wait(self.call())
        return {"first": time.perf_counter() - start, "notes": self.notes}

    def time(self, seconds: float) -> dict[str, Any]:
        """As many samples as fit, three at least, after one that wakes threads and caches; long ones count at once."""
        first = self.sample()
        if first > seconds:
            return {"times": [first]}
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            times.append(self.sample())
        return {"times": times}

    def _result(self) -> dict[str, np.ndarray]:
        tree = tree_map(self.library.numpy, self.library.result(self.workload, self.call()))
        return named(gather(np.stack, tree))

    def save(self, path: str) -> dict[str, Any]:
        """Writes this contender's result for the others to compare with."""
        chain = self.workload.task == "overhead"
        np.savez(path, **(named(expected(self.workload.op, *self.arrays)) if chain else self._result()))
        return {}

    def compare(self, path: str, atol: float, rtol: float) -> dict[str, Any]:
        """The largest difference from the result in `path`, as such and as a share of what is allowed."""
        worst: dict[str, Any] = {"error": 0.0, "share": 0.0, "where": ""}
        with np.load(path) as wanted:
            result = self._result()
            if self.workload.task != "overhead" and set(result) != set(wanted.files):
                return {"agrees": False, "where": f"has {sorted(result)}, not {sorted(wanted.files)}"}
            for name, got in result.items():
                want = wanted[name]
                if got.shape != want.shape:
                    return {"agrees": False, "where": f"{name} has shape {got.shape}, not {want.shape}"}
                worst = max(worst, _difference(name, got, want, atol, rtol), key=lambda d: d["share"])
        return {**worst, "agrees": worst["share"] <= 1}


def _difference(name: str, got: np.ndarray, want: np.ndarray, atol: float, rtol: float) -> dict[str, Any]:
    """A NaN that should not be there counts as a difference no tolerance allows."""
    difference = np.abs(got - want)
    share = float(np.max(difference / (atol + rtol * np.abs(want)), initial=0.0))
    if not np.isfinite(share):
        return {"error": None, "share": 1e300, "where": name}
    return {"error": float(np.max(difference, initial=0.0)), "share": share, "where": name}


def main() -> None:
    """Answers on the original output; whatever libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    job: Job | None = None
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        try:
            if do == "start":
                job = Job(**command)
                answer = {}
            else:
                answer = getattr(job, do)(**command)
        except Exception as error:  # the driver reports it as this contender's failure
            answer = {"failure": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
