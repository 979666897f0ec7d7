"""What all tests share: the array libraries to run with, and how many examples hypothesis tries."""

import os

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

try:  # the one place of the tests that names CuPy
    import cupy

    libraries = [np, cupy] if cupy.is_available() else [np]
except ImportError:
    libraries = [np]

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: BLAS threads that wait in a loop starve one another
    threadpool_limits(1)

settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(params=libraries, ids=lambda xp: xp.__name__)
def xp(request):
    """The array library, NumPy or CuPy."""
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)
