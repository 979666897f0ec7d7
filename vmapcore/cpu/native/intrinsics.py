"""What generated kernels are made of where Numba's own arithmetic would not do: written as LLVM instructions.

- `get` and `put` read and write an array without checks, and tell the compiler which arrays share no memory;
- `plus` adds in any order, so that a sum runs on vectors, while all other arithmetic stays as written;
- `larger` and `smaller` give nan if either is nan, and run on vectors too;
- `exp`, `log` and `tanh` are polynomials without a branch, so that loops over them run on vectors.
"""

from collections.abc import Callable
from typing import Any

from numba import extending, types

from . import mathematics
from .addresses import address_of, moved, pointer


def _intrinsic(function: Callable[..., Any]) -> Any:
    return extending.intrinsic(prefer_literal=True)(function)


def _of_one(emit: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of one float from what emits its instructions."""
    return _intrinsic(lambda context, x: (x(x), lambda target, builder, signature, args: emit(builder, *args)))


def _of_two(emit: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    return _intrinsic(lambda context, x, y: (x(x, y), lambda target, builder, signature, args: emit(builder, *args)))


# Memory.


def _scoped(builder: Any, instruction: Any, own: int, count: int) -> None:
    """Notes that the memory of this array is none of the `count` others that are written; 0 is what is only read."""
    module = builder.module
    domain = module.add_metadata(["vmapcore"])
    scopes = [module.add_metadata([f"vmapcore {i}", domain]) for i in range(count + 1)]
    instruction.set_metadata("alias.scope", module.add_metadata([scopes[own]]))
    others = [s for i, s in enumerate(scopes) if i != own]
    if others:
        instruction.set_metadata("noalias", module.add_metadata(others))


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    first = address_of(context, builder, kind, array)
    return pointer(builder, moved(builder, first, index, inbounds=True), context=context)


def _get(typing: Any, array: Any, index: Any, own: Any, count: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, array, args[0], args[1]))
        _scoped(builder, value, own.literal_value, count.literal_value)
        return context.data_model_manager[array.dtype].from_data(builder, value)

    return array.dtype(array, types.intp, own, count), emit


def _put(typing: Any, array: Any, index: Any, value: Any, own: Any, count: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.data_model_manager[array.dtype].as_data(builder, args[2])
        stored = builder.store(data, _address(context, builder, array, args[0], args[1]))
        _scoped(builder, stored, own.literal_value, count.literal_value)
        return context.get_dummy_value()

    return types.none(array, types.intp, array.dtype, own, count), emit


get, put = _intrinsic(_get), _intrinsic(_put)


# Reductions.


plus = _of_two(lambda builder, x, y: builder.fadd(x, y, flags=("reassoc",)))
larger = _of_two(lambda builder, x, y: mathematics.call(builder, "maximum", x, y))
smaller = _of_two(lambda builder, x, y: mathematics.call(builder, "minimum", x, y))


# Functions.


exp = _of_one(mathematics.exponential)
log = _of_one(mathematics.logarithm)
tanh = _of_one(mathematics.hyperbolic_tangent)
