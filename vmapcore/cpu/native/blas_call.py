"""The call of BLAS, as instructions. Imported where Numba is installed."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ENUM: Any = ir.IntType(32)
ROW_MAJOR = 101


def _call(bits: int) -> Any:
    """gemm(order, transposed x, transposed y, rows, columns, depth, 1, x, step, y, step, 0, out, step):
    rows from `to` on in `out`, `step` apart, become x @ y. Operands are addresses, and the distances of rows."""
    number: Any = ir.IntType(bits)

    def call(typing: Any, gemm: Any, transposed: Any, sizes: Any, x: Any, y: Any, out: Any, to: Any, step: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address, flips, lengths, *operands, array, start, apart = args
            (first, first_step), (second, second_step) = [cgutils.unpack_tuple(builder, a, 2) for a in operands]

            def whole(value: Any) -> Any:
                return builder.trunc(value, number) if bits < 64 else value

            data = context.make_array(out)(context, builder, array).data
            real, place = data.type.pointee, data.type
            kinds = [ENUM] * 3 + [number] * 3 + [real, place, number, place, number, real, place, number]
            function = builder.inttoptr(address, ir.FunctionType(ir.VoidType(), kinds).as_pointer())
            given = [ENUM(ROW_MAJOR)]
            given += [builder.trunc(builder.extract_value(flips, i), ENUM) for i in range(2)]
            given += [whole(builder.extract_value(lengths, i)) for i in range(3)]
            given += [real(1.0), builder.inttoptr(first, place), whole(first_step)]
            given += [builder.inttoptr(second, place), whole(second_step), real(0.0)]
            given += [builder.gep(data, [start]), whole(apart)]
            builder.call(function, given)
            return context.get_dummy_value()

        word = types.int64
        return types.none(word, transposed, sizes, x, y, out, word, word), code

    return intrinsic(call)


call_32, call_64 = _call(32), _call(64)
