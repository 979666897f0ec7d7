"""Recording: RecordTracer and the trace that writes every primitive of one real run into a Graph.

It is the outermost trace, so what it sees is batched and differentiated already. Values are there, but none may
decide anything: a later run of the graph has others.
"""

import functools
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .arrays import as_number, is_array, namespace
from .core import AS_ARRAYS, PRIMITIVES, Dynamic, Primitive, Trace, at_end
from .errors import ArgumentError, VmapcoreError, callers_line, describe
from .evals.places import BY_VALUES, hangs_on
from .graph import Atom, Graph, Literal, Step, Var
from .opaque import AnewError, Opaque
from .pytree import flatten
from .refusals import BY_CALL, OTHERWISE, refuse
from .tracer import Tracer

DEEPEST = 8
"""How many operations back two values are compared by what made them."""


class RecordTracer(Tracer):
    """A value of the run and the variable, or the constant, it is in the graph."""

    __slots__ = ()

    atom = Tracer.beside  # type: ignore[misc]  # that slot, by its name here
    beyond = "the values of other calls"

    @property
    def differs(self) -> str:
        return f"differs between the calls of {self._trace.call}, at {callers_line()}"

    def _known(self, wanted: str) -> Any:
        return self.value if isinstance(self.atom, Literal) else None  # the same in every call

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        return wanted, BY_CALL.get(call, OTHERWISE)

    def _is_not(self, wanted: str) -> str:
        return (
            f"the value {describe(self)} at {callers_line()} is recorded by {self._trace.call}, "
            f"so it is not {wanted}: other calls have other values"
        )


