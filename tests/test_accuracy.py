"""Long sums are as exact as NumPy's of one example, wherever the batch lies, by every way of a plan."""

import numpy as np
import pytest

from vmapcore import jit, vmap

pytestmark = pytest.mark.plans

WIDE = {"e": "f", "f": "d", "F": "D", "d": "g"}
"""The dtype in which the truth is computed."""

FEW = {"d": 16}
"""Units in the last place beside four times NumPy's error, if not 4: no wider total waits for sums of doubles."""

SUMS = {
    "sum": lambda x: np.sum(x),
    "sum of a sum": lambda x: np.sum(np.sum(x, axis=0)),
    "sum of a sum of the last axis": lambda x: np.sum(np.sum(x, axis=1, keepdims=True), axis=(0, 1)),
    "mean": lambda x: np.mean(x),
    "variance": lambda x: np.var(x),
    "norm": lambda x: np.linalg.norm(np.ravel(x)),
    "root of squares": lambda x: np.sqrt(np.sum(x * x)),
    "fused": lambda x: np.sum(np.abs(x) * 2 + x),
    "fused, an axis that stays": lambda x: np.sum(np.abs(x) * 2 + x, axis=0),
    "fused, the other": lambda x: np.sum(np.abs(x) * 2 + x, axis=1),
    "einsum": lambda x: np.einsum("ij->", x),
    "product": lambda x: np.einsum("ij,ij->", x, x),
    "product, an axis that stays": lambda x: np.einsum("ij,ij->j", x, x),
    "dot": lambda x: np.dot(np.ravel(x), np.ravel(x)),
    "dot with ones": lambda x: np.ones_like(x[0]) @ x.T,
    "dot with ones, the other way": lambda x: x @ np.ones_like(x[0]),
}
SHAPES = [(40_000, 4), (4, 40_000), (300, 400)]


def off(made, truth):
    """The largest error, in units in the last place of the largest number."""
    scale = np.abs(truth).max() * np.finfo(made.dtype).eps
    return float(np.abs(made.astype(truth.dtype) - truth).max() / scale)


def check(fun, x, axis, **known):
    """Sums of examples along `axis`, made at once, against those of NumPy, one example at a time."""
    examples = np.moveaxis(x, axis, 0)
    truth = [np.stack(each) for each in zip(*[fun(e.astype(WIDE[x.dtype.char])) for e in examples], strict=True)]
    numpys = [np.stack(each) for each in zip(*[fun(np.ascontiguousarray(e)) for e in examples], strict=True)]
    eager = vmap(fun, in_axes=axis)
    planned = jit(eager)
    planned(x)
    for how, made in (("vmap", eager(x)), ("jit", planned(x))):
        wrong = {
            name: (off(m, t), off(n, t))
            for name, m, n, t in zip(SUMS, made, numpys, truth, strict=True)
            if off(m, t) > 4 * off(n, t) + FEW.get(x.dtype.char, 4)
        }
        assert not wrong, f"{how}: units in the last place, and NumPy's own: {wrong}"


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_long_sums_are_as_exact_as_numpys(axis, shape, dtype):
    shape = list(shape)
    shape.insert(axis % 3, 3)
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, shape) + (1j * rng.uniform(0.5, 1.5, shape) if dtype == "F" else 0)
    x = (x / (16 if dtype == "e" else 1)).astype(dtype)  # whose sums are below the largest float16
    check(lambda x: [f(x) for f in SUMS.values()], x, axis)
