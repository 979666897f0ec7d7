"""What the steps of a graph cost, run one after the other: operations, bytes moved, bytes alive.

Operations are counted by the textbook, whatever the kernel does: 2 for a product that is added up, 1 for an element of
an elementwise result, however hard its function, or of what a sum or an extremum is taken of; n log2(n) for sorting;
5 n log2(n) for a Fourier transform; the leading terms for matrices. What only moves numbers counts none. Primitives go
by name here, since this lies below them; one without a row, as an author's own is, counts as elementwise.
"""

from collections.abc import Callable, Sequence
from math import log2, prod
from typing import Any, NamedTuple

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


# Operations.

Count = Callable[..., float]


def flops_of(step: Step) -> int:
    """The operations of a step."""
    count: Count = FLOPS.get(step.primitive.name, _elementwise)
    return int(count(step.inputs, step.outputs, **step.params))


def _none(ins: Any, outs: Any, **params: Any) -> float:
    return 0


def _elementwise(ins: Any, outs: Any, **params: Any) -> float:
    return max([v.size for v in outs], default=0)


def _per_input(times: float) -> Count:
    return lambda ins, outs, **params: times * ins[0].size


def _contract(ins: Any, outs: Any, *, subscripts: str) -> float:
    """2 for each combination of letters; 1 where none is summed."""
    operands, out = subscripts.split("->")
    terms = operands.split(",")
    sizes = {c: n for term, a in zip(terms, ins, strict=True) for c, n in zip(term, a.shape, strict=True) if c != "1"}
    products = prod(sizes.values())
    return 2 * products if any(n > 1 and c not in out for c, n in sizes.items()) else products


def _contract_block(ins: Any, outs: Any, *, subscripts: str, **params: Any) -> float:
    """As `contract`; the bias is one more."""
    return _contract(ins[:2], outs, subscripts=subscripts) + outs[0].size


