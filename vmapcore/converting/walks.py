"""What statements assign to, and whether they end more than themselves."""

import ast
from typing import Any

FUNCTIONS = (ast.FunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def names_in(node: Any) -> set[str]:
    return {
        x.id if isinstance(x, ast.Name) else x.attr for x in ast.walk(node) if isinstance(x, (ast.Name, ast.Attribute))
    }


def leaves(statements: list[Any]) -> bool:
    """Whether statements return, break or continue."""
    return any(isinstance(x, (ast.Return, ast.Break, ast.Continue)) for s in statements for x in walk(s))


def walk(node: Any) -> Any:
    """All nodes but those within functions inside."""
    yield node
    if not isinstance(node, FUNCTIONS):
        for child in ast.iter_child_nodes(node):
            yield from walk(child)


def assigned(nodes: list[Any]) -> tuple[str, ...]:
    """The variables that statements assign to, in their order."""
    found: dict[str, None] = {}
    for node in nodes:
        for x in walk(node):
            if isinstance(x, COMPREHENSIONS):
                continue
            if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store):
                found[x.id] = None
            elif isinstance(x, ast.FunctionDef):
                found[x.name] = None
            elif isinstance(x, (ast.Import, ast.ImportFrom)):
                found.update({(a.asname or a.name).partition(".")[0]: None for a in x.names})
    inner = {
        x.id
        for node in nodes
        for c in walk(node)
        if isinstance(c, COMPREHENSIONS)
        for g in c.generators
        for x in ast.walk(g.target)
        if isinstance(x, ast.Name)
    }
    elsewhere = _assigned_outside(nodes) if inner else set()
    return tuple([name for name in found if name not in inner or name in elsewhere])


def _assigned_outside(nodes: list[Any]) -> set[str]:
    """The variables that are assigned to outside of comprehensions."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        x = waiting.pop()
        if isinstance(x, COMPREHENSIONS):
            waiting += [g.iter for g in x.generators[:1]]
            continue
        if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store):
            found.add(x.id)
        if not isinstance(x, FUNCTIONS):
            waiting += ast.iter_child_nodes(x)
    return found


def walk_body(node: Any) -> Any:
    for statement in node.body:
        yield from walk(statement)
