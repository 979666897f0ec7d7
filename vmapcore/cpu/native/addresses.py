"""Addresses of the numbers of arrays, as instructions. Imported where Numba is installed.

An address is a pointer. Where kernels are `CHECKED`, it has with it how far from it, in numbers, its array begins and
ends. What would read or write elsewhere prints a line and raises an IndexError.
"""

import ctypes
import re
import sys
from typing import Any

from llvmlite import binding, ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..compiled import CHECKED, EDITION

BIT: Any = ir.IntType(1)
WORD: Any = ir.IntType(64)
TEXT: Any = ir.IntType(8).as_pointer()


class Address(types.Type):
    """The type of the address of a number."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"vmapcore.Address({dtype})")


@extending.register_model(Address)
class AddressModel(extending.models.PrimitiveModel):
    """A pointer, or that and where its array begins and ends."""

    def __init__(self, manager: Any, kind: Any) -> None:
        pointer = manager.lookup(kind.dtype).get_data_type().as_pointer()
        super().__init__(manager, kind, ir.LiteralStructType([pointer, WORD, WORD]) if CHECKED else pointer)


def first_of(builder: Any, data: Any, count: Any) -> Any:
    """The address of the first of so many numbers."""
    return cgutils.pack_struct(builder, [data, WORD(0), count]) if CHECKED else data


def address_of(context: Any, builder: Any, kind: Any, a: Any) -> Any:
    """Of an array, which may be given by its address; anything else stays what it is."""
    if not isinstance(kind, types.Array):
        return a
    array = context.make_array(kind)(context, builder, a)
    return first_of(builder, array.data, array.nitems)


def number_at(a: Any) -> Any:
    """The type of the number at an address."""
    return (a.type.elements[0] if CHECKED else a.type).pointee


def moved(builder: Any, a: Any, k: Any, inbounds: bool = False) -> Any:
    """The address of the k-th number from one on."""
    if not CHECKED:
        return builder.gep(a, [k], inbounds)
    data, low, high = cgutils.unpack_tuple(builder, a, 3)
    return cgutils.pack_struct(builder, [builder.gep(data, [k]), builder.sub(low, k), builder.sub(high, k)])


def pointer(builder: Any, a: Any, count: int = 1, context: Any = None) -> Any:
    """To so many numbers from an address on, all of one array; a function of Numba has a `context`, others none."""
    if not CHECKED:
        return a
    data, low, high = cgutils.unpack_tuple(builder, a, 3)
    before, behind = builder.icmp_signed(">", low, WORD(0)), builder.icmp_signed("<", high, WORD(count))
    with builder.if_then(builder.or_(before, behind), likely=False):
        kind = ir.FunctionType(ir.VoidType(), [TEXT, WORD, WORD, WORD])
        say = cgutils.get_or_insert_function(builder.module, kind, "vmapcore_outside")
        name = cgutils.global_constant(
            builder, "vmapcore.name", cgutils.make_bytearray(f"{_name(builder)}: {data.type.pointee}\0".encode())
        )
        builder.call(say, [builder.bitcast(name, TEXT), builder.neg(low), WORD(count), builder.sub(high, low)])
        if context is None:
            builder.ret(BIT(1))
        else:
            _fail(context, builder)
    return data


def _name(builder: Any) -> str:
    """Of the function, as Python knows it."""
    left, parts = builder.function.name.removeprefix("_ZN"), []
    while found := re.match(r"\d+", left):
        left = left[found.end() :]
        parts.append(left[: int(found[0])])
        left = left[int(found[0]) :]
    return ".".join(parts).removesuffix(f"_{EDITION}") or left


def _fail(context: Any, builder: Any) -> None:
    context.call_conv.return_user_exc(builder, IndexError, (f"{_name(builder)} is outside of an array",))


def apart(builder: Any, name: str, kinds: list[Any], code: Any) -> Any:
    """A function of its own in the module; `call_apart` calls it."""
    known = builder.module.globals.get(name)
    if known is not None:
        return known
    function = ir.Function(builder.module, ir.FunctionType(BIT if CHECKED else ir.VoidType(), kinds), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    inside = ir.IRBuilder(function.append_basic_block("entry"))
    code(inside, *function.args)
    if CHECKED:
        inside.ret(BIT(0))
    else:
        inside.ret_void()
    return function


def call_apart(context: Any, builder: Any, function: Any, given: list[Any]) -> None:
    """Calls what `apart` made, and fails if that was outside of an array."""
    failed = builder.call(function, given)
    if CHECKED:
        with builder.if_then(failed, likely=False):
            _fail(context, builder)


_happened = ctypes.c_int64()


@ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
def _say(name: bytes, first: int, count: int, length: int) -> None:
    _happened.value = 1
    what = f"numbers {first} to {first + count - 1} of an array of {length}"
    print(f"vmapcore: {name.decode()}: {what}", file=sys.stderr, flush=True)


binding.add_symbol("vmapcore_outside", ctypes.cast(_say, ctypes.c_void_p).value)
binding.add_symbol("vmapcore_was_outside", ctypes.addressof(_happened))


@intrinsic
def was_outside(typing: Any) -> Any:
    """Whether any kernel of this process was outside of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.trunc(builder.load(context.get_c_value(builder, WORD, "vmapcore_was_outside")), BIT)

    return types.boolean(), code
