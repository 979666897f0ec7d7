"""Whether it pays that rows run together is measured, and later calls go by it."""

import numpy as np
import pytest

from vmapcore import branches as branches_of_rows
from vmapcore import explain, rows, vmap
from vmapcore.testing import assert_same


def rng(seed=0):
    return np.random.default_rng(seed)


def apart(x):
    return x * 2 if x > 0 else -x


def measuring(monkeypatch, loss):
    """A function whose rows part, and what `explain` tells of four calls: how many runs, and rows one by one."""
    monkeypatch.setattr(rows, "STEP_OF_SCOPE", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_ROWS", 0.0)
    monkeypatch.setattr(branches_of_rows, "LOSS", loss)
    x = rng(0).normal(size=64)
    mapped = vmap(apart, branches="split")
    told = []
    for _ in range(4):
        found = explain(mapped, x)
        assert_same(found.result, np.where(x > 0, 2 * x, -x))
        told += [(split.runs, split.alone) for split in found.splits] or [None]
    return told


def test_rows_that_cost_more_together_by_the_clock_run_one_by_one(monkeypatch):
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(branches_of_rows.Paths, "_seconds_alone", alone_for_nothing)
    assert measuring(monkeypatch, 0.0) == [(1, 0), (1, 2), None, None]


def test_rows_that_cost_less_together_stay_together(monkeypatch):
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(branches_of_rows.Paths, "_seconds_alone", alone_for_ages)
    assert measuring(monkeypatch, 0.0) == [(1, 0), (1, 2), (1, 0), (1, 0)]
    assert measuring(monkeypatch, 1e9) == [(1, 0), (1, 0), (1, 0), (1, 0)]


SECONDS_ALONE = branches_of_rows.Paths._seconds_alone


def alone_for_nothing(paths, sampled):
    return min(SECONDS_ALONE(paths, sampled), 0.0)


def alone_for_ages(paths, sampled):
    return max(SECONDS_ALONE(paths, sampled), 1e3)


def test_of_rows_that_are_measured_alone_the_first_error_is_raised(monkeypatch):
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(branches_of_rows, "LOSS", 0.0)

    def fun(x):
        if x < 0:
            raise ValueError(f"{float(x)}")
        return x * 2 if x > 1 else x

    mapped = vmap(fun, branches="split")
    for call in range(4):
        x = np.arange(128.0)
        if call % 2:
            x[[64, 96]] = -64.0, -96.0
            x[70 if call == 1 else 63] = -1.0
            with pytest.raises(ValueError, match="-64.0" if call == 1 else "-1.0"):
                mapped(x)
        else:
            assert_same(mapped(x), np.where(x > 1, 2 * x, x))
