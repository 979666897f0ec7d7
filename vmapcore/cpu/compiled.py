"""Whether Numba is installed and wanted; it is loaded here, which takes a third of a second, and others ask `numba`.

The environment variable VMAPCORE_NUMBA=0 keeps it out; it is read once, here. Kernels that need Numba ask `AVAILABLE`
when they are about to run, so that a test can set it to False.
"""

import functools
import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .. import thresholds
from ..locks import hold_across_forks
from . import disk

try:
    if os.environ.get("VMAPCORE_NUMBA") == "0":
        raise ImportError
    import numba as numba  # for others too

    if numba.config.DISABLE_JIT:
        raise ImportError
except ImportError:  # not wanted, not there, or does not go with this NumPy
    numba = None

if numba is not None:
    from llvmlite import binding
    from numba import types
    from numba.core import caching, compiler_lock, registry, runtime, sigutils

    hold_across_forks(compiler_lock.global_compiler_lock, binding.ffi.lib._lock)

Function = TypeVar("Function", bound=Callable[..., Any])


def _edition() -> str:
    """A name for the sources in this folder: what one kernel calls is not seen from itself, and kernels of two editions
    do not go together."""
    found = hashlib.sha256(bytes([thresholds.TINY]))
    for path in (Path(thresholds.__file__), *sorted(Path(__file__).parent.rglob("*.py"))):
        found.update(_stamp(str(path)))
    return found.hexdigest()[:16]


@functools.cache
def _stamp(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()


EDITION = _edition() if numba is not None else ""

AVAILABLE = numba is not None
"""Whether kernels can be compiled."""

CHECKED = numba is not None and bool(numba.config.BOUNDSCHECK)
"""Whether they check where they read and write, as the environment variable NUMBA_BOUNDSCHECK=1 asks."""


if numba is not None:

    class _Kept(caching.NullCache):
        """What Numba asks for a function it compiled before, in a process that has gone.

        What was compiled is loaded without first making ready all that could be compiled: that takes a fifth of a
        second, and the machine code of a kernel a few milliseconds. Of Numba itself it calls nothing but what counts
        references, whose names the linker must know. Who compiles makes all ready anyway.

        Beside it lies the code that kernels which call this one are made with, here as bytes until one is compiled; and
        where Numba's own functions are, imported for messages with values that kernels never give.
        """

        def __init__(self, text: str) -> None:
            self.text = text

        def load_overload(self, signature: Any, context: Any) -> Any:
            runtime.rtsys.initialize(context)
            kept = disk.read(self._key(signature, context.codegen()))
            if kept is None:
                return None
            payload, code = pickle.loads(kept)
            result = caching.CompileResult._rebuild(context, *payload)
            result.library._get_module_for_linking = functools.cache(lambda: binding.parse_bitcode(code))
            return result

        def save_overload(self, signature: Any, result: Any) -> None:
            if result.library.has_dynamic_globals:  # addresses of this process
                return
            (name, kind, (_, code)), about, *rest, environments = result._reduce()
            names = about.llvm_func_name, about.llvm_cpython_wrapper_name, about.llvm_cfunc_wrapper_name
            machine, code = _closed(binding.parse_bitcode(code), names, result.codegen._tm)
            empty = binding.parse_assembly("".join([f'define void @"{name}"() {{ ret void }}\n' for name in names]))
            own = tuple([env for env in environments if not env.globals["__name__"].startswith("numba.")])
            payload = (name, kind, (machine, empty.as_bitcode())), about, *rest, own
            disk.write(self._key(signature, result.codegen), caching.dumps((payload, code)))

        def _key(self, signature: Any, codegen: Any) -> str:
            """All that machine code follows from: who compiles, for which processor, what, and for which types."""
            makers = sys.implementation.cache_tag, numba.__version__, binding.llvm_version_info
            options = numba.config.OPT, numba.config.DEBUGINFO_DEFAULT, numba.config.BOUNDSCHECK
            return repr((*makers, *options, *codegen.magic_tuple(), EDITION, str(signature), self.text))

    def _closed(module: Any, names: tuple[str, ...], machine: Any) -> tuple[bytes, bytes]:
        """Machine code and bitcode of a module that gives and takes no function by name but `names`.

        Numba tells functions of one name and type apart by a number that each process counts anew. So other processes
        have other functions of the same name, and of two that are offered a linker takes the first. `names` say all
        that the functions are made from.
        """
        for f in module.functions:
            if not f.is_declaration:
                f.linkage = "external" if f.name in names else "internal"
        code = machine.emit_object(module)
        for name in names:
            module.get_function(name).linkage = "linkonce_odr"
        return code, module.as_bitcode()

    class _Dispatcher(registry.CPUDispatcher):
        """What compiles a function for arrays that can be written to, and calls that for arrays that cannot, too."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.taken: set[Any] = set()

        def compile(self, signature: Any) -> Any:
            given, _ = sigutils.normalize_signature(signature)
            plain = tuple(map(_writeable, given))
            with compiler_lock.global_compiler_lock:
                found = super().compile(plain)
                if plain != given and given not in self.taken:  # of two that are alike, Numba takes neither
                    self.taken.add(given)
                    self._insert([kind._code for kind in given], found, False)
            return found

    def _writeable(kind: Any) -> Any:
        """The type of arrays that differ in that alone, also in tuples."""
        if isinstance(kind, types.Array):
            return kind if kind.mutable else kind.copy(readonly=False)
        return types.Tuple(list(map(_writeable, kind))) if isinstance(kind, types.BaseTuple) else kind


def is_plain_float(dtype: Any) -> bool:
    """Whether a dtype is float32 or float64 in the byte order of this processor."""
    return dtype.char in ("f", "d") and bool(dtype.isnative)


def cached(function: Callable[..., Any], text: str) -> Any:
    """What compiles a function without the interpreter's lock, and keeps it on disk; NumPy's arithmetic.

    `text` is what it is made from, beside the sources in this folder.
    """
    dispatcher = _Dispatcher(function, targetoptions={"nopython": True, "nogil": True, "error_model": "numpy"})
    dispatcher._cache = _Kept(text)  # as its `enable_caching` does with Numba's own
    return dispatcher


def kernel(function: Function) -> Function:
    """Compiles a function at its first call with each set of types: without the interpreter's lock, cached on disk.

    Arithmetic is NumPy's (division by zero gives inf or nan), and sums keep their order. Without Numba the function
    stays what it is: Python that is too slow to run and right.
    """
    if numba is None:
        return function
    text = f"{function.__module__}.{function.__qualname__} {_stamp(function.__code__.co_filename).hex()}"
    function.__qualname__ += f"_{EDITION}"
    found: Function = cached(function, text)
    return found
