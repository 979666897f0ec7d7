"""Modules that are loaded: whose they are, the user's or a library's, and what is done once a library is there."""

import functools
import os
import sys
import sysconfig
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .errors import PACKAGE

_PATHS = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
LIBRARIES = (PACKAGE, *[os.path.join(path, "") for path in _PATHS], os.path.join(os.path.dirname(np.__path__[0]), ""))


@functools.cache
def is_library(name: str | None, file: str | None) -> bool:
    """Whether a module is not the user's own."""
    if file is None:
        return (name or "").partition(".")[0] in sys.stdlib_module_names
    return file.startswith(LIBRARIES) or "site-packages" in file or "dist-packages" in file


LATER: dict[str, Callable[[ModuleType], Any]] = {}
"""By names of modules of libraries: what declares their forms, once somebody has imported them."""


LOADED = 0
"""How many modules there were when these were looked for."""


def declare_imported() -> None:
    """Declares the forms for libraries that have been imported since."""
    global LOADED
    if (loaded := len(sys.modules)) == LOADED:
        return
    for name, declare in list(LATER.items()):
        module = sys.modules.get(name)
        if module is None:
            continue
        if getattr(module.__spec__, "_initializing", False):  # by another thread, just now
            loaded = 0
            continue
        declare(module)
        LATER.pop(name, None)
    LOADED = loaded
