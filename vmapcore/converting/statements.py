"""Statements: branches, loops, what ends them, and what they assign to."""

import ast
from typing import Any

from .expressions import NEW_FRAME, Expressions
from .walks import assigned, leaves, walk_body
from .writing import FRAME, fields_of, listed


class Statements(Expressions):
    """Makes the statements of one function those that are run."""

    # Functions.

    def function(self, node: Any) -> Any:
        if isinstance(node, ast.Lambda):
            return self.lambda_(node)
        outer = self.loops, self.elsewhere, self.in_init
        self.loops, self.in_init = [], node.name == "__init__"
        self.elsewhere = {n for x in walk_body(node) if isinstance(x, (ast.Global, ast.Nonlocal)) for n in x.names}
        body = list(node.body)
        doc = [body.pop(0)] if ast.get_docstring(node, clean=False) is not None else []
        body = self.statements(body) + self.parsed(f"return {FRAME}.leave(None)", node)
        made = self.parsed(
            f"""
{FRAME} = {NEW_FRAME!r}()
try:
    pass
except {FRAME}.Left:
    return {FRAME}.end()
except Exception:
    if {FRAME}.raised(): raise {FRAME}.raised() from None
    raise
""",
            node,
        )
        made[1].body = body
        self.loops, self.elsewhere, self.in_init = outer
        new = ast.FunctionDef(**{**fields_of(node), "body": doc + made})
        return ast.copy_location(new, node)

    def lambda_(self, node: Any) -> Any:
        """A function of one expression: its frame is made in the argument of another."""
        inner = ast.Lambda(ast.arguments([], [ast.arg(FRAME)], None, [], [], None, []), self.visit(node.body))
        frame = ast.Call(ast.Constant(NEW_FRAME), [], [])
        return ast.fix_missing_locations(ast.copy_location(ast.Lambda(node.args, ast.Call(inner, [frame], [])), node))

    def visit_FunctionDef(self, node: Any) -> Any:
        made = self.function(node)
        made.decorator_list = [self.visit(x) for x in node.decorator_list]
        made.args = self.visit(node.args)
        return made

    def visit_Lambda(self, node: Any) -> Any:
        made = self.lambda_(node)
        made.args = self.visit(node.args)
        return made

    # Statements.

    def statements(self, nodes: list[Any]) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            made += listed(self.visit(node))
        return made

    def visit_If(self, node: Any) -> Any:
        names = assigned([*node.body, *node.orelse])
        names = tuple([n for n in names if n not in self.elsewhere])
        arms, way, variables = self.new("arms"), self.new("way"), self.new("vars")
        made = self.parsed(
            f"""
{arms} = 0
for {way} in {arms}:
    try:
        if {arms}.split:
            {variables} = {arms}.enter(locals()); {self.taken(names, variables)}
        if {way}: pass
        else: pass
        if {arms}.split: {arms}.keep(locals())
    except {FRAME}.Left:
        if not {arms}.split: raise
    except Exception:
        if {arms}.split: raise {arms}.raised() from None
        raise
if {arms}.split:
    {variables} = {arms}.join(); {self.taken(names, variables)}
""",
            node,
        )
        made[0].value = self.called("branch", node, self.test(node.test), self.site(node), names)
        choice = made[1].body[0].body[1]
        choice.body, choice.orelse = self.statements(node.body), self.statements(node.orelse) or choice.orelse
        return made

    def visit_While(self, node: Any) -> Any:
        stop = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
        ast.fix_missing_locations(ast.copy_location(stop, node))
        endless = isinstance(node.test, ast.Constant) and node.test.value is True
        loop = ast.While(ast.Constant(True), [*([] if endless else [stop]), *node.body], [])
        ast.copy_location(loop, node)
        if not node.orelse:
            return self.loop(loop, "while True:", node)
        return self.with_else(loop, node, stop if not endless else None)

    def visit_For(self, node: Any) -> Any:
        if node.orelse:
            return self.with_else(ast.copy_location(ast.For(node.target, node.iter, node.body, []), node), node, None)
        if not leaves(node.body):
            self.loops.append(None)
            made = ast.For(self.visit(node.target), self.iterable(node), self.statements(node.body), [])
            self.loops.pop()
            return ast.copy_location(made, node)
        return self.loop(node, f"for {FRAME} in (): pass", node)

    def iterable(self, node: Any) -> Any:
        return self.called("iterated", node, self.visit(node.iter))

    def with_else(self, loop: Any, node: Any, stop: Any) -> list[Any]:
        """A loop and what is done after it by those who did not break it."""
        flag = self.new("broken")
        note = self.parsed(f"{flag} = True", node)[0]
        loop.body = [x for s in loop.body for x in ([s] if s is stop else listed(_Noting(note).visit(s)))]
        start = self.parsed(f"{flag} = False", node)[0]
        rest = ast.If(ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load())), node.orelse, [])
        ast.fix_missing_locations(ast.copy_location(rest, node))
        return [start, *self.statements([loop, rest])]

    def loop(self, node: Any, head: str, place: Any) -> list[Any]:
        """A loop that rows may leave."""
        target = [node.target] if isinstance(node, ast.For) else []
        names = tuple([n for n in assigned([*target, *node.body]) if n not in self.elsewhere])
        loop, left, variables = self.new("loop"), self.new("left"), self.new("vars")
        made = self.parsed(
            f"""
{loop} = 0
{left} = False
while True:
    {left} = False
    try:
        pass
    except {FRAME}.Left:
        {left} = True
    except Exception:
        if {loop}.raised(): raise {loop}.raised() from None
        raise
    if {left} or {loop}.changed:
        {variables} = {loop}.again(locals(), {left})
        {left} = {variables} is None
        if {left}: break
        if {variables}: {self.taken(names, variables)}
if {left} or {loop}.apart:
    {variables} = {loop}.join(locals(), not {left})
    if {variables}: {self.taken(names, variables)}
""",
            place,
        )
        made[0].value = self.called("loop", place, self.site(place), names)
        inside = made[2].body
        self.loops.append(loop)
        inside[1].body = self.statements(node.body)
        self.loops.pop()
        if isinstance(node, ast.For):
            made[2] = ast.copy_location(ast.For(self.visit(node.target), self.iterable(node), inside, []), place)
        return made

    def visit_Break(self, node: Any) -> Any:
        return self.parsed(f"raise {self.loops[-1]}.leave('break', locals())", node)[0]

    def visit_Continue(self, node: Any) -> Any:
        if self.loops[-1] is None:
            return node
        return self.parsed(f"raise {self.loops[-1]}.leave('continue', locals())", node)[0]

    def visit_Return(self, node: Any) -> Any:
        value = ast.Constant(None) if node.value is None else self.visit(node.value)
        node.value = self.called("leave", node, value)
        return node

    def visit_Assert(self, node: Any) -> Any:
        raising = ast.Raise(ast.Call(ast.Name("AssertionError", ast.Load()), [node.msg] if node.msg else [], []), None)
        made = ast.If(ast.UnaryOp(ast.Not(), node.test), [raising], [])
        return self.visit_If(ast.fix_missing_locations(ast.copy_location(made, node)))

    def visit_Assign(self, node: Any) -> Any:
        node.value = self.visit(node.value)
        if (
            len(node.targets) == 1
            and not isinstance(node.targets[0], ast.Attribute)
            and not self.is_elsewhere(node.targets[0])
        ):
            node.targets = [self.visit(node.targets[0])]
            if not any(self.is_apart(x) for x in ast.walk(node.targets[0])):
                return node
        value = self.new("value")
        made = self.parsed(f"{value} = 0", node)
        made[0].value = node.value
        for target in node.targets:
            made += self.put(target, ast.Name(value, ast.Load()), node)
        return made

    def is_elsewhere(self, x: Any) -> bool:
        return isinstance(x, ast.Name) and x.id in self.elsewhere

    def is_apart(self, x: Any) -> bool:
        """Whether a target is no variable or element."""
        return (isinstance(x, ast.Attribute) and isinstance(x.ctx, ast.Store)) or (
            self.is_elsewhere(x) and isinstance(x.ctx, ast.Store)
        )

    def put(self, target: Any, value: Any, node: Any) -> list[Any]:
        """Statements that assign a value, which is a name, to a target."""
        if isinstance(target, ast.Attribute):
            call = self.called("set", node, self.visit(target.value), ast.Constant(target.attr), value)
            if self.in_init:
                call.func.attr = "set_new"
            return [ast.copy_location(ast.Expr(call), node)]
        if self.is_elsewhere(target):
            made = self.parsed(f"{target.id} = {FRAME}.masked({target.id}, 0) if {FRAME}.deep else 0", node)
            made[0].value.body.args[1] = made[0].value.orelse = value
            return made
        if isinstance(target, (ast.Tuple, ast.List)) and any(self.is_apart(x) for x in ast.walk(target)):
            names = [self.new("part") for _ in target.elts]
            if any(isinstance(x, ast.Starred) for x in target.elts):
                raise SyntaxError("a starred target of several")
            made = self.parsed(f"{', '.join(names)}, = 0", node)
            made[0].value = value
            for x, name in zip(target.elts, names, strict=True):
                made += self.put(x, ast.Name(name, ast.Load()), node)
            return made
        return [ast.fix_missing_locations(ast.copy_location(ast.Assign([self.visit(target)], value), node))]

    def visit_AugAssign(self, node: Any) -> Any:
        target = node.target
        if isinstance(target, ast.Name) and target.id not in self.elsewhere:
            check = self.parsed(f"if {FRAME}.deep: {FRAME}.in_place({target.id})", node)
            node.value = self.visit(node.value)
            return [*check, node]
        if isinstance(target, ast.Name):
            value = self.new("value")
            made = self.parsed(f"{value} = {target.id}; {FRAME}.in_place({value}); {value} += 0", node)
            made[2].op, made[2].value = node.op, self.visit(node.value)
            return [*made, *self.put(target, ast.Name(value, ast.Load()), node)]
        if isinstance(target, ast.Attribute):
            owner, value = self.new("owner"), self.new("value")
            made = self.parsed(
                f"{owner} = 0; {value} = {owner}.{target.attr}; {FRAME}.in_place({value}); {value} += 0", node
            )
            made[0].value = self.visit(target.value)
            made[3].op, made[3].value = node.op, self.visit(node.value)
            new = ast.Attribute(ast.Name(owner, ast.Load()), target.attr, ast.Store())
            return [*made, *self.put(new, ast.Name(value, ast.Load()), node)]
        node.target, node.value = self.visit(target), self.visit(node.value)
        return node

    def visit_AnnAssign(self, node: Any) -> Any:
        if node.value is None:
            return node
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Subscript(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = self.called("target", node, node.value)
        return node


class _Noting(ast.NodeTransformer):
    """Has a loop's own breaks noted."""

    def __init__(self, note: Any) -> None:
        self.note = note

    def visit_Break(self, node: Any) -> Any:
        return [self.note, node]

    def visit_For(self, node: Any) -> Any:
        node.orelse = [x for s in node.orelse for x in listed(self.visit(s))]  # all other breaks are its own
        return node

    def visit_While(self, node: Any) -> Any:
        return self.visit_For(node)

    def visit_FunctionDef(self, node: Any) -> Any:
        return node
