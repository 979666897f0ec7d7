"""How much memory this process holds, and how much at most: on Linux since a moment, elsewhere since its start."""

import ctypes
import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
UNIT = 1 if sys.platform == "darwin" else 1024


def settle() -> int:
    """Gives back what can be given back, forgets the peak where that is possible, and returns the bytes still held."""
    gc.collect()
    with suppress(OSError, AttributeError):  # of glibc
        ctypes.CDLL(None).malloc_trim(0)
    forget()
    return _bytes("VmRSS")


def forget() -> None:
    with suppress(OSError):
        CLEAR.write_text("5")


def peak() -> int:
    """The most bytes held since `forget`."""
    return _bytes("VmHWM")


def _bytes(name: str) -> int:
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
