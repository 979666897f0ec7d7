"""The guide to custom operations: its page runs, its operations are right beyond what it shows, its facts hold."""

import doctest
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import kolmogorov

import vmapcore as vc
from vmapcore.ops.ufuncs import DECLARED
from vmapcore.testing import check_grads, check_vmap

PAGE = Path(__file__).parent.parent / "docs" / "custom-operations.md"


@pytest.fixture(scope="module")
def guide():
    """The names that the examples of the page leave behind."""
    test = doctest.DocTestParser().get_doctest(
        PAGE.read_text(encoding="utf-8"), {"__name__": "guide"}, PAGE.name, str(PAGE), 0
    )
    DECLARED.pop(kolmogorov, None)
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, clear_globs=False)
    assert not failed
    yield test.globs
    DECLARED.pop(kolmogorov, None)


# Softplus.


def test_softplus_is_accurate_everywhere(guide):
    softplus = guide["softplus"]
    x = np.array([-745.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 1e300])
    assert np.allclose(softplus(x), np.logaddexp(x, 0), rtol=1e-15, atol=0)
    sigmoid = np.exp(-np.logaddexp(-x, 0))
    assert np.allclose(vc.vmap(vc.grad(softplus))(x), sigmoid, rtol=1e-14, atol=0)
    assert np.allclose(vc.vmap(vc.grad(vc.grad(softplus)))(x), sigmoid * (1 - sigmoid), rtol=1e-8, atol=1e-300)


# Roots.


@pytest.mark.parametrize("eccentricity", [0.0, 0.3, 0.9])
def test_root_has_the_derivatives_of_keplers_equation(guide, eccentricity):
    def position(time):
        return guide["anomaly"]({"eccentricity": eccentricity, "time": time})

    time = np.linspace(0.1, 3.0, 5)
    E = vc.vmap(position)(time)
    slope = 1 - eccentricity * np.cos(E)
    assert np.allclose(E - eccentricity * np.sin(E), time, atol=1e-12)
    assert np.allclose(vc.vmap(vc.grad(position))(time), 1 / slope)
    second = -eccentricity * np.sin(E) / slope**3
    assert np.allclose(vc.vmap(vc.grad(vc.grad(position)))(time), second)
    assert np.allclose(vc.jvp(lambda t: vc.jvp(position, (t,), (1.0,))[1], (time[0],), (1.0,))[1], second[0])
    assert np.allclose(vc.grad(lambda t: np.sum(vc.vmap(position)(t) ** 2))(time), 2 * E / slope)


def test_root_of_parameters_of_any_structure(guide):
    def cubic(x, coefficients):
        return x**3 + np.sum(coefficients["inner"][0] * x) - coefficients["level"]

    def solve(coefficients):
        return guide["root"](coefficients, -10.0, 10.0, residual=cubic)

    tree = {"inner": [np.array([0.5, 1.0])], "level": 3.0}
    check_grads(solve, tree)
    check_vmap(vc.grad(solve), {"inner": [np.array([[0.5, 1.0], [2.0, 0.1]])], "level": np.array([3.0, -1.0])})


# Sparse products.


@pytest.fixture
def matrices():
    """Two matrices with the same number of entries in other places, the second with an empty row."""
    rng = np.random.default_rng(0)
    found = []
    for rows, columns in (([0, 0, 1, 2, 3, 3], [0, 2, 1, 2, 0, 1]), ([0, 1, 1, 1, 3, 3], [0, 0, 1, 2, 0, 2])):
        a = csr_array((rng.standard_normal(6), (rows, columns)), shape=(4, 3))
        found.append((a.data, a.indices, a.indptr))
    return [np.stack(parts) for parts in zip(*found, strict=True)]


def dense(data, indices, indptr, shape):
    """The matrix as a dense one, of values that a transform may trace."""
    row = np.searchsorted(indptr, np.arange(len(indices)), side="right") - 1
    return vc.at(np.zeros_like(data, shape=shape))[row, indices].add(data)


