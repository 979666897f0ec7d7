"""Stacks of matrix products by BLAS out of compiled code, shared by a team."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmapcore import jit, set_threads, vmap
from vmapcore.cpu import compiled, team
from vmapcore.cpu.kernels import gemm

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
RNG = np.random.default_rng(3)
sizes = st.integers(2, 30)
lies = st.sampled_from(["rows", "columns", "wide rows", "wide columns", "same for all"])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Small products are divided and shared as well."""
    monkeypatch.setattr(gemm, "SHARED_TERMS", 20)
    monkeypatch.setattr(team, "PIECE", 1e-3)


def stack(members, rows, columns, lie, dtype):
    """Random matrices, which lie so."""
    if lie == "same for all":
        return np.broadcast_to(RNG.standard_normal((rows, columns)).astype(dtype), (members, rows, columns))
    turned = lie.endswith("columns")
    shape = (members, columns, rows) if turned else (members, rows, columns)
    wide = lie.startswith("wide")
    x = RNG.standard_normal((*shape[:2], shape[2] + 3 * wide)).astype(dtype)[..., : shape[2]]
    return x.swapaxes(1, 2) if turned else x


@pytest.mark.parametrize("dtype", ["f", "d"])
@given(members=st.integers(1, 5), rows=sizes, depth=st.integers(1, 9), columns=sizes, first=lies, second=lies)
def test_products(dtype, members, rows, depth, columns, first, second):
    x, y = stack(members, rows, depth, first, dtype), stack(members, depth, columns, second, dtype)
    product = gemm.product(x, y)
    if product is None:
        assert members == 1 and rows * depth * columns < 40
        return
    assert product.pieces > 1
    out = np.full((members + 1, rows, columns), np.nan, dtype)
    product(x, y, out[:members])
    np.testing.assert_allclose(out[:members], x @ y, rtol=1e-5, atol=1e-5)
    assert np.isnan(out[members]).all()


def test_what_blas_does_not_take():
    x, y = np.ones((2, 3, 4)), np.ones((2, 4, 5))
    assert gemm.product(x, y) is not None
    assert gemm.product(x, y.astype("f")) is None
    assert gemm.product(x.astype(int), y.astype(int)) is None
    assert gemm.product(x[..., ::2], y[:, ::2]) is None
    assert gemm.product(x[:, ::-1], y) is None
    assert gemm.product(np.ones((2, 0, 4)), y) is None
    assert gemm.product(np.ones((1, 3, 4)), y) is None
    assert gemm.product(x[:, :1], y) is None and gemm.product(x, y[:, :, :1]) is None


def test_nothing_is_shared_for_small_products(monkeypatch):
    monkeypatch.undo()
    assert gemm.product(np.ones((2, 3, 4)), np.ones((2, 4, 5))) is None
    assert gemm.product(np.ones((8, 64, 300)), np.ones((8, 300, 50))) is not None


def test_a_library_without_the_function(monkeypatch):
    monkeypatch.setattr(gemm, "_found", lambda letter: None)
    assert gemm.product(np.ones((2, 3, 4)), np.ones((2, 4, 5))) is None


def test_jit_gives_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.undo()
    x, w = RNG.standard_normal((6, 64, 300)).astype("f"), RNG.standard_normal((6, 200, 300)).astype("f")
    run, found = jit(vmap(lambda x, w: np.maximum(x @ w.T, 0))), []
    run(x, w)  # recorded, not replayed
    try:
        for count in (1, 2, 3, 1, 4):
            set_threads(count)
            found.append(run(x, w))
    finally:
        set_threads(None)
    np.testing.assert_allclose(found[0], np.maximum(x @ w.swapaxes(1, 2), 0), rtol=1e-4, atol=1e-3)
    for other in found:
        np.testing.assert_array_equal(other, found[0])
