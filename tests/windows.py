"""Convolution and pooling written as loops over results: what vmapcore's are held against."""

import itertools

import numpy as np


def per_axis(value, axes):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def pairs(padding, kernel, dilation):
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    return [p if isinstance(p, tuple) else (p, p) for p in per_axis(padding, len(kernel))]


def terms(size, kernel, stride, padding, dilation):
    """For each axis: (position of the result, position in the kernel, position in the array) of every product."""
    axes = len(size)
    stride, dilation = per_axis(stride, axes), per_axis(dilation, axes)
    every, counts = [], []
    for n, k, s, (low, high), d in zip(size, kernel, stride, pairs(padding, kernel, dilation), dilation, strict=True):
        count = (n + low + high - d * (k - 1) - 1) // s + 1
        if count < 1 or k < 1:
            raise ValueError("no window fits")
        found = [(i, j, i * s + j * d - low) for i in range(count) for j in range(k)]
        every.append([t for t in found if 0 <= t[2] < n])
        counts.append(count)
    return [tuple(zip(*t, strict=True)) for t in itertools.product(*every)], tuple(counts)


def products(x_like, w_like, out_channels, groups, stride, padding, dilation):
    """Every (index of x, index of w, index of the result) whose product is a term of a convolution, without images."""
    channels = x_like[0]
    if channels != w_like[1] * groups or w_like[0] % groups:
        raise ValueError("channels differ")
    found, counts = terms(x_like[1:], w_like[2:], stride, padding, dilation)
    per_group, own = channels // groups, out_channels // groups
    return [
        ((o // own * per_group + c, *inside), (o, c, *tap), (o, *at))
        for o in range(out_channels)
        for c in range(per_group)
        for at, tap, inside in found
    ], counts


def conv(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """x (N, C, *spatial) or (C, *spatial)."""
    if x.ndim == w.ndim - 1:
        return conv(x[None], w, b, stride, padding, dilation, groups)[0]
    every, counts = products(x.shape[1:], w.shape, w.shape[0], groups, stride, padding, dilation)
    out = np.zeros((len(x), w.shape[0], *counts), np.result_type(x, w))
    for i, j, o in every:
        out[(slice(None), *o)] += x[(slice(None), *i)] * w[j]
    return out if b is None else out + b.reshape(-1, *(1,) * (x.ndim - 2))


def conv_input_grad(g, w, size, stride=1, padding=0, dilation=1, groups=1):
    every, counts = products((w.shape[1] * groups, *size), w.shape, w.shape[0], groups, stride, padding, dilation)
    if g.shape[2:] != counts:
        raise ValueError("g is not of the shape of a result")
    out = np.zeros((len(g), w.shape[1] * groups, *size), np.result_type(g, w))
    for i, j, o in every:
        out[(slice(None), *i)] += g[(slice(None), *o)] * w[j]
    return out


def conv_weight_grad(x, g, kernel, stride=1, padding=0, dilation=1, groups=1):
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    every, counts = products(x.shape[1:], shape, g.shape[1], groups, stride, padding, dilation)
    if g.shape[2:] != counts:
        raise ValueError("g is not of the shape of a result")
    out = np.zeros(shape, np.result_type(x, g))
    for i, j, o in every:
        out[j] += (x[(slice(None), *i)] * g[(slice(None), *o)]).sum()
    return out


def conv_transpose(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    if x.ndim == w.ndim - 1:
        return conv_transpose(x[None], w, b, stride, padding, output_padding, groups, dilation)[0]
    axes = x.ndim - 2
    steps, spread, extra = [per_axis(v, axes) for v in (stride, dilation, output_padding)]
    around = pairs(padding, w.shape[2:], spread)
    size = [
        (n - 1) * s + d * (k - 1) + 1 + e - low - high
        for n, s, d, k, e, (low, high) in zip(x.shape[2:], steps, spread, w.shape[2:], extra, around, strict=True)
    ]
    out = conv_input_grad(x, w, tuple(size), stride, padding, dilation, groups)
    return out if b is None else out + b.reshape(-1, *(1,) * axes)


def cells(size, kernel, stride, padding, dilation):
    """For each window, in order: the positions inside the array that it covers, in order."""
    found, counts = terms(size, kernel, stride, padding, dilation)
    covered = {at: [] for at in np.ndindex(*counts)}
    for at, _, inside in sorted(found, key=lambda t: t[1]):
        covered[at].append(inside)
    if not all(covered.values()):
        raise ValueError("a window lies in the padding")
    return covered, counts


def winners(x, kernel, stride=None, padding=0, dilation=1):
    """The position of the first maximum of each window of x (*spatial)."""
    covered, counts = cells(x.shape, kernel, kernel if stride is None else stride, padding, dilation)
    won = {at: max(inside, key=lambda i: x[i]) for at, inside in covered.items()}
    return won, counts


def over_leading(fun):
    """Applies `fun` of arrays (*spatial) to arrays with leading axes, one by one."""

    def apply(*arrays, kernel, **options):
        axes = len(kernel)
        lead = arrays[0].shape[:-axes]
        every = [fun(*[a[i] for a in arrays], kernel, **options) for i in np.ndindex(*lead)]
        if not every:
            like = fun(*[np.ones(a.shape[-axes:], a.dtype) for a in arrays], kernel, **options)
            return np.empty((*lead, *like.shape), like.dtype)
        return np.stack(every).reshape(*lead, *every[0].shape)

    return apply


@over_leading
def max_pool(x, kernel, **options):
    won, counts = winners(x, kernel, **options)
    out = np.empty(counts, x.dtype)
    for at, i in won.items():
        out[at] = x[i]
    return out


@over_leading
def max_pool_gather(t, x, kernel, **options):
    won, counts = winners(x, kernel, **options)
    if t.shape != x.shape:
        raise ValueError("t is not of the shape of x")
    out = np.empty(counts, t.dtype)
    for at, i in won.items():
        out[at] = t[i]
    return out


@over_leading
def max_pool_scatter(g, x, kernel, **options):
    won, counts = winners(x, kernel, **options)
    if g.shape != counts:
        raise ValueError("g is not of the shape of a result")
    out = np.zeros(x.shape, g.dtype)
    for at, i in won.items():
        out[i] += g[at]
    return out


@over_leading
def avg_pool(x, kernel, stride=None, padding=0, count_include_pad=True):
    covered, counts = cells(x.shape, kernel, kernel if stride is None else stride, padding, 1)
    out = np.empty(counts, np.result_type(x, np.float32) if x.dtype.kind in "fc" else float)
    for at, inside in covered.items():
        out[at] = sum([x[i] for i in inside]) / (np.prod(kernel) if count_include_pad else len(inside))
    return out


@over_leading
def avg_pool_spread(g, kernel, size, stride=None, padding=0):
    covered, counts = cells(size, kernel, kernel if stride is None else stride, padding, 1)
    if g.shape != counts:
        raise ValueError("g is not of the shape of a result")
    out = np.zeros(size, g.dtype)
    for at, inside in covered.items():
        for i in inside:
            out[i] += g[at] / np.prod(kernel)
    return out


class Elsewhere:
    """NumPy under another name: with it as `xp`, an eval takes the way it takes on a GPU."""

    def __getattr__(self, name):
        return getattr(np, name)
