"""np.einsum: diagonals and sums of single operands, then `contract` pair by pair, by a program made once per shapes.

There is no rule here: every step is a primitive that has its own.
"""

import functools
import itertools
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ShapeError, StructureError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import into, link, loop_dtype, operand
from .contract import LETTERS, contract
from .diagonals import get_diagonal, set_diagonal
from .layout import duplicate, inverse, transpose

Shape = tuple[int, ...]
ELLIPSIS = "\0"
"""Stands for `...` in a term while it is parsed, so that a term is a string of single letters."""


class _MisfitError(Exception):
    """Subscripts that do not fit the shapes: what is the case, and what is allowed."""


class _Program(NamedTuple):
    """What einsum does. Terms keep a letter per axis; "1" is an axis of length 1 that broadcasts, see `contract`."""

    diagonals: tuple[tuple[Shape, ...], ...]
    """Per operand, permutations that bring two axes of one letter to the end, each followed by the diagonal of them."""
    sums: tuple[Shape, ...]
    """Per operand, the axes after that which no other operand and not the result has."""
    pairs: tuple[tuple[int, int, str], ...]
    """Which two operands are contracted and put at the end of the list."""
    perm: Shape | None
    """The last transposition, of a single operand."""


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **options: Any) -> Any:
    """Sum of products by the names of axes. More than two operands are always contracted in pairs."""
    subscripts, arrays = _parsed(operands)
    dtype, casting = options.pop("dtype", None), options.pop("casting", "safe")
    if options.keys() - {"order"}:
        fact = f"got {', '.join(options)}="
        raise ArgumentError("np.einsum", fact, "out=, optimize=, dtype= and casting= are understood")
    values = [operand(x) for x in arrays]
    if dtype is None and any(x.dtype != values[0].dtype for x in values):
        dtype = np.result_type(*[x.dtype for x in values])  # sums, too, are in the dtype of the result
    dtype = loop_dtype(values[0], dtype, out)
    if dtype is not None:
        values = [NUMPY["cast"](x, dtype, casting) for x in values]
    path = _hashable(optimize)
    try:
        program = _program(subscripts, tuple([x.shape for x in values]), path)
    except _MisfitError as misfit:
        raise ShapeError(f"np.einsum({subscripts!r}, {', '.join(map(describe, values))})", *misfit.args) from None
    result = _run(program, values)
    return into("np.einsum", out, result)


def _hashable(optimize: Any) -> Any:
    return tuple(map(_hashable, optimize)) if isinstance(optimize, (list, tuple)) else optimize


