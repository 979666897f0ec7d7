"""explain: the counts, bytes and kinds it tells are those of what ran, and it leaves nothing behind."""

import functools
import threading

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import core, explain, grad, jvp, ops, vmap
from vmapcore.core import Primitive
from vmapcore.explain import _amount
from vmapcore.ops.op import CustomOp

X = np.random.default_rng(0).normal(size=(5, 3))


def rows(found):
    return {row.op: row for row in found.rows}


def test_result_and_rows():
    f = vmap(lambda x: np.sum(np.sin(x) * 2.0))
    found = explain(f, X)
    assert np.array_equal(found.result, f(X))
    each = rows(found)
    assert set(each) == {"sin", "multiply", "reduce_sum"}
    assert each["sin"][1:6] == ("elementwise", 1, 2 * X.nbytes, 0, 0)
    assert each["multiply"][1:6] == ("elementwise", 1, 2 * X.nbytes, 0, 0)
    assert each["reduce_sum"][1:6] == ("trailing", 1, X.nbytes + 5 * 8, 0, 0)
    seconds = [row.seconds for row in found.rows]
    assert seconds == sorted(seconds, reverse=True)
    assert np.isclose(sum(seconds) + found.outside, found.seconds)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_an_operation_counts_once_whatever_the_depth(depth):
    f = np.exp
    for _ in range(depth):
        f = vmap(f)
    (row,) = explain(f, np.ones((2,) * depth)).rows
    assert row[:4] == ("exp", "elementwise", 1, 2 * 8 * 2**depth)


def test_derivatives():
    each = rows(explain(vmap(grad(lambda x: np.sum(np.sin(x)))), X))
    assert each["sin"].calls == each["cos"].calls == each["multiply"].calls == 1
    assert rows(explain(jvp, np.sin, (X,), (X,)))["sin"].calls == 1
    assert explain(np.sin, X).rows == []


def test_views_move_nothing_and_copies_are_counted():
    each = rows(explain(vmap(lambda x: x.reshape(2, 3).T.reshape(6)[::-1] + 0), np.ones((4, 6))))
    assert (each["reshape"].calls, each["reshape"].copies) == (2, 1)
    assert each["reshape"].bytes == 2 * 4 * 6 * 8
    assert (each["transpose"].bytes, each["transpose"].copies) == (0, 0)
    each = rows(explain(vmap(lambda x: np.concatenate([x, x]).astype(np.float32)), X))
    assert each["concatenate"].copies == each["convert"].copies == 1


def test_broadcast_operands_count_once():
    each = rows(explain(vmap(lambda x, y: np.broadcast_to(y, (100, 3)) + x, in_axes=(0, None)), X, X[0]))
    assert each["add"].bytes < X.nbytes + X[0].nbytes + 5 * 100 * 3 * 8 + 100


@pytest.mark.filterwarnings("ignore::vmapcore.PerformanceWarning")
def test_custom_operations_by_their_kind():
    double = vc.custom_op(lambda xp, x: x * 2, name="double").elementwise(2)
    total = ops.reduction(1)(_total)
    dot = ops.gufunc("(n),(n)->()")(_dot)
    own = vc.custom_op(lambda xp, x: xp.sum(x), name="own")
    own.def_vmap(lambda n, mapped, x: np.sum(x, axis=1))
    meant = vc.custom_op(lambda xp, x: xp.sum(x), name="meant").vmap_by_loop()
    slow = vc.custom_op(lambda xp, x: {"a": xp.sum(x)}, name="slow")
    at_once = vc.external(lambda x: x.sum(-1), vmap_method="expand_dims", name="at_once")
    bare = vc.custom_op(lambda xp, x: x * 2, name="bare")

    def f(x):
        x = double(double(x)) + bare(np.ones(3))
        return total(x, axis=0) + dot(x, x) + own(x) + meant(x) + slow(x)["a"] + at_once(x)

    each = rows(explain(vmap(f), X))
    told = {name: (row.rule, row.calls, row.loops) for name, row in each.items() if name != "add"}
    assert told == {
        "double": ("elementwise", 2, 0),
        "_total": ("reduction", 1, 0),
        "_dot": ("gufunc", 1, 0),
        "own": ("own", 1, 0),
        "meant": ("loop", 1, 5),
        "slow": ("loop", 1, 5),
        "at_once": ("expand_dims", 1, 0),
        "bare": ("none", 1, 0),
    }
    nested = explain(vmap(vmap(slow)), np.ones((2, 3, 4)))
    assert rows(nested)["slow"][1:6] == ("loop", 1, 24 * 8 + 6 * 8, 0, 6)


