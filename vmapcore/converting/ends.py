"""What ends a function, a loop or a round of it early: the same, with one end behind all ways."""

import ast
import copy
from typing import Any

from .walks import FUNCTIONS
from .writing import listed

MOST = 4000
"""Of how many nodes statements may be with what follows them, which stands in two arms where either goes on."""


class Ending(ast.NodeTransformer):
    """Makes of what ends something, in the last place, an assignment: of what is returned, or that a loop is left."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_Return(self, node: Any) -> Any:
        return self.assigned(ast.Constant(None) if node.value is None else node.value, node)

    def visit_Break(self, node: Any) -> Any:
        return self.assigned(ast.Constant(False), node)

    def assigned(self, value: Any, node: Any) -> Any:
        made = ast.Assign([ast.Name(self.name, ast.Store())], value)
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_Continue(self, node: Any) -> Any:
        return ast.copy_location(ast.Pass(), node)

    def visit_For(self, node: Any) -> Any:
        return node


class LeftInside:
    """Has a function return behind a loop what it returns inside."""

    def __init__(self, new: Any) -> None:
        self.new = new

    def visit_block(self, nodes: list[Any]) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            made += self.visit(node)
        return made

    def visit(self, node: Any) -> list[Any]:
        if isinstance(node, (ast.If, ast.For)):
            node.body, node.orelse = self.visit_block(node.body), self.visit_block(node.orelse)
        if not isinstance(node, ast.For) or not any(has(x, ast.Return) for x in node.body):
            return [node]
        value, returned = self.new("value"), self.new("returned")
        if any(isinstance(x, (ast.Try, ast.With, ast.While)) and has(x, ast.Return) for x in ast.walk(node)):
            return [node]
        node.body = [y for x in node.body for y in listed(_Returning(value, returned).visit(x))]
        start = ast.Assign([ast.Name(returned, ast.Store())], ast.Constant(False))
        end = ast.If(ast.Name(returned, ast.Load()), [ast.Return(ast.Name(value, ast.Load()))], [])
        return [ast.fix_missing_locations(ast.copy_location(x, node)) for x in (start, node, end)]


class _Returning(ast.NodeTransformer):
    """Has a loop end where the function does."""

    def __init__(self, value: str, returned: str) -> None:
        self.value, self.returned = value, returned

    def visit_Return(self, node: Any) -> Any:
        made = [
            ast.Assign([ast.Name(self.value, ast.Store())], node.value or ast.Constant(None)),
            ast.Assign([ast.Name(self.returned, ast.Store())], ast.Constant(True)),
            ast.Break(),
        ]
        return [ast.fix_missing_locations(ast.copy_location(x, node)) for x in made]

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    def visit_Lambda(self, node: Any) -> Any:
        return node


def has(node: Any, kind: Any) -> bool:
    """Whether a statement has one inside that ends what it is in: a loop has its own `continue`."""
    if isinstance(node, FUNCTIONS):
        return False
    if isinstance(node, (ast.For, ast.While)) and kind is not ast.Return:
        return False
    return isinstance(node, kind) or any(has(x, kind) for x in ast.iter_child_nodes(node))


def closed(nodes: list[Any], after: list[Any] | None, kind: Any, large: dict[Any, Any]) -> list[Any] | None:
    """Statements and what comes after, so that each way through them ends at its end; None where they do not so.

    `large` keeps which of them would be too many, with what comes after these.
    """
    for k, node in enumerate(nodes):
        if isinstance(node, (kind, ast.Raise) if isinstance(kind, type) else (*kind, ast.Raise)):
            return nodes[: k + 1]
        if not any(has(node, x) for x in (ast.Return, ast.Continue, ast.Break)):
            continue
        if not isinstance(node, ast.If):
            return None
        here = id(node), id(after)
        rest = None if here in large else closed(nodes[k + 1 :], after, kind, large)
        if rest is None:
            return None
        body, orelse = closed(node.body, rest, kind, large), closed(node.orelse, copy.deepcopy(rest), kind, large)
        if body is None or orelse is None:
            return None
        if _size(body) + _size(orelse) > MOST:
            large[here] = node, after
            return None
        return [*nodes[:k], *_of_arms(node, body, orelse)]
    return None if after is None else [*nodes, *after]


def _size(nodes: list[Any]) -> int:
    return sum([1 for s in nodes for _ in ast.walk(s)])


def _of_arms(node: Any, body: list[Any], orelse: list[Any]) -> list[Any]:
    """An `if`; where one arm raises, that one alone, and then the other."""
    if len(body) == 1 and isinstance(body[0], ast.Raise):
        return [ast.copy_location(ast.If(node.test, body, []), node), *orelse]
    if len(orelse) == 1 and isinstance(orelse[0], ast.Raise):
        no = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node)
        return [ast.copy_location(ast.If(no, orelse, []), orelse[0]), *body]
    return [ast.copy_location(ast.If(node.test, body, orelse), node)]
