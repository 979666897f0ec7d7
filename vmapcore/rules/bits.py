"""Arrays as bits: packed into bytes, unpacked, and read as another dtype of the same size."""

from typing import Any

import numpy as np

from ..core import Memory
from ..errors import DTypeError, OptionError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._axes import EACH
from ._families import link, operand, trailing
from ._ints import as_int
from ._work import each, nothing
from .cumulative import single_axis


@trailing(work=each, zero_derivative=True)
def pack(xp: Any, x: Any, *, bitorder: str) -> Any:
    """Eight truth values of the last axis in each byte."""
    return xp.packbits(x, -1, bitorder)


@trailing(work=each, zero_derivative=True)
def unpack(xp: Any, x: Any, *, count: int | None, bitorder: str) -> Any:
    """The bits of the bytes along the last axis."""
    if not x.shape[-1] and (count or 0) >= 0:  # of which NumPy makes what happens to be in memory
        return xp.zeros((*x.shape[:-1], count or 0), np.uint8)
    return xp.unpackbits(x, -1, count, bitorder)


@implements(np.packbits)
def packbits(a: Any, axis: Any = None, bitorder: str = "big") -> Any:
    x, last = single_axis(operand(a), axis, "np.packbits")
    _check_bits("np.packbits", x, "biu", bitorder)
    return np.moveaxis(pack(np.moveaxis(x, last, -1), bitorder=bitorder), -1, last)


@implements(np.unpackbits)
def unpackbits(a: Any, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    x, last = single_axis(operand(a), axis, "np.unpackbits")
    _check_bits("np.unpackbits", x, "u", bitorder)
    most = None if count is None else as_int("np.unpackbits", "count", count)
    return np.moveaxis(unpack(np.moveaxis(x, last, -1), count=most, bitorder=bitorder), -1, last)


def _check_bits(call: str, x: Any, kinds: str, bitorder: str) -> None:
    if x.dtype.kind not in kinds or (kinds == "u" and x.dtype.itemsize > 1):
        raise DTypeError(call, f"the array is {describe(x)}", "it must be of " + ("uint8" if kinds == "u" else "ints"))
    if bitorder not in ("big", "little"):
        raise OptionError(call, f"bitorder is {bitorder!r}", "it must be 'big' or 'little'")


@trailing(axes=EACH, work=nothing, memory=Memory.VIEW, zero_derivative=True)
def reinterpret(xp: Any, x: Any, *, dtype: Any) -> Any:
    """The bytes of each element as a number of `dtype`, which has as many."""
    return x.view(dtype)


def view(x: Any, dtype: Any = None, type: Any = None) -> Any:
    """`x.view(dtype)`, which shares memory with `x`."""
    if dtype is None or dtype is np.ndarray or np.dtype(dtype) == x.dtype:
        return x[...]
    new, old = np.dtype(dtype), x.dtype
    if new.itemsize != old.itemsize or new.kind not in "biufc":
        fact = f"the array is {describe(x)} and the dtype {new}"
        raise DTypeError("x.view", fact, "a number of another has as many bytes", "Use astype for other numbers")
    back = {"dtype": old}
    return link(x, reinterpret(x, dtype=new), lambda x: reinterpret(x, dtype=new), lambda x, v: reinterpret(v, **back))


NUMPY["view"] = view


class Flat:
    """`x.flat` of a tracer."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.next = 0

    def _line(self) -> Any:
        return np.copy(np.ravel(self.base))

    copy = __array__ = _line

    def __len__(self) -> int:
        return int(self.base.size)

    def __iter__(self) -> "Flat":
        return self

    def __next__(self) -> Any:
        if self.next >= len(self):
            raise StopIteration
        self.next += 1
        return self._line()[self.next - 1]

    def __getitem__(self, index: Any) -> Any:
        return self._line()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, Tracer) and index.dtype == bool:
            NUMPY[np.place](self.base, index.reshape(self.base.shape), np.atleast_1d(value))
            return
        places = index if isinstance(index, Tracer) else np.arange(len(self))[index]
        NUMPY[np.put](self.base, places, value)


NUMPY["flat"] = Flat
