"""Exception types and the one way their messages are worded.

Every error of the package is a `VmapcoreError` and also the built-in error a NumPy user would catch.
Messages read `<call>: <argument> <fact>; <allowed>. <remedy>.`
"""

import copy
import itertools
import os
import sys
import warnings
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

PACKAGE = os.path.join(str(Path(__file__).parent), "")
"""Where the package's own code is: what an error or a warning is about lies outside."""

_SITE = str(Path(np.__file__).parents[1])
OTHERS = (PACKAGE, copy.__file__, *[os.path.join(_SITE, name, "") for name in ("numpy", "scipy")])
"""Where code is that is not the user's: ours, and such as that of `np.full` and `copy.copy`."""


class VmapcoreError(Exception):
    """Base of every error that vmapcore raises on purpose, made of the parts of its message."""

    def __init__(self, call: str, fact: str = "", allowed: str = "", remedy: str = "") -> None:
        super().__init__(message(call, fact, allowed, remedy) if fact else call)


class ShapeError(VmapcoreError, ValueError):
    """Shapes or sizes do not fit each other."""


class AxisError(VmapcoreError, ValueError, IndexError):
    """An axis is out of range for the array it names."""


class StructureError(VmapcoreError, ValueError):
    """A pytree does not have the structure that the call needs."""


class ArgumentError(VmapcoreError, TypeError):
    """An argument has a type that the call cannot use."""


class OptionError(VmapcoreError, ValueError):
    """An argument has a value that the call cannot use."""


class DTypeError(VmapcoreError, TypeError):
    """A dtype that the operation is not defined for."""


class IndexingError(VmapcoreError, IndexError):
    """An index that cannot be used, or not under a transform."""


class ConcretizationError(VmapcoreError, TypeError):
    """One Python value was asked of a tracer that stands for many, or that carries a derivative."""


class LeakedTracerError(VmapcoreError, RuntimeError):
    """A tracer was used after its transform had ended."""


class MutationError(VmapcoreError, ValueError):
    """An in-place write that cannot give NumPy's result exactly."""


class MissingAttributeError(VmapcoreError, AttributeError):
    """An attribute that a tracer cannot have, as NumPy's arrays do, or that a module has not."""


class MissingNameError(VmapcoreError, ImportError):
    """A name that a module does not have was imported from it."""


class MissingRuleError(VmapcoreError, NotImplementedError):
    """A primitive or a NumPy function has no rule for what was asked."""


class EndlessRuleError(VmapcoreError, RecursionError):
    """A rule of an operation applies itself, or its operation so that it is applied again, without end."""


class RandomnessError(VmapcoreError, RuntimeError):
    """Random numbers were drawn where nobody said whether rows, or calls, get the same or others."""


class TooLargeError(VmapcoreError, OverflowError):
    """A number of Python's that no traced one can be: an int of more than 64 bits, or of another type than others."""


class PlanError(VmapcoreError, RuntimeError):
    """What planning made is not what was recorded: a mistake of this package's, never of its user's."""


class PlanWarning(UserWarning):
    """A plan was found wrong when it was built, and is not used: the function runs step by step."""


class PerformanceWarning(UserWarning):
    """Something ran much slower than it could: a loop, or a recording of its own for every number."""


class ZeroGradientWarning(UserWarning):
    """A gradient is zero, since what it is taken by was compared and nothing else."""


def message(call: str, fact: str, allowed: str = "", remedy: str = "") -> str:
    """Builds `<call>: <fact>; <allowed>. <remedy>.`, leaving out what is empty."""
    text = f"{call}: {fact}"
    if allowed:
        text += f"; {allowed}"
    text += "."
    if remedy:
        text += f" {remedy}."
    return text


def describe(x: Any) -> str:
    """Names an array by dtype and shape, `f32[3,4]`, and anything else by its type."""
    dtype, shape = getattr(x, "dtype", None), getattr(x, "shape", None)
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or hasattr(type(x), "toarray"):
        return f"{type(x).__name__} {x!r:.40}" if isinstance(x, (int, float, str, complex)) else type(x).__name__
    name = f"{dtype.kind}{dtype.itemsize * 8}" if dtype.kind in "fiuc" else dtype.name
    return f"{name}[{','.join(map(str, shape))}]"


def name_of(fun: Any) -> str:
    """The name a message gives to a user's function."""
    return getattr(fun, "__name__", None) or type(fun).__name__


def caller() -> FrameType:
    """The innermost frame outside this package and NumPy."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _OF_OTHERS[frame.f_code.co_filename]:
        frame = frame.f_back
    return frame


def scipys_name() -> str:
    """The name of the function of SciPy's whose code led here, without the user's in between; empty if none did."""
    frame, found = sys._getframe(1), None
    while frame.f_back is not None and is_others(frame):
        found = frame if frame.f_code.co_filename.startswith(OTHERS[-1]) else found
        frame = frame.f_back
    return "" if found is None else _public_name(found)


def is_others(frame: FrameType) -> bool:
    """Whether a frame runs code that is not the user's: ours, NumPy's or SciPy's."""
    return _OF_OTHERS[frame.f_code.co_filename]


def _public_name(frame: FrameType) -> str:
    """What is run by a frame, as users name it; of a decorator's inner function, what that was made for."""
    code, owner = frame.f_code, frame.f_locals.get("self")
    module, name = str(frame.f_globals.get("__name__")), code.co_qualname
    if "<locals>" in name:
        inside = [frame.f_locals.get(free) for free in code.co_freevars]
        module, name = next(
            ((f.__module__, f.__qualname__) for f in inside if isinstance(f, FunctionType)), (module, "")
        )
    elif owner is not None:
        name = f"{type(owner).__name__}.{code.co_name}"
    return ".".join([public_module(module), *[part for part in name.split(".") if part and part[:2] != "__"]])


def public_module(name: str) -> str:
    """The module of a library in which users find what one of its modules defines."""
    return ".".join(itertools.takewhile(lambda part: part[0] != "_", name.split(".")))


class _OfOthers(dict[str, bool]):
    """Whether a file is this package's or NumPy's: a dict, as a recording asks of some frames for each step."""

    def __missing__(self, path: str) -> bool:
        found = self[path] = path.startswith(OTHERS)
        return found


_OF_OTHERS = _OfOthers()
MOST_LINES = 1024
_LINES: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""Lines by code and instruction; with the code, which so keeps its id."""


def line_of(code: CodeType, number: int) -> str:
    """What a message calls a line of the user's code."""
    return f"{os.path.basename(code.co_filename)}:{number} in {code.co_name}"


def callers_line() -> str:
    """The line of the user's code that led here: `file.py:12 in f`."""
    frame = caller()
    code = frame.f_code
    key = id(code), frame.f_lasti
    found = _LINES.get(key)
    if found is None:
        if len(_LINES) > MOST_LINES:
            _LINES.clear()
        found = _LINES[key] = code, line_of(code, frame.f_lineno)
    return found[1]


def warn_caller(
    call: str, fact: str, allowed: str = "", remedy: str = "", kind: type[Warning] = PerformanceWarning
) -> None:
    """Gives a warning at the line of the user's code that led here."""
    outside, frame, level = caller(), sys._getframe(), 1
    while frame is not outside and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message(call, fact, allowed, remedy), kind, stacklevel=level)
