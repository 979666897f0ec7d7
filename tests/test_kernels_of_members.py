"""Kernels of convolutions that do all members of a tile in one call, against the primitives."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_kernels import close
from vmapcore.cpu import convolutions
from vmapcore.planning.plan_primitives import conv_block
from vmapcore.rules import conv as rules
from vmapcore.rules import pooling


class Call(NamedTuple):
    """What a kernel of a tile reads of a step."""

    primitive: Any
    params: dict[str, Any]
    outputs: list[Any]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_members(dtype, data):
    """All members of a tile, with variants of weights, groups, and images innermost, outermost or neither."""
    draw = data.draw
    members, groups, images = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.sampled_from([1, 3, 8]))
    variants = draw(st.sampled_from([(), (2,)]))
    channels, height = draw(st.integers(1, 4)), draw(st.integers(2, 7))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2)) for _ in kernel]))
    params = {"stride": (draw(st.integers(1, 2)), 1), "padding": padding, "dilation": (1, 1), "groups": groups}
    size = tuple(k + draw(st.integers(1, 8)) for k in kernel)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    lies = draw(st.lists(st.sampled_from(["innermost", "outermost", "neither"]), min_size=2, max_size=2))

    def images_of(how, *shape):
        a = rng.standard_normal((members, *shape)).astype(dtype)
        if how == "innermost":
            return np.ascontiguousarray(np.moveaxis(a, 1, -1)).transpose(0, 4, 1, 2, 3)
        return a if how == "outermost" else np.repeat(a, 2, axis=2)[:, :, ::2]

    x = images_of(lies[0], images, groups * channels, *size)
    w = rng.standard_normal((members, *variants, groups * height, channels, *kernel)).astype(dtype)
    b = rng.standard_normal((members, *variants, groups * height, 1, 1, 1)).astype(dtype)
    xs = x[:, None] if variants else x
    expected = rules.conv(xs.astype(np.float64), w.astype(np.float64), **params)
    g = images_of(lies[1], images, *expected.shape[-3:])
    gs = np.broadcast_to(g[:, None], expected.shape) if variants else g

    def run(kind, primitive, *arrays, out=None, **more):
        step = Call(primitive, params | more, [np.empty(0, dtype)])
        kernel, workspace = kind(step, "k"), {}
        kernel(workspace, out, *arrays)
        return kernel(workspace, out, *arrays)

    close(run(convolutions.Forward, rules.conv, xs, w), expected, dtype)
    biased = expected + b.astype(np.float64)[..., None, :, :, :, 0]
    close(run(convolutions.Forward, rules.conv, xs, w, b), biased, dtype)
    two_by_two = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0),) * 2, "dilation": (1, 1)}
    if min(expected.shape[-2:]) > 1:
        block = run(convolutions.Forward, conv_block, xs, w, b, rectified=True, pooled=True)
        close(block, np.maximum(pooling.max_pool.eval(np, biased, **two_by_two), 0), dtype)
    made = run(convolutions.InputGrad, rules.conv_input_grad, gs, w, size=size)
    back = rules.conv_input_grad(gs.astype(np.float64), w.astype(np.float64), size=size, **params)
    close(made, back, dtype)
    made = run(convolutions.WeightGrad, rules.conv_weight_grad, x, g, kernel=kernel)
    back = rules.conv_weight_grad(x.astype(np.float64), g.astype(np.float64), kernel=kernel, **params)
    close(made, back, dtype)
