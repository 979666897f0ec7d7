"""Generated kernels: compiled once per source in a process, and kept on disk for the next."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from ...locks import IMPORTS, KERNELS
from .. import compiled
from .elements import elements

_kernels: dict[str, Any] = {}
_alive: list[Any] = []
compiled_count = 0
"""How many kernels this process compiled or loaded."""


@functools.lru_cache(maxsize=1024)
def function(source: str, name: str = "kernel") -> Any:
    """The function `kernel` of a source, as it is; `name` tells it apart from those of other processes."""
    namespace: dict[str, Any] = {"__name__": __name__}  # a module that can be imported where it is loaded
    with IMPORTS:
        exec(compile(source, "<vmapcore kernel>", "exec"), namespace)  # what this package generated
    namespace["kernel"].__qualname__ = name
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
    with KERNELS:
        if name not in _kernels:
            _kernels[name] = _compiled(name, source, lengths, inputs, outputs)
            compiled_count += 1
        return _kernels[name]


def _compiled(name: str, source: str, lengths: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    numba = compiled.numba
    types = [*[elements(d, False) for d in inputs], *[elements(d, True) for d in outputs]]
    dispatcher = compiled.cached(function(source, name), name)
    try:
        dispatcher.compile(numba.types.boolean(*[numba.types.intp] * (3 + lengths), *types))
    except numba.errors.NumbaError:
        return None
    (found,) = dispatcher.overloads.values()
    _alive.append(dispatcher)
    return found.entry_point  # runs at once, without a look at the types of what it is given
