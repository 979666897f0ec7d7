"""Pooling: against loops over windows and, where installed, torch; ties, NaN, infinities; tiles; empty ones; errors."""

import itertools
import re

import numpy as np
import pytest

from vmapcore import grad, jvp, vjp, vmap
from vmapcore.errors import VmapcoreError
from vmapcore.rules import pooling as rules
from vmapcore.rules.pooling import avg_pool2d, max_pool1d, max_pool2d

from . import windows
from .together import together

SIZE = (9, 8, 7)
OPTIONS = list(itertools.product((2, 3), (None, 1, 2, 3), (0, 1), (1, 2)))


@pytest.fixture(params=["whole", "cut"])
def tiles(request, monkeypatch):
    """Everything in one tile, and tiles of a few items."""
    if request.param == "cut":
        monkeypatch.setattr(rules, "TILE", 2500)


def with_ties(rng, *shape):
    """Values of which many are equal, as after relu."""
    return np.maximum(rng.integers(-2, 3, shape), 0).astype(np.float64)


@pytest.mark.parametrize("axes", [1, 2])
@together("options", OPTIONS)
def test_max_pool_is_the_loop(rng, tiles, axes, options):
    """Values, cotangents and tangents; the first maximum in reading order has the derivative."""
    pool = getattr(rules, f"max_pool{axes}d")
    kernel, stride, padding, dilation = options
    given = {"kernel": (kernel,) * axes, "stride": stride, "padding": padding, "dilation": dilation}
    x = with_ties(rng, 2, 3, *SIZE[:axes])
    out, pullback = vjp(lambda x: pool(x, *options), x)
    np.testing.assert_array_equal(out, windows.max_pool(x, **given))
    g, t = rng.standard_normal(out.shape), rng.standard_normal(x.shape)
    np.testing.assert_allclose(pullback(g)[0], windows.max_pool_scatter(g, x, **given), atol=1e-12)
    _, tangent = jvp(lambda x: pool(x, *options), (x,), (t,))
    np.testing.assert_array_equal(tangent, windows.max_pool_gather(t, x, **given))


@pytest.mark.parametrize("count_include_pad", [True, False])
@together("window", [o[:3] for o in OPTIONS if o[3] == 1])
def test_avg_pool_is_the_loop(rng, tiles, window, count_include_pad):
    kernel, stride, padding = window
    options = (kernel, stride, padding, False, count_include_pad)
    given = {"kernel": (kernel,) * 2, "stride": stride, "padding": padding, "count_include_pad": count_include_pad}
    x = rng.standard_normal((2, 3, *SIZE[:2]))
    out, pullback = vjp(lambda x: avg_pool2d(x, *options), x)
    np.testing.assert_allclose(out, windows.avg_pool(x, **given), atol=1e-12)
    g = rng.standard_normal(out.shape)
    np.testing.assert_allclose(np.vdot(pullback(g)[0], x), np.vdot(g, out))


def test_ties_go_to_the_first():
    x = np.array([[1.0, 2.0], [2.0, 2.0]])
    assert grad(lambda x: max_pool2d(x, 2).sum())(x).tolist() == [[0, 1], [0, 0]]
    assert grad(lambda x: max_pool2d(x, 2, stride=1, padding=1).sum())(np.zeros((1, 1))).tolist() == [[4]]


def test_nan_propagates():
    x = np.array([1.0, np.nan, 3.0, 4.0, 5.0, np.nan])
    np.testing.assert_array_equal(max_pool1d(x, 2), [np.nan, 4, np.nan])
    np.testing.assert_array_equal(max_pool1d(x, 3, stride=3), [np.nan, np.nan])
    dx = grad(lambda x: (max_pool1d(x, 2) * np.array([1.0, 2.0, 3.0])).sum())(x)
    assert dx.reshape(3, 2).sum(1).tolist() == [1, 2, 3]  # nothing of the cotangent is lost


def test_padding_is_never_chosen():
    """Not even where everything else is -inf, or a negative integer."""
    x = np.full((3, 3), -np.inf)
    out, pullback = vjp(lambda x: max_pool2d(x, 3, stride=2, padding=1), x)
    assert (out == -np.inf).all()
    assert pullback(np.ones((2, 2)))[0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert max_pool2d(np.full((2, 2), -7), 2, padding=1).tolist() == [[-7, -7], [-7, -7]]
    assert max_pool2d(np.full((2, 2), -128, np.int8), 2, padding=1).tolist() == [[-128, -128], [-128, -128]]


def test_infinite_cotangents_stay_where_they_are():
    x = np.array([1.0, 2.0, 4.0, 3.0])
    _, pullback = vjp(lambda x: max_pool1d(x, 2), x)
    assert pullback(np.array([np.inf, 1.0]))[0].tolist() == [0, np.inf, 1, 0]
    _, tangent = jvp(lambda x: max_pool1d(x, 2), (x,), (np.array([np.inf, 1.0, 1.0, np.nan]),))
    assert tangent.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.int8, np.uint8, np.int64, bool])
def test_dtypes(rng, dtype):
    x = rng.integers(0, 2 if dtype is bool else 100, (2, 6, 6)).astype(dtype)
    out = max_pool2d(x, (2, 3), padding=(1, 1))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, windows.max_pool(x, kernel=(2, 3), padding=1))
    mean = avg_pool2d(x, 2)
    assert mean.dtype == (dtype if np.issubdtype(dtype, np.floating) else np.float64)
    np.testing.assert_allclose(mean, x.reshape(2, 3, 2, 3, 2).mean((2, 4)), rtol=1e-3 if dtype is np.float16 else 1e-6)
    if np.issubdtype(dtype, np.floating):
        g = np.ones_like(out)
        (dx,) = vjp(lambda x: max_pool2d(x, (2, 3), padding=(1, 1)), x)[1](g)
        assert dx.dtype == dtype
        np.testing.assert_array_equal(dx, windows.max_pool_scatter(g, x, kernel=(2, 3), padding=1))


