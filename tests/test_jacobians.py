"""jacrev, jacfwd, hessian: structure, values, chunks, refusals."""

import numpy as np
import pytest

import vmapcore as vc
import vmapcore.numpy as vnp
from vmapcore import errors


def function(tree):
    """Two results of two arguments, linear and not."""
    return {"product": np.outer(tree["a"], tree["b"]), "sum": np.sum(tree["a"] ** 2)}


@pytest.fixture
def tree(xp):
    rng = np.random.default_rng(0)
    return {"a": xp.asarray(rng.standard_normal(3)), "b": xp.asarray(rng.standard_normal(2))}


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 4, 100])
@pytest.mark.parametrize("jacobian", [vc.jacrev, vc.jacfwd])
def test_blocks_and_values(xp, tree, jacobian, chunk_size):
    blocks = jacobian(function, chunk_size=chunk_size)(tree)
    a, b, eye = tree["a"], tree["b"], xp.eye(3)
    assert np.allclose(blocks["product"]["a"], eye[:, None, :] * b[None, :, None])
    assert np.allclose(blocks["product"]["b"], a[:, None, None] * xp.eye(2)[None])
    assert np.allclose(blocks["sum"]["a"], 2 * a)
    assert np.array_equal(blocks["sum"]["b"], xp.zeros(2))


@pytest.mark.parametrize("jacobian", [vc.jacrev, vc.jacfwd])
def test_argnums_and_aux(xp, jacobian):
    x, y = xp.asarray([1.0, 2.0]), xp.asarray([3.0, 4.0])
    by_both = jacobian(lambda x, y: x * y, argnums=(0, 1))(x, y)
    assert isinstance(by_both, tuple)
    assert np.array_equal(by_both[0], xp.diag(y)) and np.array_equal(by_both[1], xp.diag(x))
    value, aux = jacobian(lambda x: (x * 2, {"seen": x}), has_aux=True)(x)
    assert np.array_equal(value, 2 * xp.eye(2)) and np.array_equal(aux["seen"], x)


def test_hessian_of_a_tree_is_symmetric(xp, tree):
    h = vc.hessian(lambda t: np.sum(np.sin(t["a"])) * np.sum(t["b"] ** 3))(tree)
    assert np.allclose(h["a"]["b"], h["b"]["a"].T)
    assert np.allclose(h["a"]["a"], np.diag(-np.sin(tree["a"])) * np.sum(tree["b"] ** 3))
    twice = vc.jacrev(vc.jacrev(lambda t: np.sum(np.sin(t["a"])) * np.sum(t["b"] ** 3)))(tree)
    assert np.allclose(twice["a"]["a"], h["a"]["a"]) and np.allclose(twice["b"]["a"], h["b"]["a"])


@pytest.mark.parametrize("jacobian", [vc.jacrev, vc.jacfwd])
def test_under_vmap_and_grad(xp, jacobian):
    x = xp.asarray(np.arange(6.0).reshape(2, 3))

    def f(r):
        return r[:2] * r[1:]

    stacked = vc.vmap(jacobian(f))(x)
    assert np.allclose(stacked, np.stack([jacobian(f)(row) for row in x]))
    total = vc.grad(lambda x: np.sum(jacobian(f)(x) ** 2))(x[0])
    assert np.allclose(total, 2 * x[0] * xp.asarray([1.0, 2.0, 1.0]))  # rows (r1, r0, 0) and (0, r2, r1)


@pytest.mark.parametrize("jacobian", [vc.jacrev, vc.jacfwd])
def test_empty_arguments_and_results(xp, jacobian):
    assert jacobian(lambda x: x * 2)(xp.zeros(0)).shape == (0, 0)
    assert jacobian(lambda x: np.sum(x))(xp.zeros(0)).shape == (0,)
    assert jacobian(lambda x: x[:0])(xp.zeros(3)).shape == (0, 3)


JACOBIANS = [vc.jacrev, vc.jacfwd, lambda f: vc.jacfwd(f, chunk_size=2)]

