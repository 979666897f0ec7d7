"""Numba, if it is installed: the one module that names it. Importing it takes a third of a second.

Kernels that need it ask `AVAILABLE` when they are about to run, so that a test can set it to False.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


numba: Any = _optional("numba")
"""The module, or None."""

extending: Any = numba and _optional("numba.extending")
ir: Any = numba and _optional("llvmlite.ir")
"""For kernels that write instructions of LLVM."""

AVAILABLE = numba is not None
"""Whether kernels can be compiled."""


def kernel(function: Function) -> Function:
    """Compiles a function at its first call with each set of types: without the interpreter's lock, cached on disk.

    Arithmetic is NumPy's (division by zero gives inf or nan), and sums keep their order. Without Numba the function
    stays what it is: Python that is too slow to run and right.
    """
    if numba is None:
        return function
    return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
