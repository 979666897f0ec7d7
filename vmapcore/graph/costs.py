"""What steps compute: operations on real numbers, counted by the textbook, whatever the kernel does.

2 for a product that is added up, 1 for an element of an elementwise result, however hard its function, or of what a sum
or an extremum is taken of; n log2(n) for sorting; 5 n log2(n) for a Fourier transform, half of that where one side is
real; the leading terms for matrices. What only moves numbers counts none, as does a cast. Windows count their padding;
`totals.py` leaves out what lies around a sequence.

A complex number counts for its two parts: 2 for a sum, a comparison or a function; 6 for a product, with a real number
2; 11 for a quotient, by a real number 2; 4 for the absolute value. A product that is added up makes 8, so algorithms of
matrices count four times.

Primitives go by name here, since this lies below them; one without a row, as an author's own is, counts as elementwise.
"""

from collections.abc import Callable
from math import log2, prod
from typing import Any

import numpy as np

from .values import Step

Count = Callable[..., float]


def flops_of(step: Step) -> int:
    """The operations of a step."""
    count: Count = FLOPS.get(step.primitive.name, _elementwise)
    return int(count(step.inputs, step.outputs, **step.params))


# Complex numbers.

PRODUCT = (1, 2, 6)
"""A product of two numbers of which none, one or both are complex."""

SUMMAND = (2, 4, 8)
"""Such a product, and its sum with others."""


def _complex(arrays: Any) -> int:
    """How many are complex."""
    return sum([a.is_complex for a in arrays])


def _parts(ins: Any) -> int:
    """How many numbers an element has."""
    return 2 if _complex(ins) else 1


# Elementwise.


def _none(ins: Any, outs: Any, **params: Any) -> float:
    return 0


def _elementwise(ins: Any, outs: Any, **params: Any) -> float:
    return max([v.size for v in outs], default=0) * _parts(ins)


def _each(real: float, whole: float) -> Count:
    """`real` for each element of the result, `whole` of complex numbers."""
    return lambda ins, outs: outs[0].size * (whole if _complex(ins) else real)


def _multiply(ins: Any, outs: Any) -> float:
    return outs[0].size * PRODUCT[_complex(ins)]


def _divide(ins: Any, outs: Any) -> float:
    return outs[0].size * (11 if ins[1].is_complex else _parts(ins))


def _per_input(times: float, whole: float | None = None) -> Count:
    """`times` for each element of the first array; if it is complex, `whole`, or twice as much."""
    whole = 2 * times if whole is None else whole
    return lambda ins, outs, **params: ins[0].size * (whole if ins[0].is_complex else times)


# Products.


def _contract(ins: Any, outs: Any, *, subscripts: str) -> float:
    """A summand for each combination of letters; a product where none is summed."""
    operands, out = subscripts.split("->")
    terms = operands.split(",")
    sizes = {c: n for term, a in zip(terms, ins, strict=True) for c, n in zip(term, a.shape, strict=True) if c != "1"}
    summed = any(n > 1 and c not in out for c, n in sizes.items())
    return prod(sizes.values()) * (SUMMAND if summed else PRODUCT)[_complex(ins)]


def _contract_block(ins: Any, outs: Any, *, subscripts: str, **params: Any) -> float:
    """As `contract`; the bias is one more."""
    return _contract(ins[:2], outs, subscripts=subscripts) + outs[0].size * _parts(ins)


