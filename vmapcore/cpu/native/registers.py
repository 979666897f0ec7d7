"""What compiled code does for the functions of `kernels/lanes.py`: instructions on LLVM's vectors."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import extending, types
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from .addresses import Address, address_of, moved, pointer

__all__ = [
    *("WIDE", "at_least", "bare", "behind", "larger", "load", "number", "pick", "place", "put", "room_for"),
    *("spread", "store", "where_less", "width", "zeros"),
]

WIDE = 64 if binding.get_host_cpu_features().get("avx512f") else 32
"""Bytes of a register: what this processor has, or 32, which LLVM divides where registers are shorter."""

FUSED = ("contract", "nsz")
"""What the compiler may do to products and sums: round `a * b + c` once, and take -0 for 0."""

INDEX: Any = ir.IntType(32)


class Register(types.Type):
    """The type of a vector of `count` numbers."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype = dtype
        self.count = count
        super().__init__(name=f"Register({dtype}, {count})")


@extending.register_model(Register)
class RegisterModel(extending.models.PrimitiveModel):
    """In memory and as a value it is LLVM's vector."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), kind.count))


def constant_indices(numbers: Iterable[int]) -> Any:
    """What a shuffle takes from where."""
    found = list(numbers)
    return ir.Constant(ir.VectorType(INDEX, len(found)), found)


def spread_code(builder: Any, s: Any, count: int) -> Any:
    """A vector full of one number."""
    undefined = ir.Constant(ir.VectorType(s.type, count), ir.Undefined)
    first = builder.insert_element(undefined, s, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(first, undefined, constant_indices([0] * count))


def _place(context: Any, builder: Any, kind: Any, a: Any, i: Any, count: int = 1) -> Any:
    """Where a number is, or a register of them."""
    place = pointer(builder, moved(builder, address_of(context, builder, kind, a), i), count, context)
    return builder.bitcast(place, ir.VectorType(place.type.pointee, count).as_pointer()) if count > 1 else place


@intrinsic
def zeros(typing: Any, a: Any) -> Any:
    kind = Register(a.dtype, WIDE * 8 // a.dtype.bitwidth)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), [0.0] * kind.count)

    return kind(a), code


@intrinsic
def bare(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return address_of(context, builder, signature.args[0], args[0])

    return (Address(a.dtype) if isinstance(a, types.Array) else a)(a), code


@intrinsic
def behind(typing: Any, a: Any, k: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return moved(builder, address_of(context, builder, signature.args[0], args[0]), args[1])

    return Address(a.dtype)(a, types.intp), code


@intrinsic
def number(typing: Any, a: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[1], signature.args[1], a.dtype)

    return a.dtype(a, value), code


@intrinsic
def pick(typing: Any, a: Any, i: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], args[0], args[1]))

    return a.dtype(a, types.intp), code


@intrinsic
def put(typing: Any, a: Any, i: Any, s: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _place(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(a, types.intp, a.dtype), code


@intrinsic
def load(typing: Any, like: Any, a: Any, i: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[1], args[1], args[2], like.count)
        return builder.load(place, align=like.dtype.bitwidth // 8)

    return like(like, a, types.intp), code


@intrinsic
def store(typing: Any, a: Any, i: Any, v: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1], v.count)
        builder.store(args[2], place, align=v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(a, types.intp, v), code


@intrinsic
def spread(typing: Any, like: Any, s: Any) -> Any:
    return like(like, like.dtype), lambda context, builder, signature, args: spread_code(builder, args[1], like.count)


@intrinsic
def at_least(typing: Any, v: Any, low: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        floor = spread_code(builder, args[1], v.count)
        return builder.select(builder.fcmp_ordered("<", args[0], floor), floor, args[0])

    return v(v, v.dtype), code


@intrinsic
def larger(typing: Any, v: Any, u: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        most = builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[1], args[0])
        return builder.select(builder.fcmp_unordered("uno", args[1], args[1]), args[1], most)

    return v(v, v), code


@intrinsic
def where_less(typing: Any, v: Any, u: Any, yes: Any, no: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return v(v, u, yes, no), code


@intrinsic
def _scale(typing: Any, s: Any, v: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = context.cast(builder, args[0], signature.args[0], v.dtype)
        return builder.fmul(spread_code(builder, number, v.count), args[1], flags=FUSED)

    return v(s, v), code


def _binary(name: str) -> Any:
    @intrinsic
    def combine(typing: Any, v: Any, u: Any) -> Any:
        return v(v, u), lambda context, builder, signature, args: getattr(builder, name)(*args, flags=FUSED)

    return combine


def _for_registers(code: Any) -> Any:
    """An overload of a binary operator, for registers on its right."""
    return lambda v, u: (lambda v, u: code(v, u)) if isinstance(u, Register) else None


extending.overload(operator.add)(_for_registers(_binary("fadd")))
extending.overload(operator.sub)(_for_registers(_binary("fsub")))
extending.overload(operator.mul)(_for_registers(_scale))


@intrinsic
def place(typing: Any, steps: Any, k: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if isinstance(steps, types.Integer):
            return builder.mul(*args)
        return builder.load(_place(context, builder, steps, *args))

    return types.intp(types.intp if isinstance(steps, types.Integer) else steps, types.intp), code


@intrinsic
def width(typing: Any, v: Any) -> Any:
    return types.intp(v), lambda context, builder, signature, args: ir.Constant(
        context.get_value_type(types.intp), v.count
    )


def room_for(a: Any, count: int) -> Any:
    raise NotImplementedError


@extending.overload(room_for)
def _room_for(a, count):  # type: ignore[no-untyped-def]  # Numba compares signatures
    dtype = as_dtype(a.dtype)
    return lambda a, count: np.empty(count, dtype)
