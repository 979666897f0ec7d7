"""Numba, if it is installed and wanted: the one module that loads it, which takes a third of a second.

The environment variable VMAPCORE_NUMBA=0 keeps it out; it is read once, here. Kernels that need Numba ask `AVAILABLE`
when they are about to run, so that a test can set it to False.
"""

import functools
import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def _numba() -> Any:
    """None if it is not wanted, not there, or does not go with this NumPy."""
    if os.environ.get("VMAPCORE_NUMBA") == "0":
        return None
    try:
        return import_module("numba")
    except ImportError:
        return None


numba: Any = _numba()
"""The module, or None."""

extending: Any = numba and import_module("numba.extending")
caching: Any = numba and import_module("numba.core.caching")
runtime: Any = numba and import_module("numba.core.runtime")
binding: Any = numba and import_module("llvmlite.binding")
ir: Any = numba and import_module("llvmlite.ir")
"""For kernels that write instructions of LLVM."""


def _edition() -> str:
    """A name for the sources in this folder: what Numba keeps on disk it knows by one file alone, not by what that
    calls, and kernels of two editions do not go together."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


EDITION = _edition() if numba is not None else ""

AVAILABLE = numba is not None
"""Whether kernels can be compiled."""


if numba is not None:

    class _Code(caching.CompileResultCacheImpl):  # type: ignore[misc] # Numba has no types
        """Numba's own, but that loading machine code reads nothing else: that would take twice as long.

        Beside it lies the code that kernels which call this one are made with, here as bytes until one is compiled; and
        where Numba's own functions are, imported for messages with values that kernels never give.
        """

        def reduce(self, result: Any) -> Any:
            (name, kind, (machine, code)), about, *rest, environments = super().reduce(result)
            names = about.llvm_func_name, about.llvm_cpython_wrapper_name, about.llvm_cfunc_wrapper_name
            empty = binding.parse_assembly("".join([f'define void @"{name}"() {{ ret void }}\n' for name in names]))
            own = tuple([env for env in environments if not env.globals["__name__"].startswith("numba.")])
            return ((name, kind, (machine, empty.as_bitcode())), about, *rest, own), code

        def rebuild(self, context: Any, kept: Any) -> Any:
            payload, code = kept
            result = super().rebuild(context, payload)
            result.library._get_module_for_linking = functools.cache(lambda: binding.parse_bitcode(code))
            return result

    class _Cache(caching.FunctionCache):  # type: ignore[misc]
        """Numba's own, but that what was compiled is loaded without first making ready all that could be compiled.

        That takes a fifth of a second, and the machine code of a kernel a few milliseconds. Of Numba itself it calls
        nothing but what counts references, whose names the linker must know. Who compiles makes all ready anyway.
        """

        _impl_class = _Code

        def load_overload(self, signature: Any, context: Any) -> Any:
            runtime.rtsys.initialize(context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(signature, context)


def is_plain_float(dtype: Any) -> bool:
    """Whether a dtype is float32 or float64 in the byte order of this processor."""
    return dtype.char in ("f", "d") and bool(dtype.isnative)


def cached(function: Callable[..., Any]) -> Any:
    """What compiles a function without the interpreter's lock, and keeps it on disk; NumPy's arithmetic."""
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    dispatcher._cache = _Cache(function)  # as its `enable_caching` does with Numba's own
    return dispatcher


def kernel(function: Function) -> Function:
    """Compiles a function at its first call with each set of types: without the interpreter's lock, cached on disk.

    Arithmetic is NumPy's (division by zero gives inf or nan), and sums keep their order. Without Numba the function
    stays what it is: Python that is too slow to run and right.
    """
    if numba is None:
        return function
    function.__qualname__ += f"_{EDITION}"
    found: Function = cached(function)
    return found