def test_sums_of_half_precision_do_not_overflow():
    x = np.full((4, 4), 60000, np.float16)
    np.testing.assert_array_equal(avg_pool2d(x, 2), np.full((2, 2), 60000, np.float16))


def test_leading_axes(rng, tiles):
    """Any number of them, none too, and any layout; vmap over any axis is the loop."""
    x = rng.standard_normal((2, 3, 4, 6, 6))
    expected = windows.max_pool(x, kernel=(2, 2))
    for given in (x, np.asfortranarray(x), x[::-1, :, ::-1][::-1, :, ::-1]):
        np.testing.assert_array_equal(max_pool2d(given, 2), expected)
    np.testing.assert_array_equal(max_pool2d(x[0, 0, 0], 2), expected[0, 0, 0])
    moved = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(vmap(lambda x: max_pool2d(x, 2), in_axes=-1, out_axes=1)(moved), expected)
    np.testing.assert_allclose(
        vmap(grad(lambda x: (max_pool2d(x, 3, 1) ** 2).sum()))(x),
        [grad(lambda x: (max_pool2d(x, 3, 1) ** 2).sum())(one) for one in x],
    )


def test_jacobian_with_a_shared_input(rng):
    """Cotangents are mapped, x is not."""
    x = rng.standard_normal((4, 4))
    out, pullback = vjp(lambda x: max_pool2d(x, 2), x)
    basis = np.eye(4).reshape(4, 2, 2)
    rows = vmap(lambda g: pullback(g)[0])(basis)
    np.testing.assert_allclose((rows * x).sum((1, 2)), out.ravel())


def test_the_way_of_a_gpu(rng, tiles):
    xp = windows.Elsewhere()
    x = with_ties(rng, 5, 4, 6, 6)
    window = {"kernel": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 1))}
    out = rules.max_pool.eval(xp, x, dilation=(1, 1), **window)
    np.testing.assert_array_equal(out, rules.max_pool(x, dilation=(1, 1), **window))
    for made, t in ((rules.max_pool_scatter, out), (rules.max_pool_gather, -x)):
        moved = made.eval(xp, t, x, out, dilation=(1, 1), **window)
        np.testing.assert_array_equal(moved, made(t, x, out, dilation=(1, 1), **window))
    mean = rules.avg_pool.eval(xp, x, counted=((0, 0), (0, 0)), **window)
    np.testing.assert_array_equal(mean, rules.avg_pool(x, counted=((0, 0), (0, 0)), **window))


def test_nothing(rng):
    assert max_pool2d(np.ones((0, 3, 4, 4)), 2).shape == (0, 3, 2, 2)
    assert avg_pool2d(np.ones((2, 0, 4, 4)), 2).shape == (2, 0, 2, 2)
    assert grad(lambda x: max_pool2d(x, 2).sum())(np.ones((0, 4, 4))).shape == (0, 4, 4)
    assert vmap(lambda x: avg_pool2d(x, 2))(np.ones((0, 4, 4))).shape == (0, 2, 2)


X = np.ones((2, 4, 4))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: max_pool2d(X[0, 0], 2), "max_pool2d: x is f64[4]; it must have at least 2 axes"),
        (
            lambda: max_pool2d(X, 5),
            "max_pool2d: the window reaches over (5, 5), the array with its padding has spatial",
        ),
        (lambda: max_pool2d(X, 0), "max_pool2d: kernel_size is 0; it must be at least 1"),
        (lambda: max_pool2d(X, (2, 2, 2)), "max_pool2d: kernel_size is (2, 2, 2); it must be an int or 2 of them"),
        (lambda: max_pool2d(X, 2, stride=0), "max_pool2d: stride is 0; it must be at least 1"),
        (
            lambda: max_pool2d(X, 2, padding=2),
            "max_pool2d: padding is 2 for a window (2, 2) over f64[2,4,4]; every window",
        ),
        (lambda: max_pool2d(X[:, :1, :1], 2, padding=1, dilation=2), "every window must have an element of x"),
        (lambda: max_pool2d(X[:, :0], 1), "max_pool2d: the window reaches over (1, 1)"),
        (lambda: max_pool2d(X + 1j, 2), "max_pool2d: x is c128[2,4,4]; a maximum needs real numbers"),
        (lambda: avg_pool2d(X.astype(object), 2), "avg_pool2d: x is object[2,4,4]; a mean needs numbers"),
        (
            lambda: rules.avg_pool_spread(X, size=(9,), kernel=(2,), stride=(2,), padding=((1, 1),), counted=((0, 0),)),
            "avg_pool_spread: the arguments have (4,) where they need (5,)",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(VmapcoreError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("axes", [1, 2, 3])
@together("options", OPTIONS)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_like_torch(rng, axes, options, ceil_mode):
    kernel, stride, padding, dilation = options
    functional = pytest.importorskip("torch").nn.functional
    x = with_ties(rng, 2, 2, *SIZE[:axes])
    options = [("max", (kernel, stride, padding, dilation, ceil_mode))]
    if dilation == 1:
        options += [("avg", (kernel, stride, padding, ceil_mode, counted)) for counted in (True, False)]
    for kind, given in options:
        like_torch(functional, rng, f"{kind}_pool{axes}d", x, given)


def like_torch(functional, rng, name, x, options):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(functional, name)(tensor, *options)
    ours, pullback = vjp(lambda x: getattr(rules, name)(x, *options), x)
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-12)
    g = rng.standard_normal(ours.shape)
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(pullback(g)[0], tensor.grad, atol=1e-12)
