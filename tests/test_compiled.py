"""Kernels on disk: what one process compiled the next one loads, and can still compile others."""

import contextlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from vmapcore.cpu import compiled

PROGRAM = """
import sys
import numpy as np
from numba.core.registry import cpu_target
from vmapcore.cpu.compiled import kernel

@kernel
def reciprocals(x, limit):
    room = np.empty(len(x))  # what Numba counts references to
    for i in range(len(x)):
        room[i] = 1 / x[i]
    if np.max(room) > limit:
        raise ValueError("too large")
    x[:] = room

@kernel
def twice(x, limit):
    reciprocals(x, limit)
    reciprocals(x, limit)

def ready():
    return len(cpu_target.target_context._registries) > 0

def called(dtype):
    x = np.array([1, 0.5, 0.25], dtype)
    reciprocals(x, 10.0)
    try:
        reciprocals(np.array([0.0625], dtype), 10.0)
    except ValueError as error:
        return x.tolist(), str(error)

assert not ready()
assert called("d") == ([1, 2, 4], "too large")
print(ready())
assert called(sys.argv[1]) == ([1, 2, 4], "too large")
print(ready())
if sys.argv[2:]:
    x = np.array([1, 0.5, 0.25])
    twice(x, 10.0)
    assert x.tolist() == [1, 0.5, 0.25]
    code = twice.inspect_llvm(twice.signatures[0])
    assert not [line for line in code.splitlines() if "declare" in line and "reciprocals" in line]
    print(ready())
"""


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
def test_what_was_compiled_is_loaded_before_the_compiler_is_ready(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*args):
        done = subprocess.run(
            [sys.executable, str(path), *args], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run("d") == ["True", "True"]
    assert run("d") == ["False", "False"]
    assert run("f") == ["False", "True"]  # one was loaded, the other compiled after it
    assert run("d", "twice") == ["False", "False", "True"]  # the compiler needs more of the one that was loaded


@compiled.kernel
def add_to(out, given):
    x, (y, least) = given
    for i in range(len(out)):
        out[i] = max(x[i] + y[i], least)


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
def test_arrays_that_cannot_be_written_to_take_no_kernel_of_their_own(monkeypatch):
    """Nor is it looked for again in a later call."""
    out, x, y = np.empty(3), np.arange(3.0), np.ones(3)
    frozen = [a.copy() for a in (x, y)]
    for a in frozen:
        a.flags.writeable = False
    asked, compile_ = [], compiled._Dispatcher.compile
    monkeypatch.setattr(
        compiled._Dispatcher, "compile", lambda self, types: asked.append(types) or compile_(self, types)
    )
    for first, second in [frozen, (x, y), (x, frozen[1]), frozen, (x, frozen[1])]:
        add_to(out, (first, (second, 2.0)))
        np.testing.assert_array_equal(out, [2, 2, 3])
    assert len(add_to.overloads) == 1 and len(asked) == 2


@compiled.kernel
def copy_to(out, given):
    for i in range(len(out)):
        out[i] = given[0][i]


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
def test_a_kernel_that_threads_ask_for_at_once_is_found_later(monkeypatch):
    x = np.arange(3.0)
    x.flags.writeable = False
    asked, compile_, both = [], compiled._Dispatcher.compile, threading.Barrier(4)

    def together(self, types):
        asked.append(types)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(10)
        return compile_(self, types)

    monkeypatch.setattr(compiled._Dispatcher, "compile", together)
    threads = [threading.Thread(target=copy_to, args=(np.empty(3), (x,))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 4
    out = np.empty(3)
    copy_to(out, (x,))
    np.testing.assert_array_equal(out, x)
    assert len(asked) == 4
