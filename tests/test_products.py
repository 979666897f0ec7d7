"""Products in plans: every rank of operands, every way that they lie, whole, in pieces and after one another."""

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.cpu import compiled, cuts, steps
from vmapcore.planning import groups

RNG = np.random.default_rng(0)
LENGTHS = {"n": (1, 2, 3, 5, 9), "k": (1, 4, 33), "m": (1, 3, 8), "b": (1, 2, 5)}
RANKS = ["k,k->", "nk,k->n", "k,km->m", "nk,km->nm", "bk,bk->b", "bnk,k->bn", "bnk,bk->bn", "bk,bkm->bm"]
RANKS += [
    "k,bkm->bm",
    "bnk,bkm->bnm",
    "bnk,km->bnm",
    "nk,bkm->bnm",
    "nkb,kb->n",
    "nbk,bkm->nm",
    "nk,mk->nm",
    "kn,km->mn",
]


@pytest.fixture(params=[False, True], ids=["numpy", "as installed"])
def in_pieces(request, monkeypatch):
    """Products of any size are cut."""
    monkeypatch.setattr(steps, "SHARED_PRODUCT", 0)
    if not request.param:
        monkeypatch.setattr(compiled, "AVAILABLE", False)


def lying(shape, how):
    """Random numbers, which lie so in memory."""
    x = RNG.standard_normal([2 * n for n in shape] if how == "with gaps" else shape).astype("f")
    if how == "with gaps":
        return x[(slice(None, None, 2),) * len(shape)]
    return np.asfortranarray(x) if how == "turned" else x[(slice(None, None, -1),) * len(shape)]


def shapes(subscripts):
    names = [c for c in LENGTHS if c in subscripts]
    for number in range(12):
        sizes = {c: int(RNG.choice(LENGTHS[c])) for c in names} if number else dict.fromkeys(names, 1)
        yield [tuple([sizes[c] for c in term]) for term in subscripts.split("->")[0].split(",")]


@pytest.mark.parametrize("how", ["turned", "reversed", "with gaps"])
@pytest.mark.parametrize("finished", [False, True], ids=["alone", "then used"])
@pytest.mark.parametrize("subscripts", RANKS)
def test_products_of_any_rank_in_pieces(subscripts, finished, how, in_pieces):
    for left, right in shapes(subscripts):

        def product(x, y):
            made = np.einsum(subscripts, x, y)
            return np.maximum(made + made.sum(), 0) if finished else made

        fun = jit(product)
        for call in range(10):
            x, y = lying(left, how), lying(right, how)
            got, expected = fun(x, y), product(x, y)
            assert np.shape(got) == expected.shape and got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4, err_msg=f"{left} {right} {call}")


SPELLED = {
    "matrix by vector": (lambda w, v: w @ v, (9, 5), (5,)),
    "vector by matrix": (lambda u, w: u @ w, (9,), (9, 5)),
    "vectors": (lambda u, v: u @ v, (9,), (9,)),
    "dot": (np.dot, (9,), (9,)),
    "vdot": (np.vdot, (9,), (9,)),
    "inner": (np.inner, (4, 9), (9,)),
    "outer": (np.outer, (4,), (9,)),
    "tensordot": (lambda x, y: np.tensordot(x, y, 1), (2, 4, 9), (9,)),
    "vectors of a batch": (vmap(lambda x, y: x @ y), (3, 9), (3, 9)),
    "vectors of a batch of one": (vmap(lambda x, y: x @ y), (1, 9), (1, 9)),
    "matrices of a batch of one": (vmap(lambda x, y: x @ y), (1, 4, 9), (1, 9)),
    "one column": (lambda x, y: x @ y, (9, 5), (5, 1)),
    "one row": (lambda x, y: x @ y, (1, 9), (9, 5)),
    "gradient": (grad(lambda w, v: np.sum(np.tanh(w @ v))), (9, 5), (5,)),
    "gradient by the vector": (grad(lambda v, w: np.sum(np.tanh(w @ v))), (5,), (9, 5)),
    "layers": (lambda w, v: np.maximum(w @ np.maximum(w.T @ v + 1, 0) + v, 0), (9, 5), (9,)),
}


@pytest.mark.parametrize("name", SPELLED)
def test_vectors_in_large_products(name, in_pieces):
    product, *shaped = SPELLED[name]
    fun = jit(product)
    for call in range(10):
        args = [lying(shape, "reversed") for shape in shaped]
        np.testing.assert_allclose(fun(*args), product(*args), rtol=1e-4, atol=1e-5, err_msg=str(call))


@pytest.mark.parametrize("subscripts", RANKS)
def test_products_of_any_rank_in_tiles(subscripts, in_pieces, monkeypatch):
    for module, constant in [(cuts, "FOOTPRINT"), (cuts, "ROOM"), (cuts, "TASK"), (groups, "MEMBER")]:
        monkeypatch.setattr(module, constant, 1)
    monkeypatch.setattr(groups, "ROWS_AGAIN", 0)
    for left, right in shapes(subscripts):
        fun = jit(lambda x, y: np.tanh(np.einsum(subscripts, np.tanh(x), np.tanh(y))))
        for _ in range(4):
            args = lying(left, "turned"), lying(right, "turned")
            np.testing.assert_allclose(fun(*args), fun.fun(*args), rtol=1e-4, atol=1e-5)
