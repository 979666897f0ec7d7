"""Rows for vmapcore/rules/conv.py; the loops they must equal are in tests/windows.py."""

from vmapcore.rules import conv as rules

from .. import windows
from . import row


def conv(name, kind, *args, options=None, **more):
    """A row for conv1d, conv2d or conv3d."""
    options = options or {}
    return row(name, getattr(rules, kind), *args, params=options, loop=windows.conv, **more)


def transposed(name, kind, *args, options=None, **more):
    return row(name, getattr(rules, kind), *args, params=options or {}, loop=windows.conv_transpose, **more)


def params(axes, stride=1, padding=0, dilation=1, groups=1):
    """The canonical params of the primitives."""
    return {
        "stride": (stride,) * axes,
        "padding": ((padding, padding),) * axes,
        "dilation": (dilation,) * axes,
        "groups": groups,
    }


ROWS = [
    conv("conv1d", "conv1d", (2, 2, 5), (3, 2, 2), kinds="fci"),
    conv("conv1d with bias", "conv1d", (2, 2, 4), (3, 2, 2), (3,), kinds="fc"),
    conv("conv1d of one signal", "conv1d", (2, 4), (2, 2, 3), (2,)),
    conv("conv1d stride=2 padding=1", "conv1d", (2, 2, 5), (2, 2, 3), options={"stride": 2, "padding": 1}),
    conv("conv1d padding on one side", "conv1d", (2, 1, 4), (2, 1, 3), options={"padding": ((2, 0),)}),
    conv("conv1d dilation=2", "conv1d", (1, 2, 6), (2, 2, 3), options={"dilation": 2}),
    conv("conv1d groups=2", "conv1d", (2, 4, 4), (4, 2, 2), (4,), options={"groups": 2}),
    conv('conv1d padding="same"', "conv1d", (1, 1, 4), (2, 1, 2), options={"padding": "same"}),
    conv("conv2d", "conv2d", (2, 2, 3, 4), (3, 2, 2, 2), kinds="fc"),
    conv("conv2d with bias", "conv2d", (2, 1, 3, 3), (2, 1, 2, 2), (2,)),
    conv("conv2d of one image", "conv2d", (2, 3, 3), (2, 2, 2, 2), (2,)),
    conv("conv2d of integers", "conv2d", (1, 1, 3, 3), (1, 1, 2, 2), (1,), kinds="iu"),
    conv("conv2d stride=2", "conv2d", (1, 2, 5, 4), (2, 2, 2, 2), options={"stride": 2}),
    conv(
        "conv2d stride=(2, 1) and pairs of padding",
        "conv2d",
        (1, 2, 4, 3),
        (2, 2, 3, 2),
        options={"stride": (2, 1), "padding": ((1, 0), (0, 2))},
    ),
    conv(
        "conv2d dilation=(1, 2)", "conv2d", (1, 1, 3, 5), (2, 1, 2, 2), options={"dilation": (1, 2), "padding": (0, 1)}
    ),
    conv("conv2d groups=2", "conv2d", (2, 4, 3, 3), (4, 2, 2, 2), options={"groups": 2}),
    conv("conv2d depthwise", "conv2d", (2, 3, 3, 3), (3, 1, 2, 2), (3,), options={"groups": 3, "padding": 1}),
    conv('conv2d padding="same"', "conv2d", (1, 1, 3, 4), (1, 1, 3, 2), options={"padding": "same"}),
    conv("conv2d 1x1", "conv2d", (2, 3, 2, 2), (2, 3, 1, 1), (2,)),
    conv("conv2d 1x1 stride=2", "conv2d", (1, 2, 3, 4), (2, 2, 1, 1), (2,), options={"stride": 2}),
    conv("conv2d 1x1 padding=1", "conv2d", (1, 2, 2, 2), (2, 2, 1, 1), options={"padding": 1}),
    conv("conv2d 1x1 groups=2", "conv2d", (2, 4, 2, 2), (2, 2, 1, 1), options={"groups": 2}),
    conv("conv2d kernel as large as the image", "conv2d", (2, 2, 3, 2), (3, 2, 3, 2)),
    conv("conv2d stride past the kernel", "conv2d", (1, 1, 6, 5), (2, 1, 2, 1), options={"stride": 3}),
    conv("conv3d", "conv3d", (1, 2, 3, 2, 3), (2, 2, 2, 2, 2), (2,)),
    conv(
        "conv3d stride=2 padding=1 groups=2",
        "conv3d",
        (1, 2, 3, 2, 2),
        (2, 1, 2, 2, 3),
        options={"stride": 2, "padding": 1, "groups": 2},
    ),
    transposed("conv_transpose1d", "conv_transpose1d", (2, 2, 3), (2, 3, 2), (3,), kinds="fc"),
    transposed(
        "conv_transpose1d stride=2 output_padding=1",
        "conv_transpose1d",
        (1, 2, 3),
        (2, 1, 3),
        options={"stride": 2, "padding": 1, "output_padding": 1},
    ),
    transposed("conv_transpose2d", "conv_transpose2d", (2, 2, 2, 3), (2, 2, 2, 2)),
    transposed("conv_transpose2d of one image", "conv_transpose2d", (2, 2, 2), (2, 1, 2, 2), (1,)),
    transposed(
        "conv_transpose2d groups=2 dilation=2",
        "conv_transpose2d",
        (1, 4, 2, 2),
        (4, 1, 2, 2),
        (2,),
        options={"groups": 2, "dilation": 2, "stride": 2},
    ),
    transposed("conv_transpose3d", "conv_transpose3d", (1, 1, 2, 2, 2), (1, 2, 2, 1, 2), (2,)),
    row(
        "conv_input_grad",
        rules.conv_input_grad,
        (2, 3, 2, 3),
        (3, 2, 2, 2),
        params={"size": (3, 4), **params(2)},
        loop=lambda g, w, size, **_: windows.conv_input_grad(g, w, size),
        kinds="fc",
    ),
    row(
        "conv_input_grad of rows that no window reaches",
        rules.conv_input_grad,
        (1, 4, 2),
        (4, 1, 2),
        params={"size": (6,), **params(1, stride=3, groups=2)},
        loop=lambda g, w, size, **_: windows.conv_input_grad(g, w, size, stride=3, groups=2),
    ),
    row(
        "conv_weight_grad",
        rules.conv_weight_grad,
        (2, 2, 3, 4),
        (2, 3, 2, 3),
        params={"kernel": (2, 2), **params(2)},
        loop=lambda x, g, kernel, **_: windows.conv_weight_grad(x, g, kernel),
        kinds="fc",
    ),
    row(
        "conv_weight_grad stride=2 padding=1 groups=2",
        rules.conv_weight_grad,
        (3, 4, 5),
        (3, 2, 3),
        params={"kernel": (3,), **params(1, stride=2, padding=1, groups=2)},
        loop=lambda x, g, kernel, **_: windows.conv_weight_grad(x, g, kernel, 2, 1, 1, 2),
    ),
]
