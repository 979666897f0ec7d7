"""Functions of a user's as transforms run them: the same statements, with branches that are more than Python's own.

Branches that only compute become choices (`selecting`), for which both arms run. Where rows may go apart, all `if`,
`while`, `and`, `or`, `a if b else c`, `break`, `continue` and `return` ask the frame that a call keeps, which is also
told of what is done to anything but variables (`statements`, for `lanes`).

The code of a function is compiled once more, from its source. A function is left as it is if its source does not
compile to its code, or has what is not known here.
"""

import ast
import copy
import dis
import functools
import linecache
import warnings
from contextvars import ContextVar
from types import CodeType
from typing import Any

from .expressions import NEW_FRAME, OFF, SITES
from .selecting import SELECTS, ChoiceWriter
from .statements import Statements
from .walks import COMPREHENSIONS, FUNCTIONS, leaves, names_in
from .writing import FRAME, fields_of

__all__ = ["APART", "CONSTANTS", "CONVERTED", "FRAME", "NEW_FRAME", "OFF", "SELECTS", "SITES", "code_of", "source_of"]

APART: ContextVar[bool] = ContextVar("apart", default=False)
"""Whether functions run as those whose rows go apart at branches and meet again."""

CONSTANTS: dict[str, Any] = {}
"""What stands in converted functions in the place of a constant: `lanes` and `selects` say."""

CONVERTED: set[CodeType] = set()
"""The code of converted functions, and of those within."""

UNKNOWN = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef, ast.ClassDef)
UNKNOWN_STATEMENTS = (ast.Delete, ast.Match, ast.TryStar)


def code_of(code: CodeType, apart: bool) -> CodeType:
    """What a function of this code runs, where rows may go apart and meet again, or may not."""
    return (converted(code) if apart else choosing(code)) or code


@functools.cache
def choosing(code: CodeType) -> CodeType | None:
    """The code as it runs with choices for branches; None where that is not known, or there are none."""
    if not _branches(code):
        return None
    try:
        node = source_of(code)
        if node is None:
            return None
        writer = ChoiceWriter()
        made = _code(writer.function(copy.deepcopy(node)), code)
    except (SyntaxError, RecursionError, ValueError):
        return None
    return made if writer.changes and made.co_freevars == code.co_freevars else None


def _branches(code: CodeType) -> bool:
    """Whether the code, or that of a function inside, has a branch."""
    return any("JUMP_IF" in dis.opname[op] or "JUMP_FORWARD" in dis.opname[op] for op in code.co_code[::2]) or any(
        _branches(x) for x in code.co_consts if isinstance(x, CodeType)
    )


def source_of(code: CodeType) -> Any:
    """The function whose code it is, as it was written; None where that is not known."""
    lines = tuple(linecache.getlines(code.co_filename))
    key = code.co_name, code.co_firstlineno
    node = _functions(lines).get(key)
    if node is None or not _is_known(node) or _as_compiled(code) not in _codes(lines).get(key, ()):
        return None
    return node


@functools.cache
def converted(code: CodeType) -> CodeType | None:
    """The code as it runs where rows go apart and meet again; None where that is not known, or has no branches."""
    try:
        node = source_of(code)
        if node is None:
            return None
        if _is_formula(node):
            CONVERTED.add(code)
            return None
        made = _code(Statements(code.co_filename).function(copy.deepcopy(node)), code)
    except (SyntaxError, RecursionError, ValueError):
        return None
    if made.co_freevars != code.co_freevars:
        return None
    _note(made)
    return made


def _is_formula(node: Any) -> bool:
    """Whether a function has variables and operators alone."""
    asks = (ast.If, ast.IfExp, ast.While, ast.BoolOp, ast.For, ast.Call, ast.AugAssign, ast.Assert, ast.Raise, ast.Try)
    stored = [
        x for x in ast.walk(node) if isinstance(x, (ast.Attribute, ast.Subscript)) and isinstance(x.ctx, ast.Store)
    ]
    others = asks + FUNCTIONS + COMPREHENSIONS + (ast.Global, ast.Nonlocal, ast.Compare, ast.With, ast.NamedExpr)
    return not stored and not any(isinstance(x, others) for x in ast.walk(node) if x is not node)


