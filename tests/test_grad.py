"""grad, vjp, jvp and their kin: doors, orders, and what a differentiated function may do with its arrays."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vmapcore import (
    ZeroGradientWarning,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jit,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from vmapcore.core import RUNNING
from vmapcore.testing import assert_same, check_grads

from .reference import slope

A = np.linspace(0.3, 1.7, 6).reshape(2, 3)
B = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
V = np.array([0.5, -1.0, 2.0])


def loss(w, x, scale=1.0):
    return np.sum(np.tanh(w * x)) * scale


def tanh_slope(x):
    return 1 - np.tanh(x) ** 2


# Doors.


def test_the_gradient_is_the_slope():
    g = grad(loss)(A, B)
    for i in np.ndindex(A.shape):
        unit = np.zeros_like(A)
        unit[i] = 1.0
        np.testing.assert_allclose(g[i], slope(lambda w: loss(w, B), A, unit), rtol=1e-8)


def test_argnums():
    by_w, by_x = B * tanh_slope(A * B), A * tanh_slope(A * B)
    assert_same(grad(loss)(A, B), by_w)
    assert_same(grad(loss, 1)(A, B), by_x)
    assert_same(grad(loss, -1)(A, B), by_x)
    assert_same(grad(loss, (0, 1))(A, B), (by_w, by_x))
    assert_same(grad(loss, [1, 0])(A, B), (by_x, by_w))
    assert_same(grad(loss, (1,))(A, B), (by_x,))
    assert_same(grad(loss, 2)(A, B, 3.0), np.asarray(loss(A, B)))


def test_keywords_are_passed_on():
    assert_same(grad(loss)(A, B, scale=2.0), 2 * grad(loss)(A, B))
    assert_same(grad(loss)(A, x=B, scale=2.0), 2 * grad(loss)(A, B))


def test_trees():
    def f(params, x):
        return np.sum(params["w"] * x) + np.sum(params["layers"][0] ** 2) + params["layers"][1] * 3.0

    params = {"w": A, "layers": [V, 2.0]}
    assert_same(grad(f)(params, B), {"w": B, "layers": [2 * V, np.asarray(3.0)]})


def test_value_and_grad():
    value, gradient = value_and_grad(loss)(A, B)
    assert_same(value, np.float64(loss(A, B)))
    assert_same(gradient, grad(loss)(A, B))
    value, gradients = value_and_grad(loss, (0, 1))(A, B)
    assert_same(gradients, grad(loss, (0, 1))(A, B))


def test_has_aux():
    def f(w):
        y = np.sin(w)
        return np.sum(y), {"y": y, "text": "kept", "none": None}

    gradient, aux = grad(f, has_aux=True)(A)
    assert_same(gradient, np.cos(A))
    assert_same(aux, {"y": np.sin(A), "text": "kept", "none": None})
    assert type(aux["y"]) is np.ndarray
    (value, aux), gradient = value_and_grad(f, has_aux=True)(A)
    assert_same(value, np.sin(A).sum())
    assert_same(gradient, np.cos(A))
    assert_same(aux["y"], np.sin(A))
    out, pullback, aux = vjp(f, A, has_aux=True)
    assert_same(out, np.sin(A).sum())
    assert_same(aux["y"], np.sin(A))
    assert_same(pullback(2.0), (2 * np.cos(A),))


def test_metadata_of_the_function_is_kept():
    for transform in (grad, value_and_grad, jacrev, jacfwd):
        assert transform(loss).__name__ == "loss"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_have_the_dtype_of_their_argument(dtype):
    g = grad(lambda x: np.sum(x * x * 2.0).astype(np.float64))(A.astype(dtype))
    assert g.dtype == dtype
    assert g.shape == A.shape
    value, pullback = vjp(lambda x: x.astype(np.float64) * 2, A.astype(dtype))
    assert value.dtype == np.float64
    assert pullback(np.ones_like(A))[0].dtype == dtype


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.float32(2.0), np.array(2.0)])
def test_scalars(x):
    g = grad(lambda x: x**3)(x)
    assert g.shape == ()
    assert float(g) == 12.0
    assert g.dtype == np.asarray(x).dtype


def test_a_gradient_that_is_zero():
    assert_same(grad(lambda x: 3.0)(A), np.zeros_like(A))
    assert_same(grad(lambda x: np.sum(B))(A), np.zeros_like(A))
    assert_same(grad(lambda x, y: np.sum(y), (0, 1))(A, B), (np.zeros_like(A), np.ones_like(B)))
    assert_same(grad(lambda x: np.sum(np.floor(x) + np.sign(x)))(A), np.zeros_like(A))
    assert_same(grad(lambda x: np.sum(x.astype(int)).astype(float))(A), np.zeros_like(A))


def test_the_argument_itself():
    assert_same(grad(lambda x: x)(2.0), np.asarray(1.0))
    out, pullback = vjp(lambda x: x, A)
    assert_same(out, A)
    assert_same(pullback(B), (B,))
    assert_same(jvp(lambda x: x, (A,), (B,)), (A, B))


# vjp and jvp.


def test_vjp_of_trees():
    def f(a, b):
        return {"p": a["x"] * b, "q": (a["x"] + 1.0, 5.0)}

    out, pullback = vjp(f, {"x": A}, B)
    assert_same(out, {"p": A * B, "q": (A + 1.0, 5.0)})
    ct_a, ct_b = pullback({"p": np.ones_like(A), "q": (2 * np.ones_like(A), 1.0)})
    assert_same(ct_a, {"x": B + 2.0})
    assert_same(ct_b, A)


def test_a_pullback_can_be_used_again_and_is_linear():
    _, pullback = vjp(loss, A, B)
    assert_same(pullback(1.0), pullback(1.0))
    assert_same(pullback(3.0)[0], 3 * pullback(1.0)[0])


def test_jvp_of_trees():
    def f(a, b):
        return {"p": a["x"] * b}, a["x"]

    out, tangent = jvp(f, ({"x": A}, B), ({"x": np.ones_like(A)}, 2 * np.ones_like(A)))
    assert_same(out, ({"p": A * B}, A))
    assert_same(tangent, ({"p": B + 2 * A}, np.ones_like(A)))


def test_jvp_of_constants_and_integers():
    out, tangent = jvp(lambda x: (A, np.argmax(x), np.sin(x)), (V,), (np.ones(3),))
    assert_same(tangent[0], np.zeros_like(A))
    assert_same(out[1], np.argmax(V))
    assert_same(tangent[2], np.cos(V))


def test_tangents_of_another_dtype():
    out, tangent = jvp(np.sin, (A.astype(np.float32),), (B,))
    assert out.dtype == tangent.dtype == np.float32


def test_python_scalars_as_tangents():
    assert_same(jvp(np.sin, (2.0,), (1.0,))[1], np.float64(np.cos(2.0)))


# Complex numbers.


Z = np.array([0.3 + 0.4j, -1.0 + 0.5j, 0.2 - 0.7j])


def test_the_gradient_of_a_complex_argument():
    """df/da - i df/db."""

    def f(z):
        return np.sum(np.abs(z) ** 2) + np.sum(np.real(z * z))

    g = grad(f)(Z)
    by_a = np.array([slope(f, Z, unit) for unit in np.eye(3)])
    by_b = np.array([slope(f, Z, 1j * unit) for unit in np.eye(3)])
    np.testing.assert_allclose(g, by_a - 1j * by_b, rtol=1e-7)


def test_complex_functions():
    for f in (np.exp, np.conj, lambda z: z * np.abs(z), lambda z: np.real(z) * z, np.square, lambda z: z / (1 + z)):
        check_grads(f, Z)
        check_grads(lambda x: f(x + 2j), V)


def test_a_real_argument_of_a_complex_function_has_a_real_gradient():
    g = grad(lambda x: np.sum(np.real(np.exp(1j * x))))(V)
    assert_same(g, -np.sin(V))


# Orders.


def test_higher_orders():
    f = np.sin
    for expected in (np.cos(2.0), -np.sin(2.0), -np.cos(2.0), np.sin(2.0), np.cos(2.0)):
        f = grad(f)
        assert_same(f(2.0), np.asarray(expected))


def test_higher_orders_forward_and_mixed():
    def forward(f):
        return lambda x: jvp(f, (x,), (1.0,))[1]

    for transforms in [
        (forward, forward),
        (forward, grad),
        (grad, forward),
        (forward, grad, forward),
        (grad, forward, grad),
    ]:
        f = np.sin
        for transform in transforms:
            f = transform(f)
        expected = -np.sin(2.0) if len(transforms) == 2 else -np.cos(2.0)
        assert_same(np.asarray(f(2.0)), np.asarray(expected))


def test_third_order_checks():
    check_grads(lambda x, y: np.sum(np.sin(x) * y**3), A, B, order=3)
    check_grads(lambda x: x[0] * np.exp(x[1] / x[2]), V, order=3)


def test_perturbations_are_not_confused():
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(1.0))(1.0))(5.0) == 1.0

    def forward(f):
        return lambda x: jvp(f, (x,), (1.0,))[1]

    for outer in (grad, forward):
        for inner in (grad, forward):
            assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
            assert outer(lambda x: inner(lambda y: x * y * y)(x))(3.0) == 12.0
            assert outer(lambda x: inner(lambda y: x)(1.0) + x * x)(3.0) == 6.0
    assert_same(vmap(grad(lambda x: x * grad(lambda y: x + y)(1.0)))(V), np.ones(3))


def test_gradients_through_an_inner_gradient():
    def inner_step(w, rate):
        return w - rate * grad(lambda v: np.sum(v**4))(w)

    g = grad(lambda rate: np.sum(inner_step(V, rate) ** 2))(0.1)
    expected = np.sum(2 * (V - 0.1 * 4 * V**3) * -4 * V**3)
    assert_same(g, np.asarray(expected))


def test_hessians():
    def f(x):
        return np.sum(np.sin(x)) * x[0]

    h = hessian(f)(V)
    for other in (jacrev(jacrev(f))(V), jacfwd(jacfwd(f))(V), jacrev(jacfwd(f))(V), jacrev(grad(f))(V)):
        assert_same(other, h)
    assert_same(h, h.T)
    assert_same(vmap(hessian(f))(A), np.stack([hessian(f)(x) for x in A]))


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
@pytest.mark.parametrize("chunk_size", [None, 1, 2, 100])
def test_jacobians(jacobian, chunk_size):
    def f(x, y):
        return {"a": np.sin(x) * y[0], "b": np.sum(x) * y}

    result = jacobian(f, (0, 1), chunk_size=chunk_size)(A, V)
    assert result["a"][0].shape == (2, 3, 2, 3)
    assert result["a"][1].shape == (2, 3, 3)
    assert result["b"][0].shape == (3, 2, 3)
    assert_same(result["b"][1], np.eye(3) * A.sum())
    assert_same(result["a"][1][..., 0], np.sin(A))
    assert_same(result["a"][0].reshape(6, 6), np.diag((np.cos(A) * V[0]).ravel()))


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_jacobians_with_aux_and_keywords(jacobian):
    result, aux = jacobian(lambda x, k: (x * k, "aux"), has_aux=True)(V, k=2.0)
    assert_same(result, 2 * np.eye(3))
    assert aux == "aux"
    assert jacobian(lambda x: x[:0])(V).shape == (0, 3)
    assert jacobian(lambda x: x)(np.zeros(0)).shape == (0, 0)
    assert_same(jacobian(np.square, holomorphic=True)(Z), np.diag(2 * Z))


def test_stop_gradient():
    assert_same(grad(lambda x: np.sum(stop_gradient(x) * x))(V), V)
    assert_same(jvp(lambda x: stop_gradient(x) * x, (V,), (np.ones(3),))[1], V)
    assert_same(vmap(grad(lambda x: np.sum(stop_gradient(x) * x)))(A), A)
    tree = {"a": V, "b": (2.0, "text")}
    stopped = stop_gradient(tree)
    assert_same(stopped, tree)
    assert not np.shares_memory(stopped["a"], V)
    assert_same(grad(lambda x: grad(lambda y: np.sum(stop_gradient(y) * y * x))(V) @ V)(3.0), np.asarray(V @ V))
    assert grad(lambda x: x * float(stop_gradient(x)))(3.0) == 3.0


# Branches.


def test_branches_on_values():
    def f(x):
        return x * x if x > 0 else -x

    assert grad(f)(3.0) == 6.0
    assert grad(f)(-3.0) == -1.0
    assert jvp(f, (3.0,), (1.0,))[1] == 6.0

    def countdown(x):
        n = 0
        while x > 1:
            x = x / 2
            n += 1
        return x * n

    assert grad(countdown)(6.0) == 3 / 8


def test_integers_and_masks_are_plain():
    def f(x):
        i = np.argmax(x)
        order = np.argsort(x)
        assert type(i) is not type(x)
        mask = x > 0
        return x[int(i)] * 2 + np.sum(x[mask]) + x[order][0] * 10

    assert_same(grad(f)(V), np.array([1.0, 10.0, 3.0]))


def test_one_of_several_results_used_twice():
    def f(x):
        sign, log = np.linalg.slogdet(x)
        values, _ = np.linalg.eigh(x + x.T)
        return log * log + 3 * log + np.sum(values**3) + values[0] + sign

    check_grads(f, A[:, :2] + 2 * np.eye(2))


def test_loops_over_elements():
    assert_same(grad(lambda x: sum(v * v for v in x))(V), 2 * V)
    assert_same(
        grad(lambda x: sum(x[i] * x[i - 1] for i in range(3)))(V), np.array([V[2] + V[1], V[0] + V[2], V[1] + V[0]])
    )


# Writes.


def test_writes_are_differentiated():
    def f(x):
        y = x * 1
        y[0] = x[1] * x[2]
        y[1:] *= 2
        y += x
        z = np.zeros_like(x)
        z[:2] = y[1:]
        np.multiply(z, y, out=z)
        return np.sum(z)

    check_grads(f, V)


def test_writes_to_an_argument_stay_inside():
    v = V.copy()

    def f(x):
        x[0] = x[1] ** 2
        x *= 3
        return np.sum(x)

    assert_same(grad(f)(v), np.array([0.0, 3 + 6 * V[1], 3.0]))
    assert_same(v, V)
    assert_same(jvp(f, (v,), (np.ones(3),))[1], np.float64(6 + 6 * V[1]))
    assert_same(v, V)


def test_writes_through_views_are_differentiated():
    def f(x):
        y = x.reshape(3, 2) * 1
        row = y[0]
        row[...] = row**2
        column = y[:, 1]
        y[2] = 0.0
        return np.sum(column) + np.sum(row * column[1])

    check_grads(f, A)


def test_a_constant_overwritten_after_use():
    """The derivative is that of the values used."""
    for size in (3, 10_000):
        c = np.full(size, 2.0)

        def f(x):
            y = x * c
            c[...] = 100.0
            z = y * c
            c[...] = 2.0
            return np.sum(z)

        assert_same(grad(f)(np.ones(size)), np.full(size, 200.0))
        assert_same(jvp(f, (np.ones(size),), (np.ones(size),))[1], np.float64(200.0 * size))


def test_a_constant_overwritten_before_the_pullback():
    for size in (3, 10_000):
        c = np.full(size, 2.0)
        _, pullback = vjp(lambda x: x * c, np.ones(size))
        c[...] = 100.0
        assert_same(pullback(np.ones(size))[0], np.full(size, 2.0))


def test_arguments_overwritten_before_the_pullback():
    for size in (3, 10_000):
        x = np.full(size, 2.0)
        out, pullback = vjp(lambda x: x * x * x, x)
        x[...] = 100.0
        out[...] = -1.0
        assert_same(pullback(np.ones(size))[0], np.full(size, 12.0))


def test_results_overwritten_before_the_pullback():
    out, pullback = vjp(np.exp, V)
    out[...] = 0.0
    assert_same(pullback(np.ones(3))[0], np.exp(V))
    out, pullback = vjp(lambda x: x, V)
    out[...] = 0.0
    assert_same(pullback(V)[0], V)


def test_cotangents_overwritten_afterwards():
    g = np.ones(3)
    _, pullback = vjp(lambda x: x, V)
    (ct,) = pullback(g)
    g[...] = 7.0
    assert_same(ct, np.ones(3))
    ct[...] = 9.0
    assert_same(g, np.full(3, 7.0))


def test_a_traced_constant_overwritten_after_use():
    def outer(c):
        def f(x):
            y = x * c
            c[...] = 5.0
            return np.sum(y)

        g = grad(f)(V)
        return g

    assert_same(grad(lambda c: np.sum(outer(c)))(V), np.ones(3))
    assert_same(vmap(outer)(A), A)

    def own(x):
        c = x * 2
        y = np.sin(x) * c
        c[...] = 5.0
        c *= x
        return np.sum(y + c)

    check_grads(own, V)


def test_an_integer_result_overwritten_after_use():
    """A rule may need what is handed out beside the result."""

    def f(x):
        mantissa, exponent = np.frexp(x)
        exponent[...] = 0
        return np.sum(mantissa)

    x = np.array([3.0, 10.0, 0.3])
    expected = np.array([2.0**-2, 2.0**-4, 2.0**1])
    assert_same(grad(f)(x), expected)
    assert_same(vmap(grad(f))(np.stack([x, x])), np.stack([expected, expected]))


def test_in_place_on_a_running_total():
    def f(x):
        total = np.zeros_like(x[0])
        for row in x:
            total += row * row
        return total

    assert_same(grad(f)(V), 2 * V)


def test_a_gradient_is_the_callers():
    g = grad(lambda x: np.sum(x))(V)
    g += 1
    assert_same(g, np.full(3, 2.0))
    h = grad(lambda x, y: np.sum((x + y) * V), (0, 1))(V, V)
    h[0][...] = 9.0
    assert_same(h[1], V)
    t = np.ones(3)
    _, tangent = jvp(lambda x: (x + 1, x), (V,), (t,))
    tangent[0][...] = 9.0
    assert_same(tangent[1], t)
    assert_same(t, np.ones(3))


def test_a_gradient_is_the_callers_under_vmap():
    def f(x, y):
        g, h = grad(lambda x, y: np.sum((x + y) * V), (0, 1))(x, y)
        g += 1
        h *= 2
        return g, h

    assert_same(vmap(f)(A, B), (np.stack([V + 1] * 2), np.stack([2 * V] * 2)))

    def pulled(g):
        _, pullback = vjp(lambda x: x.T, V)
        (ct,) = pullback(g)
        ct += 1
        return g, ct

    assert_same(vmap(pulled)(A), (A, A + 1))


# With vmap.


def test_per_example_gradients():
    xs = np.stack([B, B + 1, B - 1])
    expected = np.stack([grad(loss)(A, x) for x in xs])
    assert_same(vmap(grad(loss), (None, 0))(A, xs), expected)
    assert_same(grad(lambda w: np.sum(vmap(loss, (None, 0))(w, xs)))(A), expected.sum(0))
    assert_same(vmap(grad(loss), (None, 0), "sum")(A, xs), expected.sum(0))


def test_pullbacks_under_vmap():
    _, pullback = vjp(np.sin, V)
    assert_same(vmap(pullback)(np.eye(3))[0], np.diag(np.cos(V)))
    _, pullback = vjp(vmap(np.sin), A)
    assert_same(pullback(B)[0], np.cos(A) * B)


def test_an_integer_stays_plain_under_vmap_of_grad():
    assert_same(vmap(grad(lambda x: np.take(x, np.argmax(x))))(A), np.eye(3)[np.argmax(A, axis=1)])


def test_where_inside():
    def f(x):
        return np.sum(np.where(x > 0, x * x, -x))

    assert_same(vmap(grad(f))(B), np.where(B > 0, 2 * B, -1.0))


# Threads and exceptions.


def test_an_exception_leaves_nothing_running():
    def f(x):
        raise KeyError("own")

    for transform in (grad, value_and_grad, jacrev, jacfwd, hessian):
        with pytest.raises(KeyError, match="own"):
            transform(f)(V)
        assert RUNNING.get() == ()
    assert_same(grad(np.sum)(V), np.ones(3))


def test_threads():
    barrier = threading.Barrier(2, timeout=30)
    results = [[], []]

    def work(which):
        for _ in range(20):

            def f(x):
                barrier.wait()
                y = x * grad(lambda y: np.sum(np.sin(y * x)))(V + which)
                barrier.wait()
                return np.sum(y)

            results[which].append(grad(f)(V))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which in range(2):
        y = V + which  # f(x) = sum(x * x * cos(y x)), elementwise
        expected = 2 * V * np.cos(y * V) - V * V * y * np.sin(y * V)
        assert len(results[which]) == 20
        for result in results[which]:
            assert_same(result, expected)


# Gradients that are zero.


def bisection(a):
    low, high = 0.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        if middle * middle < a:
            low = middle
        else:
            high = middle
    return low


def test_a_gradient_by_comparisons_alone_is_warned_of_once():
    line = bisection.__code__.co_firstlineno + 4
    with pytest.warns(
        ZeroGradientWarning, match=rf"grad\(bisection\): the gradient is zero: .* at test_grad.py:{line} "
    ) as found:
        for _ in range(3):
            assert grad(bisection)(2.0) == 0.0
    assert len(found) == 1 and found[0].filename == __file__
    for fun in (
        lambda x: np.argmax(x * x) * 1.0,
        lambda x: float(np.sum(x > 1)),
        lambda x: 1.0 if x[0] > 0 else 2.0,
    ):
        with pytest.warns(ZeroGradientWarning):
            grad(fun)(np.array([1.0, 2.0]))
    with pytest.warns(ZeroGradientWarning):
        jit(vmap(grad(lambda x: np.where(x > 0, 1.0, 2.0))))(np.array([1.0, 2.0]))


def test_other_gradients_that_are_zero_are_not_warned_of():
    def two(x, y):
        return x * x if y > 0 else x

    assert grad(lambda x: 3.0)(1.0) == 0
    assert grad(lambda x: np.where(x > 0, x, 0.0))(-1.0) == 0
    assert grad(lambda x: np.floor(x))(1.5) == 0
    assert grad(lambda x: stop_gradient(x) * 1.0)(1.5) == 0
    assert [float(g) for g in grad(two, argnums=(0, 1))(2.0, 1.0)] == [4.0, 0.0]


def test_comparisons_where_no_transform_runs():
    """In a thread that a function starts, and in functions that SciPy calls on plain values."""

    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: np.where(x > 1, x, 2 * x)).result()

    assert grad(f)(3.0) == 1.0 and grad(f)(0.5) == 2.0


def test_rows_that_are_scalars_are_no_arrays_to_grad_either():
    def f(x0):
        x = x0
        x -= 1  # of a scalar, another one
        return x * x0

    x = np.array([2.0, 3.0])
    values, slopes = vmap(value_and_grad(f))(x)
    assert_same(values, np.stack([f(v) for v in x]))
    assert_same(slopes, 2 * x - 1)
