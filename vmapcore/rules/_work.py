"""What operations compute: operations on real numbers, counted by the textbook, whatever the kernel does.

2 for a product that is added up, 1 for an element of an elementwise result, however hard its function, or of what a sum
or an extremum is taken of; n log2(n) for sorting; 5 n log2(n) for a Fourier transform, half of that where one side is
real; the leading terms for matrices. What only moves numbers counts none, as does a cast. Windows count their padding;
`graph/totals.py` leaves out what lies around a sequence.

A complex number counts for its two parts: 2 for a sum, a comparison or a function; 6 for a product, with a real number
2; 11 for a quotient, by a real number 2; 4 for the absolute value. A product that is added up makes 8, so algorithms of
matrices count four times.

A count is called as `count(ins, outs, **params)` with the inputs and outputs of a step.
"""

from collections.abc import Callable
from math import log2
from typing import Any

Count = Callable[..., float]

PRODUCT = (1, 2, 6)
"""A product of two numbers of which none, one or both are complex."""

SUMMAND = (2, 4, 8)
"""Such a product, and its sum with others."""


def complexes(arrays: Any) -> int:
    """How many are complex."""
    return sum([a.is_complex for a in arrays])


def parts(ins: Any) -> int:
    """How many numbers an element has."""
    return 2 if complexes(ins) else 1


def nothing(ins: Any, outs: Any, **params: Any) -> float:
    """What moves numbers, or casts them."""
    return 0


def each(ins: Any, outs: Any, **params: Any) -> float:
    """An operation for each element of the largest result."""
    return max([v.size for v in outs], default=0) * parts(ins)


def per_result(real: float, whole: float) -> Count:
    """`real` for each element of the result, `whole` of complex numbers."""
    return lambda ins, outs, **params: outs[0].size * (whole if complexes(ins) else real)


def per_input(times: float, whole: float | None = None) -> Count:
    """`times` for each element of the first array; if it is complex, `whole`, or twice as much."""
    whole = 2 * times if whole is None else whole
    return lambda ins, outs, **params: ins[0].size * (whole if ins[0].is_complex else times)


def of_product(ins: Any, outs: Any) -> float:
    return outs[0].size * PRODUCT[complexes(ins)]


def of_quotient(ins: Any, outs: Any) -> float:
    return outs[0].size * (11 if ins[1].is_complex else parts(ins))


def of_sort(ins: Any, outs: Any, *, axis: int | None, **params: Any) -> float:
    n = ins[0].size if axis is None else ins[0].shape[axis]
    return ins[0].size * log2(max(n, 2)) * parts(ins)


def of_scatter(ins: Any, outs: Any, *, unique: bool, **params: Any) -> float:
    """A sum for every element, unless each has a place of its own."""
    return 0 if unique else ins[0].size * parts(ins)


def of_fourier(times: float) -> Count:
    """`times` n log2(n) for every transform."""

    def count(ins: Any, outs: Any, *, n: int, axis: int, **params: Any) -> float:
        return times * (outs[0].size // max(outs[0].shape[axis], 1)) * n * log2(max(n, 2))

    return count


def of_matrices(cubic: float) -> Count:
    """`cubic` times n squared m of n by m matrices, n the shorter side."""

    def count(ins: Any, outs: Any, **params: Any) -> float:
        rows, columns = ins[0].shape[-2:]
        return cubic * ins[0].size * min(rows, columns) * (4 if ins[0].is_complex else 1)

    return count
