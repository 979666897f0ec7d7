"""What the steps of a graph cost, run one after the other: operations, bytes moved, bytes alive.

Each byte that a step reads counts once, however many of its inputs are views of one array; of an array that it only
takes some elements from, those count. A result that is a view moves nothing. A new array is written as a whole, also
where it is a copy of another, read as a whole, with a few elements changed.
"""

from collections.abc import Callable, Sequence
from math import log2
from typing import NamedTuple

from ..core import Memory
from .values import Atom, Literal, Step, Var


class Cost(NamedTuple):
    """What a step costs."""

    flops: int
    bytes: int
    """Read and written."""
    alive: int
    """Held while it runs, beyond the inputs of the graph."""


def summary(flops: int, moved: int, alive: int) -> str:
    """The totals of a graph in words."""
    return f"{_short(flops)}flop, {_short(moved)}B moved, at most {_short(alive)}B at once"


def _short(n: int) -> str:
    power = min((len(str(n)) - 1) // 3, 4)
    return f"{n / (1.0, 1e3, 1e6, 1e9, 1e12)[power]:.3g} {('', 'k', 'M', 'G', 'T')[power]}"


def costs_of(inputs: Sequence[Var], steps: Sequence[Step], last_uses: Sequence[Sequence[Var]]) -> tuple[Cost, ...]:
    """The cost of each step; memory is given back after the last use of what lies in it."""
    memory, zeros = _Memory(inputs), _Zeros()
    costs = []
    for step, ended in zip(steps, last_uses, strict=True):
        moved = memory.moved(step)
        costs.append(Cost(zeros.flops(step), moved, memory.alive))
        memory.end(ended)
    return tuple(costs)


def cost_more(inputs: Sequence[Var], steps: Sequence[Step], work: int) -> bool:
    """Whether operations and bytes moved are more than `work`: seen from as few steps as that takes."""
    memory, zeros = _Memory(inputs), _Zeros()
    for step in steps:
        work -= zeros.flops(step) + memory.moved(step)
        if work < 0:
            return True
    return False


class _Zeros:
    """The zeros put around sequences: products with them belong to no convolution by the textbook."""

    def __init__(self) -> None:
        self.around: dict[Atom, tuple[int, ...]] = {}

    def flops(self, step: Step) -> int:
        """As `step.flops`, without these products."""
        name, params = step.primitive.name, step.params
        if name == "pad" and params["widths"] and params.get("value", 0) == 0:
            self.around[step.outputs[0]] = params["widths"][-1][:2]
        flops = step.flops
        if name != "slide" or not flops:
            return flops
        places, taps = step.outputs[0].shape[-1], step.inputs[1].shape[-1]
        widths = [min(n, places, taps) for n in self.around.get(step.inputs[0], ())]
        return flops - flops * sum([n * (n + 1) // 2 for n in widths]) // (places * taps)


# Memory.


def _result(step: Step) -> int:
    return step.outputs[0].nbytes


def _halvings(step: Step) -> int:
    """What binary searches look at."""
    a, found = step.inputs[0], step.outputs[0].size
    return found * int(log2(max(a.shape[-1], 1)) + 1) * (a.nbytes // max(a.size, 1))


TAKEN: dict[str, Callable[[Step], int]] = {
    **dict.fromkeys(["gather", "gather_along", "nll_along", "max_pool_gather"], _result),
    "search": _halvings,
}
"""How many bytes a primitive takes from its first input, of which it leaves the others alone."""


class _Memory:
    """Which values lie in the memory of which, and how many bytes are alive."""

    def __init__(self, inputs: Sequence[Var]) -> None:
        self.base: dict[Atom, Atom] = {v: v for v in inputs}
        self.given = set(inputs)
        self.strided: set[Atom] = set()
        self.users: dict[Atom, int] = {}
        self.alive = 0

    def moved(self, step: Step) -> int:
        """The bytes that a step reads and writes; its results are alive from now on."""
        base = self.base_of(step)
        for v in step.outputs:
            self.add(v, base)
        return self.read(step) + sum([v.nbytes for v in step.outputs]) if base is None else 0

    def read(self, step: Step) -> int:
        """The bytes behind the inputs, of which broadcast values and views of one array repeat some."""
        sizes = {a: a.nbytes for a in step.inputs}
        taken = TAKEN.get(step.primitive.name)
        if taken is not None and step.inputs[0] not in step.inputs[1:]:
            sizes[step.inputs[0]] = min(sizes[step.inputs[0]], taken(step))
        found: dict[Atom, int] = {}
        for a, size in sizes.items():
            root = self.base.get(a, a)
            found[root] = min(found.get(root, 0) + size, root.nbytes)
        return sum(found.values())

    def base_of(self, step: Step) -> Atom | None:
        """What the results of a step are views of; None if they have memory of their own."""
        name = step.primitive.name
        if step.primitive.memory is not Memory.VIEW:
            return None
        source = step.inputs[0]
        out = step.outputs[0]
        if name == "reshape" and source in self.strided and _without_ones(source.shape) != _without_ones(out.shape):
            return None  # a transposed or broadcast array is copied to be reshaped
        if name != "reshape" or source in self.strided:
            self.strided.update(step.outputs)
        return self.base.get(source, source)

    def add(self, v: Var, base: Atom | None) -> None:
        self.base[v] = root = v if base is None else base
        self.users[root] = self.users.get(root, 0) + 1
        if base is None:
            self.alive += v.nbytes

    def end(self, values: Sequence[Var]) -> None:
        for v in values:
            root = self.base[v]
            if root in self.given or isinstance(root, Literal):
                continue
            self.users[root] -= 1
            if not self.users[root]:
                self.alive -= root.nbytes


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]
