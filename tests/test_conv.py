"""Convolution: against loops over results and, where installed, torch; how operands are shared; empty ones; errors."""

import itertools
import re

import numpy as np
import pytest

from vmapcore import grad, jvp, value_and_grad, vjp, vmap
from vmapcore.errors import VmapcoreError
from vmapcore.evals import patches
from vmapcore.rules import conv as rules
from vmapcore.rules.conv import conv1d, conv2d, conv3d, conv_transpose2d

from . import windows
from .together import together

CONV = {1: conv1d, 2: conv2d, 3: conv3d}
SPATIAL, KERNEL = (7, 6, 5), (3, 2, 2)


def params(axes, stride=1, padding=0, dilation=1, groups=1):
    each = [(v,) * axes for v in (stride, (padding, padding), dilation)]
    return {"stride": each[0], "padding": each[1], "dilation": each[2], "groups": groups}


def normal(rng, *shape, dtype=np.float64):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape)).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


@pytest.fixture(params=["whole", "cut"])
def blocks(request, monkeypatch):
    """Everything in one block, and blocks of a few images and rows."""
    if request.param == "cut":
        monkeypatch.setattr(patches, "BLOCK", 1 << 10)
        monkeypatch.setattr(patches, "BLOCK_OF_EIGHT", 1 << 11)
        monkeypatch.setattr(patches, "MOST_IMAGES", 3)


OPTIONS = list(itertools.product((1, 2), (0, 1), (1, 2), (1, 2)))


@pytest.mark.parametrize("axes", [1, 2, 3])
@together("options", OPTIONS)
def test_it_is_the_loop(rng, blocks, axes, options):
    """The convolution and both transposes, in one block and in several."""
    x = normal(rng, 7, 4, *SPATIAL[:axes])
    w = normal(rng, 4, 4 // options[3], *KERNEL[:axes])
    out = CONV[axes](x, w, None, *options)
    np.testing.assert_allclose(out, windows.conv(x, w, None, *options), atol=1e-12)
    g = normal(rng, *out.shape)
    given = params(axes, *options)
    dx = rules.conv_input_grad(g, w, size=x.shape[2:], **given)
    np.testing.assert_allclose(dx, windows.conv_input_grad(g, w, x.shape[2:], *options), atol=1e-12)
    dw = rules.conv_weight_grad(x, g, kernel=w.shape[2:], **given)
    np.testing.assert_allclose(dw, windows.conv_weight_grad(x, g, w.shape[2:], *options), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, np.complex128, np.int32, np.uint8])
def test_dtypes(rng, dtype):
    x, w = (normal(rng, 2, 3, 5, 4) * 2).astype(dtype), (normal(rng, 4, 3, 2, 3) * 2).astype(dtype)
    out = conv2d(x, w)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, windows.conv(x, w), rtol=1e-5, atol=0.1 if dtype == np.float16 else 1e-5)


def test_mixed_dtypes(rng):
    x, w, b = normal(rng, 1, 2, 4, 4, dtype=np.float32), normal(rng, 3, 2, 2, 2), np.arange(3)
    assert conv2d(x, w).dtype == np.float64
    assert conv2d(x, w.astype(np.float32), b).dtype == np.float64  # as float32 + int64
    dx, dw = grad(lambda x, w: conv2d(x, w, b).sum(), argnums=(0, 1))(x, w)
    assert dx.dtype == np.float32
    assert dw.dtype == np.float64


def test_any_memory_layout(rng, blocks):
    x, w = normal(rng, 6, 5, 7, 3).transpose(0, 3, 1, 2), normal(rng, 3, 2, 3, 4)[::-1].transpose(3, 2, 0, 1)
    w = w[:, [0, 1, 1]][:, ::-1]
    np.testing.assert_allclose(conv2d(x, w, padding=1), windows.conv(x, w, padding=1), atol=1e-12)


def test_arguments_may_be_lists():
    assert conv1d([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0]]], [1.0]).tolist() == [[[4.0, 6.0]]]


@pytest.mark.parametrize("images", [1, 2, 5, 40])
def test_results_are_writable_and_arguments_kept(rng, images):
    x, w, b = normal(rng, images, 2, 6, 6), normal(rng, 3, 2, 3, 3), normal(rng, 3)
    before = x.copy(), w.copy(), b.copy()
    out = conv2d(x, w, b, padding=1)
    out[...] = 0
    for a, a_before in zip((x, w, b), before, strict=True):
        np.testing.assert_array_equal(a, a_before)


