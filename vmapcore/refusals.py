"""What a tracer answers when it is asked for one Python value, and how that reaches the user.

C code may put an error of its own in the place of what a tracer raises, as NumPy does in `plain[i] = tracer` and in
`np.zeros(tracer)`. So the error is kept with the place of the question, and the transform raises it there again. It
also raises where the function itself caught the error and went on: what follows was not meant for its values.
"""

import dis
import operator
import sys
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .errors import (
    PACKAGE,
    ArgumentError,
    ConcretizationError,
    VmapcoreError,
    caller,
    callers_line,
    describe,
    is_others,
    line_of,
    scipys_name,
)

TRUTH, TEXT = "one truth value", "one text"
"""What may be asked of a tracer that carries a derivative: neither a branch nor a printed number takes part in it."""

BOOL, ARRAY = "if/while/and/or/bool", "np.asarray, np.array or the like"
"""What asked, for a truth value and for an array; others are called `int`, `index` and so on."""

ELEMENTS = (BOOL, ARRAY, "int", "float", "complex")
"""What a plain array asks of a value that is written into it."""

INTO_PLAIN = (
    "Make the array inside, of one from outside np.array(x); where names are plain, with vmapcore.numpy.zeros (or "
    "empty, ones, full) or with np.zeros_like of a traced array; or use np.stack of a list of values, or "
    "vmapcore.at(x)[i].set(v)"
)
TO_WRITE = "; to write it into an array, make that with vmapcore.numpy.zeros"
TAKE = "to index with it, use vmapcore.numpy.take(x, i, axis), of a list after np.stack"
KEEP = "Keep it an array, with NumPy's functions in place of math's and astype for another dtype"
OUTSIDE = "; or return it from the function, and convert it outside"

BY_EXAMPLE = {
    BOOL: "Use np.where(condition, a, b), in a loop x = np.where(goes_on, new, x)",
    "hash": "A key must be the same for all examples",
    "index": "A size or a count must be the same for all examples; " + TAKE,
    "round": "Use round(x, 0) or np.rint(x)",
    "format": "Return it from the function to print it",
    "item": KEEP + OUTSIDE,
    "tolist": KEEP + OUTSIDE,
}
BY_CALL = BY_EXAMPLE | {
    BOOL: "Use np.where in place of if; or pass what the branch depends on as a static argument",
    "hash": "Pass a key as a static argument",
    "index": "Pass a size or a count as a static argument; " + TAKE,
    "int": "Pass a size or a count as a static argument; for another dtype use x.astype(int)" + TO_WRITE,
    "format": "Return it from the function, and print what jit returns",
}
"""What to do instead, by what asked, where a value differs between examples or between calls."""

OTHERWISE = KEEP + OUTSIDE + TO_WRITE
"""And for all else that asks."""

ABSENT = {
    "base": "",
    "byteswap": "",
    "ctypes": "Pass what a foreign function returns into the transform as an argument",
    "data": "",
    "dump": "Return the array from the function to save it",
    "dumps": "Return the array from the function to save it",
    "flags": "",
    "getfield": "Use x.real, x.imag or astype",
    "resize": "Use np.resize, or np.pad",
    "setfield": "Write into x.real or x.imag",
    "setflags": "",
    "strides": "",
    "tobytes": "Return the array from the function to save it",
    "tofile": "Return the array from the function to save it",
}
"""Attributes of NumPy's arrays that tracers do not have, and what to use instead."""


HERE = PACKAGE + "refusals.py"
"""Where what a tracer raises is thrown: a traceback that ends here was ended by C code."""

INDIFFERENT = sys.stdlib_module_names | {"numpy"}
"""Packages that may catch a refusal without a result that hangs on it: they log, or ask in another way."""


Error = TypeVar("Error", bound=Exception)


class Refusal(NamedTuple):
    """What was said, and to which instruction."""

    error: Exception
    code: CodeType
    instruction: int
    caller: FrameType
    line: str

    def caught(self) -> str:
        """Where a function of the user's caught it, `file.py:12 in f`; empty if none did."""
        thrown, line = self.error.__traceback__, self.line  # begins where it was caught
        if thrown is None or thrown.tb_frame.f_code.co_filename == HERE:
            frame = self.caller
        else:
            frame, line = thrown.tb_frame, line_of(thrown.tb_frame.f_code, thrown.tb_lineno)
        module = frame.f_globals.get("__name__") or ""
        ours = frame.f_code.co_filename.startswith(PACKAGE)
        return "" if ours or module.partition(".")[0] in INDIFFERENT else line