def _conv(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over the channels of its group and the kernel; a bias is one more."""
    summed = ins[1].shape[-len(stride) - 1 :]
    return outs[0].size * (2 * prod(summed) + (len(ins) > 2))


def _conv_block(ins: Any, outs: Any, *, pooled: bool, **params: Any) -> float:
    """As `conv`, of whose result four elements may become one."""
    return _conv(ins, outs, **params) * (4 if pooled else 1)


def _conv_input_grad(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the cotangent, of every image, goes to the channels of its group and the kernel."""
    core = len(stride) + 1
    return 2 * prod(outs[0].shape[:-core]) * prod(ins[0].shape[-core:]) * prod(ins[1].shape[-core:])


def _conv_weight_grad(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over images and places of the cotangent."""
    core = len(stride)
    return 2 * outs[0].size * ins[1].shape[-core - 2] * prod(ins[1].shape[-core:])


def _pool(ins: Any, outs: Any, *, kernel: tuple[int, ...], **params: Any) -> float:
    """Every element of a window is looked at, in whichever array there are windows."""
    windows = min([a.size for a in (*ins, *outs) if a.size], default=0)
    return windows * prod(kernel)


def _sort(ins: Any, outs: Any, *, axis: int, **params: Any) -> float:
    return ins[0].size * log2(max(ins[0].shape[axis], 2))


def _search(ins: Any, outs: Any, **params: Any) -> float:
    return outs[0].size * log2(max(ins[0].shape[-1], 2))


def _fourier(ins: Any, outs: Any, *, n: int, axis: int, **params: Any) -> float:
    transforms = outs[0].size // max(outs[0].shape[axis], 1)
    return 5 * transforms * n * log2(max(n, 2))


def _scattered(ins: Any, outs: Any, **params: Any) -> float:
    return ins[1].size


def _matrices(cubic: float) -> Count:
    """`cubic` times n squared m of n by m matrices, n the shorter side."""

    def count(ins: Any, outs: Any, **params: Any) -> float:
        rows, columns = ins[0].shape[-2:]
        return cubic * ins[0].size * min(rows, columns)

    return count


def _solve(ins: Any, outs: Any) -> float:
    n = ins[0].shape[-1]
    return 2 / 3 * ins[0].size * n + 2 * outs[0].size * n


VIEWS = {
    *("reshape", "transpose", "broadcast_to", "repeat_along", "flip", "slice_read", "real_part", "imaginary_part"),
    *("get_diagonal", "windows", "cut", "split", "constant", "within"),
}
"""Results that share the memory of the first input. `slice_read` has a copy of one element that counts as none."""

MOVES = {
    *("duplicate", "detach", "concatenate", "stack", "pad", "roll", "repeat", "tile", "gather", "scatter_place"),
    *("scatter_set", "slice_place", "slice_write", "gather_along", "scatter_along", "triangle", "set_diagonal"),
    *("previous", "resize_axis", "join_parts"),
}
"""Copies."""

FLOPS: dict[str, Count] = {
    **dict.fromkeys(VIEWS | MOVES, _none),
    **dict.fromkeys(["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_any"], _per_input(1)),
    **dict.fromkeys(["reduce_all", "position_of_max", "position_of_min", "scan_sum", "scan_prod"], _per_input(1)),
    **dict.fromkeys(["position_of_nanmax", "position_of_nanmin", "running_max", "running_min"], _per_input(1)),
    **dict.fromkeys(["euclidean", "recurrence"], _per_input(2)),
    "deviation": _per_input(4),
    **dict.fromkeys(["softmax_along", "log_softmax_along", "logsumexp_along"], _per_input(5)),
    "contract": _contract,
    "contract_block": _contract_block,
    "conv": _conv,
    "conv_block": _conv_block,
    "conv_input_grad": _conv_input_grad,
    "conv_weight_grad": _conv_weight_grad,
    **dict.fromkeys(["max_pool", "max_pool_scatter", "max_pool_gather", "avg_pool", "avg_pool_spread"], _pool),
    "max_pool_scatter_rectified": _pool,
    **dict.fromkeys(["sort_along", "argsort_along"], _sort),
    **dict.fromkeys(["partition_along", "argpartition_along"], _per_input(2)),
    "search": _search,
    **dict.fromkeys(["fourier", "fourier_of_real", "fourier_to_real"], _fourier),
    "scatter_add": _scattered,
    "overlap_add": _per_input(1),
    "cholesky": _matrices(1 / 3),
    **dict.fromkeys(["determinant", "slogdet"], _matrices(2 / 3)),
    "solve": _solve,
    "inverse": _matrices(2),
    "qr": _matrices(4),
    **dict.fromkeys(["eigvalsh", "svdvals"], _matrices(4)),
    "eigh": _matrices(9),
    "eigvals": _matrices(10),
    **dict.fromkeys(["eig", "svd", "pseudoinverse"], _matrices(25)),
}


# Memory.


def costs_of(inputs: Sequence[Var], steps: Sequence[Step], last_uses: Sequence[Sequence[Var]]) -> tuple[Cost, ...]:
    """The cost of each step; memory is given back after the last use of what lies in it."""
    memory = _Memory(inputs)
    costs = []
    for step, ended in zip(steps, last_uses, strict=True):
        moved = memory.moved(step)
        costs.append(Cost(flops_of(step), moved, memory.alive))
        memory.end(ended)
    return tuple(costs)


def cost_more(inputs: Sequence[Var], steps: Sequence[Step], work: int) -> bool:
    """Whether operations and bytes moved are more than `work`: seen from as few steps as that takes."""
    memory = _Memory(inputs)
    for step in steps:
        work -= flops_of(step) + memory.moved(step)
        if work < 0:
            return True
    return False


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
        read = sum([self.extent(a) for a in dict.fromkeys(step.inputs)])
        for v in step.outputs:
            self.add(v, base)
        return read + sum([v.nbytes for v in step.outputs]) if base is None else 0

    def base_of(self, step: Step) -> Atom | None:
        """What the results of a step are views of; None if they have memory of their own."""
        name = step.primitive.name
        if name not in VIEWS:
            return None
        source = step.inputs[0]
        out = step.outputs[0]
        if name == "reshape" and source in self.strided and _without_ones(source.shape) != _without_ones(out.shape):
            return None  # a transposed or broadcast array is copied to be reshaped
        if name != "reshape" or source in self.strided:
            self.strided.update(step.outputs)
        return self.base.get(source, source)

    def extent(self, a: Atom) -> int:
        """The bytes behind a value, of which a broadcast one repeats some."""
        return min(a.nbytes, self.base.get(a, a).nbytes)

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
