"""contract: the one product of two arrays that every matrix product, `tensordot` and `einsum` is a spelling of.

Its parameter names the axes, and the rules follow from the names. vmap writes one more letter: an operand that is
not mapped goes without it, so the batch becomes more rows or columns of one matrix product. A transpose swaps the
terms: the cotangent of an operand shared over a batch sums over the batch inside that product.
"""

import functools
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from ..core import primitive
from ..evals.products import plan_product, terms_of
from ..evals.threaded import product, products
from ._families import bilinear, cast_like

LETTERS = ascii_letters + "".join(map(chr, range(0x3B1, 0x3CA)))
"""Names for axes; those past the alphabet serve batch axes once it is used up."""


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


def contract_left_vjp(g: Any, out: Any, x: Any, y: Any, *, subscripts: str) -> Any:
    return cast_like(contract(g, y, subscripts=_transposed(subscripts, 0)), x)


def contract_right_vjp(g: Any, out: Any, x: Any, y: Any, *, subscripts: str) -> Any:
    return cast_like(contract(x, g, subscripts=_transposed(subscripts, 1)), y)


bilinear(contract, contract_left_vjp, contract_right_vjp)


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
