"""Products that take their operands as they are: transposes, axes of length 1 and sums become names of axes."""

from ...core import Primitive
from ...evals.products import terms_of
from ...graph import Atom, Graph, Step
from ...rules.contract import contract
from ...rules.layout import reshape, transpose
from ...rules.reductions import reduce_sum
from .noops import full_perm
from .rewriting import Rewrite, Shape, Walk, rewrite


def fold_into_products(graph: Graph) -> Graph:
    """Writes transposes and axes of length 1 before a product, and sums over axes of its result, into its subscripts.

    Before: b = transpose(w, perm=(-1, -2)); c = contract(x, b, subscripts='ij,jk->ik'); return c
    After:  c = contract(x, w, subscripts='ij,kj->ik'); return c

    An axis of length 1 is not summed over: 'dab,dac->dcb' with one a is the outer product 'd1b,d1c->dcb'.
    A sum must be the only reader of its product. Up to rounding, since other orders of axes and sums may be added up
    otherwise; without sums it is exact.
    """
    return rewrite(graph, RULES)


def _contract(walk: Walk, step: Step) -> Atom | None:
    terms = list(terms_of(step.params["subscripts"]))
    inputs = list(step.inputs)
    for i in (0, 1):
        terms[i], inputs[i] = _operand(walk, terms[i], inputs[i])
    arrays = (*inputs, step.outputs[0])
    units = {c for term, a in zip(terms, arrays, strict=True) for c, n in zip(term, a.shape, strict=True) if n == 1}
    if units - {"1"}:
        terms = ["".join(["1" if c in units else c for c in term]) for term in terms]
    subscripts = f"{terms[0]},{terms[1]}->{terms[2]}"
    if subscripts == step.params["subscripts"]:
        return None
    return walk.emit(step, contract, tuple(inputs), subscripts=subscripts)


def _operand(walk: Walk, term: str, a: Atom) -> tuple[str, Atom]:
    """An operand, and its term, before transposes and reshapes that only its names need to tell."""
    while True:
        move = walk.maker(a, transpose, reshape)
        if move is None:
            return term, a
        source = move.inputs[0]
        if move.primitive is transpose:
            perm = full_perm(move)
            term = "".join([term[perm.index(i)] for i in range(len(perm))])
        else:
            found = with_ones(term, a.shape, source.shape)
            if found is None:
                return term, a
            term = found
        a = source


def with_ones(term: str, shape: Shape, other: Shape) -> str | None:
    """The term of an array of `shape` once it has the shape `other`; None if they differ in more than axes of length 1.

    What names of length 1 the other terms have is no matter: `_contract` takes them from every product.
    """
    letters = [c for c, n in zip(term, shape, strict=True) if n != 1]
    if [n for n in shape if n != 1] != [n for n in other if n != 1]:
        return None
    left = iter(letters)
    return "".join(["1" if n == 1 else next(left) for n in other])


def _reduce_sum(walk: Walk, step: Step) -> Atom | None:
    """The sum over an axis that both operands have joins that of the product."""
    product = walk.maker(step.inputs[0], contract)
    if product is None or not walk.sole(step.inputs[0]) or product.outputs[0].dtype != step.outputs[0].dtype:
        return None
    x, y, out = terms_of(product.params["subscripts"])
    summed = {out[a] for a in step.params["axis"]}
    if not all(c in x and c in y for c in summed) or "1" in summed:
        return None
    kept = "".join(["1" * step.params["keepdims"] if c in summed else c for c in out])
    return walk.emit(step, contract, product.inputs, subscripts=f"{x},{y}->{kept}")


RULES: dict[Primitive, Rewrite] = {contract: _contract, reduce_sum: _reduce_sum}
