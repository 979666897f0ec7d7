"""Graph: a program without branches. It is never changed: a pass returns a new one.

What runs it fast is a plan's business; calling it applies one `eval` after another.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..core import Primitive
from ..errors import DTypeError, ShapeError, VmapcoreError, describe
from ..locks import cached_property
from .drawing import dot
from .printing import listing
from .totals import Cost, cost_more, costs_of, summary
from .values import Atom, Step, Var


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
        for i, (x, v) in enumerate(zip(arrays, self.inputs, strict=True)):
            if getattr(x, "shape", v.shape) != v.shape or getattr(x, "dtype", v.dtype) != v.dtype:
                raise self._unlike(i, x)
        values: dict[Var, Any] = dict(zip(self.inputs, arrays, strict=True))
        last = self.last_uses()
        for i, step in enumerate(self.steps):
            outs = step.run([values[a] if isinstance(a, Var) else a.value for a in step.inputs])
            values.update(zip(step.outputs, outs, strict=True))
            for v in last[i]:
                values.pop(v, None)
        return [values[a] if isinstance(a, Var) else a.value for a in self.outputs]

    def _unlike(self, i: int, x: Any) -> VmapcoreError:
        """The error for an array that is not what was recorded."""
        v = self.inputs[i]
        name = f"argument '{self.names[i]}'" if self.names else f"argument {i}"
        fact = f"{name} is {describe(x)}, and was {describe(v)} when it was recorded"
        kind = DTypeError if getattr(x, "shape", v.shape) == v.shape else ShapeError
        return kind(
            "graph", fact, "a graph is of these shapes and dtypes alone", "Record another, or use jit, which does so"
        )

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

    @cached_property
    def readers(self) -> dict[Var, list[int]]:
        """The numbers of the steps that read each value, again for each time that one does."""
        found: dict[Var, list[int]] = {}
        for i, step in enumerate(self.steps):
            for a in step.inputs:
                if isinstance(a, Var):
                    found.setdefault(a, []).append(i)
        return found

    @cached_property
    def applications(self) -> dict[Primitive, list[int]]:
        """The numbers of the steps that apply each primitive."""
        found: dict[Primitive, list[int]] = {}
        for i, step in enumerate(self.steps):
            found.setdefault(step.primitive, []).append(i)
        return found

    @cached_property
    def makers(self) -> dict[Var, Step]:
        """The step that makes each value."""
        return {v: step for step in self.steps for v in step.outputs}

    def with_steps(self, steps: Iterable[Step], outputs: Iterable[Atom] | None = None) -> "Graph":
        """The same inputs, other steps, and other outputs if given."""
        return replace(self, steps=tuple(steps), outputs=self.outputs if outputs is None else tuple(outputs))

    # What it costs, run step by step.

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """The cost of each step."""
        return costs_of(self.inputs, self.steps, self.last_uses())

    @property
    def flops(self) -> int:
        """Operations on real numbers; a product and the sum it goes into are two, or eight if both are complex.

        What only moves numbers, as a gather or a cast, counts none.
        """
        return sum([cost.flops for cost in self.costs])

    @property
    def bytes(self) -> int:
        """Bytes that steps read and write.

        Views move nothing, and those of one array that a step reads count no more than the array. A gather reads what
        it takes; a scatter makes a new array, and writes all of it.
        """
        return sum([cost.bytes for cost in self.costs])

    def costs_more(self, work: int) -> bool:
        """Whether `flops` and `bytes` together are more than `work`, without a look at every step."""
        return cost_more(self.inputs, self.steps, work)

    @property
    def peak_memory(self) -> int:
        """The most bytes that are alive at once beyond the inputs; a view shares those of its base."""
        return max([cost.alive for cost in self.costs], default=0)

    # How it looks.

    def __str__(self) -> str:
        totals = summary(self.flops, self.bytes, self.peak_memory)
        return f"{listing(self.inputs, self.names, self.steps, self.outputs)}\n  # {totals}"

    def draw(self) -> str:
        """The graph in DOT, the language of Graphviz: a box per step, an arrow per array, a frame per line of source.

        Example:
            >>> import numpy as np
            >>> from vmapcore import trace
            >>> print(trace(lambda x: x + 1)(np.ones(3)).draw())  # doctest: +ELLIPSIS
            digraph {
              ...
            }
        """
        return dot(self.inputs, self.names, self.steps, self.outputs)
