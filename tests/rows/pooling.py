"""Rows for vmapcore/rules/pooling.py; the loops they must equal are in tests/windows.py."""

from vmapcore.rules import pooling as rules

from .. import windows
from . import Arg, row


def pool(name, kind, shape, kernel, kinds="f", **options):
    """A row for a pooling of values that are far apart."""
    reference = windows.max_pool if kind.startswith("max") else windows.avg_pool
    return row(
        name,
        getattr(rules, kind),
        Arg(shape, distinct=True),
        params={"kernel_size": kernel, **options},
        loop=lambda x, kernel_size, **options: reference(x, kernel=kernel_size, **options),
        kinds=kinds,
    )


def window(kernel, stride, padding, dilation=1):
    """The canonical params of the primitives."""
    axes = len(kernel)
    return {
        "kernel": kernel,
        "stride": (stride,) * axes,
        "padding": ((padding, padding),) * axes,
        "dilation": (dilation,) * axes,
    }


def through_maxima(move, **params):
    """`max_pool_scatter` or `max_pool_gather` as a function of two arrays."""
    return lambda t, x: move(t, x, rules.max_pool(x, **params), **params)


def loop_through_maxima(move, kernel, stride, padding, dilation):
    return lambda t, x: move(t, x, kernel=kernel, stride=stride, padding=padding[0][0], dilation=dilation)


OVERLAPPING = window((3, 2), 2, 1)
APART = window((2,), 3, 0)
DILATED = window((2, 2), 1, 0, 2)

ROWS = [
    pool("max_pool1d", "max_pool1d", (2, 6), (2,), kinds="fi"),
    pool("max_pool1d overlapping", "max_pool1d", (2, 7), (3,), stride=2, padding=1, kinds="fi"),
    pool("max_pool1d dilation=2", "max_pool1d", (2, 7), (3,), stride=1, dilation=2),
    pool("max_pool1d stride past the window", "max_pool1d", (2, 8), (2,), stride=3),
    pool("max_pool1d padding on one side", "max_pool1d", (1, 4), (2,), stride=1, padding=((1, 0),)),
    pool("max_pool2d", "max_pool2d", (2, 4, 4), (2, 2), kinds="fi"),
    pool("max_pool2d of odd lengths", "max_pool2d", (5, 3), (2, 2)),
    pool("max_pool2d overlapping", "max_pool2d", (1, 5, 4), (3, 3), stride=2, padding=1),
    pool("max_pool2d stride=1", "max_pool2d", (3, 4), (2, 3), stride=1),
    pool("max_pool2d of everything", "max_pool2d", (2, 3, 2), (3, 2)),
    pool("max_pool2d window of one", "max_pool2d", (2, 3), (1, 1)),
    pool("max_pool3d", "max_pool3d", (2, 2, 4, 2), (2, 2, 2)),
    pool("max_pool3d overlapping", "max_pool3d", (3, 3, 3), (2, 3, 2), stride=1, padding=(0, 1, 1)),
    row(
        "max_pool_scatter",
        through_maxima(rules.max_pool_scatter, **OVERLAPPING),
        (2, 3, 3),
        Arg((2, 5, 4), distinct=True),
        loop=loop_through_maxima(windows.max_pool_scatter, **OVERLAPPING),
    ),
    row(
        "max_pool_scatter apart",
        through_maxima(rules.max_pool_scatter, **APART),
        (2, 3),
        Arg((2, 9), distinct=True),
        loop=loop_through_maxima(windows.max_pool_scatter, **APART),
    ),
    row(
        "max_pool_gather",
        through_maxima(rules.max_pool_gather, **DILATED),
        (2, 4, 3),
        Arg((2, 4, 3), distinct=True),
        loop=loop_through_maxima(windows.max_pool_gather, **DILATED),
    ),
    pool("avg_pool1d", "avg_pool1d", (2, 6), (2,), kinds="fci"),
    pool("avg_pool1d overlapping", "avg_pool1d", (2, 7), (3,), stride=2, padding=1),
    pool("avg_pool1d stride past the window", "avg_pool1d", (2, 8), (2,), stride=3),
    pool("avg_pool2d", "avg_pool2d", (2, 4, 4), (2, 2), kinds="fc"),
    pool("avg_pool2d overlapping", "avg_pool2d", (1, 4, 5), (3, 2), stride=(2, 1), padding=(1, 1)),
    pool("avg_pool2d without padding", "avg_pool2d", (4, 4), (3, 3), stride=2, padding=1, count_include_pad=False),
    pool("avg_pool3d", "avg_pool3d", (2, 2, 4, 2), (2, 2, 2)),
    row(
        "avg_pool_spread",
        rules.avg_pool_spread,
        (2, 2, 2),
        params={"size": (4, 4), "kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0),) * 2, "counted": ((0, 0),) * 2},
        loop=lambda g, size, kernel, **_: windows.avg_pool_spread(g, size=size, kernel=kernel),
        kinds="fc",
    ),
]
