"""Branches that only compute, as choices: both arms are run where rows, or calls, may take either.

`a if c else b`, `and`, `or`, comparisons in a row, and `if` with arms that assign to variables and elements, also where
it returns early. What a branch does else stays as it is, and asks. `vmapcore.selects` is what this code calls.
"""

import ast
import copy
from typing import Any, NamedTuple

from . import purity
from .ends import Ending, LeftInside, closed, has
from .walks import assigned, walk
from .writing import Writer, fields_of, listed

SELECTS = "what selects of vmapcore's"
"""The constant in whose place stands what this code calls."""


class Around(NamedTuple):
    """The arms that an expression or statement is in."""

    name: str
    seen: frozenset[str]
    """Variables that have the values of the rows of an arm there."""


class ChoiceWriter(Writer):
    """Makes choices of the branches of one function."""

    def __init__(self) -> None:
        Writer.__init__(self)
        self.arms: list[Around] = []
        self.own: frozenset[str] = frozenset()  # variables of the function
        self.elsewhere: frozenset[str] = frozenset()
        self.changes = 0

    def called(self, method: str, node: Any, *args: Any) -> Any:
        """A call of what selects."""
        values: list[Any] = [a if isinstance(a, ast.AST) else ast.Constant(a) for a in args]
        return self._call(ast.Constant(SELECTS), method, node, *values)

    def _call(self, owner: Any, method: str, node: Any, *values: Any) -> Any:
        made = ast.Call(ast.Attribute(owner, method, ast.Load()), list(values), [])
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def of_arms(self, method: str, node: Any, *values: Any) -> Any:
        """A call of a method of the arms around."""
        return self._call(ast.Name(self.arms[-1].name, ast.Load()), method, node, *values)

    @property
    def around(self) -> Any:
        return ast.Name(self.arms[-1].name, ast.Load()) if self.arms else ast.Constant(None)

    # Functions.

    def function(self, node: Any) -> Any:
        before = self.arms, self.own, self.elsewhere
        self.arms = []
        parameters = [x.arg for x in ast.walk(node.args) if isinstance(x, ast.arg)]
        if isinstance(node, ast.Lambda):
            self.own = frozenset(parameters)
            node.body = self.visit(node.body)
        else:
            inside = [x for s in node.body for x in walk(s)]
            self.elsewhere = frozenset(n for x in inside if isinstance(x, (ast.Global, ast.Nonlocal)) for n in x.names)
            self.own = frozenset([*parameters, *assigned(node.body)]) - self.elsewhere
            body = LeftInside(self.new).visit_block(node.body)
            self.own |= set(assigned(body)) - self.elsewhere
            new = ast.FunctionDef(**{**fields_of(node), "body": self.block(body, ast.Return)})
            node = ast.copy_location(new, node)
        self.arms, self.own, self.elsewhere = before
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        node.decorator_list = [self.visit(x) for x in node.decorator_list]
        node.args = self.visit(node.args)
        return self.function(node)

    def visit_Lambda(self, node: Any) -> Any:
        node.args = self.visit(node.args)
        return self.function(node)

    # Statements.

    def block(self, nodes: list[Any], kind: type | None, whole: bool = True) -> list[Any]:
        """Statements that may end what they are in early, by one of a kind; `whole` if nothing comes after them."""
        made: list[Any] = []
        end = ast.Return(ast.Constant(None)) if kind is ast.Return else ast.Continue()
        after = [ast.copy_location(end, nodes[-1])] if whole and nodes else None
        large: dict[Any, Any] = {}
        for k, node in enumerate(nodes):
            if kind is not None and isinstance(node, ast.If) and has(node, kind):
                ended = self._ended(closed(nodes[k:], after, kind, large), kind)
                if ended is not None:
                    return made + ended
            made += listed(self.visit(node))
        return made

    def _ended(self, ended: list[Any] | None, kind: Any) -> list[Any] | None:
        """What is `closed`, with the last statement alone ending what they are in; None where they do more."""
        if ended is None:
            return None
        if not isinstance(ended[-1], ast.If):
            return [*self.block(ended[:-1], None), *listed(self.visit(ended[-1]))]
        value = self.new("value")
        choice = Ending(value).visit(copy.deepcopy(ended[-1]))
        self.own |= {value}
        if not self._is_choice(choice):
            return None
        end = self.parsed(f"return {value}" if kind is ast.Return else "continue", choice)
        return [*self.block(ended[:-1], None), *self.visit_If(choice), *end]

    def _is_choice(self, node: Any) -> bool:
        names = {*assigned([*node.body, *node.orelse])}
        whole = purity.is_pure(node.test) and purity.are_pure([*node.body, *node.orelse])
        return whole and names <= self.own and not purity.raises(node)

    def visit_If(self, node: Any) -> list[Any]:
        if purity.raises(node) and purity.is_pure(node.test):
            return self.raising(node.test, node.body[0].exc, node)
        if not self._is_choice(node):
            node.test = self.visit(node.test)
            node.body = self.block(node.body, ast.Return, False)
            node.orelse = self.block(node.orelse, ast.Return, False)
            return [node]
        self.changes += 1
        statements = [*node.body, *node.orelse]
        risk, written = purity.risk(*statements), purity.changed(statements)
        names = assigned(statements)
        read = tuple([n for n in purity.read(*statements) if n in self.own - written]) if risk else ()
        name, way, kept, error = [self.new(kind) for kind in ("arms", "way", "vars", "error")]
        every = tuple(dict.fromkeys([*names, *read]))
        made = self.parsed(
            f"""
{name} = 0
for {way} in {name}:
    try:
        if {name}.split:
            {kept} = {name}.enter(locals()); {self.taken(every, kept)}
        if {way}: pass
        else: pass
        if {name}.split: {name}.keep(locals())
    except Exception as {error}:
        if {name}.split: {name}.raised({error})
        raise
if {name}.split:
    {kept} = {name}.join(); {self.taken(every, kept)}
""",
            node,
        )
        made[0].value = self.called(
            "branch", node, self.visit(node.test), self.around, risk, read, names, tuple(written)
        )
        choice = made[1].body[0].body[1]
        self.arms.append(Around(name, frozenset(self.own - written)))
        choice.body, choice.orelse = self.block(node.body, None), self.block(node.orelse, None) or choice.orelse
        self.arms.pop()
        return made

    def raising(self, test: Any, error: Any, node: Any) -> list[Any]:
        """`if test: raise error`, which some rows may do."""
        self.changes += 1
        name = self.new("raising")
        made = self.parsed(f"{name} = 0\nif {name}: raise {name}.error(0)", node)
        made[0].value = self.called("raising", node, self.visit(test), self.around)
        shown = _Shown(name, self.own).visit(error)
        made[1].body[0].exc.args = [self.later(shown)]
        return made

    def visit_Assert(self, node: Any) -> Any:
        if not purity.is_pure(node.test) or (node.msg is not None and not purity.is_pure(node.msg)):
            return self.generic_visit(node)
        failed = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node)
        error = ast.Call(ast.Name("AssertionError", ast.Load()), [node.msg] if node.msg else [], [])
        return self.raising(failed, ast.fix_missing_locations(ast.copy_location(error, node)), node)

    def visit_For(self, node: Any) -> Any:
        if any(has(x, ast.Break) for x in node.body):
            made = self._left(node)
            if made is not None:
                return made
        node.target, node.iter = self.visit(node.target), self.visit(node.iter)
        node.body, node.orelse = self.block(node.body, ast.Continue), self.block(node.orelse, None)
        return node

    def _left(self, node: Any) -> list[Any] | None:
        """A loop that rows leave one after the other, as one in which those go on that have not."""
        ended = closed(node.body, [ast.copy_location(ast.Continue(), node)], (ast.Break, ast.Continue), {})
        if ended is None:
            return None
        going, item = self.new("going"), self.new("item")
        now = ast.Assign([copy.deepcopy(node.target)], ast.Name(item, ast.Load()))
        body = [Ending(going).visit(copy.deepcopy(x)) for x in ended]
        whole = self._at(ast.If(ast.Name(going, ast.Load()), [now, *body], []), node)
        rest = self._at(ast.If(ast.Name(going, ast.Load()), node.orelse, []), node)
        self.own |= {going, item}
        if not self._is_choice(whole) or not purity.is_pure(node.iter):
            return None
        made = self.parsed(f"{going} = True\nfor {item} in (): pass", node)
        stop = self.parsed("if 0: break", node)
        stop[0].test = self.called("over", node, ast.Name(going, ast.Load()))
        made[1].iter, made[1].body = self.visit(node.iter), [*stop, *self.visit_If(whole)]
        return [*made, *(listed(self.visit(rest)) if node.orelse else [])]

    def _at(self, made: Any, node: Any) -> Any:
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_While(self, node: Any) -> Any:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.block(node.body, ast.Continue), self.block(node.orelse, None)
        return node

    def visit_Assign(self, node: Any) -> Any:
        if not self.arms or not any(isinstance(x, ast.Subscript) for t in node.targets for x in ast.walk(t)):
            return self.generic_visit(node)
        value = self.new("value")
        made = self.parsed(f"{value} = 0", node)
        made[0].value = self.visit(node.value)
        for target in node.targets:
            made += self.assigned(target, value, node)
        return made

    def assigned(self, target: Any, value: str, node: Any) -> list[Any]:
        """Assigns a variable to a target, of which elements are written to by the rows of an arm."""
        if isinstance(target, (ast.Tuple, ast.List)):
            names = [self.new("part") for _ in target.elts]
            made = self.parsed(f"{', '.join(names)}, = {value}", node)
            return made + [y for x, name in zip(target.elts, names, strict=True) for y in self.assigned(x, name, node)]
        now = ast.Name(value, ast.Load())
        if isinstance(target, ast.Subscript):
            return self.put(target, now, self.visit(target.slice), node)
        return [ast.fix_missing_locations(ast.copy_location(ast.Assign([self.visit(target)], now), node))]

    def put(self, target: Any, value: Any, index: Any, node: Any) -> list[Any]:
        """A write to an element, which the rows of an arm do."""
        name = self.arms[-1].name
        made = self.parsed(f"if {name}.deep: 0\nelse: 0", node)
        call = self.of_arms("put", node, target.value, self.key(index), value)
        plain = ast.Assign([ast.Subscript(target.value, copy.deepcopy(index), ast.Store())], value)
        made[0].body, made[0].orelse = [ast.Expr(call)], [plain]
        return [ast.fix_missing_locations(ast.copy_location(x, node)) for x in made]

    def key(self, index: Any) -> Any:
        """What stands between brackets, as a value."""
        return ast.Subscript(ast.Attribute(ast.Constant(SELECTS), "index", ast.Load()), index, ast.Load())

    def visit_AugAssign(self, node: Any) -> Any:
        if not self.arms:
            return self.generic_visit(node)
        value, target = self.new("value"), node.target
        made = self.parsed(f"{value} = 0", node)
        made[0].value = self.visit(node.value)
        now = ast.Name(value, ast.Load())
        if isinstance(target, ast.Name):
            old = ast.Name(target.id, ast.Load())
            new = ast.BinOp(self.of_arms("held", node, old), node.op, now)
            change: Any = ast.Assign([target], self.of_arms("augmented", node, copy.copy(old), new))
            plain = ast.AugAssign(copy.copy(target), node.op, now)
        else:
            key = self.new("key")
            made += self.parsed(f"{key} = 0", node)
            made[1].value = self.key(self.visit(target.slice))
            item = ast.Subscript(self.of_arms("held", node, target.value), ast.Name(key, ast.Load()), ast.Load())
            put = self.of_arms("put", node, target.value, ast.Name(key, ast.Load()), ast.BinOp(item, node.op, now))
            change = ast.Expr(put)
            plain = ast.AugAssign(ast.Subscript(target.value, ast.Name(key, ast.Load()), ast.Store()), node.op, now)
        made += self.parsed(f"if {self.arms[-1].name}.deep: 0\nelse: 0", node)
        made[-1].body, made[-1].orelse = [change], [plain]
        return [ast.fix_missing_locations(ast.copy_location(x, node)) for x in made]

    # Expressions.

    def visit_IfExp(self, node: Any) -> Any:
        if not (purity.is_pure(node.body) and purity.is_pure(node.orelse)):
            return self.generic_visit(node)
        self.changes += 1
        risk = purity.risk(node.body, node.orelse)
        test, around = self.visit(node.test), self.around
        yes, no = self.arm(node.body), self.arm(node.orelse)
        return self.called("choose", node, test, around, risk, yes, no)

    def arm(self, node: Any) -> Any:
        """A function of arms that is the value of an expression for the rows of one of them."""
        name = self.new("arms")
        self.arms.append(Around(name, frozenset()))
        made = self.later(self.visit(node), name)
        self.arms.pop()
        return made

    def visit_BoolOp(self, node: Any) -> Any:
        if not all(map(purity.is_pure, node.values[1:])):
            return self.generic_visit(node)
        self.changes += 1
        method = "both" if isinstance(node.op, ast.And) else "either"
        first, *others = node.values
        made = self.visit(first)
        for x in others:
            risk = purity.risk(x)
            made = self.called(method, node, made, self.around, risk, self.arm(x))
        return made

    def visit_UnaryOp(self, node: Any) -> Any:
        if not isinstance(node.op, ast.Not):
            return self.generic_visit(node)
        return self.called("no", node, self.visit(node.operand))

    def visit_Compare(self, node: Any) -> Any:
        if any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            self.generic_visit(node)
            node.left = self.called("decided", node, node.left)
            return node
        middle = node.comparators[:-1]
        if not middle or any(isinstance(x, ast.Call) for m in middle for x in ast.walk(m)):
            return self.generic_visit(node)
        operands = [node.left, *node.comparators]
        pairs: list[Any] = [
            ast.copy_location(ast.Compare(a, [op], [copy.deepcopy(b)]), node)
            for a, op, b in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return self.visit_BoolOp(ast.copy_location(ast.BoolOp(ast.And(), pairs), node))

    def visit_Call(self, node: Any) -> Any:
        node.args = [self.visit(x) for x in node.args]
        node.keywords = [self.visit(x) for x in node.keywords]
        if not isinstance(node.func, ast.Name):
            self.generic_visit(node.func)
        if self.arms:
            node.func = self.of_arms("call", node, node.func)
        return node

    def visit_Name(self, node: Any) -> Any:
        if not self.arms or not isinstance(node.ctx, ast.Load):
            return node
        arms = self.arms[-1]
        return node if node.id in arms.seen else self.of_arms("held", node, node)

    def visit_Attribute(self, node: Any) -> Any:
        if not self.arms or not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        if not isinstance(node.value, ast.Name) or node.value.id in self.own:
            node.value = self.visit(node.value)
        return self.of_arms("held", node, node)


class _Shown(ast.NodeTransformer):
    """Has an error show the values of the row that raises it."""

    def __init__(self, name: str, own: frozenset[str]) -> None:
        self.name, self.own = name, own

    def visit_Name(self, node: Any) -> Any:
        if node.id not in self.own:
            return node
        made = ast.Call(ast.Attribute(ast.Name(self.name, ast.Load()), "shown", ast.Load()), [node], [])
        return ast.fix_missing_locations(ast.copy_location(made, node))
