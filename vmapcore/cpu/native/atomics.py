"""Instructions on words that several threads see, and calls of functions by address. Imported where Numba is installed.

Addresses are ints.
"""

import ctypes
import platform
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INT: Any = ir.IntType(32)
WORD: Any = ir.IntType(64)
BYTES: Any = ir.IntType(8).as_pointer()
ROWS: Any = ir.FunctionType(ir.IntType(1), [BYTES, WORD, WORD])
"""Of a function of packed arguments that does some rows, and returns whether it failed."""

JOB = 8
"""Words of a job."""

PAUSES: dict[str, tuple[str, list[int]]] = {
    **dict.fromkeys(["x86_64", "AMD64"], ("llvm.x86.sse2.pause", [])),
    **dict.fromkeys(["aarch64", "arm64"], ("llvm.aarch64.hint", [1])),
}
"""What a processor is told that waits in a loop."""


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


@intrinsic
def read(typing: Any, address: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), code


@intrinsic
def write(typing: Any, address: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), code


@intrinsic
def add(typing: Any, address: Any, value: Any) -> Any:
    """Returns what was there."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "acq_rel")

    return types.int64(types.int64, types.int64), code


@intrinsic
def swap(typing: Any, address: Any, old: Any, new: Any) -> Any:
    """Writes `new` if `old` is there; returns whether it was."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), code


@intrinsic
def stack(typing: Any) -> Any:
    """Memory for a job, until the function that calls this returns."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(WORD, JOB)), WORD)

    return types.int64(), code


@intrinsic
def call(typing: Any, function: Any, arguments: Any, first: Any, last: Any) -> Any:
    """Runs rows; returns whether that failed."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], ROWS.as_pointer())
        return builder.call(function, [builder.inttoptr(args[1], BYTES), *args[2:]])

    return types.boolean(*[types.int64] * 4), code


@intrinsic
def board(typing: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(context.get_c_value(builder, ir.IntType(8), "vmapcore_board"), WORD)

    return types.int64(), code


@intrinsic
def rest(typing: Any) -> Any:
    """Waits for some cycles."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if platform.machine() in PAUSES:
            name, hint = PAUSES[platform.machine()]
            kind = ir.FunctionType(ir.VoidType(), [INT for _ in hint])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [INT(n) for n in hint])
        return context.get_dummy_value()

    return types.none(), code


@intrinsic
def let_others(typing: Any) -> Any:
    """Lets the system run another thread on this core."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(INT, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "vmapcore_let_others"), [])
        return context.get_dummy_value()

    return types.none(), code


@intrinsic
def outlined(typing: Any, rows: Any, args: Any) -> Any:
    """The addresses of a function of packed arguments that calls `rows`, and of the arguments on the stack.

    Arrays go without their owners: all threads would count references in one place of memory, and wait for it.
    """
    inner = rows.get_call_type(typing, (types.intp, types.intp, *args.types), {})

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = [
            _without_owner(context, builder, kind, builder.extract_value(values[1], i))
            for i, kind in enumerate(args.types)
        ]
        kind = ir.LiteralStructType([value.type for value in given])
        room = cgutils.alloca_once(builder, kind)
        for i, value in enumerate(given):
            builder.store(value, cgutils.gep_inbounds(builder, room, 0, i))
        function = _unpacking(context, builder, rows, inner, args, kind)
        return context.make_tuple(
            builder, signature.return_type, [builder.ptrtoint(function, WORD), builder.ptrtoint(room, WORD)]
        )

    return types.UniTuple(types.int64, 2)(rows, args), code


def _without_owner(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        inside = [_without_owner(context, builder, k, builder.extract_value(value, i)) for i, k in enumerate(kind)]
        return context.make_tuple(builder, kind, inside)
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    for owner in ("meminfo", "parent"):
        setattr(array, owner, cgutils.get_null_value(getattr(array, owner).type))
    return array._getvalue()


def _unpacking(context: Any, builder: Any, rows: Any, inner: Any, args: Any, kind: Any) -> Any:
    """A function of the address of a struct `kind` and of which rows, that calls `rows`."""
    found = rows.dispatcher.overloads[inner.args]
    context.add_linking_libs([found.library])
    function = ir.Function(builder.module, ROWS, builder.module.get_unique_name("vmapcore.rows"))
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block("entry"))
    packed = inside.bitcast(function.args[0], kind.as_pointer())
    given = [inside.load(cgutils.gep_inbounds(inside, packed, 0, i)) for i in range(len(args.types))]
    given = [context.cast(inside, v, a, b) for v, a, b in zip(given, args.types, inner.args[2:], strict=True)]
    status, _ = context.call_internal_no_propagate(inside, found.fndesc, inner, [*function.args[1:], *given])
    inside.ret(status.is_error)
    return function


def _let_others() -> Any:
    libc: Any = ctypes.windll.kernel32 if platform.system() == "Windows" else ctypes.CDLL(None)  # type: ignore[attr-defined,unused-ignore]
    return libc.SwitchToThread if platform.system() == "Windows" else libc.sched_yield


def name_symbols(board: int) -> None:
    """Tells the linker where the board is, and what lets others run."""
    binding.add_symbol("vmapcore_board", board)
    binding.add_symbol("vmapcore_let_others", ctypes.cast(_let_others(), ctypes.c_void_p).value)