class RecordTrace(Trace):
    """One run being recorded."""

    __slots__ = ("anew", "checked", "expected", "kept", "literals", "steps")

    tracer = RecordTracer
    randomness = "recorded"
    records = True

    def __init__(self, call: str, checked: bool = False) -> None:
        Trace.__init__(self, call)
        self.checked = checked
        self.steps: list[Step] = []
        self.literals: dict[int, tuple[Any, Literal]] = {}
        self.anew = False  # each call is to run the function, as rows were asked for what they have in this one
        self.expected: list[Any] = []  # truth values without which a plan's results are of no use
        self.kept: list[Any] = []  # results of an author's code, which may have them too

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        if primitive.transparent:
            return primitive.eval(np, *args, **params)
        if primitive.spelled is not None and (out := self._spelled_out(primitive, args, params)) is not None:
            return out
        if primitive.dynamic is not None:
            self._check_constant(primitive.dynamic, args)
        values: list[Any] = []
        inputs: list[Atom] = []
        for a in args:
            if type(a) is RecordTracer and a._trace is self:
                values.append(a.value)
                inputs.append(a.atom)
            else:
                value = np.asarray(a) if type(a) in AS_ARRAYS else a
                values.append(value)
                inputs.append(self.literal(value))
        try:
            out = primitive.eval(namespace(values), *values, **params)
        except (ArithmeticError, IndexError, ValueError) as error:
            if primitive.raises or isinstance(error, BY_VALUES):
                hangs_on(self, error)
            raise
        if primitive.pure and all(type(atom) is Literal for atom in inputs):
            return self._constant(out)
        outs = tuple(out) if primitive.multiple else (out,)
        if PRIMITIVES.get(primitive.name) is not primitive:
            self.kept += outs
        variables = tuple([Var(o.shape, o.dtype) for o in outs])
        self.steps.append(Step(primitive, tuple(inputs), params, variables, callers_line()))
        tracers = tuple([RecordTracer(self, o, v) for o, v in zip(outs, variables, strict=True)])
        return tracers if primitive.multiple else tracers[0]

    def _constant(self, out: Any) -> Any:
        """The result of an operation on constants, which is one; a scalar is never written to."""
        if type(out) is tuple:
            return tuple([self._constant(x) for x in out])
        return RecordTracer(self, out, Literal(out.copy())) if out.shape else as_number(out)

    def _spelled_out(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """What an author's function makes of tracers; None, and no steps, where it does more than NumPy's functions do:
        it is then a step of its own, and if it is wrong its call says how."""
        before, refused = len(self.steps), self.refused
        given = [self.lift(a) if isinstance(a, Tracer) else a for a in args]
        atoms = [getattr(a, "atom", None) for a in given]
        try:
            out = primitive.spelled(np, *given, **params)  # type: ignore[misc]
        except Exception:
            out = None
        outs = out if primitive.multiple and out is not None else (out,)
        more = self.refused is not refused or [getattr(a, "atom", None) for a in given] != atoms
        self.refused = refused
        if not more and all(type(x) is RecordTracer and x._trace is self for x in outs):
            return out
        del self.steps[before:]
        return None

    def same(self, x: Any, y: Any) -> bool:
        return self._same_atom(x.atom, y.atom, 0)

    def _same_atom(self, a: Atom, b: Atom, depth: int) -> bool:
        """Whether two atoms are one, or results of one operation on the same."""
        if a is b:
            return True
        if isinstance(a, Literal) or isinstance(b, Literal):
            values = [x.value for x in (a, b) if isinstance(x, Literal)]
            return len(values) == 2 and _same(*map(np.asarray, values))
        one, other = self._maker(a), self._maker(b)
        if one is None or other is None or depth > DEEPEST:
            return False
        (p, i), (q, j) = one, other
        if p.primitive is not q.primitive or not p.primitive.pure or p.params != q.params or i != j:
            return False
        if len(p.inputs) != len(q.inputs):
            return False
        return all(self._same_atom(c, d, depth + 1) for c, d in zip(p.inputs, q.inputs, strict=True))

    def _maker(self, atom: Atom) -> tuple[Step, int] | None:
        """The step that made a variable, and as which of its results; None of an input."""
        for step in reversed(self.steps):
            for i, made in enumerate(step.outputs):
                if made is atom:
                    return step, i
        return None

    def wrap(self, value: Any) -> RecordTracer:
        literal = self.literal(value)
        return RecordTracer(self, literal.value, literal)

    def literal(self, value: Any) -> Literal:
        """A constant as it is now: whoever else has the array may write to it."""
        if type(value) in (float, int):
            return Literal(value)
        value = at_end(value)
        if isinstance(value, Tracer):
            raise self._foreign(value)
        if not is_array(value) or isinstance(value, np.generic):
            return Literal(value)
        seen, found = self.literals.get(id(value), (None, None))
        if found is None or seen is not value or not _same(found.value, value):
            found = Literal(value.copy())
            self.literals[id(value)] = (value, found)
        return found

    def expect(self, fine: Callable[[], Any]) -> None:
        """Notes what has to be true of other values, where the function would do something else if it were not."""
        truth = fine() if self.checked else None
        if isinstance(truth, RecordTracer) and isinstance(truth.atom, Var):
            self.expected.append(truth)

    def results(self, leaves: Sequence[Any]) -> list[tuple[Any, Atom]]:
        """The values and atoms of the results; in the end, whether all is true that has to be, if anything has."""
        more = [functools.reduce(np.logical_and, self.expected)] if self.expected else []
        return [self.result(x) for x in (*leaves, *more)]

    def result(self, x: Any) -> tuple[Any, Atom]:
        """The value of a leaf of what the function returned, and what the graph returns for it."""
        x = at_end(x)
        if isinstance(x, RecordTracer) and x._trace is self:
            return x.value, x.atom
        if isinstance(x, (Iterator, Awaitable)):
            raise ArgumentError(
                self.call,
                f"the function returned a {type(x).__name__}, which runs after the recording",
                "",
                "Return a list or an array",
            )
        if _holds_tracer(x):
            raise ArgumentError(
                self.call,
                f"the function returned a {type(x).__name__} that holds a recorded value",
                "results are pytrees of arrays and of what is the same in every call",
                "Register its type with register_pytree, or return the arrays alone",
            )
        literal = self.literal(x)
        return literal.value, literal

    def _check_constant(self, dynamic: Dynamic, args: Sequence[Any]) -> None:
        """Raises if a length or dtype would hang on the values of what is no constant."""
        call, what, instead = dynamic
        for a in args:
            if isinstance(a, RecordTracer) and isinstance(a.atom, Var) and (what == "length" or a.dtype.kind != "c"):
                fact = f"the {what} of its result depends on the values of {describe(a)}, which {a.differs}"
                raise refuse(self, call, fact, "", instead)

    def _foreign(self, tracer: Tracer) -> VmapcoreError:
        """The error for a value of a transform that runs around this one."""
        return ArgumentError(
            self.call,
            f"the function uses {describe(tracer)} at {callers_line()}, which {tracer._trace.call} traces around it",
            "a recording has no place in another transform",
            "Call it outside, and the transform inside",
        )


def _holds_tracer(x: Any) -> bool:
    """Whether a leaf of results, which is no array, has a tracer in it: as an attribute, an item, or closed over."""
    if is_array(x) or isinstance(x, (str, bytes, type)):
        return False
    inside: list[Any] = [*getattr(x, "__dict__", {}).values(), *(x if isinstance(x, Collection) else ())]
    with suppress(ValueError):  # a name that is closed over and not yet bound
        inside += [cell.cell_contents for cell in getattr(x, "__closure__", None) or ()]
    return any(isinstance(y, Tracer) for y in flatten(inside)[0])


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal to the last bit, NaNs and all."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if isinstance(a, np.ndarray) and a.dtype.kind in "biufc" and a.itemsize in (1, 2, 4, 8):
        return np.array_equal(_bits(a), _bits(b))
    return a.tobytes() == b.tobytes()


def _bits(x: Any) -> Any:
    return x.reshape(-1).view(f"u{x.itemsize}")


def record(
    call: str,
    run: Callable[[list[Any]], Sequence[Any]],
    arrays: Sequence[Any],
    names: Sequence[str],
    checked: bool = False,
) -> tuple[Graph, list[Any], list[Any], bool]:
    """Runs `run(tracers)`, which returns leaves, on tracers of `arrays`; returns the graph, the results' values, what
    an author's code returned on the way, and whether a truth value is added to the results.

    It is that if `checked` and something has to be true of the values of a call: else results are of no use.

    Where rows ask that are not all arguments of a split vmap alone, the graph has one step, which is all of `run`.
    Values may share memory with `arrays`, with one another, with constants of the graph and with what was returned.
    """
    trace = RecordTrace(call, checked)
    inputs = [Var(x.shape, x.dtype) for x in arrays]
    tracers = [RecordTracer(trace, x, v) for x, v in zip(arrays, inputs, strict=True)]
    try:
        pairs = trace.run(lambda: trace.results(run(tracers)))
    except (AnewError, Exception):
        if not trace.anew:
            raise
    if trace.anew:
        whole = Opaque(call, lambda given: [x.copy() if is_array(x) else x for x in run(given)], tracers)
        return record(call, lambda tracers: whole(*tracers), arrays, names)
    graph = Graph(tuple(inputs), tuple(trace.steps), tuple([atom for _, atom in pairs]), tuple(names))
    return graph, [value for value, _ in pairs], trace.kept, bool(trace.expected)
