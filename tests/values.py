"""Values for the arguments of a row of the table of operations."""

import zlib

import numpy as np

DTYPES = {"f": ("float64", "float32"), "c": ("complex128",), "i": ("int64",), "u": ("uint8",), "b": ("bool",)}
FIXED = {"i": "int64", "u": "uint8", "b": "bool"}


def dtypes(row):
    """The dtypes to check the row with: those of its arguments of kind "f", or any one where it has none."""
    if all(arg.kind != "f" for arg in row.args):
        return ["float64"]
    return [name for kind in row.kinds for name in DTYPES[kind]]


def arguments(row, dtype, xp=np, batch=(), shrink=None):
    """Values for the arguments of a row, by its name always the same, with a batch in front.

    Every axis of an example that has length `shrink` gets length 0.
    """
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    return [xp.asarray(_values(arg, np.dtype(FIXED.get(arg.kind, dtype)), rng, batch, shrink)) for arg in row.args]


def _values(arg, dtype, rng, batch, shrink):
    shape = tuple([0 if n == shrink else n for n in arg.shape])
    if dtype.kind == "b":
        return rng.integers(0, 2, batch + shape).astype(bool)
    if arg.distinct:
        return _distinct(arg, dtype, rng, batch, shape)
    if arg.kind in "iu":
        return rng.integers(int(arg.low), int(arg.high), batch + shape).astype(dtype)
    if dtype.kind in "iu":
        low = max(int(np.ceil(arg.low)), 0 if dtype.kind == "u" else -128)
        return rng.integers(low, max(int(arg.high), low) + 1, batch + shape).astype(dtype)
    x = rng.uniform(arg.low, arg.high, batch + shape)
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(arg.low, arg.high, batch + shape)
    return x.astype(dtype)


def _distinct(arg, dtype, rng, batch, shape):
    """No two values of an example are near each other, nor, of integers, equal."""
    count = int(np.prod(shape))
    order = rng.permuted(np.broadcast_to(np.arange(count), (*batch, count)), axis=-1).reshape(batch + shape)
    if dtype.kind in "iu":
        return (order + (0 if dtype.kind == "u" else int(np.ceil(arg.low)))).astype(dtype)
    steps = (order + rng.uniform(0.3, 0.7, batch + shape)) / max(count, 1)
    x = arg.low + (arg.high - arg.low) * steps
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(arg.low, arg.high, batch + shape)
    return x.astype(dtype)
