"""The inner loops of all products as instructions: blocks of sums, each in a register of its own until its end.

A function of LLVM is made for each size of a block, and kept apart from its callers, which would need registers too.
Imported where Numba is installed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .addresses import WORD, address_of, apart, call_apart, moved, number_at, pointer
from .registers import FUSED, WIDE, constant_indices, spread_code


class _Registers:
    """Sums in registers: variables that LLVM keeps there."""

    def __init__(self, builder: Any, vector: Any, rows: int, columns: int) -> None:
        self.builder = builder
        self.variables = [[cgutils.alloca_once(builder, vector) for _ in range(columns)] for _ in range(rows)]

    def set(self, r: int, c: int, value: Any) -> None:
        self.builder.store(value, self.variables[r][c])

    def get(self, r: int, c: int) -> Any:
        return self.builder.load(self.variables[r][c])

    def add(self, r: int, c: int, u: Any, v: Any) -> None:
        """Adds the products of two registers."""
        product = self.builder.fmul(u, v, flags=FUSED)
        self.set(r, c, self.builder.fadd(product, self.get(r, c), flags=FUSED))


class Code:
    """Instructions on vectors of `real` numbers."""

    def __init__(self, builder: Any, real: Any) -> None:
        self.builder = builder
        self.size = 4 if isinstance(real, ir.FloatType) else 8
        self.wide = WIDE // self.size
        self.vector = ir.VectorType(real, self.wide)

    def place(self, a: Any, *offsets: Any) -> Any:
        for offset in offsets:
            a = moved(self.builder, a, offset)
        return a

    def pick(self, a: Any, *offsets: Any) -> Any:
        return self.builder.load(pointer(self.builder, self.place(a, *offsets)))

    def vector_at(self, a: Any, *offsets: Any, count: int = 0) -> Any:
        kind = ir.VectorType(self.vector.element, count or self.wide)
        return self.builder.bitcast(pointer(self.builder, self.place(a, *offsets), kind.count), kind.as_pointer())

    def load(self, a: Any, *offsets: Any) -> Any:
        return self.builder.load(self.vector_at(a, *offsets), align=self.size)

    def store(self, v: Any, a: Any, *offsets: Any) -> None:
        self.builder.store(v, self.vector_at(a, *offsets, count=v.type.count), align=self.size)

    def spread(self, s: Any) -> Any:
        return spread_code(self.builder, s, self.wide)

    def first_lanes(self, count: Any) -> Any:
        """Which numbers of a register are among the first ones."""
        numbered = ir.Constant(ir.VectorType(WORD, self.wide), list(range(self.wide)))
        return self.builder.icmp_signed("<", numbered, self.spread(count))

    def at_least(self, v: Any, low: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered("<", v, low), low, v)

    def least(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def times(self, a: Any, n: Any) -> Any:
        return self.builder.mul(a, n if isinstance(n, ir.Value) else WORD(n))

    def plus(self, *terms: Any) -> Any:
        found, *rest = [t if isinstance(t, ir.Value) else WORD(t) for t in terms]
        for term in rest:
            found = self.builder.add(found, term)
        return found

    def blocks(self, count: Any, size: int) -> Any:
        """How many blocks of a size cover a count."""
        return self.builder.sdiv(self.plus(count, size - 1), WORD(size))

    def totals(self, registers: list[Any]) -> Any:
        """The sums of the numbers of each register, of a power of two of them, side by side in one."""
        size = self.wide
        while size > 1:
            half = size // 2
            if len(registers) == 1:
                registers = [self._folded(registers[0], registers[0], size, half, self.wide)]
            else:
                pairs = zip(registers[::2], registers[1::2], strict=True)
                registers = [self._folded(u, v, size, half, 2 * self.wide) for u, v in pairs]
            size = half
        return registers[0]

    def _folded(self, u: Any, v: Any, size: int, half: int, reach: int) -> Any:
        """Groups of `size` numbers, each folded to half: of both registers, or of one if they reach no further."""
        low = [begin + i for begin in range(0, reach, size) for i in range(half)]
        low += [0] * (self.wide - len(low))
        parts = [self.builder.shuffle_vector(u, v, constant_indices([i + k for i in low])) for k in (0, half)]
        return self.builder.fadd(*parts)


def _place_of(code: Code, steps: Any, k: Any) -> Any:
    """The k-th of some places, or of places that lie equally far apart."""
    return code.times(k, steps) if steps.type == WORD else code.pick(steps, k)


def _outer_code(rows: int, columns: int, real: Any) -> Callable[..., None]:
    """Blocks of so many rows of weights by so many registers."""

    def body(builder: Any, *given: Any) -> None:
        w, first, block, bias, height, floor, x, start, steps, depth, out, to, step, last = given
        code = Code(builder, real)
        sums = _Registers(builder, code.vector, rows, columns)
        places = [*[WORD(c * code.wide) for c in range(columns - 1)], last]
        least = code.spread(floor)
        with cgutils.for_range(builder, code.blocks(height, rows)) as loop:
            o = code.least(code.times(loop.index, rows), code.plus(height, -rows))
            for r in range(rows):
                initial = code.spread(code.pick(bias, code.plus(o, r)))
                for c in range(columns):
                    sums.set(r, c, initial)
            weights = code.place(w, first, code.times(loop.index, block))
            with cgutils.for_range(builder, depth) as terms:
                source = code.place(x, start, _place_of(code, steps, terms.index))
                numbers = [code.load(source, place) for place in places]
                row = code.place(weights, code.times(terms.index, rows))
                for r in range(rows):
                    weight = code.spread(code.pick(row, WORD(r)))
                    for c in range(columns):
                        sums.add(r, c, weight, numbers[c])
            for r in range(rows):
                into = code.place(out, to, code.times(code.plus(o, r), step))
                for c in range(columns):
                    code.store(code.at_least(sums.get(r, c), least), into, places[c])

    return body


def _add_products(
    code: Code, totals: _Registers, g: Any, step: Any, sides: list[Any], register: Any, j: Any, without: Any = None
) -> None:
    """One register of each row of both sides; without some numbers of the right one."""
    left = [code.load(g, register, code.times(step, r)) for r in range(len(totals.variables))]
    for c, side in enumerate(sides):
        right = code.load(side, j)
        if without is not None:
            right = code.builder.select(without, code.vector([0.0] * code.wide), right)
        for r, numbers in enumerate(left):
            totals.add(r, c, numbers, right)


def _store_totals(code: Code, totals: _Registers, sums: Any, stride: Any) -> None:
    """The sum of the numbers of each register; a row of such sums may begin in one register and end in the next."""
    columns = len(totals.variables[0])
    found = [code.builder.load(variable) for row in totals.variables for variable in row]
    together = []
    for begin in range(0, len(found), code.wide):
        some = found[begin : begin + code.wide]
        count = 1 << (len(some) - 1).bit_length()
        together.append(code.totals(some + [code.vector([0.0] * code.wide)] * (count - len(some))))
    for r in range(len(totals.variables)):
        which, first = divmod(r * columns, code.wide)
        both = together[which], together[min(which + 1, len(together) - 1)]
        row = code.builder.shuffle_vector(*both, constant_indices(range(first, first + columns)))
        code.store(row, sums, code.times(stride, r))


def _inner_code(rows: int, columns: int, real: Any) -> Callable[..., None]:
    """One block: so many rows of one side by so many of the other."""

    def body(builder: Any, *given: Any) -> None:
        g, at, step, x, start, steps, k, down, runs, run, sums, to, stride = given
        code = Code(builder, real)
        totals = _Registers(builder, code.vector, rows, columns)
        zero = code.vector([0.0] * code.wide)
        for r in range(rows):
            for c in range(columns):
                totals.set(r, c, zero)
        sides = [code.place(x, start, _place_of(code, steps, code.plus(k, c))) for c in range(columns)]
        wide = WORD(code.wide)
        full, rest = builder.sdiv(run, wide), builder.srem(run, wide)
        add = partial(_add_products, code, totals, code.place(g, at), step, sides)
        with cgutils.for_range(builder, runs) as lines:
            first = code.times(lines.index, code.times(code.blocks(run, code.wide), wide))
            behind = code.times(lines.index, down)
            with cgutils.for_range(builder, full) as loop:
                j = code.times(loop.index, wide)
                add(code.plus(first, j), code.plus(j, behind))
            with builder.if_then(builder.icmp_signed("!=", rest, WORD(0))):
                # what the last register has in common with the one before is 0 on the left, and here too: not 0 * inf
                twice = code.first_lanes(builder.sub(wide, rest))
                add(code.plus(first, code.times(full, wide)), code.plus(run, -code.wide, behind), twice)
        _store_totals(code, totals, code.place(sums, to), stride)

    return body


def _of_sizes(name: str, sizes: Sequence[tuple[int, int]], code_of: Callable[..., Any]) -> Any:
    """A function of the size of a block, one of `sizes`, and of four tuples: what the code of that size takes."""

    @intrinsic
    def loop(typing: Any, rows: Any, columns: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            wanted, given = args[:2], _flat(context, builder, signature.args[2:], args[2:])
            kinds = [v.type for v in given]
            real = number_at(given[0])
            arrays = [kind for group in signature.args[2:] for kind in group if hasattr(kind, "dtype")]
            of_places = any(isinstance(kind.dtype, types.Integer) for kind in arrays)
            named = f"vmapcore.{name}.{real}.{'places' if of_places else 'equal'}"
            for size in sizes:
                function = apart(builder, f"{named}.{size[0]}.{size[1]}", kinds, code_of(*size, real))
                same = [builder.icmp_signed("==", n, WORD(m)) for n, m in zip(wanted, size, strict=True)]
                with builder.if_then(builder.and_(*same)):
                    call_apart(context, builder, function, given)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, a, b, c, d), code

    return loop


def _flat(context: Any, builder: Any, kinds: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """What is in tuples, with the addresses of arrays."""
    found: list[Any] = []
    for kind, value in zip(kinds, values, strict=True):
        if isinstance(kind, types.BaseTuple):
            found += _flat(context, builder, [*kind], [builder.extract_value(value, i) for i in range(len(kind))])
        else:
            found.append(address_of(context, builder, kind, value))
    return found


def outer(sizes: Sequence[tuple[int, int]]) -> Any:
    """The loop over terms of rows by registers: of `blocks.outer`."""
    return _of_sizes("outer", sizes, _outer_code)


def inner(sizes: Sequence[tuple[int, int]]) -> Any:
    """The loop along memory for rows by rows: of `blocks.inner`."""
    return _of_sizes("inner", sizes, _inner_code)
