"""How products reach BLAS: one matrix product wherever an operand is shared, and nothing larger than need be made."""

import tracemalloc

import numpy as np
import pytest

from vmapcore import grad, jvp, vjp, vmap
from vmapcore.errors import AxisError, ShapeError
from vmapcore.evals.products import plan_product
from vmapcore.numpy_protocol import NUMPY
from vmapcore.rules import contract as module
from vmapcore.rules.contract import contract
from vmapcore.testing import assert_same, check_grads, check_vmap

B = 6
RNG = np.random.default_rng(0)


def array(*shape):
    return RNG.uniform(-1, 1, shape)


@pytest.fixture
def products(monkeypatch):
    """What every `contract` that runs meanwhile comes to: the names of NumPy's functions, in order."""
    done = []

    def noting(*key):
        plan = plan_product(*key)
        done.append(plan.function)
        return plan

    monkeypatch.setattr(module, "plan_product", noting)
    return done


SHARED = {
    "rows times a matrix": (lambda x, w: x @ w, (B, 4, 32), (32, 8), 0, None),
    "vectors times a matrix": (lambda x, w: x @ w, (B, 32), (32, 8), 0, None),
    "rows times a transposed matrix": (lambda x, w: x @ w.T, (B, 4, 32), (8, 32), 0, None),
    "inner": (np.inner, (B, 4, 32), (8, 32), 0, None),
    "dot": (np.dot, (B, 4, 32), (32, 8), 0, None),
    "tensordot": (lambda x, w: np.tensordot(x, w, 2), (B, 4, 8, 16), (8, 16, 3), 0, None),
    "einsum": (lambda x, w: np.einsum("ij,kj->ik", x, w), (B, 4, 32), (8, 32), 0, None),
    "einsum to another order": (lambda x, w: np.einsum("ij,kj->ki", x, w), (B, 4, 32), (8, 32), 0, None),
    "a matrix times vectors": (lambda w, x: w @ x, (8, 32), (B, 32), None, 0),
    "a matrix times thin matrices": (lambda w, x: w @ x, (64, 32), (B, 32, 2), None, 0),
    "the batch on another axis": (lambda x, w: x @ w, (4, B, 32), (32, 8), 1, None),
    "the batch on the last axis": (lambda x, w: x @ w, (32, B), (32, 8), 1, None),
}


@pytest.mark.parametrize("case", SHARED)
def test_a_shared_operand_makes_one_product(case, products):
    fun, x_shape, y_shape, *axes = SHARED[case]
    x, y = array(*x_shape), array(*y_shape)
    out = vmap(fun, tuple(axes))(x, y)
    assert products == ["dot"]
    moved = [a if axis is None else np.moveaxis(a, axis, 0) for a, axis in zip((x, y), axes, strict=True)]
    for i in range(B):
        assert_same(out[i], fun(*[a if axis is None else a[i] for a, axis in zip(moved, axes, strict=True)]))


@pytest.mark.parametrize("case", SHARED)
def test_its_cotangent_is_one_product_summed_over_the_batch(case, products):
    fun, x_shape, y_shape, *axes = SHARED[case]
    primals = array(*x_shape), array(*y_shape)
    out, pullback = vjp(vmap(fun, tuple(axes)), *primals)
    products.clear()
    g = array(*out.shape)
    cotangents = pullback(g)
    assert products == ["dot", "dot"]
    tangents = tuple([array(*x.shape) for x in primals])
    along = jvp(vmap(fun, tuple(axes)), primals, tangents)[1]
    total = sum([np.sum(ct * t) for ct, t in zip(cotangents, tangents, strict=True)])
    assert_same(total, np.sum(g * along))


def test_nested_batches_over_one_shared_operand(products):
    x, w = array(3, 4, 5, 8), array(8, 2)
    out = vmap(vmap(lambda a: a @ w))(x)
    assert products == ["dot"]
    assert_same(out, x @ w)


def test_blocks_too_thick_to_copy_are_looped(products):
    """To fold them would take a transposed copy of the operand that costs more than a call of BLAS for each."""
    w, x = array(32, 16), array(B, 16, 64)
    assert_same(vmap(np.matmul, (None, 0))(w, x), w @ x)
    assert products == ["matmul"]


def test_both_mapped_is_a_stack(products):
    x, y = array(B, 9, 8), array(B, 8, 9)
    assert_same(vmap(np.matmul)(x, y), x @ y)
    assert products == ["matmul"]


def test_per_example_gradients_are_outer_products(products):
    x, w = array(B, 8), array(8, 9)
    per_example = vmap(grad(lambda w, x: np.sum(np.sin(x @ w))), (None, 0))(w, x)
    assert_same(per_example, x[:, :, None] * np.cos(x @ w)[:, None, :])
    assert products == ["dot", "einsum"]


