"""contract: the one product of two arrays that every matrix product, `tensordot` and `einsum` is a spelling of.

Its parameter names the axes, and the rules follow from the names. vmap writes one more letter: an operand that is
not mapped goes without it, so the batch becomes more rows or columns of one matrix product. A transpose swaps the
terms: the cotangent of an operand shared over a batch sums over the batch inside that product.
"""

import functools
import math
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from ..core import Axes, facts, primitive
from ..evals.products import plan_product, terms_of
from ..evals.threaded import product, products
from ._axes import Labels, Names
from ._families import bilinear, cast_like
from ._work import PRODUCT, SUMMAND, complexes

LETTERS = ascii_letters + "".join(map(chr, range(0x3B1, 0x3CA)))
"""Names for axes; those past the alphabet serve batch axes once it is used up."""


def contract_axes(shapes: Any, outs: Any, *, subscripts: str) -> Labels:
    """Letters are labels; an axis of length 1 that broadcasts has none."""
    terms: list[Names] = [tuple([None if c == "1" else c for c in term]) for term in terms_of(subscripts)]
    return Labels((terms[0], terms[1]), (terms[2],))


def contract_work(ins: Any, outs: Any, *, subscripts: str) -> float:
    """A summand for each combination of letters; a product where none is summed."""
    *terms, out = terms_of(subscripts)
    sizes = {c: n for term, a in zip(terms, ins, strict=True) for c, n in zip(term, a.shape, strict=True) if c != "1"}
    summed = any(n > 1 and c not in out for c, n in sizes.items())
    return math.prod(sizes.values()) * (SUMMAND if summed else PRODUCT)[complexes(ins)]


def _is_elementwise(ins: Any, outs: Any, *, subscripts: str) -> bool:
    """Whether nothing is summed and no axis met with itself: outer products, rows times factors."""
    left, right, out = terms_of(subscripts)
    repeated = any(term.count(c) > 1 for term in (left, right, out) for c in term if c != "1")
    return not repeated and {*left, *right} - {"1"} <= {*out} and ins[0].dtype == ins[1].dtype != np.dtype(bool)


@facts(work=contract_work, axes=Axes(contract_axes), fits=_is_elementwise)
@primitive
def contract(xp: Any, x: Any, y: Any, *, subscripts: str) -> Any:
    """Sum of products as by `np.einsum` of two operands in its explicit form, such as "ij,jk->ik".

    A letter stands at most once in a term, and in two or all three of them, for the same length. "1" is an axis of
    length 1 without a name, in an operand or in the result.
    """
    plan = plan_product(subscripts, x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype, xp is np)
    x, y = plan.operands(xp, x, y)
    if plan.names:
        out = products(plan.names, x, y) if xp is np else xp.einsum(plan.names, x, y)
    else:
        out = product(plan.function, x, y) if xp is np else getattr(xp, plan.function)(x, y)
    return plan.result(out)


@contract.def_vmap
def contract_vmap(size: int, mapped: Sequence[bool], x: Any, y: Any, *, subscripts: str) -> Any:
    subscripts = _with_batch(subscripts, *mapped)
    if type(x) is np.ndarray and type(y) is np.ndarray:  # at once, without asking for a tracer
        return contract.eval(np, x, y, subscripts=subscripts)
    return contract(x, y, subscripts=subscripts)


@functools.lru_cache(maxsize=4096)
def _with_batch(subscripts: str, x_mapped: bool, y_mapped: bool) -> str:
    x, y, out = terms_of(subscripts)
    batch = next(c for c in LETTERS if c not in subscripts)
    # x only: more rows. y only: more columns. Both: a stack of products.
    return f"{batch * x_mapped}{x},{batch * y_mapped}{y}->{batch}{out}"


@functools.lru_cache(maxsize=4096)
def _transposed(subscripts: str, operand: int) -> str:
    x, y, out = terms_of(subscripts)
    return f"{x},{out}->{y}" if operand else f"{out},{y}->{x}"


bilinear(
    contract,
    lambda g, out, x, y, *, subscripts: cast_like(contract(g, y, subscripts=_transposed(subscripts, 0)), x),
    lambda g, out, x, y, *, subscripts: cast_like(contract(x, g, subscripts=_transposed(subscripts, 1)), y),
)


@functools.lru_cache(maxsize=4096)
def broadcasting(core: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> str | None:
    """Puts names of leading axes, which broadcast, before those of `core`; None if the shapes do not fit."""
    x_core, y_core, out_core = terms_of(core)
    x_lead, y_lead = len(x_shape) - len(x_core), len(y_shape) - len(y_core)
    if x_lead < 0 or y_lead < 0:
        return None
    sizes = dict(zip(x_core, x_shape[x_lead:], strict=True))
    if any(sizes.get(c, n) != n for c, n in zip(y_core, y_shape[y_lead:], strict=True)):
        return None
    x_term, y_term, out_term = x_core, y_core, out_core
    names = iter([c for c in LETTERS if c not in core])
    for i in range(1, max(x_lead, y_lead) + 1):
        n = x_shape[x_lead - i] if i <= x_lead else 0
        m = y_shape[y_lead - i] if i <= y_lead else 0
        name = next(names)
        if n > 1 < m and n != m:
            return None
        if i <= x_lead:
            x_term = ("1" if n == 1 != m and i <= y_lead else name) + x_term
        if i <= y_lead:
            y_term = ("1" if m == 1 != n and i <= x_lead else name) + y_term
        out_term = name + out_term
    return f"{x_term},{y_term}->{out_term}"


@contract.def_formula
def contract_formula(xp: Any, x: Any, y: Any, *, subscripts: str) -> Any:
    """Products without a sum."""
    left, right, out = terms_of(subscripts)
    return _aligned(x, left, out) * _aligned(y, right, out)


def _aligned(x: Any, term: str, out: str) -> Any:
    """A factor with an axis for each of the result's, of length 1 where it has none."""
    order = sorted(range(len(term)), key=lambda i: -1 if term[i] == "1" else out.index(term[i]))
    lengths = {term[i]: x.shape[i] for i in order if term[i] != "1"}
    return x.transpose(order).reshape([lengths.get(c, 1) for c in out])