def _note(code: CodeType) -> None:
    CONVERTED.add(code)
    for x in code.co_consts:
        if isinstance(x, CodeType):
            _note(x)


@functools.lru_cache(64)
def _functions(lines: tuple[str, ...]) -> dict[tuple[str, int], Any]:
    """The functions of a source, by their names and first lines; None where there are several."""
    found: dict[tuple[str, int], Any] = {}
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
            key = node.name, first
        elif isinstance(node, ast.Lambda):
            key = "<lambda>", node.lineno
        else:
            continue
        found[key] = None if key in found else node
    return found


@functools.lru_cache(64)
def _codes(lines: tuple[str, ...]) -> dict[tuple[str, int], list[Any]]:
    """What the functions of a source compile to."""
    found: dict[tuple[str, int], list[Any]] = {}
    waiting = [compile("".join(lines), "", "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        found.setdefault((code.co_name, code.co_firstlineno), []).append(_as_compiled(code))
        waiting += [x for x in code.co_consts if isinstance(x, CodeType)]
    return found


def _is_known(node: Any) -> bool:
    """Whether a function has nothing but what the converter knows."""
    for x in ast.walk(node):
        if isinstance(x, UNKNOWN + UNKNOWN_STATEMENTS):
            return False
        if isinstance(x, ast.Name) and x.id in ("super", "__class__", "locals", "vars", "eval", "exec"):
            return False
        if isinstance(x, ast.Attribute) and x.attr.startswith("__") and not x.attr.endswith("__"):
            return False  # whose name hangs on the class around
        if isinstance(x, ast.ExceptHandler) and (x.type is None or names_in(x.type) & {"BaseException"}):
            return False  # it would catch what rows leave a branch by
        if isinstance(x, (ast.With, ast.Try)) and leaves(x.finalbody if isinstance(x, ast.Try) else x.body):
            return False
        if isinstance(x, ast.arg) and x.arg.startswith(FRAME):
            return False
    return True


def _as_compiled(code: CodeType) -> tuple[Any, ...]:
    """What two codes have in common that do the same."""
    constants = [_as_compiled(x) if isinstance(x, CodeType) else (type(x), repr(x)) for x in code.co_consts]
    return (code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags, constants)


def _code(node: Any, code: CodeType) -> CodeType:
    """The code of a function, which closes over what `code` does."""
    if isinstance(node, ast.FunctionDef):
        inner: Any = ast.FunctionDef(**{**fields_of(node), "name": "_inner_", "decorator_list": [], "returns": None})
        inner.args = _without_defaults(node.args)
    else:
        inner = ast.Return(ast.Lambda(_without_defaults(node.args), node.body))
    ast.copy_location(inner, node)
    outer = ast.parse("def _around_(): pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.args.args = [ast.arg(name) for name in code.co_freevars]
    outer.body = [inner]
    module = ast.fix_missing_locations(ast.Module([outer], []))
    flags = code.co_flags & 0x1FF0000  # those of imports from __future__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # that a constant is called
        whole = compile(module, code.co_filename, "exec", flags, dont_inherit=True)
    around = next(x for x in whole.co_consts if isinstance(x, CodeType))
    made = _with_constants(next(x for x in around.co_consts if isinstance(x, CodeType)))
    return made.replace(co_name=code.co_name, co_qualname=code.co_qualname, co_firstlineno=code.co_firstlineno)


def _with_constants(code: CodeType) -> CodeType:
    def constant(x: Any) -> Any:
        if isinstance(x, CodeType):
            return _with_constants(x)
        return CONSTANTS.get(x, x) if type(x) is str else x

    return code.replace(co_consts=tuple(map(constant, code.co_consts)))


def _without_defaults(args: Any) -> Any:
    """The parameters, whose defaults and annotations belong to the function and not to its code."""
    none = ast.Constant(None)

    def bare(parameters: list[Any]) -> list[Any]:
        return [ast.copy_location(ast.arg(a.arg), a) for a in parameters]

    return ast.arguments(
        bare(args.posonlyargs),
        bare(args.args),
        args.vararg and ast.arg(args.vararg.arg),
        bare(args.kwonlyargs),
        [none if d is not None else None for d in args.kw_defaults],
        args.kwarg and ast.arg(args.kwarg.arg),
        [none for _ in args.defaults],
    )
