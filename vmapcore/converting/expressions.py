"""Expressions: what asks for a truth, and calls."""

import ast
from typing import Any

from .writing import FRAME, Writer

OFF: set[int] = set()
"""Branches at which rows do not go apart to meet again."""

SITES: list[str] = []
"""Of all branches, where they are."""

NEW_FRAME = "a frame of vmapcore's"
"""The constant of a code in whose place stands what makes its frames: names hang on who calls."""


class Expressions(Writer):
    """Makes the expressions of one function those that are run."""

    def __init__(self, file: str) -> None:
        Writer.__init__(self)
        self.file = file
        self.loops: list[str | None] = []
        self.elsewhere: set[str] = set()
        self.in_init = False

    def site(self, node: Any) -> int:
        SITES.append(f"{self.file}:{node.lineno}")
        return len(SITES) - 1

    def called(self, method: str, node: Any, *args: Any) -> Any:
        """A call of a method of the frame."""
        function = ast.Attribute(ast.Name(FRAME, ast.Load()), method, ast.Load())
        values: list[Any] = [ast.Constant(a) if isinstance(a, (int, tuple)) else a for a in args]  # type: ignore[arg-type]
        made = ast.Call(function, values, [])
        return ast.fix_missing_locations(ast.copy_location(made, node))

    # Expressions.

    def test(self, node: Any) -> Any:
        """An expression of which the truth is asked."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.called("no", node, self.test(node.operand))
        return self.visit(node)

    def visit_UnaryOp(self, node: Any) -> Any:
        return self.test(node) if isinstance(node.op, ast.Not) else self.generic_visit(node)

    def visit_BoolOp(self, node: Any) -> Any:
        method = "both" if isinstance(node.op, ast.And) else "either"
        *first, last = [self.visit(x) for x in node.values]
        for x in reversed(first):
            last = self.called(method, node, self.site(node), x, self.later(last))
        return last

    def visit_IfExp(self, node: Any) -> Any:
        yes, no = self.later(self.visit(node.body)), self.later(self.visit(node.orelse))
        return self.called("choose", node, self.site(node), self.test(node.test), yes, no)

    def visit_Compare(self, node: Any) -> Any:
        return self.chained(self.visit(node.left), node.ops, [self.visit(x) for x in node.comparators], node)

    def chained(self, left: Any, ops: list[Any], right: list[Any], node: Any) -> Any:
        """A comparison, each operand of which is evaluated once, and those after the first two by who asks for them."""
        if len(ops) > 1 and not isinstance(right[0], (ast.Name, ast.Constant)):
            names = [self.new("operand") for _ in "ab"]
            a, b = [ast.Name(name, ast.Load()) for name in names]
            given = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
            bound = ast.Lambda(given, self.chained(a, ops, [b, *right[1:]], node))
            return ast.fix_missing_locations(ast.copy_location(ast.Call(bound, [left, right[0]], []), node))
        if isinstance(ops[0], (ast.Is, ast.IsNot)):
            left = self.called("decided", node, left)
        first = ast.copy_location(ast.Compare(left, ops[:1], right[:1]), node)
        if len(ops) == 1:
            return first
        return self.called(
            "both", node, self.site(node), first, self.later(self.chained(right[0], ops[1:], right[1:], node))
        )

    def visit_Call(self, node: Any) -> Any:
        self.generic_visit(node)
        writes = any(k.arg == "out" for k in node.keywords)
        node.func = self.called("calls_to_write" if writes else "call", node, node.func)
        return node

    def visit_List(self, node: Any) -> Any:
        self.generic_visit(node)
        return self.called("fresh", node, node) if isinstance(node.ctx, ast.Load) else node

    def made(self, node: Any) -> Any:
        return self.called("fresh", node, self.generic_visit(node))


for _name in ("Dict", "ListComp", "SetComp", "DictComp", "Set"):
    setattr(Expressions, f"visit_{_name}", Expressions.made)
