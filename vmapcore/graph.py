"""Graph: the primitives of one real run as a flat list of steps, to read, to count and to plan.

Values are `Var`s, known by identity, and `Literal`s, which were constants of the run. A graph is never changed: a pass
returns a new one. What runs it fast is a plan's business; calling it applies one `eval` after another.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np

from .arrays import namespace
from .core import Primitive
from .errors import ShapeError, describe


class Var:
    """One array of a graph, by its shape and dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * int(self.dtype.itemsize)

    def __repr__(self) -> str:
        return describe(self)


class Literal:
    """A constant: a Python number, which keeps its weak dtype, a NumPy scalar, or an array of nobody else's."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        value = self.value
        return f"<{describe(value)}>" if getattr(value, "shape", ()) else repr(getattr(value, "item", lambda: value)())


Atom = Var | Literal


class Step(NamedTuple):
    """One application of a primitive."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: dict[str, Any]
    outputs: tuple[Var, ...]
    line: str = ""
    """Where in the user's code: `file.py:12 in f`."""

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Applies the primitive to arrays and returns a tuple of results."""
        out = self.primitive.eval(namespace(values), *values, **self.params)
        return tuple(out) if self.primitive.multiple else (out,)


@dataclass(frozen=True)
class Graph:
    """A program without branches: `steps` in an order in which they can run.

    Law:  trace(f)(*args)(*leaves of args) == leaves of f(*args)

    Example:
        >>> import numpy as np
        >>> from vmapcore import grad, trace
        >>> print(trace(grad(lambda x: np.sum(x * x)))(np.ones(3, np.float32)))  # doctest: +SKIP
    """

    inputs: tuple[Var, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Atom, ...]
    names: tuple[str, ...] = field(default=(), compare=False)
    """What the inputs are called in the user's function."""

    def __call__(self, *arrays: Any) -> list[Any]:
        """Runs every step by its `eval`; takes and returns flat lists of arrays."""
        if len(arrays) != len(self.inputs):
            raise ShapeError("graph", f"{len(arrays)} arrays for {len(self.inputs)} inputs")
        values: dict[Var, Any] = dict(zip(self.inputs, arrays, strict=True))
        last = self.last_uses()
        for i, step in enumerate(self.steps):
            outs = step.run([values[a] if isinstance(a, Var) else a.value for a in step.inputs])
            values.update(zip(step.outputs, outs, strict=True))
            for v in last[i]:
                values.pop(v, None)
        return [values[a] if isinstance(a, Var) else a.value for a in self.outputs]

    def last_uses(self) -> list[list[Var]]:
        """For each step, the values that nothing reads after it."""
        found: list[list[Var]] = [[] for _ in self.steps]
        seen = {a for a in self.outputs if isinstance(a, Var)}
        for i in range(len(self.steps) - 1, -1, -1):
            for v in (*self.steps[i].outputs, *self.steps[i].inputs):
                if isinstance(v, Var) and v not in seen:
                    seen.add(v)
                    found[i].append(v)
        return found

    def with_steps(self, steps: Iterable[Step], outputs: Iterable[Atom] | None = None) -> "Graph":
        """The same inputs, other steps, and other outputs if given."""
        return replace(self, steps=tuple(steps), outputs=self.outputs if outputs is None else tuple(outputs))

    def __str__(self) -> str:
        names = _Names()
        inputs = [
            f"{names(v)}: {v!r}" + (f" = {given}" if given else "")
            for v, given in zip(self.inputs, self.names or [""] * len(self.inputs), strict=True)
        ]
        lines = []
        for step in self.steps:
            left = ", ".join([f"{names(v)}: {v!r}" for v in step.outputs])
            arguments = [names(a) for a in step.inputs] + [f"{k}={_short(v)}" for k, v in step.params.items()]
            lines.append((f"  {left} = {step.primitive.name}({', '.join(arguments)})", step.line))
        width = min(max([len(text) for text, _ in lines], default=0), 100)
        body = [f"{text:<{width}}  # {line}" if line else text for text, line in lines]
        head = f"graph({', '.join(inputs)}):"
        return "\n".join([head, *body, f"  return {', '.join([names(a) for a in self.outputs])}"])


def _short(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Names:
    """Names values a, b, ..., z, aa, ab, ... in the order they are met."""

    def __init__(self) -> None:
        self.names: dict[Var, str] = {}
        self.fresh = _letters()

    def __call__(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return repr(atom)
        if atom not in self.names:
            self.names[atom] = next(self.fresh)
        return self.names[atom]


def _letters() -> Iterator[str]:
    yield from ascii_lowercase
    for i in count():
        for letter in ascii_lowercase:
            yield _word(i) + letter


def _word(i: int) -> str:
    first, last = divmod(i, 26)
    return (_word(first - 1) if first else "") + ascii_lowercase[last]