def refuse(
    trace: Any, call: str, fact: str, allowed: str, remedy: str, kind: type[VmapcoreError] = ConcretizationError
) -> VmapcoreError:
    """The error for a question to a value of `trace`, which keeps it, and the first that the function has caught."""
    return kept(trace, kind(call, fact, allowed, remedy))


def kept(trace: Any, error: Error) -> Error:
    """Returns an error that hangs on values of `trace`, which keeps it, and the first that the function has caught."""
    frame, _ = _asking()
    caught = [refusal for refusal in trace.refused if refusal.caught()]
    trace.refused = (*caught[:1], Refusal(error, frame.f_code, frame.f_lasti, caller(), callers_line()))
    return error


def check_returned(call: str, refused: Sequence[Refusal], error: BaseException | None) -> None:
    """Raises the last refusal if `error`, which ended the function, is what C code made of it.

    And if there is none: raises where the function has caught a refusal and went on.
    """
    if error is None:
        for refusal in refused:
            if line := refusal.caught():
                fact = f"the function caught what follows, at {line}, and went on; its results may hang on that"
                raise ConcretizationError(call, fact, "", str(refusal.error).rstrip("."))
        return
    last, innermost = refused[-1], error.__traceback__
    if innermost is None or isinstance(error, VmapcoreError):
        return
    if isinstance(error, SystemError):  # C code went on with ours pending
        raise ConcretizationError(str(last.error)).with_traceback(error.__traceback__) from None
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    frame, cause = innermost.tb_frame, error.__cause__ or error.__context__
    while cause is not None and cause is not last.error:
        cause = cause.__cause__ or cause.__context__
    if (frame.f_code is last.code and innermost.tb_lasti == last.instruction) or (cause and is_others(frame)):
        raise ConcretizationError(str(last.error)).with_traceback(error.__traceback__) from None


def _asking() -> tuple[FrameType, bool]:
    """The innermost frame outside this package, and whether what it does is a write into a tracer."""
    frame, ours = sys._getframe(2), False
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        ours = ours or frame.f_code.co_name == "__setitem__"
        frame = frame.f_back
    return frame, ours


def is_written() -> bool:
    """Whether a tracer is asked by `plain[i] = v`, for its value or as an index."""
    frame, ours = _asking()
    name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return not ours and name in ("STORE_SUBSCR", "STORE_SLICE")


def parts_of_write(call: str, value: Any, is_index: bool = False) -> tuple[str, str, str, str]:
    """The message for a write of a tracer, or perhaps at one, into an ordinary array, which has no room for it."""
    what = f"a traced {describe(value)} of {value._trace.call}"
    does = f"has {what} as index or value of a write" if is_index else f"writes {what}"
    return (
        call,
        f"{does} into a plain array, at {callers_line()}",
        f"a plain array has no place for {value.beyond}",
        INTO_PLAIN,
    )


def instead_of_array(dtype: Any, wanted: Any) -> str:
    """What to do instead of making a plain array, of the dtype `wanted` if any, of a tracer of `dtype`."""
    remedy = (
        "Pass NumPy's functions the traced array itself, or np.stack(list) for a list of traced values, and so in "
        "place of np.array and np.r_"
    )
    if wanted is not None:
        remedy = f"For another dtype use x.astype(np.{np.dtype(wanted).name}). {remedy}"
    if dtype.kind in "biu":
        remedy += ". To index a plain array with it, use vmapcore.numpy.take(x, i, axis); no length can depend on it"
    return remedy + ". To write it into an array, make that with vmapcore.numpy.zeros, or np.zeros_like of a traced one"