def _conv(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over the channels of its group and the kernel; a bias is one more."""
    summed = prod(ins[1].shape[-len(stride) - 1 :])
    bias = _parts(ins) if len(ins) > 2 else 0
    return outs[0].size * (SUMMAND[_complex(ins[:2])] * summed + bias)


def _conv_block(ins: Any, outs: Any, *, pooled: bool, **params: Any) -> float:
    """As `conv`, of whose result four elements may become one."""
    return _conv(ins, outs, **params) * (4 if pooled else 1)


def _conv_input_grad(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the cotangent, of every image, goes to the channels of its group and the kernel."""
    core = len(stride) + 1
    products = prod(outs[0].shape[:-core]) * prod(ins[0].shape[-core:]) * prod(ins[1].shape[-core:])
    return SUMMAND[_complex(ins)] * products


def _conv_weight_grad(ins: Any, outs: Any, *, stride: Any, **params: Any) -> float:
    """Every element of the result sums over images and places of the cotangent."""
    core = len(stride)
    return SUMMAND[_complex(ins)] * outs[0].size * ins[1].shape[-core - 2] * prod(ins[1].shape[-core:])


def _slide(ins: Any, outs: Any) -> float:
    """Every element of the result sums over the shorter sequence."""
    return SUMMAND[_complex(ins)] * outs[0].size * ins[1].shape[-1]


def _recurrence(ins: Any, outs: Any, **params: Any) -> float:
    return SUMMAND[_complex(ins)] * outs[0].size


# Windows, orders, places.


def _pool(ins: Any, outs: Any, *, kernel: tuple[int, ...], **params: Any) -> float:
    """Every element of a window is looked at, in whichever array there are windows."""
    windows = min([a.size for a in (*ins, *outs) if a.size], default=0)
    return windows * prod(kernel) * _parts(ins)


def _sort(ins: Any, outs: Any, *, axis: int | None, **params: Any) -> float:
    n = ins[0].size if axis is None else ins[0].shape[axis]
    return ins[0].size * log2(max(n, 2)) * _parts(ins)


def _search(ins: Any, outs: Any, **params: Any) -> float:
    return outs[0].size * log2(max(ins[0].shape[-1], 2)) * _parts(ins)


def _matching(ins: Any, outs: Any) -> float:
    """n times the nearest of n times n pairs."""
    return outs[0].size * outs[0].shape[-1] ** 2


def _scatter_add(ins: Any, outs: Any, *, paired: int, tail: int, **params: Any) -> float:
    """A sum for every place that is named; see `rules/gather.py` for the axes. What is added may yet broadcast."""
    shape, indices = outs[0].shape, [i.shape for i in ins[2:]]
    end = len(shape) - tail
    first = end - len(indices) - paired
    pairs = shape[first : first + paired] + (1,) * (max(map(len, indices)) - paired)
    return prod(shape[:first]) * prod(np.broadcast_shapes(pairs, *indices)) * prod(shape[end:]) * _parts(ins)


def _scatter(ins: Any, outs: Any, *, unique: bool, **params: Any) -> float:
    """A sum for every element, unless each has a place of its own."""
    return 0 if unique else ins[0].size * _parts(ins)


def _unravel(ins: Any, outs: Any, **params: Any) -> float:
    return sum([v.size for v in outs])


def _ravel(ins: Any, outs: Any, **params: Any) -> float:
    return 2 * outs[0].size * (len(ins) - 1)


# Transforms and matrices.


def _fourier(times: float) -> Count:
    """`times` n log2(n) for every transform."""

    def count(ins: Any, outs: Any, *, n: int, axis: int, **params: Any) -> float:
        return times * (outs[0].size // max(outs[0].shape[axis], 1)) * n * log2(max(n, 2))

    return count


def _matrices(cubic: float) -> Count:
    """`cubic` times n squared m of n by m matrices, n the shorter side."""

    def count(ins: Any, outs: Any, **params: Any) -> float:
        rows, columns = ins[0].shape[-2:]
        return cubic * ins[0].size * min(rows, columns) * (4 if ins[0].is_complex else 1)

    return count


def _solve(ins: Any, outs: Any) -> float:
    n = ins[0].shape[-1]
    return (2 / 3 * ins[0].size * n + 2 * outs[0].size * n) * (4 if _complex(ins) else 1)


# The table.

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
    **dict.fromkeys(["convert", "convert_to_discrete"], _none),
    "conjugate": _each(0, 1),
    "multiply": _multiply,
    "divide": _divide,
    "absolute": _each(1, 4),
    **dict.fromkeys(["square", "power"], _each(1, 6)),
    "reciprocal": _each(1, 11),
    **dict.fromkeys(["sign", "direction"], _each(1, 6)),
    **dict.fromkeys(["choose_from", "nll_along", "last_writes"], _elementwise),
    "linspace": lambda ins, outs, **params: 2 * _elementwise(ins, outs),
    "unravel": _unravel,
    "ravel_multi": _ravel,
    "cross3": lambda ins, outs: outs[0].size * (PRODUCT[_complex(ins)] * 2 + _parts(ins)),
    **dict.fromkeys(["reduce_sum", "reduce_max", "reduce_min", "reduce_any", "reduce_all"], _per_input(1)),
    **dict.fromkeys(["position_of_max", "position_of_min", "scan_sum", "running_max", "running_min"], _per_input(1)),
    **dict.fromkeys(["position_of_nanmax", "position_of_nanmin", "run_starts"], _per_input(1)),
    **dict.fromkeys(["nonzero_positions", "nll_transpose", "overlap_add"], _per_input(1)),
    **dict.fromkeys(["reduce_prod", "scan_prod"], _per_input(1, 6)),
    "euclidean": _per_input(2),
    "deviation": _per_input(4),
    **dict.fromkeys(["softmax_along", "log_softmax_along", "logsumexp_along", "cross_entropy_along"], _per_input(5)),
    "cross_entropy_grad": lambda ins, outs, **params: 6 * outs[0].size,
    "recurrence": _recurrence,
    "contract": _contract,
    "contract_block": _contract_block,
    "conv": _conv,
    "conv_block": _conv_block,
    "conv_input_grad": _conv_input_grad,
    "conv_weight_grad": _conv_weight_grad,
    "slide": _slide,
    **dict.fromkeys(["max_pool", "max_pool_scatter", "max_pool_gather", "avg_pool", "avg_pool_spread"], _pool),
    "max_pool_scatter_rectified": _pool,
    **dict.fromkeys(["sort_along", "argsort_along", "unique_positions"], _sort),
    **dict.fromkeys(["partition_along", "argpartition_along"], _per_input(2)),
    "search": _search,
    "matching": _matching,
    "scatter_add": _scatter_add,
    **dict.fromkeys(["scatter_place", "scatter_along"], _scatter),
    "fourier": _fourier(5),
    **dict.fromkeys(["fourier_of_real", "fourier_to_real"], _fourier(2.5)),
    "cholesky": _matrices(1 / 3),
    **dict.fromkeys(["determinant", "slogdet"], _matrices(2 / 3)),
    "solve": _solve,
    "inverse": _matrices(2),
    "qr": _matrices(4),
    **dict.fromkeys(["eigvalsh", "svdvals"], _matrices(4)),
    "eigh": _matrices(9),
    "eigvals": _matrices(10),
    **dict.fromkeys(["eig", "svd", "pseudoinverse", "cofactors"], _matrices(25)),
}
