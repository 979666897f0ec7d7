"""Kernels on disk: what one process compiled the next one loads, and can still compile others."""

import os
import subprocess
import sys

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