MAKERS = {
    "zeros": lambda dtype: vnp.zeros(3, dtype),
    "ones": lambda dtype: vnp.ones(3, dtype),
    "empty": lambda dtype: vnp.empty(3, dtype),
    "full": lambda dtype: vnp.full(3, 1, dtype),
    "array": lambda dtype: vnp.array([1, 0, 1], dtype),
    "asarray": lambda dtype: vnp.asarray([1, 0, 1], dtype),
    "eye": lambda dtype: vnp.eye(3, dtype=dtype)[1],
    "identity": lambda dtype: vnp.identity(3, dtype)[1],
    "tri": lambda dtype: vnp.tri(3, dtype=dtype)[1],
    "linspace": lambda dtype: vnp.linspace(0, 2, 3, dtype=dtype),
    "arange": lambda dtype: vnp.arange(2, 5, dtype=None if dtype is bool else dtype),
    "full_like": lambda dtype: vnp.full_like(np.zeros(3), 1, dtype),
}


def written(made, x):
    made[0] = np.argmax(x)
    return np.sum(made * x)


@pytest.mark.parametrize("dtype", [bool, "i1", "u1", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_arrays_made_inside_have_no_derivative(make, dtype):
    x = np.array([1.0, 3.0, 2.0])
    made = np.array(make(dtype))
    after = made.copy()
    after[0] = 1
    for jacobian in JACOBIANS:
        assert np.array_equal(jacobian(lambda x: make(dtype) * x)(x), np.diag(made).astype(float))
        assert np.array_equal(jacobian(lambda x: written(make(dtype), x))(x), after.astype(float))
        assert np.array_equal(vc.vmap(jacobian(lambda x: written(make(dtype), x)))(x[None]), after[None].astype(float))
        for outer in JACOBIANS:
            assert np.array_equal(outer(jacobian(lambda x: np.sum(make(dtype) * x**2)))(x), 2.0 * np.diag(made))
    assert np.array_equal(vc.hessian(lambda x: np.sum(np.where(make(dtype) > 0, x**2, x)))(x), 2 * np.diag(made > 0))


@pytest.mark.parametrize("jacobian", JACOBIANS)
def test_constants_have_zeros_for_derivatives(jacobian):
    x = np.arange(3.0)
    for constant in (0.5, np.float64(0.5), np.array(0.5), np.ones(2)):
        shape = (*np.shape(constant), 3)
        assert np.array_equal(jacobian(lambda x, c=constant: c)(x), np.zeros(shape))
        assert np.array_equal(vc.vmap(jacobian(lambda x, c=constant: c))(x[None]), np.zeros((1, *shape)))
        for outer in JACOBIANS:
            assert np.array_equal(outer(jacobian(lambda x, c=constant: c))(x), np.zeros((*shape, 3)))
    assert jacobian(lambda x: 0.5)(np.float64(1.0)) == 0
    assert jacobian(lambda x: float(x.shape[0]))(x).tolist() == [0, 0, 0]
    assert jacobian(lambda x: {"a": x[0], "b": 2.0})(x)["b"].tolist() == [0, 0, 0]
    assert jacobian(lambda x: ())(x) == jacobian(lambda x: ())(()) == ()
    assert jacobian(lambda t: 0.5)(()) == ()
    for other, shown in ((1, "int 1"), (True, "bool True"), (np.arange(2), r"i64\[2\]"), ("a", "str 'a'")):
        with pytest.raises(errors.DTypeError, match=f"a result is {shown}; a Jacobian needs arrays of floats"):
            jacobian(lambda x, y=other: (x, y))(x)


def test_complex(xp):
    z = xp.asarray([1.0 + 2.0j])
    with pytest.raises(errors.DTypeError, match="holomorphic=True"):
        vc.jacrev(lambda z: z * z)(z)
    assert np.allclose(vc.jacrev(lambda z: z * z, holomorphic=True)(z), [[2 * (1 + 2j)]])
    assert np.allclose(vc.jacfwd(lambda z: z * z, holomorphic=True)(z), [[2 * (1 + 2j)]])
    assert np.allclose(vc.jacfwd(lambda t: np.exp(1j * t))(xp.zeros(1)), [[1j]])


@pytest.mark.parametrize("jacobian", [vc.jacrev, vc.jacfwd])
def test_refusals(jacobian):
    with pytest.raises(errors.DTypeError, match="only floats"):
        jacobian(lambda x: x)(np.arange(3))
    with pytest.raises(errors.ArgumentError, match="chunk_size is 0"):
        jacobian(lambda x: x, chunk_size=0)
    with pytest.raises(errors.ArgumentError, match="must be callable"):
        jacobian(3)
