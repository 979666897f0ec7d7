"""Arguments: what is random about an array, as a value, and the array that it stands for."""

from dataclasses import dataclass

import numpy as np

LAYOUTS = ("plain", "turned", "reversed", "strided", "constant", "read-only", "renamed", "swapped")
FLOATS = ("f8",) * 5 + ("f4",) * 4 + ("c16", "c8")
DTYPES = FLOATS + ("i8", "i8", "i4", "u1", "?", "?")


@dataclass(frozen=True)
class Input:
    """An argument: one example has `shape`; a batch of them is on `axis`, and on `inner` of that in a nested vmap."""

    name: str
    shape: tuple
    dtype: str
    seed: int
    axis: int | None = 0
    inner: int | None = 0
    layout: str = "plain"

    def value(self, data=0, batch=(), layout=None):
        """Its array in data set number `data`; `batch` has a length for each vmap around, the outermost first."""
        rng = np.random.default_rng((self.seed, data))
        mapped = [n for n, axis in zip(batch, (self.axis, self.inner), strict=False) if axis is not None]
        x = numbers(rng, self.dtype, (*mapped, *self.shape))
        axes = [axis for _, axis in zip(batch, (self.axis, self.inner), strict=False) if axis is not None]
        if len(axes) == 2:  # the example's axes get the inner batch, and then the outer one
            x = np.stack([np.moveaxis(row, 0, axes[1]) for row in x]) if len(x) else moved_rows(x, axes[1])
        if axes:
            x = np.moveaxis(x, 0, axes[0])
        return laid_out(np.ascontiguousarray(x).reshape(x.shape), layout or self.layout)


def moved_rows(x, axis):
    """No rows, of which each would have its first axis moved."""
    return np.moveaxis(x, 1, axis if axis < 0 else axis + 1)


def numbers(rng, dtype, shape):
    """Floats between -2 and 2, and small whole numbers."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -3, 4, shape).astype(dtype)
    x = rng.uniform(-2.0, 2.0, shape)
    return (x + 1j * rng.uniform(-2.0, 2.0, shape) if kind == "c" else x).astype(dtype)


def laid_out(x, layout):
    """The values of `x`, those of "constant" but along their last axis, laid out otherwise in memory."""
    if layout == "turned":
        return x.T.copy().T
    if layout == "reversed":
        back = (slice(None, None, -1),) * x.ndim
        return x[back].copy()[(*back, ...)]
    if layout == "strided":
        wide = np.zeros((*[2 * n for n in x.shape], 2), x.dtype)
        view = wide[(*[slice(None, None, 2)] * x.ndim, 0, ...)]
        view[...] = x
        return view
    if layout == "constant" and x.ndim and x.shape[-1]:
        return np.broadcast_to(x[..., :1], x.shape)
    if layout == "swapped":
        return x.astype(x.dtype.newbyteorder(">"))
    if layout == "renamed":  # another object for an equal dtype
        return x.astype(x.dtype.newbyteorder("="))
    if layout == "read-only":
        x.flags.writeable = False
    return x