# Leading axes and what shared operands cost.


LEADS = [
    ((3,), ()),
    ((), (3,)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (2, 1)),
    ((2, 1), (3,)),
    ((2, 3), (2, 1)),
    ((2, 1, 3), (2, 2, 1)),
    ((1, 3), (2, 3)),
    ((1,), (3,)),
    ((0,), ()),
    ((), (0,)),
    ((0,), (0,)),
    ((2, 0), (2, 1)),
]


@pytest.mark.parametrize(("lead_x", "lead_w"), LEADS)
@pytest.mark.parametrize("groups", [1, 2])
def test_leading_axes_broadcast(rng, blocks, lead_x, lead_w, groups):
    """Axes of both operands, of one alone, in any order."""
    x, w = normal(rng, *lead_x, 3, 4, 5, 4), normal(rng, *lead_w, 4, 4 // groups, 2, 3)
    lead = np.broadcast_shapes(lead_x, lead_w)
    xs, ws = np.broadcast_to(x, lead + x.shape[-4:]), np.broadcast_to(w, lead + w.shape[-4:])
    given = params(2, groups=groups, padding=1)
    every = list(np.ndindex(*lead))

    def like_loop(out, one, *operands):
        expected = [one(*[a[i] for a in operands]) for i in every]
        assert out.shape[: len(lead)] == lead
        if expected:
            np.testing.assert_allclose(out, np.reshape(expected, out.shape), atol=1e-12)

    out = rules.conv(x, w, **given)
    like_loop(out, lambda x, w: windows.conv(x, w, None, 1, 1, 1, groups), xs, ws)
    g = normal(rng, *lead_x, *out.shape[len(lead) :])
    gs = np.broadcast_to(g, lead + g.shape[-4:])
    dx = rules.conv_input_grad(g, w, size=(5, 4), **given)
    like_loop(dx, lambda g, w: windows.conv_input_grad(g, w, (5, 4), 1, 1, 1, groups), gs, ws)
    g = normal(rng, *lead_w, *out.shape[len(lead) :])
    gs = np.broadcast_to(g, lead + g.shape[-4:])
    dw = rules.conv_weight_grad(x, g, kernel=(2, 3), **given)
    like_loop(dw, lambda x, g: windows.conv_weight_grad(x, g, (2, 3), 1, 1, 1, groups), xs, gs)


@together("lead_b", [(), (3,), (2, 1), (2, 3), (4, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize(("lead_x", "lead_w"), [((), ()), ((2, 3), (3,)), ((3,), (2, 1)), ((2, 3), (2, 3))])
@pytest.mark.parametrize("kernel", [(2, 2), (1, 1)])
def test_leading_axes_of_a_bias(rng, blocks, lead_x, lead_w, lead_b, kernel):
    x, w, b = normal(rng, *lead_x, 2, 4, 3, 4), normal(rng, *lead_w, 2, 2, *kernel), normal(rng, *lead_b, 2, 1, 1, 1)
    given = params(2, groups=2)
    without = rules.conv(x, w, **given)
    np.testing.assert_allclose(rules.conv(x, w, b, **given), without + np.swapaxes(b, -4, -3), atol=1e-12)


@pytest.fixture
def columns(monkeypatch):
    """The shapes of images that patches were copied from."""
    seen = []
    copy = patches._columns

    def noting(xp, laid, *args):
        seen.append(laid.shape)
        return copy(xp, laid, *args)

    monkeypatch.setattr(patches, "_columns", noting)
    return seen


def test_a_shared_input_is_copied_once(rng, columns):
    x, w = normal(rng, 2, 3, 5, 5), normal(rng, 7, 4, 3, 2, 2)
    out = vmap(conv2d, in_axes=(None, 0))(x, w)
    assert [np.prod(shape) for shape in columns] == [x.size]
    np.testing.assert_allclose(out, [windows.conv(x, v) for v in w], atol=1e-12)


def test_a_stretched_operand_is_shared(rng, columns):
    """What np.broadcast_to repeats is not computed again."""
    x, w = normal(rng, 2, 3, 5, 5), normal(rng, 7, 4, 3, 2, 2)
    out = vmap(conv2d)(np.broadcast_to(x, (7, *x.shape)), w)
    assert [np.prod(shape) for shape in columns] == [x.size]
    np.testing.assert_allclose(out, [windows.conv(x, v) for v in w], atol=1e-12)
    same = vmap(conv2d)(np.broadcast_to(x, (3, *x.shape)), np.broadcast_to(w[0], (3, *w[0].shape)))
    np.testing.assert_allclose(same, [windows.conv(x, w[0])] * 3, atol=1e-12)


@pytest.fixture
def applied(monkeypatch):
    """The primitives that ran on arrays, with the ranks of what they got."""
    seen = []

    def note(made):
        run = made.eval

        def noting(xp, *args, **options):
            seen.append((made.name, *[a.ndim for a in args]))
            return run(xp, *args, **options)

        monkeypatch.setattr(made, "eval", noting)

    for made in (rules.conv, rules.conv_input_grad, rules.conv_weight_grad):
        note(made)
    return seen


def test_cotangents_of_shared_operands_are_sums_that_fold(rng, applied):
    """No cotangent of one member is made to be summed afterwards."""
    xs, w = normal(rng, 5, 2, 4, 4, 4), normal(rng, 4, 2, 3, 3)

    def of_shared_weights(w):
        return (vmap(lambda x: conv2d(x, w, groups=2))(xs) ** 2).sum()

    dw = grad(of_shared_weights)(w)
    assert applied[1:] == [("conv_weight_grad", 4, 4)]
    expected = sum(grad(lambda w, x: (conv2d(x, w, groups=2) ** 2).sum())(w, x) for x in xs)
    np.testing.assert_allclose(dw, expected, atol=1e-10)
    applied.clear()
    x, ws = xs[0], normal(rng, 5, 4, 2, 3, 3)

    def of_a_shared_input(x):
        return (vmap(lambda w: conv2d(x, w, groups=2))(ws) ** 2).sum()

    dx = grad(of_a_shared_input)(x)
    assert applied[1:] == [("conv_input_grad", 4, 4)]
    expected = sum(grad(lambda x, w: (conv2d(x, w, groups=2) ** 2).sum())(x, w) for w in ws)
    np.testing.assert_allclose(dx, expected, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2])
def test_second_derivatives_of_shared_operands(rng, groups):
    """Through every way in which a sum folds: into images, into output and into input channels."""
    xs, ws = normal(rng, 3, 2, 4, 4), normal(rng, 2, 4, 4 // groups, 2)

    def loss(xs, ws):
        outs = vmap(vmap(lambda x, w: conv1d(x, w, groups=groups), in_axes=(None, 0)), in_axes=(0, None))(xs, ws)
        return (outs**3).sum()

    def loop(xs, ws):
        return sum((conv1d(x, w, groups=groups) ** 3).sum() for x in xs for w in ws)

    along = normal(rng, *xs.shape), normal(rng, *ws.shape)
    both = grad(loss, argnums=(0, 1)), grad(loop, argnums=(0, 1))
    (first, second), (expected, expected_second) = [jvp(f, (xs, ws), along) for f in both]
    for a, b in zip(first + second, expected + expected_second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    twice = [grad(lambda x, w, f=f: (f(x, w)[0] ** 2).sum() + (f(x, w)[1] ** 2).sum(), argnums=(0, 1)) for f in both]
    for a, b in zip(twice[0](xs, ws), twice[1](xs, ws), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_members_in_ensembles(rng):
    """vmap over stacked weights, inputs shared or not, equals the members; so do gradients, per sample too."""
    w1, b1, w2 = normal(rng, 3, 4, 1, 3, 3), normal(rng, 3, 4), normal(rng, 3, 2, 4, 2, 2)
    x = normal(rng, 5, 1, 6, 6)

    def loss(w1, b1, w2, x):
        return (conv2d(np.maximum(conv2d(x, w1, b1), 0), w2, stride=2) ** 2).sum()

    for in_x, x_of in ((None, lambda i: x), (0, lambda i: xs[i])):
        xs = np.stack([x, x + 1, x - 1])
        given = x if in_x is None else xs
        out, grads = vmap(value_and_grad(loss, argnums=(0, 1, 2)), in_axes=(0, 0, 0, in_x))(w1, b1, w2, given)
        for i in range(3):
            expected, expected_grads = value_and_grad(loss, argnums=(0, 1, 2))(w1[i], b1[i], w2[i], x_of(i))
            np.testing.assert_allclose(out[i], expected)
            for a, b in zip(grads, expected_grads, strict=True):
                np.testing.assert_allclose(a[i], b, atol=1e-10)
    per_sample = vmap(grad(loss, argnums=(0, 1, 2)), in_axes=(None, None, None, 0))(w1[0], b1[0], w2[0], x)
    for i in range(5):
        for a, b in zip(per_sample, grad(loss, argnums=(0, 1, 2))(w1[0], b1[0], w2[0], x[i]), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-10)


def test_transposes(rng):
    """<conv(x, w), g> is <x, conv_input_grad(g, w)> and <w, conv_weight_grad(x, g)>, in float32 of a real size."""
    x, w = normal(rng, 3, 16, 30, 30, dtype=np.float32), normal(rng, 8, 16, 3, 3, dtype=np.float32)
    out = conv2d(x, w, stride=2, padding=1)
    g = normal(rng, *out.shape, dtype=np.float32)
    given = params(2, stride=2, padding=1)
    value = np.vdot(out, g)
    np.testing.assert_allclose(np.vdot(x, rules.conv_input_grad(g, w, size=(30, 30), **given)), value, rtol=1e-4)
    np.testing.assert_allclose(np.vdot(w, rules.conv_weight_grad(x, g, kernel=(3, 3), **given)), value, rtol=1e-4)


@pytest.mark.parametrize("kernel", [(3, 2), (1, 1)])
def test_the_way_of_a_gpu(rng, kernel):
    xp = windows.Elsewhere()
    x, w, b = normal(rng, 3, 5, 4, 6, 5), normal(rng, 3, 4, 2, *kernel), normal(rng, 4, 1, 1, 1)
    given = params(2, padding=kernel[1] - 1, groups=2)
    out = rules.conv(x, w, b, **given)
    np.testing.assert_allclose(rules.conv.eval(xp, x, w, b, **given), out, atol=1e-12)
    dx = rules.conv_input_grad(out, w, size=(6, 5), **given)
    np.testing.assert_allclose(rules.conv_input_grad.eval(xp, out, w, size=(6, 5), **given), dx, atol=1e-12)
    dw = rules.conv_weight_grad(x, out, kernel=kernel, **given)
    np.testing.assert_allclose(rules.conv_weight_grad.eval(xp, x, out, kernel=kernel, **given), dw, atol=1e-12)


# Nothing at all.


def test_no_images(rng):
    x, w, b = np.zeros((0, 2, 5, 5)), normal(rng, 3, 2, 3, 3), normal(rng, 3)
    assert conv2d(x, w, b).shape == (0, 3, 3, 3)
    dx, dw, db = grad(lambda x, w, b: conv2d(x, w, b).sum(), argnums=(0, 1, 2))(x, w, b)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros_like(w))
    np.testing.assert_array_equal(db, np.zeros_like(b))


def test_no_members(rng):
    x, w = normal(rng, 2, 2, 5, 5), np.zeros((0, 3, 2, 3, 3))
    assert vmap(conv2d, in_axes=(None, 0))(x, w).shape == (0, 2, 3, 3, 3)
    _, pullback = vjp(lambda x: vmap(conv2d, in_axes=(None, 0))(x, w), x)
    (dx,) = pullback(np.zeros((0, 2, 3, 3, 3)))
    np.testing.assert_array_equal(dx, np.zeros_like(x))


def test_no_channels():
    assert conv2d(np.ones((1, 0, 3, 3)), np.ones((2, 0, 2, 2))).tolist() == np.zeros((1, 2, 2, 2)).tolist()
    assert conv2d(np.ones((1, 2, 3, 3)), np.ones((0, 2, 2, 2)), np.ones(0)).shape == (1, 0, 2, 2)


# Errors.


X, W = np.ones((1, 4, 5, 5), np.float32), np.ones((6, 4, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: conv2d(np.ones((5, 5)), W), "conv2d: x is f64[5,5]; it must have 3 axes"),
        (lambda: conv2d(X, W[0]), "conv2d: w is f32[4,3,3]; it must have 4 axes"),
        (lambda: conv2d(X, W[:, :3]), "has 4 channels; w is f32[6,3,3,3] with groups=1, which takes 3"),
        (
            lambda: conv2d(X, W[:3, :2], groups=2),
            "w is f32[3,2,3,3], so it makes 3 channels; groups=2 must divide them",
        ),
        (lambda: conv2d(X, W, groups=0), "conv2d: groups is 0; it must be at least 1"),
        (
            lambda: conv2d(X, W, dilation=3),
            "the window reaches over (7, 7), the array with its padding has spatial axes",
        ),
        (lambda: conv2d(X, W, stride=0), "conv2d: stride is 0; it must be at least 1"),
        (lambda: conv2d(X, W, stride=1.5), "conv2d: stride is 1.5; it must be an int or 2 of them"),
        (lambda: conv2d(X, W, stride=(1, 1, 1)), "conv2d: stride is (1, 1, 1); it must be an int or 2 of them"),
        (lambda: conv2d(X, W, padding=-1), "conv2d: padding is -1; it must be at least 0"),
        (lambda: conv2d(X, W, padding="full"), "conv2d: padding is 'full'; as a word it must be"),
        (lambda: conv2d(X, W, padding="same", stride=2), 'conv2d: padding is "same" with stride (2, 2)'),
        (lambda: conv2d(X, W, padding=((1, 1), 1)), "conv2d: padding is ((1, 1), 1); it must be an int"),
        (lambda: conv2d(X, W, np.ones(4)), "conv2d: b is f64[4]; it must have one number for each of the 6"),
        (lambda: conv2d(X > 0, W), "conv2d: x is bool[1,4,5,5]; it must hold numbers"),
        (lambda: conv2d(X, W[:, :, :0]), "its kernel must have at least one element"),
        (lambda: conv_transpose2d(X, W), "x is f32[1,4,5,5], so it has 4 channels; w is f32[6,4,3,3], it takes 6"),
        (lambda: conv_transpose2d(X, W[:4], output_padding=1), "output_padding is (1, 1) with stride (1, 1)"),
        (lambda: conv_transpose2d(X, W[:4], padding=5), "the result would have spatial axes of lengths (-3, -3)"),
        (lambda: rules.conv_weight_grad(X, X, kernel=(2, 2), **params(2)), "the arguments have"),
        (lambda: vmap(conv2d, in_axes=(0, None))(X[None, None], W), "conv2d: x is f32[1,1,4,5,5]; it must have 3 axes"),
    ],
)
def test_errors(call, text):
    with pytest.raises(VmapcoreError, match=re.escape(text)):
        call()


# torch.


@pytest.mark.parametrize("axes", [1, 2, 3])
@together("options", OPTIONS)
def test_like_torch(rng, axes, options):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    stride, padding, dilation, groups = options
    x, w = normal(rng, 2, 4, *SPATIAL[:axes]), normal(rng, 6, 4 // groups, *KERNEL[:axes])
    b = normal(rng, 6)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    theirs = getattr(functional, f"conv{axes}d")(*tensors, *options)
    ours, pullback = vjp(lambda x, w, b: CONV[axes](x, w, b, *options), x, w, b)
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-12)
    g = normal(rng, *ours.shape)
    theirs.backward(torch.tensor(g))
    for a, tensor in zip(pullback(g), tensors, strict=True):
        np.testing.assert_allclose(a, tensor.grad, atol=1e-12)
    w, b = normal(rng, 4, 3, *KERNEL[:axes]), normal(rng, 3 * groups)
    given = (stride, padding, stride - 1, groups, dilation)
    theirs = getattr(functional, f"conv_transpose{axes}d")(torch.tensor(x), torch.tensor(w), torch.tensor(b), *given)
    ours = getattr(rules, f"conv_transpose{axes}d")(x, w, b, *given)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_same_like_torch(rng):
    torch = pytest.importorskip("torch")
    x, w = normal(rng, 2, 1, 7, 6), normal(rng, 3, 1, 4, 3)
    theirs = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), padding="same", dilation=(1, 2))
    np.testing.assert_allclose(conv2d(x, w, padding="same", dilation=(1, 2)), theirs, atol=1e-12)
