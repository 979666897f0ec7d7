"""Processes of contenders: each is forked from one that has done no more than import its library, which takes seconds.

Where forking is not safe (on a device, outside Linux), where a contender wants variables of its own in its environment,
and where it compiles, it is a process that imports the library itself: the first call of a forked one copies what the
compiler writes to, which takes as long as the rest.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .floors import ROOT
from .library import Contender, entry


class ContenderError(Exception):
    """A contender that could not do what it was asked."""


class Process:
    """A worker and the channel to it."""

    def __init__(self, channel: socket.socket, errors: list[Path], limit: float) -> None:
        self.channel = channel
        self.errors = errors
        self.limit = limit
        self.unread = b""
        self.child: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def send(self, do: str, **arguments: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # that it has ended is found when the answer is read
            self.channel.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """The answer to the oldest command without one."""
        if not self.pid:
            self.pid = self._line()["pid"]
        answer = self._line()
        if "failure" in answer:
            raise ContenderError(answer["failure"])
        return answer

    def _line(self) -> dict[str, Any]:
        end = time.perf_counter() + self.limit
        while b"\n" not in self.unread:
            if not select.select([self.channel], [], [], max(0.0, end - time.perf_counter()))[0]:
                self._kill()
                raise ContenderError(f"it took more than {self.limit:.0f} s")
            found = b""
            with suppress(ConnectionResetError):
                found = self.channel.recv(1 << 16)
            if not found:
                raise ContenderError(f"its process ended: {self._last_error()}")
            self.unread += found
        line, _, self.unread = self.unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.send(do, **arguments)
        return self.receive()

    def _last_error(self) -> str:
        """The last line it wrote, which may come a moment after it let go of the channel."""
        before = ""
        for _ in range(40):
            texts = [path.read_text().strip() for path in self.errors if path.exists()]
            text = next(filter(None, texts), "")
            if text and text == before:  # it may write a line at a time
                return text.splitlines()[-1]
            before = text
            time.sleep(0.05)
        return "no word of why"

    def _kill(self) -> None:
        if self.child is not None:
            self.child.kill()
        elif self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _ended(self) -> bool:
        if self.child is not None:
            return self.child.poll() is not None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return not self.pid

    def close(self) -> None:
        """Lets the process end, and sees to it that it has: the next one must not be disturbed."""
        self.channel.close()
        end = time.perf_counter() + 5
        while not self._ended() and time.perf_counter() < end:
            time.sleep(0.005)
        if not self._ended():
            self._kill()
        if self.child is not None:
            self.child.wait()


class Servers:
    """Starts processes of contenders; a context, at whose end all of them are gone."""

    def __init__(self, device: str, folder: Path, limit: float) -> None:
        self.device = device
        self.folder = folder
        self.limit = limit
        self.forks = device == "cpu" and sys.platform == "linux"
        self.servers: dict[str, tuple[socket.socket, subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *error: Any) -> None:
        for control, server in self.servers.values():
            control.close()
            server.wait()

    def warm(self, libraries: list[str]) -> None:
        """Starts the servers of libraries, which import side by side."""
        for library in libraries:
            if self.forks and library not in self.servers:
                self.servers[library] = self._popen(library, "forks", self._errors(library), {})

    def process(self, contender: Contender, folder: Path, environment: dict[str, str]) -> Process:
        """A process that knows of its library and waits for commands."""
        errors = folder / f"{contender.name}.txt"
        if environment or contender.compiled or not self.forks:
            channel, child = self._popen(contender.library, "itself", errors, environment)
            process = Process(channel, [errors], self.limit)
            process.child = child
            return process
        self.warm([contender.library])
        mine, its = socket.socketpair()
        with its, suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.servers[contender.library][0], [os.fsencode(errors)], [its.fileno()])
        return Process(mine, [errors, self._errors(contender.library)], self.limit)

    def _errors(self, library: str) -> Path:
        return self.folder / f"{library}.txt"

    def _popen(
        self, library: str, way: str, errors: Path, environment: dict[str, str]
    ) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Starts a process, with bytecode as an installed library has it: a first call may import modules."""
        mine, its = socket.socketpair()
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        common = {"JAX_PLATFORMS": self.device, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        with its, errors.open("w") as stream:
            child = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", library, str(its.fileno()), way],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**common, **inherited, **dict(entry(library).environment), **environment},
                pass_fds=[its.fileno()],
            )
        return mine, child
