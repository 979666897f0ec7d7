"""The process of one contender: obeys commands, and answers each with a line of JSON.

What a process inherits is the import of its library and nothing more: it was forked from one that did just that, or
imported it itself.
"""

import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from . import dispatch, memory
from .library import Contender, Library, load
from .overhead import expected, import_seconds, outcome, slope
from .trees import gather, named, tree_map
from .workloads import WORKLOADS, Workload


class Job:
    """One contender of one workload, ready to run."""

    def __init__(self, library: str, variant: str, workload: str, size: str, device: str, precision: str) -> None:
        self.workload: Workload = WORKLOADS[workload]
        self.variant = variant
        self.device = device
        self.compiled = Contender(library, variant).compiled
        self.library: Library = load(library)
        self.notes = self.library.start(device, precision)
        self.arrays = self.workload.arguments(size)
        self.kept: list[Any] = []
        self.before = 0
        self.weighed: int | None = None
        if self.workload.task == "import":
            self.call: Callable[[], Any] = partial(import_seconds, library)
            self.sample: Callable[[], float] = self.call
            return
        self.args = self.library.arguments(self.workload, self.arrays)
        if self.workload.task == "overhead":
            self.call = outcome(self.library, self.workload, variant, self.args)
            self.sample = slope(self.library, self.workload, variant, self.args)
        elif self.workload.task == "dispatch":
            self.call = dispatch.called(self.library, self.workload, variant, self.args)
            self.sample = dispatch.seconds(self.library, self.call)
        else:
            self.call = self.library.build(self.workload, variant, self.args)
            self.sample = self._seconds

    def _seconds(self) -> float:
        start = time.perf_counter()
        self.library.wait(self.call())
        return time.perf_counter() - start

    def prepare(self) -> dict[str, Any]:
        """The first call, which may compile, and the memory it took beyond the arguments; for what compiles the second.

        The last result is kept for `compare`: one that a compiled function gave once it was compiled.
        """
        self.before = memory.settle()
        first, out = self._called()
        taken = self._taken()
        second = None
        if self.compiled:
            second, out = self._called()
        self.kept = [out]
        found = {"first": first, "second": second, "first memory": taken, "memory": taken, "notes": self.notes}
        return found if self.compiled else {**found, "call memory": taken}

    def _called(self) -> tuple[float, Any]:
        start = time.perf_counter()
        out = self.call()
        self.library.wait(out)
        return time.perf_counter() - start, out

    def _taken(self) -> int | None:
        return memory.peak() - self.before if self.device == "cpu" and self.before else None

    def time(self, seconds: float) -> dict[str, Any]:
        """As many samples as fit, three at least, after one that wakes threads and caches; long ones count at once.

        The memory is the most that the first of them held beyond the arguments, what stays from earlier ones included;
        the call memory leaves out what is no array, such as a compiler.
        """
        if self.weighed is None and self.device == "cpu":
            self._weigh()
        memory.forget()
        first = self.sample()
        notes = {**self.notes, **self.library.after(self.call)}
        found = {"memory": self._taken(), "call memory": self.weighed, "notes": notes}
        if first > seconds:
            return {"times": [first], **found}
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            times.append(self.sample())
        return {"times": times, **found}

    def _weigh(self) -> None:
        """A call that nothing has been left for but what the library keeps on purpose."""
        kept = self.library.settled()
        before = memory.settle()
        self.library.wait(self.call())
        self.weighed = kept + max(memory.peak() - before, 0)

    def counts(self) -> dict[str, Any]:
        """What the workload costs by a count of its operations."""
        return self.library.counts(self.workload, self.args)

    def _result(self) -> dict[str, np.ndarray]:
        out = self.kept.pop() if self.kept else self.call()
        tree = tree_map(self.library.numpy, self.library.result(self.workload, out))
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
                found = _difference(name, got, want, atol, rtol, 0.0 if self.workload.task == "program" else FLIPPED)
                worst = max(worst, found, key=lambda d: d["share"])
        return {**worst, "agrees": worst["share"] <= 1}


FLIPPED = 1e-2
"""How far, as a share of its norm, a result may be off that is right but for a few elements.

Where two elements of a pooled window differ by rounding alone, libraries send the gradient to one or the other.
"""


def _difference(
    name: str, got: np.ndarray, want: np.ndarray, atol: float, rtol: float, flipped: float
) -> dict[str, Any]:
    """A NaN that should not be there counts as a difference no tolerance allows."""
    same = (got == want) | ((got != got) & (want != want))
    with np.errstate(invalid="ignore"):  # of infinities
        difference = np.where(same, 0.0, np.abs(got - 1.0 * want))
        share = float(np.max(np.where(same, 0.0, difference / (atol + rtol * np.abs(1.0 * want))), initial=0.0))
    if share > 1 and flipped:
        share = min(share, float(np.linalg.norm(difference) / (flipped * np.linalg.norm(want) or 1e-300)))
    if not np.isfinite(share):
        return {"error": None, "share": 1e300, "where": name}
    return {"error": float(np.max(difference, initial=0.0)), "share": share, "where": name}


def serve(channel: socket.socket) -> None:
    """Obeys the commands of a channel, a JSON object a line, until it is closed; the process's id is its first word."""
    job: Job | None = None
    with channel.makefile("rw") as lines:

        def answer(found: dict[str, Any]) -> None:
            lines.write(json.dumps(found) + "\n")
            lines.flush()

        answer({"pid": os.getpid()})
        for line in lines:
            command = json.loads(line)
            do = command.pop("do")
            try:
                if do == "start":
                    job = Job(**command)
                    found: dict[str, Any] = {}
                else:
                    found = getattr(job, do)(**command)
            except Exception as error:  # the driver reports it as this contender's failure
                found = {"failure": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
            with suppress(BrokenPipeError):  # of a driver that waits no more
                answer(found)


def fork(control: socket.socket) -> socket.socket | None:
    """Forks at each request; returns the channel of a child to it, and None to the process that waited for requests.

    A request is a file for the errors of the child, with a channel for its commands and answers.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that end are gone
    gc.freeze()  # a child's collector leaves what it shares alone
    while True:
        request, channels, _, _ = socket.recv_fds(control, 4096, 1)
        if not request:
            return None
        with socket.socket(fileno=channels[0]) as channel:
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                with open(request.decode(), "w") as errors:
                    os.dup2(errors.fileno(), 1)  # whatever libraries print
                    os.dup2(errors.fileno(), 2)
                return channel.dup()


def main(library: str, number: str, way: str) -> None:
    """Loads a library, and works on the socket of this number: by `way` itself or by forks."""
    with socket.socket(fileno=int(number)) as given:
        load(library)
        channel = fork(given) if way == "forks" else given.dup()
    if channel is not None:
        with channel:
            serve(channel)


if __name__ == "__main__":
    main(*sys.argv[1:])