def test_the_gradient_of_shared_weights_makes_no_stack_of_gradients():
    batch, n, k, m = 64, 8, 100, 120
    x, w = array(batch, n, k), array(k, m)
    stack, result = batch * k * m * 8, batch * n * m * 8
    loss = grad(lambda w: np.sum(vmap(lambda a: a @ w)(x) ** 2))
    loss(w)
    tracemalloc.start()
    loss(w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * result < stack


LAYOUTS = {
    "contiguous": lambda *shape: array(*shape),
    "transposed": lambda *shape: array(*shape[::-1]).transpose(),
    "every other": lambda *shape: array(*shape[:-1], 2 * shape[-1])[..., ::2],
    "backwards": lambda *shape: array(*shape)[..., ::-1],
    "one value": lambda *shape: np.broadcast_to(array(), shape),
    "one row": lambda *shape: np.broadcast_to(array(shape[-1]), shape),
    "overlapping": lambda *shape: np.lib.stride_tricks.as_strided(
        array(sum(shape)), shape, (8,) * len(shape), writeable=False
    ),
}


@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_any_layout_in_memory(left, right):
    shapes = {
        "ij,jk->ik": ((5, 7), (7, 6)),
        "bij,jk->bik": ((3, 5, 7), (7, 6)),
        "ij,bjk->bik": ((5, 7), (3, 7, 6)),
        "ij,bjk->bki": ((40, 7), (3, 7, 6)),
        "bij,bjk->bik": ((3, 5, 7), (3, 7, 6)),
        "bij,bjk->ik": ((3, 5, 7), (3, 7, 6)),
        "bij,bj->bi": ((3, 5, 7), (3, 7)),
        "bi,bi->b": ((3, 70), (3, 70)),
        "bi,bj->bij": ((3, 20), (3, 20)),
    }
    for subscripts, (x_shape, y_shape) in shapes.items():
        x, y = LAYOUTS[left](*x_shape), LAYOUTS[right](*y_shape)
        assert_same(contract(x, y, subscripts=subscripts), np.einsum(subscripts, x, y), subscripts)


@pytest.mark.parametrize("function", [np.matmul, np.dot, np.tensordot, np.inner, np.outer, np.kron, np.vdot])
def test_lengths_of_zero(function):
    x, y = np.zeros((2, 0)), np.zeros((0, 2))
    if function in (np.tensordot, np.inner):
        y = np.zeros((2, 0))
    assert_same(NUMPY[function](x, y), function(x, y))


def test_cotangents_have_the_dtype_of_their_argument():
    x, y = array(2, 3).astype(np.float32), array(3, 4)
    dx, dy = grad(lambda x, y: np.sum(x @ y), (0, 1))(x, y)
    assert (dx.dtype, dy.dtype) == (np.float32, np.float64)
    dx, dy = grad(lambda x, y: np.real(np.sum(x @ y)), (0, 1))(y, y.T * 1j)
    assert (dx.dtype, dy.dtype) == (np.float64, np.complex128)


MISFITS = [
    (lambda x: x @ np.ones((5, 2), np.float32), "np.matmul: shapes f32[3,4] and f32[5,2] do not fit"),
    (lambda x: x @ x[0, 0], "np.matmul: shapes f32[3,4] and f32[] do not fit"),
    (lambda x: np.dot(x, x), "np.dot: shapes f32[3,4] and f32[3,4] do not fit; axes (1,) of the first"),
    (lambda x: np.inner(x, x[0, :3]), "np.inner: shapes f32[3,4] and f32[3] do not fit"),
    (lambda x: np.vdot(x, x[0]), "np.vdot: shapes f32[12] and f32[4] do not fit"),
    (lambda x: np.tensordot(x, x, 1), "np.tensordot: shapes f32[3,4] and f32[3,4] do not fit"),
    (lambda x: np.vecdot(x, x[0, :3]), "np.vecdot: shapes f32[3,4] and f32[3] do not fit"),
    (lambda x: np.cross(x, x), "np.cross: the vectors have 4 and 4 components; they must have 3, or 2."),
    (
        lambda x: np.linalg.outer(x, x),
        "np.linalg.outer: the arrays are f32[3,4] and f32[3,4]; both must have one axis.",
    ),
    (lambda x: np.linalg.multi_dot([x, x[0, 0]]), "np.linalg.multi_dot: the arrays are f32[3,4], f32[]"),
    (lambda x: np.einsum("ij,jk", x, x), "np.einsum('ij,jk', f32[3,4], f32[3,4]): axis 'j' has the lengths 4 and 3"),
    (lambda x: np.einsum("ijk", x), "operand 0 has 2 axes for the term 'ijk'."),
    (lambda x: np.einsum("ij->k", x), "the result has axis 'k'; it needs axes of the operands, once each."),
    (lambda x: np.einsum("ij->ii", x), "the result has axis 'i'"),
    (lambda x: np.einsum("ii", x), "axis 'i' has the lengths 3 and 4 in operand 0; a diagonal needs a square."),
    (lambda x: np.einsum("ij,ij", x), "the subscripts have 2 terms for 1 operands."),
    (lambda x: np.einsum("i.j", x), "the subscripts have '.'; a term has letters and at most one '...'."),
    (lambda x: np.einsum("...j->j", x), "'...' stands for axes that the result does not name"),
]


@pytest.mark.parametrize(("fun", "text"), MISFITS)
def test_shapes_that_do_not_fit(fun, text):
    with pytest.raises(ShapeError) as caught:
        vmap(fun)(np.ones((2, 3, 4), np.float32))
    assert text in str(caught.value)


def test_axes_out_of_range():
    with pytest.raises(AxisError, match=r"np.tensordot: axis 5 is out of range for an array of 2 axes"):
        vmap(lambda x: np.tensordot(x, x, ([0, 5], [0, 1])))(np.ones((2, 3, 4)))


def random_einsum(rng):
    """Subscripts and operands of a random call of einsum, lengths of 1 that broadcast and `...` among them."""
    size = dict(zip("abcdeXY", rng.integers(1, 5, 7).tolist(), strict=True))
    terms, shapes = [], []
    for _ in range(rng.integers(1, 5)):
        term = "".join(rng.choice(list("abcde"), rng.integers(0, 4)))
        unique = len(set(term)) == len(term)
        shape = [1 if unique and rng.random() < 0.1 else size[c] for c in term]
        axes = "XY"[rng.integers(0, 3) :]
        at = rng.integers(0, len(term) + 1)
        terms.append(f"{term[:at]}...{term[at:]}" if axes else term)
        shapes.append((*shape[:at], *[size[c] if rng.random() < 0.8 else 1 for c in axes], *shape[at:]))
    subscripts = ",".join(terms)
    if rng.random() < 0.7:
        letters = sorted(set(subscripts) - set(".,"))
        out = list(rng.permutation(letters)[: rng.integers(0, len(letters) + 1)]) if letters else []
        if "..." in subscripts:
            out.insert(rng.integers(0, len(out) + 1), "...")
        subscripts += "->" + "".join(out)
    return subscripts, [rng.integers(-3, 4, shape).astype(rng.choice(["f8", "f4", "i8", "c16"])) for shape in shapes]


@pytest.mark.parametrize("seed", range(60))
def test_random_einsums(seed):
    rng = np.random.default_rng(seed)
    subscripts, operands = random_einsum(rng)
    assert_same(NUMPY[np.einsum](subscripts, *operands), np.einsum(subscripts, *operands), subscripts)
    check_vmap(lambda *xs: np.einsum(subscripts, *xs), *[np.stack([x, 2 * x]) for x in operands])


def test_there_is_no_mask():
    """NumPy says so before anybody is asked."""
    x = np.ones((2, 3, 3))
    for call in (lambda x: np.matmul(x, x, out=np.zeros_like(x), where=x > 0), lambda x: np.matmul(x, x, where=True)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'where'"):
            vmap(call)(x)


AXES = [
    (np.vecdot, (3, 4), (3, 4), {"axis": 0}),
    (np.vecdot, (3, 4), (3, 4), {"axis": 0, "keepdims": True}),
    (np.vecdot, (3, 4), (4,), {"keepdims": True}),
    (np.vecdot, (3, 4), (4, 3), {"axes": [0, 1]}),
    (np.vecdot, (3, 4), (4, 3), {"axes": [0, 1, ()]}),
    (np.matmul, (2, 3, 4), (2, 3, 4), {"axes": [(-2, -1), (-1, -2), (-2, -1)]}),
    (np.matmul, (3, 4, 2), (4, 5, 2), {"axes": [(0, 1), (0, 1), (1, 0)]}),
    (np.matvec, (4, 2, 3), (4, 2), {"axes": [(2, 0), 0, 1]}),
    (np.vecmat, (4, 2), (4, 2, 3), {"axes": [0, (0, 2), 0]}),
]


@pytest.mark.parametrize(("function", "x", "y", "params"), AXES)
def test_axes_of_generalised_ufuncs(function, x, y, params):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((2, *shape)) + 1j * rng.standard_normal((2, *shape)) for shape in (x, y))
    expected = np.stack([function(*pair, **params) for pair in zip(x, y, strict=True)])
    np.testing.assert_allclose(vmap(lambda x, y: function(x, y, **params))(x, y), expected)
    check_grads(lambda x, y: function(x, y, **params), x[0], y[0])
