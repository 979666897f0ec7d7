"""What stands around the functions of an operation's author: what they get is read-only, what they raise named."""

import functools
import sys
from types import ModuleType
from typing import Any

import numpy as np

from ..arguments import separate
from ..arrays import UNTRACED, is_array
from ..core import Rule
from ..errors import EndlessRuleError
from ..pytree import tree_map
from ..tracer import Tracer

HINT = "What '{}' is called with is read-only, as its owner has it too: write into x.copy()"


def locked(x: Any) -> Any:
    """An argument, a pytree perhaps, with read-only views in place of NumPy's arrays."""
    if type(x) is np.ndarray:
        x = x.view()
        x.flags.writeable = False
        return x
    if type(x) in UNTRACED or isinstance(x, (str, Tracer, ModuleType)) or callable(x) or is_array(x):
        return x
    return tree_map(lambda leaf: locked(leaf) if type(leaf) is np.ndarray else leaf, x)


def guarded(op: Any, rule: Rule, what: str = "") -> Rule:
    """A function of the author of `op`, or the rule named, with arguments that it cannot write to.

    A result that is an array in the memory of an argument is copied. What is raised says which rule it came from.
    """

    @functools.wraps(rule)
    def guard(*args: Any, **params: Any) -> Any:
        try:
            out = rule(*[locked(x) for x in args], **params)
        except RecursionError as error:
            if isinstance(error, EndlessRuleError) or not _runs(getattr(rule, "__code__", None)):
                raise
            fact = f"its {what or 'function'} applies itself without end"
            raise EndlessRuleError(op.name, fact, "", "Write it with what the operation is made of") from None
        except Exception as error:
            if what:
                _note(error, f"In the {what} of '{op.name}'")
            if "read-only" in str(error) or "readonly" in str(error):
                _note(error, HINT.format(op.name))
            raise
        if is_array(out) and (out.base is not None or any(out is x for x in args)):
            return separate([out], list(args))[0]
        return out

    guard.inside = rule  # type: ignore[attr-defined]
    return guard


def _runs(code: Any) -> bool:
    """Whether the code runs further out, so that it is what applies itself, and not just where that came to an end."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code is not code:
        frame = frame.f_back
    return code is None or frame.f_code is code


def unguarded(rule: Rule) -> Rule:
    """What a guard stands around, for loops, whose examples are read-only at once."""
    return getattr(rule, "inside", rule)


def _note(error: Exception, note: str) -> None:
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
