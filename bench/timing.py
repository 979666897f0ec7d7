"""Times contenders so that they do not disturb each other: a process each, in rounds that alternate over them.

Thread pools spin for a while after a call and a machine's speed drifts, so a contender works only while the others are
idle, rounds begin with another one each time, and what is quoted is the ratio of medians over all rounds of one run.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .library import OURS, Contender, baseline, contenders, reference
from .processes import ContenderError, Process, Servers
from .workloads import Workload

TF32_ERROR = 10
"""How many times the tolerance of float32 is allowed to TF32."""


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    device: str = "cpu"
    precision: str = "float32"
    size: str = "full"
    repeat: int = 3
    seconds: float = 0.15
    """Of a block: the calls of one contender in one round."""
    most: float = 1.0
    """After so many seconds of timed calls a contender runs in no further rounds."""
    pause: float = 0.05
    limit: float = 180.0
    """A contender that takes so many seconds for a command has failed."""
    cold: bool = False
    """Whether first calls are measured with empty caches on disk too."""
    peers: tuple[str, ...] = ()


class Race:
    """One workload and everyone who takes part in it."""

    def __init__(self, workload: Workload, settings: Settings, servers: Servers, tick: Callable[[str], None]) -> None:
        self.workload = workload
        self.settings = settings
        self.servers = servers
        self.tick = tick
        self.entries = {c: _entry(c) for c in contenders(workload, OURS + settings.peers, settings.device)}
        self.processes: dict[Contender, Process] = {}
        self.counts: dict[str, Any] = {}
        looser = TF32_ERROR if settings.precision == "tf32" else 1
        self.tolerance = {"atol": workload.atol * looser, "rtol": workload.rtol * looser}

    def run(self) -> dict[str, Any]:
        """Measures, compares and returns the workload's row of the report."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                caches = {c: self._cold(c, folder) for c in self.entries}
                for contender in self.entries:
                    self.processes[contender] = self._started(contender, folder, caches[contender])
                for contender in self._alive():
                    self._try(contender, self._prepare)
                self._compare(str(folder / "reference.npz"))
                for turn in range(self.settings.repeat):
                    self._round(turn)
                self._count()
            finally:
                for process in self.processes.values():
                    process.close()
        return self._row()

    def _started(self, contender: Contender, folder: Path, cache: dict[str, str]) -> Process:
        process = self.servers.process(contender, folder, cache)
        process.send(
            "start",
            library=contender.library,
            variant=contender.variant,
            workload=self.workload.name,
            size=self.settings.size,
            device=self.settings.device,
            precision=self.settings.precision,
        )
        return process

    def _cold(self, contender: Contender, folder: Path) -> dict[str, str]:
        """Runs a first call with empty caches, if asked to; returns the variables that name the caches it filled."""
        if not self.settings.cold or not contender.caches or self.workload.task == "dispatch":
            return {}
        cache = folder / f"cache-{contender.library}-{contender.variant.replace(' ', '-')}"  # compilers do not quote
        environment = dict.fromkeys(contender.caches, str(cache))
        self.processes[contender] = self._started(contender, folder, environment)
        self._try(contender, self._prepare_cold)
        self.processes.pop(contender).close()
        return environment

    def _alive(self) -> Iterator[Contender]:
        return (c for c in list(self.entries) if self.entries[c]["failure"] is None)

    def _try(self, contender: Contender, do: Callable[[Contender], dict[str, Any]]) -> None:
        self.tick(contender.name)
        try:
            self.entries[contender].update(do(contender))
        except ContenderError as failure:
            self.entries[contender]["failure"] = str(failure)

    def _prepare(self, contender: Contender) -> dict[str, Any]:
        """The first call. Where it takes longer than all rounds may and compiles nothing, it is a sample as well."""
        self.processes[contender].receive()
        found = self.processes[contender].ask("prepare")
        slow = found["first"] > self.settings.most and not contender.compiled
        return {**found, "times": [[found["first"]]] if slow else []}

    def _prepare_cold(self, contender: Contender) -> dict[str, Any]:
        found = self._prepare(contender)
        return {"cold": found["first"], "cold second": found["second"]}

    def _count(self) -> None:
        """Asks a contender of ours for what the workload costs; that it cannot tell is no failure of the workload."""
        base = Contender("vmapcore", "vmap")
        if base in self.processes and self.entries[base]["failure"] is None:
            with suppress(ContenderError):
                self.counts = self.processes[base].ask("counts")

    def _compare(self, path: str) -> None:
        oracle = reference(self.workload)
        if oracle is None or oracle not in self._alive():
            return
        self._try(oracle, lambda c: self.processes[c].ask("save", path=path))
        if self.entries[oracle]["failure"] is None:
            for contender in self._alive():
                self._try(contender, lambda c: self.processes[c].ask("compare", path=path, **self.tolerance))

    def _round(self, turn: int) -> None:
        order = [c for c in self._alive() if sum(map(sum, self.entries[c]["times"])) < self.settings.most]
        start = turn % len(order) if order else 0
        for contender in order[start:] + order[:start]:
            time.sleep(self.settings.pause)
            self._try(contender, self._time)

    def _time(self, contender: Contender) -> dict[str, Any]:
        entry = self.entries[contender]
        found = self.processes[contender].ask("time", seconds=self.settings.seconds)
        if entry["times"]:
            del found["memory"]  # that of the second call stands
        return {**found, "times": [*entry["times"], found["times"]]}

    def _row(self) -> dict[str, Any]:
        for entry in self.entries.values():
            entry |= summed_up([t for block in entry.pop("times") for t in block])
        for contender, entry in self.entries.items():
            base = baseline(self.workload, contender)
            divisor = self.entries[base]["median"] if base in self.entries else None
            if divisor and entry["median"]:
                entry["ratio"] = entry["median"] / divisor
        compared = reference(self.workload) is not None
        good = all(self._acceptable(c, entry, compared) for c, entry in self.entries.items())
        workload = self.workload
        return {
            "workload": workload.name,
            "title": workload.title,
            "task": workload.task,
            "sizes": workload.sizes[self.settings.size],
            "tolerance": self.tolerance,
            "agree": good,
            "counts": self.counts,
            "contenders": list(self.entries.values()),
        }

    def _acceptable(self, contender: Contender, entry: dict[str, Any], compared: bool) -> bool:
        """A wrong result is a failure whoever's it is; that a peer cannot run is not."""
        if entry["failure"] is not None:
            return contender.library not in OURS
        return entry["agrees"] is True or not compared


def summed_up(samples: list[float]) -> dict[str, Any]:
    """What is kept of the times of calls: how many, their median, and around it the least, the quartiles, the most."""
    if not samples:
        return {"calls": 0, "median": None, "spread": None}
    return {
        "calls": len(samples),
        "median": median(samples),
        "spread": np.quantile(samples, (0, 0.25, 0.75, 1)).tolist(),
    }


def _entry(contender: Contender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "library": contender.library,
        "variant": contender.variant,
        "times": [],
        **summed_up([]),
        "ratio": None,
        "compiled": contender.compiled,
        "first": None,
        "second": None,
        "cold": None,
        "cold second": None,
        "memory": None,
        "call memory": None,
        "first memory": None,
        "notes": {},
        "error": None,
        "share": None,
        "where": "",
        "agrees": None,
        "failure": None,
    }
