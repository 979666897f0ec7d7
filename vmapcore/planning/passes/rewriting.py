"""How passes rewrite a graph: one walk over its steps, in which rules look at what made a step's inputs.

A rule is `rule(walk, step) -> atom or None`: what stands in place of the step's one result, perhaps after new steps
went in by `walk.emit`, or None to leave it. Steps that nobody needs any more stay; dropping them is a pass of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ...core import Primitive
from ...graph import Atom, Graph, Step, Var

Shape = tuple[int, ...]


class Walk:
    """The steps so far of the graph that is being made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps: list[Step] = []
        self.makers: dict[Var, Step] = dict(graph.makers)
        self.replaced: dict[Atom, Atom] = {}
        self.readers = readers(graph)

    def keep(self, step: Step) -> None:
        """Lets a step be as it is."""
        self.steps.append(step)
        for v in step.outputs:
            self.makers[v] = step

    def emit(
        self, at: Step, primitive: Primitive, inputs: tuple[Atom, ...], out: Var | None = None, /, **params: Any
    ) -> Var:
        """Adds a step of the line of `at`, whose result is `out` or else has the shape and dtype of that of `at`."""
        if out is None:
            out = Var(at.outputs[0].shape, at.outputs[0].dtype)
        self.keep(Step(primitive, inputs, params, (out,), at.line))
        for a in inputs:
            if isinstance(a, Var):
                self.readers[a] = self.readers.get(a, 0) + 1
        return out

    def maker(self, atom: Atom, *primitives: Primitive) -> Step | None:
        """The step that made a value, if it applied one of `primitives`."""
        return made_by(self.makers, atom, *primitives)

    def sole(self, atom: Atom) -> bool:
        """Whether a value is read once at most, and is no result of the graph."""
        return isinstance(atom, Var) and self.readers.get(atom, 0) <= 1

    def replace(self, old: Var, new: Atom) -> None:
        """Lets `new` stand in place of `old` from here on."""
        self.replaced[old] = new
        if isinstance(new, Var):
            self.readers[new] = self.readers.get(new, 0) + self.readers.get(old, 0)


def made_by(makers: Mapping[Var, Step], atom: Atom, *primitives: Primitive) -> Step | None:
    """The step that made a value, if it applied one of `primitives`."""
    step = makers.get(atom) if isinstance(atom, Var) else None
    return step if step is not None and step.primitive in primitives else None


Rewrite = Callable[[Walk, Step], Atom | None]

ALWAYS = 1 << 30


def readers(graph: Graph) -> dict[Var, int]:
    """How often each value is read, `ALWAYS` more if it is a result of the graph."""
    counts = {v: len(numbers) for v, numbers in graph.readers.items()}
    for a in graph.outputs:
        if isinstance(a, Var):
            counts[a] = counts.get(a, 0) + ALWAYS
    return counts


def rewrite(graph: Graph, rules: Mapping[Primitive, Rewrite]) -> Graph:
    """Applies to each step the rule of its primitive; returns `graph` itself where none found anything to do."""
    places = [numbers[0] for primitive, numbers in graph.applications.items() if primitive in rules]
    if not places:
        return graph
    walk = Walk(graph)
    replaced, first = walk.replaced, min(places)
    walk.steps += graph.steps[:first]
    for step in graph.steps[first:]:
        step = renamed(step, replaced)
        rule = rules.get(step.primitive)
        found = None if rule is None else rule(walk, step)
        if found is None:
            walk.keep(step)
        else:
            walk.replace(step.outputs[0], found)
    return graph.with_steps(walk.steps, [replaced.get(a, a) for a in graph.outputs]) if replaced else graph


def renamed(step: Step, replaced: Mapping[Atom, Atom]) -> Step:
    """The step with what stands in place of its inputs."""
    if replaced and any(a in replaced for a in step.inputs):
        return step._replace(inputs=tuple([replaced.get(a, a) for a in step.inputs]))
    return step


def like(atom: Atom, out: Var) -> bool:
    """Whether a value has the shape and dtype of a result, so that it may stand in its place."""
    return atom.shape == out.shape and dtype_of(atom) == out.dtype


def dtype_of(atom: Atom) -> Any:
    """The dtype of a value; None for a Python number, which takes that of what it meets."""
    return atom.dtype if isinstance(atom, Var) else getattr(atom.value, "dtype", None)
