"""Copies of arrays that lie in another order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmapcore.cpu import compiled
from vmapcore.cpu.kernels import reorder

pytestmark = pytest.mark.plans

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small arrays too, and none by NumPy that need not be."""
    monkeypatch.setattr(reorder, "REORDERED", 1)


@pytest.mark.parametrize("dtype", ["f", "d", "i", "c8"])
@given(data=st.data())
def test_any_order(dtype, data):
    shape = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    lies = data.draw(st.permutations(range(len(shape))))
    gap = data.draw(st.sampled_from([1, 1, 2]))
    laid = RNG.integers(-99, 99, (*[shape[i] for i in lies], gap)).astype(dtype)
    x = laid[..., 0].transpose(np.argsort(lies))
    out = np.zeros((2, *shape), dtype)
    reorder.copy(out[0], x)
    np.testing.assert_array_equal(out[0], x)
    assert not out[1].any()


@pytest.mark.parametrize("images", [1, 3, 16, 17, 33])
@pytest.mark.parametrize("members", [(), (1,), (2,), (3, 2)])
@pytest.mark.parametrize("part", [7, 60])
def test_images(images, members, part, monkeypatch):
    """Out of the innermost place and back into it, of several members; not by NumPy, if there is a kernel."""
    monkeypatch.setattr(reorder, "REORDERED", part)
    monkeypatch.setattr(reorder.team, "PIECE", 1e-3)
    x = RNG.standard_normal((*members, 5, 4, 3, images)).astype("f")
    out, back = np.full((*members, images, 5, 4, 3), np.nan, "f"), np.full(x.shape, np.nan, "f")
    if compiled.AVAILABLE and images > 1:
        monkeypatch.setattr(np, "copyto", None)
    reorder.copy(out, np.moveaxis(x, -1, -4))
    reorder.copy(back, np.moveaxis(out, -4, -1))
    np.testing.assert_array_equal(out, np.moveaxis(x, -1, -4))
    np.testing.assert_array_equal(back, x)


def test_without_numba(monkeypatch):
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    x, out = RNG.standard_normal((7, 16)).astype("f"), np.zeros((16, 7), "f")
    reorder.copy(out, x.T)
    np.testing.assert_array_equal(out, x.T)
