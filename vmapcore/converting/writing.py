"""How a converter writes code: names of its own, statements of a text, and expressions for later."""

import ast
from typing import Any

FRAME = "_vmapcore_"
"""What names begin with that a converter puts in."""


class Writer(ast.NodeTransformer):
    """Writes what is put into the code of a function, at the places of what stands there."""

    def __init__(self) -> None:
        self.count = 0

    def new(self, kind: str) -> str:
        self.count += 1
        return f"{FRAME}{kind}{self.count}"

    def parsed(self, text: str, node: Any) -> list[Any]:
        """Statements of a text, at the place of a node."""
        made = ast.parse(text).body
        for statement in made:
            for x in ast.walk(statement):
                ast.copy_location(x, node)
        return made

    def taken(self, names: tuple[str, ...], variables: str) -> str:
        lines = [f"{name} = {variables}[{name!r}]" for name in names]
        return "; ".join(lines) or "pass"

    def later(self, node: Any, *names: str) -> Any:
        """A function of some names of an expression."""
        if any(isinstance(x, ast.NamedExpr) for x in ast.walk(node)):
            raise SyntaxError("an assignment inside of an expression")
        parameters = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
        return ast.fix_missing_locations(ast.copy_location(ast.Lambda(parameters, node), node))


def listed(x: Any) -> list[Any]:
    return x if isinstance(x, list) else [x]


def fields_of(node: Any) -> dict[str, Any]:
    return {name: getattr(node, name) for name in node._fields if hasattr(node, name)}
