"""vmap: its doors, its nesting, and what a function under it may do with the arrays it sees."""

import operator
import threading
from functools import partial

import numpy as np
import pytest

from vmapcore import errors, grad, jacfwd, jvp, vjp, vmap
from vmapcore.core import RUNNING
from vmapcore.numpy_protocol import NUMPY
from vmapcore.testing import assert_same, check_vmap

from .reference import loop

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
C = np.linspace(0.5, 2.0, 24).reshape(2, 3, 4)
V = np.array([0.5, -1.0, 2.0])


def axpy(a, x, y):
    return a * x + y


# in_axes.


def test_the_law():
    assert_same(vmap(np.sum)(A), np.array([x.sum() for x in A]))
    assert_same(vmap(np.dot)(A, B), np.array([x @ y for x, y in zip(A, B, strict=True)]))


@pytest.mark.parametrize("in_axes", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("out_axes", [0, 1, -1, -2])
def test_an_int_maps_every_argument(in_axes, out_axes):
    def f(x, y):
        return x - 2 * y

    expected = loop(f, (in_axes, in_axes), out_axes)(C, C + 1)
    assert_same(vmap(f, in_axes, out_axes)(C, C + 1), expected)
    assert_same(vmap(f, in_axes, out_axes)(C, y=C + 1), expected)


@pytest.mark.parametrize("spec", [tuple, list])
@pytest.mark.parametrize("axes", [(0, 0, 0), (None, 0, 1), (None, None, -1), (0, None, None)])
def test_an_entry_per_argument(spec, axes):
    args = (V if axes[0] == 0 else 2.0, A.T if axes[1] == 1 else A, A.T if axes[2] in (1, -1) else A)
    args = [x if axis is not None or np.ndim(x) == 0 else x[0] for x, axis in zip(args, axes, strict=True)]
    assert_same(vmap(axpy, spec(axes))(*args), loop(axpy, axes)(*args))


def test_nested_prefixes():
    def f(tree, y):
        return tree["a"][0] + tree["a"][1] * tree["b"] + y

    tree = {"a": (A, V), "b": 3.0}
    expected = A + V[:, None] * 3.0 + 1.0
    for a in (0, (0, 0)):
        assert_same(vmap(f, ({"a": a, "b": None}, None))(tree, 1.0), expected)
    tree = {"a": (A.T, V), "b": 3.0}
    assert_same(vmap(f, ({"a": (-1, 0), "b": None}, None))(tree, 1.0), expected)


def test_axes_by_name():
    expected = A * 2.0 + B
    axes = {"a": None, "x": 0, "y": 0}
    assert_same(vmap(axpy, axes)(2.0, A, B), expected)
    assert_same(vmap(axpy, axes)(2.0, x=A, y=B), expected)
    assert_same(vmap(axpy, axes)(y=B, x=A, a=2.0), expected)
    assert_same(vmap(axpy, {"a": None, "x": 1, "y": -1})(a=2.0, y=B.T, x=A.T), expected)


def test_axes_by_name_cover_defaults_and_trees():
    def f(x, scale=2.0, *, shift=None):
        return x * scale + (0.0 if shift is None else shift["by"])

    axes = {"x": 0, "scale": None, "shift": {"by": 0}}
    assert_same(vmap(f, axes)(A), A * 2.0)
    assert_same(vmap(f, axes)(A, 3.0), A * 3.0)
    assert_same(vmap(f, axes)(A, shift={"by": V}), A * 2.0 + V[:, None])


def test_keywords_are_mapped_by_an_int():
    assert_same(vmap(axpy)(V, x=A, y=B), loop(axpy, (0, 0, 0))(V, A, B))


def test_variable_arguments():
    def total(*xs, **named):
        return sum(xs) + sum(named.values())

    assert_same(vmap(total)(A, B, c=A), A + B + A)
    assert_same(vmap(total, (0, None))(A, B[0]), A + B[0])


def test_functions_without_a_signature():
    assert_same(vmap(np.add)(A, B), A + B)
    assert_same(vmap(np.add, (0, None))(A, 1.0), A + 1.0)
    assert_same(vmap(partial(axpy, 2.0))(A, B), 2.0 * A + B)


class Doubler:
    """A callable that is no function."""

    def __call__(self, x):
        return 2 * x

    def method(self, x):
        return 3 * x


def test_callables():
    assert_same(vmap(Doubler())(A), 2 * A)
    assert_same(vmap(Doubler().method)(A), 3 * A)
    assert_same(vmap(vmap(np.sin))(A), np.sin(A))
    assert_same(vmap(operator.neg)(A), -A)


def test_what_is_not_mapped_passes_untouched():
    """Strings, functions, None, dicts of anything: the very objects."""
    box = object()

    def f(x, mode, function, nothing, things):
        assert mode == "twice"
        assert nothing is None
        assert things["box"] is box
        assert things["list"] == [1, "a"]
        return function(x) * 2

    args = (A, "twice", np.sin, None, {"box": box, "list": [1, "a"]})
    assert_same(vmap(f, (0, None, None, None, None))(*args), np.sin(A) * 2)


def test_none_is_a_leaf():
    seen = []

    def f(tree):
        seen.append(tree[1])
        return tree[0]

    assert_same(vmap(f, ((0, None),))((A, None)), A)
    assert seen == [None]


def test_an_unmapped_array_is_known_and_returned_as_it_is():
    seen = []
    assert vmap(lambda x, y: (seen.append(np.asarray(y)), y)[1], (0, None), None)(A, B) is B
    assert_same(seen[0], B)


# axis_size.


def test_axis_size_with_nothing_mapped():
    assert_same(vmap(axpy, (None,) * 3, axis_size=5)(2.0, A, B), np.stack([2.0 * A + B] * 5))
    assert_same(vmap(lambda: A, axis_size=2)(), np.stack([A, A]))
    assert_same(vmap(lambda: 1.0, (), axis_size=0)(), np.ones(0))
    assert_same(vmap(np.sum, axis_size=3)(A), A.sum(1))


@pytest.mark.parametrize("shape", [(0,), (0, 4), (0, 0), (0, 2, 3)])
def test_an_empty_batch(shape):
    def f(x):
        y = np.sin(x) + 1
        return y.sum(), y, (x > 0), np.argsort(x.ravel()) if x.size else x

    x = np.zeros(shape)
    total, y, positive, _ = vmap(f)(x)
    assert total.shape == (0,)
    assert y.shape == shape
    assert positive.dtype == bool
    assert vmap(f, out_axes=(0, -1, 0, 0))(x)[1].shape == (*shape[1:], 0)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_sizes(n):
    check = np.arange(4.0 * n).reshape(n, 4)
    assert vmap(lambda x: x @ x)(check).shape == (n,)
    assert vmap(lambda x, y: np.outer(x, y), (0, None))(check, V).shape == (n, 4, 3)
    assert vmap(vmap(np.sin))(check).shape == (n, 4)
    assert vmap(grad(lambda x: np.sum(x * x)))(check).shape == (n, 4)


# out_axes.


def test_out_axes_by_leaf():
    def f(x):
        return {"a": x, "b": (np.outer(x, x), np.sum(x))}

    result = vmap(f, out_axes={"a": 1, "b": (2, 0)})(A)
    assert_same(result["a"], A.T)
    assert_same(result["b"][0], np.stack([np.outer(x, x) for x in A], axis=2))
    assert_same(result["b"][1], A.sum(1))
    assert_same(vmap(f, out_axes={"a": -1, "b": 0})(A)["b"][1], A.sum(1))


@pytest.mark.parametrize("out_axes", [0, 1, -1, -2])
def test_unmapped_results_are_views_without_copies(out_axes):
    big = np.ones((4, 5))
    result = vmap(lambda x: big, out_axes=out_axes)(V)
    axis = out_axes if out_axes >= 0 else out_axes + 3
    assert_same(result, np.stack([big] * 3, axis=axis))
    assert result.strides[axis] == 0
    assert np.shares_memory(result, big)
    assert not result.flags.writeable


def test_unmapped_results_with_none():
    box = object()
    result = vmap(lambda x: (x, B, "text", box, None), out_axes=(0, None, None, None, None))(A)
    assert result[1] is B
    assert result[2:] == ("text", box, None)
    assert vmap(lambda x: (x, None))(A)[1] is None


@pytest.mark.parametrize("value", [1, 2.5, 1j, True, np.float32(3), np.int8(3), np.bool_(True)])
def test_scalar_results(value):
    assert_same(vmap(lambda x: value)(V), np.stack([np.asarray(value)] * 3))
    assert_same(vmap(lambda x: value, out_axes=-1)(V), np.stack([np.asarray(value)] * 3))


def test_reducing_results():
    assert_same(vmap(np.sin, out_axes="sum")(A), np.sin(A).sum(0))
    assert_same(vmap(np.sin, out_axes="mean")(A), np.sin(A).mean(0))
    assert_same(vmap(lambda x: (x, B, 2.0), out_axes=("sum", "sum", "sum"))(A), (A.sum(0), B * 3, np.float64(6.0)))
    assert_same(vmap(lambda x: (x, B), out_axes=("mean", "mean"))(A), (A.mean(0), B))
    assert_same(vmap(lambda x: {"a": x, "b": (x, x)}, out_axes={"a": 0, "b": "sum"})(A)["b"][1], A.sum(0))
    assert_same(vmap(np.sin, out_axes="sum")(A[:0]), np.zeros(4))


def test_reducing_results_keeps_the_law_of_dtypes():
    for dtype in (np.float32, np.int8, bool, np.complex64):
        x = A.astype(dtype)
        assert_same(vmap(lambda x: x, out_axes="sum")(x), x.sum(0))
        assert_same(vmap(lambda x: x[0], (0,), "sum")(x), x[:, 0].sum())
        assert_same(vmap(lambda _: x[0], out_axes="sum")(V), np.stack([x[0]] * 3).sum(0))
        assert_same(vmap(lambda _: x[0], out_axes="mean")(V), np.stack([x[0]] * 3).mean(0))


def test_tuples_stay_what_they_are():
    assert type(vmap(lambda x: [x, x])(A)) is list
    assert type(vmap(lambda x: (x,))(A)) is tuple
    assert vmap(lambda x: ())(A) == ()
    assert vmap(lambda x: {})(A) == {}


def test_metadata_of_the_function_is_kept():
    vmapped = vmap(axpy)
    assert vmapped.__name__ == "axpy"
    assert vmapped.__wrapped__ is axpy


# Nesting.


@pytest.mark.parametrize("outer", [0, 1, 2])
@pytest.mark.parametrize("inner", [0, 1])
def test_nested_two_deep(outer, inner):
    def f(x, y):
        return np.sum(x) * y - x

    expected = loop(lambda x: loop(f, (inner, None))(x, 2.0), (outer,))(C)
    assert_same(vmap(lambda x: vmap(f, (inner, None))(x, 2.0), outer)(C), expected)


@pytest.mark.parametrize(("outer", "inner"), [((0, None), (None, 0)), ((None, 0), (0, None))])
def test_outer_products_by_nesting(outer, inner):
    def f(x, y):
        return np.sum(x) * y - x

    expected = loop(loop(f, inner), outer)(A, B)
    assert_same(vmap(vmap(f, inner), outer)(A, B), expected)


def test_closures_over_outer_tracers():
    def outer(x, w):
        def inner(y):
            return np.sin(x) * y + w

        return vmap(inner)(V)

    assert_same(vmap(outer, (0, None))(A, 2.0), np.sin(A)[:, None, :] * V[None, :, None] + 2.0)


def test_an_outer_tracer_is_unmapped_in_the_inner():
    """It comes out of the inner vmap as it went in, and once per example."""
    assert_same(vmap(lambda x: vmap(lambda y: x, out_axes=None)(V))(A), A)
    assert_same(vmap(lambda x: vmap(lambda y: x)(V))(A), np.repeat(A[:, None], 3, axis=1))
    assert_same(vmap(lambda x: vmap(lambda y: x, out_axes="sum")(V))(A), 3 * A)


def test_three_deep_with_a_reduction_at_each_level():
    x = np.arange(24.0).reshape(2, 3, 4) / 10

    def f(a, b, c):
        return np.sin(a * b) + c

    actual = vmap(vmap(vmap(f, (None, None, 0)), (None, 0, 0)), (0, None, 0))(V[:2], V, x)
    expected = np.array([[[f(V[i], V[j], x[i, j, k]) for k in range(4)] for j in range(3)] for i in range(2)])
    assert_same(actual, expected)


def test_the_same_array_at_two_levels():
    assert_same(vmap(lambda x: vmap(lambda y: x @ y)(A))(A), A @ A.T)
    assert_same(vmap(lambda x: vmap(lambda y: vmap(lambda z: x * y * z)(V))(V))(V), V[:, None, None] * V[:, None] * V)


def test_deep_composition_with_derivatives():
    def f(w, x):
        return np.sum(np.tanh(w * x)) * w[0]

    w, x = B, A / 10
    actual = vmap(lambda w: grad(lambda v: np.sum(vmap(grad(f), (None, 0))(v, x)))(w))(w)
    step, expected = 1e-6, []
    for row in w:

        def total(v):
            return sum(np.sum(gradient_by_hand(v, y)) for y in x)

        expected.append([(total(row + step * e) - total(row - step * e)) / (2 * step) for e in np.eye(4)])
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def gradient_by_hand(w, x):
    """Of sum(tanh(w x)) w[0] by w."""
    t = np.tanh(w * x)
    g = (1 - t * t) * x * w[0]
    g[0] += np.sum(t)
    return g


def test_vmap_of_grad_of_vmap_of_grad():
    def f(x, y):
        return np.sin(x * y)

    inner = vmap(grad(f), (None, 0))  # x -> df/dx for each y
    actual = vmap(grad(lambda x: np.sum(inner(x, V))))(A[0])
    expected = np.array([np.sum(-(V**2) * np.sin(x * V)) for x in A[0]])
    assert_same(actual, expected)
    actual = vmap(vmap(grad(lambda x, y: np.sum(inner(x, V)) * y), (0, None)), (None, 0))(A[0], V)
    assert_same(actual, V[:, None] * expected)


def test_jacobians_under_vmap():
    assert_same(vmap(jacfwd(np.sin))(A), np.stack([np.diag(np.cos(x)) for x in A]))


# What the mapped function may do.


def test_attributes():
    x = np.ones((5, 2, 3), np.float32)

    def f(x):
        assert x.shape == (2, 3)
        assert x.ndim == 2
        assert x.size == 6
        assert x.dtype == np.float32
        assert x.itemsize == 4
        assert x.nbytes == 24
        assert len(x) == 2
        assert x.T.shape == (3, 2)
        assert x.mT.shape == (3, 2)
        assert np.shape(x) == (2, 3)
        assert np.ndim(x) == 2
        assert np.size(x) == 6
        assert np.size(x, 1) == 3
        assert x.real.dtype == np.float32
        assert np.iterable(x)
        return x

    assert_same(vmap(f)(x), x)


METHODS = {
    "sum": lambda x: (x.sum(), x.sum(0), x.sum(axis=-1, keepdims=True)),
    "mean": lambda x: (x.mean(), x.mean(axis=1), x.mean((0, 1))),
    "prod": lambda x: x.prod(0),
    "std and var": lambda x: (x.std(), x.var(axis=0), x.var(0, ddof=1)),
    "max and min": lambda x: (x.max(), x.min(axis=1), x.max(0, keepdims=True)),
    "argmax": lambda x: (x.argmax(), x.argmin(axis=1)),
    "any and all": lambda x: ((x > 0).any(), (x > 0).all(axis=0)),
    "cumsum": lambda x: (x.cumsum(), x.cumsum(axis=1), x.cumprod(0)),
    "reshape": lambda x: (x.reshape(-1), x.reshape(4, 3), x.reshape((2, 6)), x.reshape(4, -1)),
    "transpose": lambda x: (x.T, x.transpose(), x.transpose(1, 0), x.transpose((1, 0)), x.swapaxes(0, 1)),
    "flatten": lambda x: (x.flatten(), x.ravel(), x.squeeze(), x[None].squeeze(0)),
    "astype": lambda x: (x.astype(np.float32), x.astype(int), x.astype("complex128"), x.astype(bool)),
    "copy": lambda x: x.copy(),
    "clip": lambda x: (x.clip(-0.5, 0.5), x.clip(min=0.0)),
    "round": lambda x: (x.round(), x.round(1)),
    "repeat": lambda x: (x.repeat(2), x.repeat(2, axis=0)),
    "take": lambda x: (x.take([0, 2]), x.take([1, 0], axis=1)),
    "diagonal": lambda x: (x.diagonal(), x.trace()),
    "dot": lambda x: x.dot(x.T),
    "conj": lambda x: (x.conj(), x.conjugate()),
    "argsort": lambda x: x.argsort(axis=1),
    "real and imag": lambda x: (x.real, x.imag),
    "ptp": lambda x: np.ptp(x, axis=0),
    "choose": lambda x: (x[0] > 1).astype(int).choose([x[1], x[2]]),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    check_vmap(METHODS[name], C)


OPERATORS = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, x / y, x // y, x % y, x**2, -x, +x, abs(x)),
    "reflected": lambda x, y: (1 + x, 1 - x, 2 * x, 1 / y, 1 // y, 1 % y, 2**x),
    "array on the left": lambda x, y: (
        V[:2] + x,
        V[:2] - x,
        V[:2] * x,
        V[:2] / y,
        V[:2] ** 2 * y,
        V[:2] < x,
        V[:2] @ x,
    ),
    "comparisons": lambda x, y: (x < y, x <= y, x > y, x >= y, x == y, x != y, operator.lt(0, x), operator.eq(1, y)),
    "matmul": lambda x, y: (x @ y, x[None] @ y[:, None], np.ones((3, 2)) @ x),
    "divmod": lambda x, y: divmod(x, y),
    "reflected divmod": lambda x, y: divmod(3.0, y),
    "bits": lambda x, y: ((x > 0) & (y > 0), (x > 0) | (y > 0), (x > 0) ^ (y > 0), ~(x > 0)),
    "integers": lambda x, y: ((x.astype(int) << 1), (x.astype(int) >> 1), x.astype(int) & 3, 8 >> y.astype(int) % 2),
    "power": lambda x, y: (y**x, y**0.5, y**-1.0, pow(x, 2)),
    "round": lambda x, y: np.round(x, 1),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    check_vmap(OPERATORS[name], B[:, :2], A[:, 1:3] + 1)


INDICES = {
    "ints and slices": lambda x: (x[0], x[-1], x[1:], x[::-1], x[:, 1], x[1, 2], x[..., 0], x[0:2, ::2]),
    "new axes": lambda x: (x[None], x[:, None], x[1:, None], x[..., None]),
    "arrays": lambda x: (x[[0, 1]], x[np.array([1, 0, 1])], x[[0, 1], [2, 0]], x[:, [3, 0]]),
    "masks": lambda x: x[np.array([True, False, True])],
    "nothing": lambda x: (x[...], x[()], x[:0]),
    "unpacking": lambda x: tuple(row * 2 for row in x),
    "star": lambda x: (lambda first, *rest: (first, rest[-1]))(*x),
    "zip": lambda x: sum(a * b for a, b in zip(x, x[::-1], strict=True)),
    "reversed": lambda x: next(iter(reversed(x))),
}


@pytest.mark.parametrize("name", INDICES)
def test_indexing(name):
    check_vmap(INDICES[name], C)


def test_indexing_by_tracers():
    """Of tracers: a plain array asks its index for a number."""
    i, j = np.array([1, 0]), np.array([[1, 0], [2, -1]])
    check_vmap(lambda x, i: (x[i], x[i, 1], x[:, i], x[[0, 1]][:, i]), C, i, in_axes=(0, 0))
    check_vmap(lambda x, i: x[i], C, j, in_axes=(0, 0))
    check_vmap(lambda x, i: NUMPY[np.take](x, i, axis=0), C, j)


def test_numpys_protocols():
    def f(x):
        y = np.where(x > 0, np.exp(-x), np.sin(x))
        z = np.concatenate([y, x[:1]]) + np.stack([x[0]] * 5)
        return (
            np.einsum("i,j->ij", y, z),
            np.linalg.norm(z),
            np.clip(x, -0.5, 0.5),
            np.add.reduce(x),
            np.multiply.outer(x, x),
        )

    check_vmap(f, B)


def test_the_array_api_namespace():
    def f(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.sin(x) * 2)

    assert_same(vmap(f)(A), (np.sin(A) * 2).sum(1))


def test_python_branches_on_shapes_and_unmapped_values():
    def f(x, flag, n):
        for _ in range(n):
            x = x * 2 if flag and x.ndim == 1 else x
        return x

    assert_same(vmap(f, (0, None, None))(A, True, 3), A * 8)


def test_side_effects_happen_once():
    calls = []
    vmap(lambda x: calls.append(1) or x)(A)
    assert len(calls) == 1


# Writes.


WRITES = {
    "an item": lambda x: write(x, (0,), 5.0),
    "a slice": lambda x: write(x, (slice(1, 3),), x[:2] * 2),
    "a mask": lambda x: write(x, (x > 0,), 0.0),
    "an index array": lambda x: write(x, ([0, 2],), x[1]),
    "itself reversed": lambda x: write(x, (slice(None),), x[::-1]),
    "through a view": lambda x: through_a_view(x),
    "the base seen by its view": lambda x: base_seen(x),
    "operators": lambda x: operators_in_place(x),
    "out": lambda x: into_out(x),
    "a fresh array like it": lambda x: fresh(x),
    "a 0-d array": lambda x: zero_d(x[0]),
    "sort": lambda x: sort_in_place(x),
    "fill": lambda x: filled(x),
    "partition": lambda x: partitioned(x),
}


def write(x, index, value):
    x = x.copy()
    x[index] = value
    return x


def through_a_view(x):
    x = x * 1
    row = x[1:]
    row[0] = 7.0
    row += 1.0
    return x, row


def base_seen(x):
    x = x * 1
    row = x[::2]
    x[0] = 9.0
    x *= 2
    return x, row


def operators_in_place(x):
    x = x + 0
    y = x
    x += 1
    x -= 0.5
    x *= x
    x /= 2
    x **= 2
    x //= 0.25
    x %= 3
    return x, y


def into_out(x):
    y = np.zeros_like(x)
    np.multiply(x, 2, out=y)
    np.add(y, 1, out=y)
    z = np.empty_like(x[0])
    np.sum(x, axis=0, out=z)
    return y, z


def fresh(x):
    y = np.zeros_like(x)
    y[1] = x[0]
    y[:1] += x[2]
    return y


def zero_d(x):
    y = np.zeros_like(x)
    y[...] = x
    y[()] += 1
    return y


def sort_in_place(x):
    x = x[::-1].copy()
    x.sort()
    return x


def partitioned(x):
    x = x[::-1].copy()
    x.partition(1)
    return x[:2].sum(), x[2:].sum()


def filled(x):
    x = x.copy()
    x.fill(3)
    return x


@pytest.mark.parametrize("name", WRITES)
def test_writes(name):
    check_vmap(WRITES[name], B)


def test_writes_to_arguments_stay_inside():
    """Outside nothing changes: a mapped argument is the function's own."""

    def f(x):
        x[0] = 100.0
        x += 1
        return x

    a = A.copy()
    result = vmap(f)(a)
    assert_same(a, A)
    assert_same(result[:, 0], np.full(3, 101.0))


def test_writes_to_an_outer_tracer_given_as_argument_stay_inside():
    def outer(x):
        def inner(y):
            y *= 0
            return y

        zeros = vmap(inner)(x)
        return x, zeros

    assert_same(vmap(outer)(C), (C, C * 0))


def test_results_are_the_callers():
    """No later write to one of them reaches another or an argument."""
    a = A.copy()
    x, y = vmap(lambda x: (x + 0, x * 1))(a)
    x[...] = -1
    assert_same(y, A)
    assert_same(a, A)


# Trees.


def test_trees_in_and_out():
    tree = {"w": A, "layers": [(V, B), {"deep": A}]}
    result = vmap(lambda t: {"s": t["w"] * t["layers"][0][0], "t": t["layers"]})(tree)
    assert_same(result["s"], A * V[:, None])
    assert_same(result["t"], tree["layers"])


# Threads and exceptions.


def test_an_exception_leaves_nothing_running():
    class OwnError(Exception):
        pass

    def f(x):
        raise OwnError

    for transform in (vmap, grad, lambda f: lambda x: jvp(f, (x,), (x,)), lambda f: lambda x: vjp(f, x)):
        with pytest.raises(OwnError):
            transform(f)(A)
        assert RUNNING.get() == ()
    with pytest.raises(OwnError):
        vmap(lambda x: vmap(f)(x))(A)
    assert RUNNING.get() == ()
    assert_same(vmap(np.sin)(A), np.sin(A))


def test_exceptions_inside_can_be_handled_inside():
    def f(x):
        try:
            vmap(lambda y: y + np.ones(7))(x)
        except ValueError:
            return x
        raise AssertionError

    assert_same(vmap(f)(C), C)

    def g(x):  # of a refusal alone, see test_refusals.py
        with pytest.raises(errors.AxisError):
            np.sum(x, axis=7)
        return x

    assert_same(vmap(g)(A), A)


def test_threads():
    """Two threads in the middle of transforms at once."""
    barrier = threading.Barrier(2, timeout=30)
    results = [[], []]

    def work(which):
        x = A + which
        for _ in range(20):

            def f(x):
                barrier.wait()
                y = vmap(grad(lambda v: np.sum(np.sin(v) * x)))(B)
                barrier.wait()
                return y

            results[which].append(vmap(f)(x))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which in range(2):
        assert len(results[which]) == 20
        expected = np.cos(B) * (A + which)[:, None]
        for result in results[which]:
            assert_same(result, expected)


def test_a_transformed_function_can_be_used_again_and_in_itself():
    f = vmap(lambda x: x * 2)
    assert_same(f(A), f(A))
    assert_same(vmap(f)(C), C * 2)
    assert_same(f(f(A)), A * 4)