@pytest.mark.parametrize("transpose", [False, True])
def test_sparse_product_equals_the_dense_one(guide, matrices, transpose):
    shape = (4, 3)

    def sparse(data, indices, indptr, x):
        return guide["csr_dot"](data, indices, indptr, x, shape=shape, transpose=transpose)

    def plain(data, indices, indptr, x):
        a = dense(data, indices, indptr, shape)
        return (a.T if transpose else a) @ x

    x = np.random.default_rng(1).standard_normal((2, 4 if transpose else 3))
    check_vmap(sparse, *matrices, x)
    data, indices, indptr = [part[0] for part in matrices]
    check_grads(lambda data, x: sparse(data, indices, indptr, x), data, x[0])

    def loss(product):
        return lambda data, x: np.sum(vc.vmap(product)(data, *matrices[1:], x) ** 2)

    for ours, theirs in zip(
        vc.grad(loss(sparse), argnums=(0, 1))(matrices[0], x),
        vc.grad(loss(plain), argnums=(0, 1))(matrices[0], x),
        strict=True,
    ):
        assert np.allclose(ours, theirs)


def test_sparse_product_of_a_batch_is_one_product(guide, matrices, monkeypatch):
    products = []

    def counted(parts, shape):
        products.append(shape)
        return csr_array(parts, shape=shape)

    monkeypatch.setitem(guide, "csr_array", counted)

    def product(data, indices, indptr, x):
        return guide["csr_dot"](data, indices, indptr, x, shape=(4, 3))

    one = [part[0] for part in matrices]
    vectors = np.ones((5, 2, 3))
    vc.vmap(vc.vmap(product, in_axes=(None, None, None, 0)), in_axes=(None, None, None, 0))(*one, vectors)
    assert products == [(4, 3)]
    vc.vmap(product)(*matrices, vectors[0])
    assert products == [(4, 3), (8, 6)]
    assert vc.vmap(product, in_axes=(None, None, None, 0))(*one, vectors[:0, 0]).shape == (0, 4)


# The fused operation.


@pytest.mark.parametrize("dtypes", [("d", "d"), ("f", "f"), ("f", "d"), ("i8", "f"), ("i8", "i8")], ids=":".join)
def test_kernel_computes_what_numpy_does(guide, monkeypatch, dtypes):
    """Without a device: the source of the kernel is an expression in C++ and in Python alike."""

    def elementwise_kernel(inputs, outputs, source, name):
        def run(x, bias):
            assert x.dtype == bias.dtype and (inputs, outputs) == ("T x, T bias", "T y")
            names = {"x": x, "bias": bias, "T": x.dtype.type, "tanh": np.tanh}
            exec(source.replace("const T ", "").replace(";", ""), names)
            return names["y"]

        return run

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ElementwiseKernel=elementwise_kernel, asarray=np.asarray))
    guide["kernel"].cache_clear()
    x, bias = np.linspace(-3, 3, 7).astype(dtypes[0]), np.full((), 2).astype(dtypes[1])
    found, expected = guide["by_kernel"](x, bias), guide["in_place"](x, bias)
    guide["kernel"].cache_clear()
    assert found.dtype == expected.dtype == (0.5 * x * bias).dtype
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(guide["by_kernel"](x, 0.25), guide["in_place"](x, 0.25), atol=1e-6)


def test_fused_operation_on_every_library(guide, xp):
    op = guide["bias_gelu"]
    x, bias = np.linspace(-3, 3, 12, dtype=np.float32).reshape(4, 3), np.array([0.1, -0.2, 0.3], np.float32)

    def both(x, bias):
        return vc.vmap(op, in_axes=(0, None))(x, bias), vc.vmap(vc.grad(lambda x: np.sum(op(x, bias))))(x)

    z = x.astype(float) + bias
    expected = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    found, slope = both(xp.asarray(x), xp.asarray(bias))
    assert isinstance(found, xp.ndarray) and found.dtype == slope.dtype == np.float32
    assert np.allclose(found.get() if xp is not np else found, expected, atol=1e-6)
    assert np.allclose(slope.get() if xp is not np else slope, both(x, bias)[1], atol=1e-6)