def _parsed(operands: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """The subscripts as a string and the arrays, of either way to call einsum."""
    if not operands:
        raise ArgumentError("np.einsum", "got no operands", "it needs subscripts and arrays")
    if isinstance(operands[0], str):
        return operands[0], operands[1:]
    count = len(operands) // 2
    lists = list(operands[1 : 2 * count : 2])
    subscripts = ",".join([_spelled(labels) for labels in lists])
    if len(operands) % 2:
        subscripts += "->" + _spelled(operands[-1])
    return subscripts, operands[0 : 2 * count : 2]


def _spelled(labels: Any) -> str:
    if not isinstance(labels, (list, tuple)):
        fact = f"got {describe(labels)} for a list of axes"
        raise ArgumentError("np.einsum", fact, "arrays and lists of ints must alternate")
    return "".join(["..." if label is Ellipsis else LETTERS[label] for label in labels])


def _run(program: _Program, values: list[Any]) -> Any:
    for i, (diagonals, axes) in enumerate(zip(program.diagonals, program.sums, strict=True)):
        x = values[i]
        if len(values) == 1 and not axes:
            return _view(x, diagonals, program.perm) if x.shape else duplicate(x)
        if diagonals:
            x = _read(x, diagonals)
        if axes:
            x = np.sum(x, axis=axes, dtype=x.dtype)
        values[i] = x
    for i, j, subscripts in program.pairs:
        y = values.pop(j)
        x = values.pop(i)
        values.append(contract(x, y, subscripts=subscripts))
    return values[0] if program.perm is None else transpose(values[0], perm=program.perm)


# A single operand without a sum: NumPy returns a view, and a write to it, as to np.einsum("ii->i", x), arrives.


def _view(x: Any, diagonals: Sequence[Shape], perm: Shape | None) -> Any:
    def read(base: Any) -> Any:
        base = _read(base, diagonals)
        return base if perm is None else transpose(base, perm=perm)

    def write(base: Any, view: Any) -> Any:
        view = view if perm is None else transpose(view, perm=inverse(perm))
        if not diagonals:
            return view
        return np.where(_embed(np.ones_like(view, dtype=bool), diagonals), _embed(view, diagonals), base)

    return link(x, read(x), read, write)


def _read(x: Any, diagonals: Sequence[Shape]) -> Any:
    for perm in diagonals:
        x = get_diagonal(transpose(x, perm=perm), offset=0)
    return x


def _embed(x: Any, diagonals: Sequence[Shape]) -> Any:
    for perm in reversed(diagonals):
        n = x.shape[-1]
        x = transpose(set_diagonal(x, offset=0, rows=n, columns=n), perm=inverse(perm))
    return x


# The program.


@functools.lru_cache(maxsize=4096)
def _program(subscripts: str, shapes: tuple[Shape, ...], optimize: Any) -> _Program:
    terms, out = _terms(subscripts, shapes)
    size = _sizes(terms, shapes)
    unknown = [c for c in out if c not in size]
    if unknown or len(set(out)) < len(out):
        fact = "it needs axes of the operands, once each"
        raise _MisfitError(f"the result has axis {(unknown or sorted(out))[0]!r}", fact)
    diagonals, sums = [], []
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        lengths = dict(zip(term, shape, strict=True))
        term, perms = _diagonals(term)
        diagonals.append(perms)
        terms[i] = "".join(["1" if lengths[c] == 1 != size[c] else c for c in term])
    for i, term in enumerate(terms):
        kept = {"1"}.union(out, *terms[:i], *terms[i + 1 :])
        sums.append(tuple([j for j, c in enumerate(term) if c not in kept]))
        terms[i] = "".join([c for c in term if c in kept])
    if len(terms) == 1:
        perm = tuple([terms[0].index(c) - len(out) for c in out])
        return _Program(tuple(diagonals), tuple(sums), (), perm if perm != tuple(range(-len(out), 0)) else None)
    return _Program(tuple(diagonals), tuple(sums), _pairs(terms, out, size, optimize), None)


def _terms(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str]:
    """The letters of the axes of each operand and of the result, `...` spelled out with letters of its own."""
    left, arrow, right = subscripts.replace(" ", "").replace("...", ELLIPSIS).partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise _MisfitError(f"the subscripts have {len(terms)} terms for {len(shapes)} operands")
    for term in [*terms, right]:
        wrong = [c for c in term if c not in LETTERS and c != ELLIPSIS]
        if wrong or term.count(ELLIPSIS) > 1:
            fact = "a term has letters and at most one '...'"
            raise _MisfitError(f"the subscripts have {(wrong or ['...'])[0]!r}", fact)
    spare = [c for c in reversed(LETTERS) if c not in subscripts]  # of the last axis that `...` stands for, and so on
    rank = 0
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        n = len(shape) - len(term.replace(ELLIPSIS, ""))
        if n < 0 or (n and ELLIPSIS not in term):
            raise _MisfitError(f"operand {i} has {len(shape)} axes for the term {term.replace(ELLIPSIS, '...')!r}")
        terms[i] = term.replace(ELLIPSIS, "".join(spare[:n][::-1]))
        rank = max(rank, n)
    ellipsis = "".join(spare[:rank][::-1])
    if arrow and rank and ELLIPSIS not in right:
        fact = "a term after the arrow must have '...' too"
        raise _MisfitError("'...' stands for axes that the result does not name", fact)
    if arrow:
        return terms, right.replace(ELLIPSIS, ellipsis)
    every = "".join(terms)
    return terms, ellipsis + "".join(sorted([c for c in set(every) if every.count(c) == 1 and c not in ellipsis]))


def _sizes(terms: Sequence[str], shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The length of each letter, where lengths of 1 broadcast between operands."""
    size: dict[str, int] = {}
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        own: dict[str, int] = {}
        for c, n in zip(term, shape, strict=True):
            if own.setdefault(c, n) != n:
                fact = "a diagonal needs a square"
                raise _MisfitError(f"axis {c!r} has the lengths {own[c]} and {n} in operand {i}", fact)
        for c, n in own.items():
            if size.setdefault(c, n) == 1:
                size[c] = n
            elif n not in (1, size[c]):
                raise _MisfitError(f"axis {c!r} has the lengths {size[c]} and {n}", "lengths must agree, or be 1")
    return size


def _diagonals(term: str) -> tuple[str, tuple[Shape, ...]]:
    """The term without repeated letters, and the permutations before each diagonal that does it."""
    perms = []
    while len(set(term)) < len(term):
        i, j = next((i, j) for i, j in itertools.combinations(range(len(term)), 2) if term[i] == term[j])
        order = [k for k in range(len(term)) if k not in (i, j)] + [i, j]
        perms.append(tuple([k - len(term) for k in order]))
        term = "".join([term[k] for k in order[:-1]])
    return term, tuple(perms)


def _pairs(terms: Sequence[str], out: str, size: dict[str, int], optimize: Any) -> tuple[tuple[int, int, str], ...]:
    """The contractions of a path, the last one with the result in order."""
    terms = list(terms)
    pairs = []
    for positions in _path(terms, out, size, optimize):
        *rest, last = sorted(positions)
        for i in reversed(rest):  # of more than two at once, the contracted pair stays the last operand
            y, x = terms.pop(last), terms.pop(i)
            if terms:
                wanted = set(out).union(*terms)
                joined = "".join([c for c in dict.fromkeys(x + y) if c in wanted and c != "1"])
            else:
                joined = out
            pairs.append((i, last, f"{x},{y}->{joined}"))
            terms.append(joined)
            last = len(terms) - 1
    return tuple(pairs)


def _path(terms: Sequence[str], out: str, size: dict[str, int], optimize: Any) -> Sequence[Shape]:
    """Which operands to contract, step by step, as np.einsum_path finds it."""
    if len(terms) == 2:
        return [(0, 1)]
    letters = [term.replace("1", "") for term in terms]
    shapes = [tuple([size[c] for c in term]) for term in letters]
    names = dict(zip(size, LETTERS, strict=False))  # NumPy knows fewer letters
    subscripts = ",".join(["".join([names[c] for c in term]) for term in letters])
    stand_ins = [np.broadcast_to(np.empty(()), shape) for shape in shapes]
    if isinstance(optimize, bool):
        optimize = ("greedy", sys.maxsize)
    how = optimize if isinstance(optimize, str) else list(optimize)
    path = np.einsum_path(f"{subscripts}->{''.join([names[c] for c in out])}", *stand_ins, optimize=how)[0][1:]
    if any(len(step) < 2 for step in path):
        fact = f"optimize is {optimize!r}"
        raise StructureError("np.einsum", fact, "a step of a path contracts two operands or more")
    return path


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: Any = False) -> Any:
    """NumPy's own, as it asks for shapes alone."""
    plain = [np.broadcast_to(np.empty((), x.dtype), x.shape) if isinstance(x, Tracer) else x for x in operands]
    return np.einsum_path(*plain, optimize=optimize, einsum_call=einsum_call)