class Questioned:
    """A tracer, as far as it is asked for what it may not have."""

    __slots__ = ()

    _trace: Any
    value: Any
    beside: Any
    shape: Any
    dtype: Any

    @property
    def differs(self) -> str:
        """Why a length cannot depend on it, in an error."""
        return f"differs between the examples, at {callers_line()}"

    @property
    def apart(self) -> str:
        """What else to do than to use it alike for all examples, in an error, after other ways."""
        return ""

    beyond = "the values of all examples"
    """What a plain array has no place for, in an error."""

    def _known(self, wanted: str) -> Any:
        """The array behind this tracer where asking for one Python value is exact, else None."""
        return None

    def _asked(self, call: str, wanted: str) -> Any:
        """The same, or what those answer for whom the function goes on."""
        return self._known(wanted)

    def answered(self) -> Any:
        """The plain array that this is for all for whom the function goes on; None if it differs between them."""
        value: Any = self
        while isinstance(value, Questioned):
            value = value._asked(ARRAY, ARRAY)
        return value

    def _concrete(self, call: str, wanted: str) -> Any:
        """The array behind this tracer, or what those answer for whom the function goes on; else raises."""
        value = self._asked(call, wanted)
        if value is None:
            raise self._concretization(call, *self._instead(call, wanted))
        return value

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        """What it is not, and what to do instead."""
        return wanted, "Use array operations"

    @property
    def otherwise(self) -> str:
        """What to do instead of passing it to a library's function that computes with plain values."""
        return "Call it outside, on plain values, or declare it as an operation, with vmapcore.external" + self.apart

    def outside(self, name: str) -> VmapcoreError:
        """The error for passing it to a library's function of that name."""
        what = f"{describe(self)} of {self._trace.call}"
        fact = f"has no form that takes traced values, such as {what}, at {callers_line()}"
        return refuse(self._trace, name, fact, "", self.otherwise)

    def _concretization(self, call: str, wanted: str, remedy: str) -> VmapcoreError:
        """The error for asking this tracer for a value that it does not have."""
        if self._trace.ended:
            return self._trace.leaked()
        if name := scipys_name():
            return self.outside(name)
        if call in ELEMENTS and is_written():
            return refuse(self._trace, *parts_of_write("x[i] = v", self, call == ARRAY and self.dtype.kind in "biu"))
        return refuse(self._trace, call, self._is_not(wanted), "", remedy)

    def _is_not(self, wanted: str) -> str:
        what = f"a {type(self).__name__} {describe(self)} of {self._trace.call}"
        return f"{what} is not {wanted}, at {callers_line()}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        known = self._asked(ARRAY, ARRAY)
        if known is None:
            raise self._concretization(ARRAY, "an ordinary array", instead_of_array(self.dtype, dtype) + self.apart)
        return np.array(known, dtype)

    def __bool__(self) -> bool:
        return bool(self._concrete(BOOL, TRUTH))

    def __int__(self) -> int:
        return int(self._concrete("int", "one int"))

    def __index__(self) -> int:
        return operator.index(self._concrete("index", "one int"))

    def __float__(self) -> float:
        return float(self._concrete("float", "one float"))

    def __complex__(self) -> complex:
        return complex(self._concrete("complex", "one complex number"))

    def __hash__(self) -> int:
        if self.shape:
            raise ArgumentError("hash", f"the array is {describe(self)}", "arrays are no keys, as in NumPy")
        return hash(self._concrete("hash", "one key of a set or dict"))

    def __format__(self, spec: str) -> str:
        return format(self._concrete("format", TEXT), spec) if spec else repr(self)

    def item(self, *args: Any) -> Any:
        return self._concrete("item", "one Python number").item(*args)

    def tolist(self) -> Any:
        return self._concrete("tolist", "a list of Python numbers").tolist()


class Differentiated(Questioned):
    """One that may carry a derivative, which has something beside its value then."""

    __slots__ = ()

    beyond = "a derivative"
    otherwise = (
        "Declare it as an operation with a derivative, with vmapcore.external or custom_op; or use "
        "vmapcore.stop_gradient(x) first if the derivative is not wanted"
    )

    def _known(self, wanted: str) -> Any:
        loses_none = wanted in (TRUTH, TEXT) or self.dtype.kind in "biu"  # a branch, a text, an int of an int
        return self.value if self.beside is None or loses_none else None

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        remedy = KEEP + TO_WRITE if call in ELEMENTS else KEEP
        remedy += "; or use vmapcore.stop_gradient(x) first if the derivative is not wanted"
        return wanted + " without losing its derivative", remedy
