"""Arrays as compiled kernels take them: the address of the first element, read out of the object.

Only an array itself will do, of the very dtype, aligned and with all elements in a row; anything else is a TypeError.
That is seen from a few fields of the object, in less time than Numba needs to unpack an array of its own.
"""

import ctypes
from typing import Any

import numpy as np

from ...planning.expressions.building import DTYPES
from ..compiled import CHECKED, numba

if numba is not None:
    from llvmlite import binding, ir
    from numba import extending, types
    from numba.core import cgutils

    from ..native.addresses import AddressModel, first_of

HEADER = object.__basicsize__
WORD = ctypes.sizeof(ctypes.c_void_p)
KIND, DATA, DTYPE, FLAGS = HEADER - WORD, HEADER, HEADER + 5 * WORD, HEADER + 6 * WORD
"""Where in an array its type, the address of its elements, its dtype and its flags are: NumPy's ABI."""

IN_A_ROW = 0x501
WRITEABLE = 0x400
"""Of the flags: contiguous, aligned, writeable."""

ARRAY = "vmapcore_ndarray"
"""By what name code finds the address of the type of arrays."""


def exact(dtype: Any) -> Any:
    """The one object for all dtypes that are equal to this one."""
    return np.dtype(dtype.str)


def _field(x: Any, offset: int, kind: Any = ctypes.c_void_p) -> Any:
    return kind.from_address(id(x) + offset).value


def _as_expected() -> bool:
    """Whether arrays are laid out so."""
    for x in (np.zeros((2, 3)), np.zeros((2, 3), "f")[:, ::2], np.zeros(0, "?")):
        if _field(x, KIND) != id(np.ndarray) or _field(x, DTYPE) != id(x.dtype):
            return False
        if _field(x, DATA) != x.ctypes.data or _field(x, FLAGS, ctypes.c_int) & IN_A_ROW != x.flags.num & IN_A_ROW:
            return False
    return True


AVAILABLE = numba is not None and WORD == 8 and _as_expected()
"""Whether there is Numba, and arrays are laid out so."""


def _symbol(dtype: Any) -> str:
    return f"vmapcore_dtype_{dtype.name}"


def _unboxed(kind: Any, array: Any, context: Any) -> Any:
    """Instructions that read the address, and see whether the array will do."""
    builder, byte, flags = context.builder, ir.IntType(8), ir.IntType(32)
    start = builder.bitcast(array, byte.as_pointer())
    wrong = cgutils.alloca_once_value(builder, ir.IntType(1)(1))
    address = cgutils.alloca_once_value(builder, context.context.get_value_type(kind)(None))

    def field(offset: int, of: Any) -> Any:
        return builder.load(builder.bitcast(builder.gep(start, [ir.IntType(64)(offset)]), of.as_pointer()))

    def differs(offset: int, name: str) -> Any:
        known = context.context.get_c_value(builder, byte, name)
        return builder.icmp_unsigned("!=", field(offset, byte.as_pointer()), known)

    with builder.if_then(builder.not_(differs(KIND, ARRAY)), likely=True):
        bits = flags(IN_A_ROW if kind.written else IN_A_ROW & ~WRITEABLE)
        apart = builder.icmp_unsigned("!=", builder.and_(field(FLAGS, flags), bits), bits)
        builder.store(builder.or_(apart, differs(DTYPE, kind.symbol)), wrong)
        data = field(DATA, context.context.get_data_type(kind.dtype).as_pointer())
        builder.store(first_of(builder, data, _size(context.pyapi, array) if CHECKED else None), address)
    is_error = builder.load(wrong)
    with builder.if_then(is_error, likely=False):
        context.pyapi.err_set_string("PyExc_TypeError", f"no array of {kind.dtype} in a row")
    return extending.NativeValue(builder.load(address), is_error=is_error)


def _size(pyapi: Any, array: Any) -> Any:
    counted = pyapi.object_getattr_string(array, "size")
    size = pyapi.number_as_ssize_t(counted)
    pyapi.decref(counted)
    return size


if AVAILABLE:

    class Elements(types.Type):
        """The elements of an array, which may be `written`."""

        def __init__(self, dtype: Any, written: bool) -> None:
            self.dtype, self.written, self.symbol = numba.from_dtype(dtype), written, _symbol(exact(dtype))
            super().__init__(name=f"vmapcore.Elements({dtype.name}, {written})")

    extending.register_model(Elements)(AddressModel)
    extending.unbox(Elements)(_unboxed)
    binding.add_symbol(ARRAY, id(np.ndarray))
    for _dtype in DTYPES:
        binding.add_symbol(_symbol(exact(_dtype)), id(exact(_dtype)))


def elements(dtype: Any, written: bool) -> Any:
    """Numba's type of such an argument."""
    return Elements(dtype, written)
