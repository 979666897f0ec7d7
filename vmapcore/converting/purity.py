"""What of a function does nothing but compute: it may be run for more rows than it is meant for, and dropped for these.

`risk` says what could come of that: nothing, a derivative that is not a number, or an error.
"""

import ast
from collections.abc import Iterable
from typing import Any

NONE, IN_DERIVATIVES, IN_VALUES = 0, 1, 2
"""What comes of computing with values that a branch was to keep out."""

COMPUTES = (
    *(ast.Constant, ast.Name, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Attribute),
    *(ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Dict, ast.Call, ast.keyword, ast.JoinedStr),
    *(ast.FormattedValue, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
"""Of expressions, what a choice may have in its arms."""


def is_pure(node: Any) -> bool:
    """Whether an expression does nothing but compute, if what it calls does not."""
    return all(isinstance(x, COMPUTES) for x in ast.walk(node))


def are_pure(statements: Iterable[Any]) -> bool:
    """Whether statements do nothing but assign to variables and elements, and none leaves what is around them."""
    return all(_does_nothing_else(s) for s in statements)


def _does_nothing_else(node: Any, in_loop: bool = False) -> bool:
    if isinstance(node, (ast.Pass, ast.Break, ast.Continue)):
        return in_loop or isinstance(node, ast.Pass)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return all(map(_is_place, node.targets)) and is_pure(node.value)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.value is not None and is_pure(node.value)
    if isinstance(node, ast.AugAssign):
        return _is_place(node.target) and is_pure(node.value)
    if isinstance(node, ast.If):
        if raises(node):
            return is_pure(node.test)
        return is_pure(node.test) and all(_does_nothing_else(s, in_loop) for s in (*node.body, *node.orelse))
    if isinstance(node, ast.Assert):
        return is_pure(node.test) and (node.msg is None or is_pure(node.msg))
    if isinstance(node, ast.For):
        inside = all(_does_nothing_else(s, True) for s in node.body)
        return _is_place(node.target) and is_pure(node.iter) and not node.orelse and inside
    return False


def raises(node: Any) -> bool:
    """Whether an `if` does nothing but raise."""
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Raise) or node.orelse:
        return False
    return node.body[0].cause is None and node.body[0].exc is not None and is_pure(node.body[0].exc)


def _is_place(target: Any) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(isinstance(x, (ast.Name, ast.Subscript)) and _is_place(x) for x in target.elts)
    if isinstance(target, ast.Subscript):
        return isinstance(target.value, ast.Name) and is_pure(target.slice)
    return isinstance(target, ast.Name)


def risk(*nodes: Any) -> int:
    """What may come of running expressions or statements for all rows."""
    worst = NONE
    for node in nodes:
        for x in ast.walk(node):
            if isinstance(x, (ast.Call, ast.Raise, ast.Assert, ast.For, ast.Subscript)):
                return IN_VALUES
            if isinstance(x, ast.BinOp) and not isinstance(x.op, (ast.Add, ast.Sub)):
                if not isinstance(x.op, ast.Mult):
                    return IN_VALUES
                worst = IN_DERIVATIVES
    return worst


def read(*nodes: Any) -> tuple[str, ...]:
    """The variables that are read."""
    found: dict[str, None] = {}
    for node in nodes:
        for x in ast.walk(node):
            if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Load):
                found[x.id] = None
    return tuple(found)


def changed(statements: Iterable[Any]) -> frozenset[str]:
    """The variables whose values may be written to: of elements, and those that an operator may change in place."""
    found = set()
    for statement in statements:
        for x in ast.walk(statement):
            if isinstance(x, ast.AugAssign) and isinstance(x.target, ast.Name):
                found.add(x.target.id)
            elif isinstance(x, ast.Subscript) and isinstance(x.ctx, ast.Store) and isinstance(x.value, ast.Name):
                found.add(x.value.id)
    return frozenset(found)
