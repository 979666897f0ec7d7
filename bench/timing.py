"""Times contenders so that they do not disturb each other: a process each, in rounds that alternate over them.

Thread pools spin for a while after a call and a machine's speed drifts, so a contender works only while the others are
idle, rounds begin with another one each time, and what is quoted is the ratio of medians over all rounds of one run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Timer
from typing import Any

from .library import OURS, Contender, baseline, contenders, reference
from .workloads import Workload

ROOT = Path(__file__).resolve().parent.parent

SLOW, SLOW_ROUNDS = 2.0, 2
"""A contender that takes so many seconds for a call runs in so many rounds only."""

TF32_ERROR = 10
"""How many times the tolerance of float32 is allowed to TF32."""


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    device: str = "cpu"
    precision: str = "float32"
    size: str = "full"
    repeat: int = 5
    seconds: float = 0.4
    pause: float = 0.2
    limit: float = 600.0
    peers: tuple[str, ...] = ()


class ContenderError(Exception):
    """A contender that could not do what it was asked."""


class Process:
    """A worker and the two pipes to it."""

    def __init__(self, contender: Contender, workload: Workload, settings: Settings, folder: Path) -> None:
        self.limit = settings.limit
        self.errors = folder / f"{contender.name}.txt"
        environment = {"JAX_PLATFORMS": settings.device, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker"],
                text=True,
                cwd=ROOT,
                stderr=errors,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        self.send(
            "start",
            library=contender.library,
            variant=contender.variant,
            workload=workload.name,
            size=settings.size,
            device=settings.device,
            precision=settings.precision,
        )

    def send(self, do: str, **arguments: Any) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # that it has ended is found when the answer is read
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The answer to the oldest command without one."""
        assert self.process.stdout is not None
        timer = Timer(self.limit, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise ContenderError(f"its process ended ({self.process.wait()}): {self._last_error()}")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise ContenderError(answer["failure"])
        return answer

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.send(do, **arguments)
        return self.receive()

    def _last_error(self) -> str:
        lines = self.errors.read_text().strip().splitlines()
        return lines[-1] if lines else "no word of why"

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # of a worker that has ended already
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Race:
    """One workload and everyone who takes part in it."""

    def __init__(self, workload: Workload, settings: Settings, tick: Callable[[str], None]) -> None:
        self.workload = workload
        self.settings = settings
        self.tick = tick
        self.entries = {c: _entry(c) for c in contenders(workload, OURS + settings.peers, settings.device)}
        self.processes: dict[Contender, Process] = {}
        looser = TF32_ERROR if settings.precision == "tf32" else 1
        self.tolerance = {"atol": workload.atol * looser, "rtol": workload.rtol * looser}

    def run(self) -> dict[str, Any]:
        """Measures, compares and returns the workload's row of the report."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                for contender in self.entries:  # they import their libraries side by side
                    self.processes[contender] = Process(contender, self.workload, self.settings, folder)
                for contender in self._alive():
                    self._try(contender, self._prepare)
                self._compare(str(folder / "reference.npz"))
                for turn in range(self.settings.repeat):
                    self._round(turn)
            finally:
                for process in self.processes.values():
                    process.close()
        return self._row()

    def _alive(self) -> Iterator[Contender]:
        return (c for c in list(self.entries) if self.entries[c]["failure"] is None)

    def _try(self, contender: Contender, do: Callable[[Contender], dict[str, Any]]) -> None:
        self.tick(contender.name)
        try:
            self.entries[contender].update(do(contender))
        except ContenderError as failure:
            self.entries[contender]["failure"] = str(failure)

    def _prepare(self, contender: Contender) -> dict[str, Any]:
        self.processes[contender].receive()
        return self.processes[contender].ask("prepare")

    def _compare(self, path: str) -> None:
        oracle = reference(self.workload)
        if oracle is None or oracle not in self._alive():
            return
        self._try(oracle, lambda c: self.processes[c].ask("save", path=path))
        if self.entries[oracle]["failure"] is None:
            for contender in self._alive():
                self._try(contender, lambda c: self.processes[c].ask("compare", path=path, **self.tolerance))

    def _round(self, turn: int) -> None:
        order = [c for c in self._alive() if turn < SLOW_ROUNDS or min(self.entries[c]["times"][-1]) < SLOW]
        start = turn % len(order) if order else 0
        for contender in order[start:] + order[:start]:
            time.sleep(self.settings.pause)
            self._try(contender, self._time)

    def _time(self, contender: Contender) -> dict[str, Any]:
        times = self.processes[contender].ask("time", seconds=self.settings.seconds)["times"]
        return {"times": [*self.entries[contender]["times"], times]}

    def _row(self) -> dict[str, Any]:
        for entry in self.entries.values():
            samples = [t for block in entry["times"] for t in block]
            entry["median"] = median(samples) if samples else None
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
            "contenders": list(self.entries.values()),
        }

    def _acceptable(self, contender: Contender, entry: dict[str, Any], compared: bool) -> bool:
        """A wrong result is a failure whoever's it is; that a peer cannot run is not."""
        if entry["failure"] is not None:
            return contender.library not in OURS
        return entry["agrees"] is True or not compared


def _entry(contender: Contender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "library": contender.library,
        "variant": contender.variant,
        "times": [],
        "median": None,
        "ratio": None,
        "first": None,
        "notes": {},
        "error": None,
        "share": None,
        "where": "",
        "agrees": None,
        "failure": None,
    }