def _total(xp, x, *, axis):
    return xp.sum(x, axis=axis)


def _dot(xp, x, y):
    return xp.sum(x * y, axis=-1)


def test_the_table():
    text = str(explain(vmap(lambda x: np.sum(np.sin(x))), X))
    lines = text.splitlines()
    assert lines[0].split() == ["operation", "rule", "calls", "bytes", "copies", "loops", "time"]
    assert lines[-2].startswith("(outside)")
    assert lines[-1].split()[:4] == ["(all)", "2", "400", "B"]
    assert any(line.split()[:5] == ["sin", "elementwise", "1", "240", "B"] for line in lines)
    assert repr(explain(lambda: 3)).splitlines()[-1].split()[:5] == ["(all)", "0", "0", "B", "0"]
    assert [_amount(n) for n in (999, 1000, 1234567, 10**16)] == ["999 B", "1 kB", "1.23 MB", "1e+04 TB"]


def test_it_changes_nothing_and_leaves_nothing_behind():
    calls = Primitive.__call__, CustomOp.__call__
    assert explain(lambda: (Primitive.__call__, CustomOp.__call__)).result == calls
    with pytest.raises(KeyError):
        explain(vmap(lambda x: {}[0]), X)
    assert not core.OBSERVERS and core.OBSERVER.get() is None


def test_an_explanation_within_another():
    inner = []

    def f(x):
        inner.append(explain(vmap(np.cos), x))
        return vmap(np.sin)(x)

    assert set(rows(explain(f, X))) == {"sin"}
    assert set(rows(inner[0])) == {"cos"}
    vmap(np.sin)(X)


def test_other_threads_go_unnoticed():
    def f(x):
        thread = threading.Thread(target=vmap(np.cos), args=(x,))
        thread.start()
        thread.join()
        return vmap(np.sin)(x)

    assert set(rows(explain(f, X))) == {"sin"}


class Applied:
    """A callable without a name or a module of its own, as compilers make them."""

    __module__ = None

    def __call__(self, xp, x):
        return xp.sin(x)


@pytest.mark.parametrize("compute", [functools.partial(Applied.__call__, None), Applied(), np.frompyfunc(np.sin, 1, 1)])
def test_functions_of_no_module(compute):
    op = vc.custom_op(compute, name="op").vmap_by_loop()
    (row,) = explain(vmap(op), np.ones(3)).rows
    assert (row.op, row.calls) == ("op", 1)


def test_vmap_rules_without_a_name():
    op = Primitive(Applied(), name="op", listed=False)
    op.def_vmap(functools.partial(lambda size, mapped, x: op(x)))
    (row,) = explain(vmap(op), np.ones(3)).rows
    assert row[:3] == ("op", "own", 1)


def test_runs_of_rows_that_part():
    def fun(n):
        x = np.ones(3)
        for _ in range(n):
            x = x * 2
        return x

    n = np.arange(400) % 4
    found = explain(vmap(fun, branches="split", max_paths=7), n)
    assert np.array_equal(found.result, np.stack([fun(k) for k in n]))
    (split,) = found.splits
    assert split[:5] == ("vmap(fun)", 400, 4, 0, 7)
    assert len(split.lines) == 1 and split.lines[0].startswith("test_explain.py:")
    assert str(found).endswith(
        f"vmap(fun): 400 rows in 4 runs of at most 7, and 0 of them one by one; they parted at {split.lines[0]}"
    )
    assert explain(vmap(fun, in_axes=(None,), axis_size=3), 2).splits == []
