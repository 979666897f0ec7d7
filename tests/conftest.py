"""What all tests share: array libraries, how many examples hypothesis tries, where compiled kernels are kept.

With the extra `cpu` plans are compiled, but where a file is marked `numpy_plans`: it makes thousands of small ones, and
a second of compiling for each teaches nothing. HYPOTHESIS_PROFILE=deep compiles them too; VMAPCORE_NUMBA=0 none.
"""

import gc
import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from vmapcore import memory

try:  # the one place of the tests that names CuPy
    import cupy

    libraries = [np, cupy] if cupy.is_available() else [np]
except ImportError:
    libraries = [np]

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: BLAS threads that wait in a loop starve one another
    threadpool_limits(1)

os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parent.parent / "build" / "numba"))
"""One folder for all workers, and for the next run."""

settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=1000)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """A million objects are made and stay, so nobody who searches for garbage need look at them, now or in a test."""
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return collected


@pytest.fixture(autouse=True)
def _numpy_plans(request, monkeypatch):
    if request.node.get_closest_marker("numpy_plans") and PROFILE != "deep":
        monkeypatch.setattr(import_module("vmapcore.cpu.compiled"), "AVAILABLE", False)


@pytest.fixture(autouse=True)
def _both_ways_of_programs(monkeypatch):
    """A program goes through its calls in a loop when it first runs, and is written out for the next time."""
    monkeypatch.setattr(import_module("vmapcore.cpu.program"), "OFTEN", 1)


@pytest.fixture(autouse=True)
def _graphs_are_checked(monkeypatch):
    """What every pass makes of a graph can run, and is as said."""
    monkeypatch.setattr(import_module("vmapcore.planning.checking"), "CHECKING", True)


@pytest.fixture(autouse=True, scope="module")
def _memory_of_one_file():
    """What its tests let go comes back to none of the next file's, and what stays need not be looked at again."""
    yield
    memory.clear()
    gc.collect()
    gc.freeze()


@pytest.fixture(params=libraries, ids=lambda xp: xp.__name__)
def xp(request):
    """The array library, NumPy or CuPy."""
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)