# What is said of others.


def raises(kind, message, fun, *args):
    with pytest.raises(kind, match=message):
        fun(*args)


def test_facts_about_jax():
    jax = pytest.importorskip("jax")
    sin, cos = jax.numpy.sin, jax.numpy.cos
    xs = jax.numpy.arange(3.0)

    def with_vmap(fun):
        op = jax.custom_batching.custom_vmap(fun)
        op.def_vmap(lambda axis_size, in_batched, x: (fun(x), in_batched[0]))
        return op

    def with_vjp(fun, calls_itself):
        op = jax.custom_vjp(fun)
        op.defvjp(lambda x: ((op if calls_itself else fun)(x), x), lambda x, g: (g * cos(x),))
        return op

    unsupported = "Linearization failed"
    bare = with_vmap(sin)
    raises(ValueError, unsupported, jax.grad(bare), 1.0)
    raises(ValueError, unsupported, jax.vmap(jax.grad(bare)), xs)
    assert np.allclose(jax.grad(lambda x: jax.vmap(bare)(x).sum())(xs), np.cos(xs))
    assert np.allclose(jax.jvp(bare, (1.0,), (1.0,))[1], np.cos(1))
    raises(AttributeError, "def_vmap", jax.custom_batching.custom_vmap(sin), 1.0)

    inside = with_vjp(with_vmap(sin), calls_itself=True)
    assert np.allclose(jax.vmap(jax.grad(inside))(xs), np.cos(xs))
    assert np.allclose(jax.grad(lambda x: jax.vmap(inside)(x).sum())(xs), np.cos(xs))
    assert np.allclose(jax.grad(jax.grad(inside))(1.0), -np.sin(1))
    raises(TypeError, "forward-mode", jax.jvp, inside, (1.0,), (1.0,))
    raises(ValueError, unsupported, jax.grad(jax.grad(with_vjp(with_vmap(sin), calls_itself=False))), 1.0)
    raises(ValueError, unsupported, jax.grad(with_vmap(with_vjp(sin, calls_itself=True))), 1.0)

    def callback(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    raises(NotImplementedError, "vmap_method", jax.vmap(callback), xs)
    raises(ValueError, "callbacks do not support JVP", jax.grad(callback), xs[0])


@pytest.mark.filterwarnings("ignore")
def test_facts_about_torch():
    torch = pytest.importorskip("torch")
    xs = torch.arange(3.0)

    def by_numpy(x):
        return torch.from_numpy(np.asarray(np.sin(x.detach().numpy())))

    class Sin(torch.autograd.Function):
        forward = staticmethod(by_numpy)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g * torch.cos(ctx.saved_tensors[0])

    class Generated(Sin):
        generate_vmap_rule = True

    raises(RuntimeError, "does not have vmap support", torch.func.vmap(Sin.apply), xs)
    raises(RuntimeError, "", torch.func.vmap(Generated.apply), xs)  # its forward is not made of PyTorch calls
    raises(NotImplementedError, "jvp", torch.func.jvp, Sin.apply, (xs[1],), (xs[1],))

    op = torch.library.custom_op(
        "vmapcore_guide::sin", lambda x: by_numpy(x), mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    assert torch.allclose(torch.func.vmap(op)(xs), torch.sin(xs))  # by a loop
    op.register_autograd(Sin.backward, setup_context=Sin.setup_context)
    x = torch.tensor(1.0, requires_grad=True)
    op(x).backward()
    assert torch.allclose(x.grad, torch.cos(x))
    raises(RuntimeError, "setup_context", torch.func.grad(op), xs[1])


def test_facts_about_frompyfunc():
    op = np.frompyfunc(lambda x: 2 * x, 1, 1)
    assert op(np.ones((2, 3))).dtype == object
