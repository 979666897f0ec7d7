"""Generated kernels: compiled once per source in a process, and kept on disk for the next.

A source is a file named by its hash; Numba keeps the machine code beside it. Where nothing can be written the kernel
is compiled in memory, in every process anew.
"""

import functools
import hashlib
import os
import pickle
import sys
import threading
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from .. import compiled
from .elements import elements

_kernels: dict[str, Any] = {}
_alive: list[Any] = []
_lock = threading.Lock()
compiled_count = 0
"""How many kernels this process compiled or loaded."""


def folder() -> Path:
    """NUMBA_CACHE_DIR, or the user's cache folder."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen) / "vmapcore"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", str(Path.home()))
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vmapcore" / "kernels"


@functools.lru_cache(maxsize=1024)
def function(source: str) -> Any:
    """The function `kernel` of a source, as it is."""
    namespace: dict[str, Any] = {}
    exec(compile(source, "<vmapcore kernel>", "exec"), namespace)  # what this package generated
    return namespace["kernel"]


def _name(source: str, lengths: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    text = f"{compiled.EDITION} {lengths} {inputs} {outputs} {source}"
    return "vmapcore_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]


def kernel(source: str, lengths: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The compiled function `kernel` of a source, for so many lengths, and `elements` of the dtypes given.

    None if Numba cannot compile it.
    """
    global compiled_count
    name = _name(source, lengths, inputs, outputs)
    with _lock:
        if name not in _kernels:
            _kernels[name] = _compiled(name, source, lengths, inputs, outputs)
            compiled_count += 1
        return _kernels[name]


def _compiled(name: str, source: str, lengths: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    numba = compiled.numba
    types = [*[elements(d, False) for d in inputs], *[elements(d, True) for d in outputs]]
    signature = numba.types.boolean(*[numba.types.intp] * (3 + lengths), *types)
    path = _written(name, source)
    if path is not None:
        try:
            dispatcher = compiled.cached(_loaded(name, path))
            dispatcher.compile(signature)
            return _entry(dispatcher)
        except (
            numba.errors.NumbaError,
            OSError,
            EOFError,
            ImportError,
            RuntimeError,
            ValueError,
            pickle.UnpicklingError,
        ):
            pass  # what lies on disk cannot be read, or nothing can be written beside it
    try:
        return _entry(numba.njit(signature, nogil=True, error_model="numpy")(function(source)))
    except numba.errors.NumbaError:
        return None


def _entry(dispatcher: Any) -> Any:
    """What runs at once, without a look at the types of what it is given."""
    (found,) = dispatcher.overloads.values()
    _alive.append(dispatcher)
    return found.entry_point


def _loaded(name: str, path: Path) -> Any:
    """The function `kernel` of a file, as a module that Numba's cache can name."""
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


def _written(name: str, source: str) -> Path | None:
    """The file of a source, which appears whole or not at all; None where it cannot be written."""
    path = folder() / f"{name}.py"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.urandom(8).hex()}.tmp")  # other processes may write the same
        unfinished.write_text(source)
        os.replace(unfinished, path)
    except OSError:
        return None
    return path
