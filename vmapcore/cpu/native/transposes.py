"""A square of registers transposed, as instructions. Imported where Numba is installed."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from .addresses import address_of, apart, call_apart, number_at
from .inner_loops import Code
from .registers import WIDE, constant_indices


def _transposed(builder: Any, registers: list[Any]) -> list[Any]:
    """Row i, number j becomes row j, number i: pairs of rows exchange halves, quarters and so on of them."""
    count, s = len(registers), 1
    while s < count:
        low = constant_indices([i if not i & s else count + i - s for i in range(count)])
        high = constant_indices([i + s if not i & s else count + i for i in range(count)])
        registers = [
            builder.shuffle_vector(registers[i & ~s], registers[i | s], high if i & s else low) for i in range(count)
        ]
        s *= 2
    return registers


def _square_code(real: Any) -> Any:
    def body(builder: Any, x: Any, at: Any, step: Any, out: Any, to: Any, to_step: Any) -> None:
        code = Code(builder, real)
        registers = [code.load(x, at, code.times(step, i)) for i in range(code.wide)]
        for i, register in enumerate(_transposed(builder, registers)):
            code.store(register, out, to, code.times(to_step, i))

    return body


@intrinsic
def square(typing: Any, x: Any, at: Any, step: Any, out: Any, to: Any, to_step: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = [address_of(context, builder, k, a) for k, a in zip(signature.args, args, strict=True)]
        real = number_at(given[0])
        function = apart(builder, f"vmapcore.square.{real}.{WIDE}", [a.type for a in given], _square_code(real))
        call_apart(context, builder, function, given)
        return context.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, out, n, n), code
