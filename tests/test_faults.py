"""What goes wrong in a call does no harm to the next, nor to those of other threads: interrupts, errors, many calls."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from vmapcore import core, custom_op, executors, external, grad, jit, memory, set_threads, threads, vmap
from vmapcore.cpu import compiled, cuts, team
from vmapcore.cpu.fusion import cache
from vmapcore.cpu.tiled import TiledGroup
from vmapcore.errors import IndexingError
from vmapcore.nn import functional as F
from vmapcore.planning import groups

from .interrupts import Interrupter, moments
from .test_jit_threads import in_threads

pytestmark = pytest.mark.plans

USUAL = gc.get_threshold()
"""When Python searches for cycles."""


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    """Tiles of a member, each worth a task; and the number of threads as it is by default, afterwards."""
    monkeypatch.setattr(cuts, "FOOTPRINT", 1)
    for size in ("TASK", "CALL_APART", "CALL_SHARED"):
        monkeypatch.setattr(cuts, size, 1)
    monkeypatch.setattr(groups, "MEMBER", 1)
    yield
    set_threads(None)


def tiled(w, x):
    """Tiles, on more than one thread, with products and what is fused."""
    return np.tanh(np.tanh(x @ w) @ w[:90]) * 0.5 - x[:, :90]


def fused(w, x):
    return np.tanh(w[0, :90] * x[:, :90]) * np.exp(-x[:, :90]) - np.sum(x)


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


FUNCTIONS = {
    "tiles": vmap(tiled),
    "fused": vmap(fused),
    "gradients": vmap(grad(loss)),
}


def arguments(seed, rows=300):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((4, 120, 90), np.float32) / 16, rng.standard_normal((4, rows, 120), np.float32)


def units(f):
    return [unit for plan in f.plans.values() for unit, *_ in plan.replay.program.calls]


def the_same(x, y):
    return x.dtype == y.dtype and np.array_equal(x, y)


def check_same(x, y):
    assert the_same(x, y)


# Many threads at once.


@contextlib.contextmanager
def another_count_all_the_time():
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for count in (1, 2, 3, None):
                set_threads(count)
                time.sleep(0.0005)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        stop.set()
        changing.join()


@pytest.mark.parametrize("numba", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_threads_get_what_one_alone_gets(name, numba, monkeypatch):
    """To the last bit, whatever `set_threads` says meanwhile; with jit and without, where BLAS has one thread: on some
    processors it adds up in another order with two."""
    monkeypatch.setattr(compiled, "AVAILABLE", compiled.AVAILABLE and numba)
    fun, data = FUNCTIONS[name], [arguments(i) for i in range(8)]
    f = jit(fun)
    f(*data[0])
    set_threads(1)
    expected = [f(*args) for args in data]
    if name == "tiles":
        assert any(isinstance(unit, TiledGroup) and len(unit.cuts[0]) > 1 for unit in units(f))

    def replay(i):
        for k in range(i, i + 4):
            assert the_same(f(*data[k % 8]), expected[k % 8])

    with another_count_all_the_time():
        in_threads(8, replay)
        with threadpool_limits(1, user_api="blas"):
            eager = [fun(*args) for args in data]
            in_threads(8, lambda i: check_same(fun(*data[i]), eager[i]))
    assert len(f.plans) == 1


def test_many_threads_make_the_first_call_together(monkeypatch):
    """A plan for each shape, and no kernel is compiled twice; first calls are eager, or find the plan of another."""
    names, compile_ = [], cache._compiled
    monkeypatch.setattr(cache, "_kernels", {})
    monkeypatch.setattr(cache, "_compiled", lambda name, *args: names.append(name) or compile_(name, *args))
    fun = FUNCTIONS["fused"]
    f, data = jit(fun), [arguments(i, rows=300 + i % 2) for i in range(8)]
    first, second = [None] * 8, [None] * 8

    def work(i):
        first[i] = f(*data[i])
        second[i] = f(*data[i])

    with another_count_all_the_time():
        in_threads(8, work)
    set_threads(1)
    assert len(f.plans) == 2 and len(names) == len(set(names)) and bool(names) == compiled.AVAILABLE
    eager, planned = [fun(*args) for args in data], [f(*args) for args in data]
    assert all(the_same(x, y) or the_same(x, z) for x, y, z in zip(first, eager, planned, strict=True))
    assert all(map(the_same, second, planned))


# Interrupts.


def eventually(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.0005)
    return condition()


def at_rest():
    """No worker of a team is awake or called; where there is no team nobody reads how many are waited for."""
    return threads._idle is None or threads._waiting.value == team._team.coming == team._team.there == 0


def check_unharmed(blas):
    """Nothing is held, and nothing left as it is during a call."""
    assert [lib.get_num_threads() for lib in threads._BLAS.libraries] == blas and not threads._BLAS.holders
    pool = memory._POOL
    assert not pool.lock.locked() and pool.held == sum([n * len(blocks) for n, blocks in pool.idle.items()])
    assert core.RUNNING.get() == () and core.OBSERVER.get() is None
    assert gc.get_threshold() == USUAL and not executors._usual
    assert threads.inside() is False
    assert eventually(at_rest), "a worker goes on for ever, or is waited for"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "name, modules, step",
    [
        ("call", ("",), 1),
        ("gradient", ("core", "reverse", "batching"), 1),
        ("first calls", ("core", "replay", "recording", "executors", "memory", "threads", "cpu"), 5),
    ],
)
def test_an_interrupt_does_no_harm(name, modules, step):
    """Wherever it comes. What is interrupted may be called again, and gives what it gave before."""
    args = arguments(0)
    f = jit(FUNCTIONS["tiles"])
    calls = {
        "call": lambda: f(*args).size,  # the result dies there
        "gradient": lambda: vmap(grad(loss))(*[x[:, :3, :3] for x in args]),
        "first calls": lambda: [jit(g)(*args) for g in [FUNCTIONS["tiles"]] * 2],
    }
    call = calls[name]
    set_threads(2)
    expected = [f(*args) for _ in range(9)][-1]
    call(), call()
    with threadpool_limits(2, user_api="blas"):
        blas = [lib.get_num_threads() for lib in threads._BLAS.libraries]
        came = 0
        for at in moments(call, *modules)[::step]:
            try:
                Interrupter(*modules, at=at)(call)  # Python goes on where an array's memory is given back
            except KeyboardInterrupt:
                came += 1
            check_unharmed(blas)
            assert the_same(f(*args), expected)
        assert came > 20
    seen = set()
    both = threading.Barrier(2)
    threads.run([lambda state: seen.add(threading.get_ident()) or both.wait(30)] * 2, list)
    assert len(seen) == 2, "there are workers"


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from tests.test_faults import FUNCTIONS, arguments, check_unharmed, the_same
from vmapcore import jit, set_threads, threads

set_threads(2)
f, args = jit(FUNCTIONS["tiles"]), arguments(0)
expected = [f(*args) for _ in range(9)][-1]
blas = [lib.get_num_threads() for lib in threads._BLAS.libraries]
start = time.perf_counter()
f(*args)
took, came = time.perf_counter() - start, []

def interrupt(*args):
    came.append(moment)
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
for moment in range(100):
    timer = threading.Timer(0.001 + 1.2 * took * moment / 100, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while moment not in came:  # it may come where an array's memory is given back, and Python goes on
            assert the_same(f(*args), expected)
    except KeyboardInterrupt:
        pass
    check_unharmed(blas)
    assert the_same(f(*args), expected)
print(len(came))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of Windows go to all processes of a console")
def test_signals_do_no_harm():
    """As from a keyboard, at moments that nobody chose."""
    command = [sys.executable, "-c", INTERRUPTED]
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert (run.returncode, run.stdout) == (0, "100\n"), run.stderr


# Errors.


class Own(Exception):
    """An author's own."""


def raises_at(calls):
    """An operation that raises when its calls are as many, and a list whose length they are."""
    made = []

    def fails(x):
        made.append(1)
        if len(made) == calls:
            raise Own("of the author")
        return np.tanh(x)

    return fails, made


MAKERS = {
    "external": lambda fails: external(fails, vmap_method="expand_dims"),
    "custom_op": lambda fails: _with_vmap(custom_op(lambda xp, x: fails(x), name="mine")),
}


def _with_vmap(op):
    op.def_vmap(lambda size, mapped, x: op(x))
    return op


def lines_of(error):
    """Functions on the way to where it was raised."""
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_name, trace.tb_frame.f_code.co_filename))
        trace = trace.tb_next
    return found


@contextlib.contextmanager
def undisturbed(f, args, expected):
    """Other threads call the same function all the while, and get what they should."""
    stop, wrong = threading.Event(), []

    def go():
        while not stop.is_set():
            try:
                wrong.extend([] if the_same(f(*args), expected) else ["another result"])
            except BaseException as error:
                wrong.append(error)

    users = [threading.Thread(target=go) for _ in range(2)]
    for user in users:
        user.start()
    try:
        yield
    finally:
        stop.set()
        for user in users:
            user.join()
    assert not wrong


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("calls", [1, 2, 3, 10])
def test_an_authors_error_in_a_plan(kind, calls, monkeypatch):
    """The author's own, from where it was raised: when recorded, in a plan, and once the plan is written out."""
    monkeypatch.setattr("vmapcore.cpu.program.OFTEN", 8)
    fails, made = raises_at(calls)
    op = MAKERS[kind](fails)
    fun = vmap(lambda w, x: np.exp(op(x @ w)) * 0.5)
    f, args = jit(fun), arguments(0)
    while len(made) < calls - 1:
        f(*args)
    with pytest.raises(Own) as caught:
        f(*args)
    assert str(caught.value) == "of the author"
    assert lines_of(caught.value)[-1] == ("fails", __file__)
    assert len(f.plans) == (calls > 1)
    expected = fun(*args)
    for _ in range(3):
        np.testing.assert_allclose(f(*args), expected, rtol=1e-5)
    check_unharmed([lib.get_num_threads() for lib in threads._BLAS.libraries])


def out_of_range(x, i):
    return np.take(np.exp(x) * x, i, axis=0) + 1


def wrong_target(x, i):
    return grad(lambda x: F.cross_entropy(x, i))(x)


@pytest.mark.parametrize("fun", [out_of_range, wrong_target], ids=lambda f: f.__name__)
def test_an_index_that_is_wrong(fun):
    """In a step, and in a kernel that sees it while it computes."""
    f, x = jit(vmap(fun)), np.random.default_rng(0).standard_normal((4, 500, 30))
    right = np.random.default_rng(1).integers(0, 30, (4, 500))
    wrong = np.where(np.arange(500) == 499, 500, right)
    expected = [f(x, right) for _ in range(3)][-1]
    with undisturbed(f, (x, right), expected):
        for _ in range(10):
            with pytest.raises(IndexingError, match="500"):
                f(x, wrong)
            assert the_same(f(x, right), expected)


@pytest.mark.parametrize("where", ["caller", "worker"])
@pytest.mark.parametrize("error", [MemoryError("no room"), Own("of the author")], ids=lambda e: type(e).__name__)
def test_a_tile_that_fails(where, error, monkeypatch):
    """On whichever thread it runs; what it had is not used again."""
    set_threads(2)
    f, args = jit(FUNCTIONS["tiles"]), arguments(0)
    expected = [f(*args) for _ in range(3)][-1]
    task, caller, both, came = TiledGroup._task, threading.get_ident(), threading.Barrier(2), set()

    def fails(self, *rest):
        if threading.get_ident() not in came:
            came.add(threading.get_ident())
            both.wait(30)
        task(self, *rest)
        if (threading.get_ident() == caller) == (where == "caller"):
            raise error

    (unit,) = [unit for unit in units(f) if isinstance(unit, TiledGroup)]
    with monkeypatch.context() as patch:
        patch.setattr(TiledGroup, "_task", fails)
        with pytest.raises(type(error)) as caught:
            f(*args)
    assert caught.value is error
    held = [id(x) for x in unit.idle]
    assert len(held) == len(set(held))
    assert the_same(f(*args), expected)
    check_unharmed([lib.get_num_threads() for lib in threads._BLAS.libraries])


def test_a_call_without_room(monkeypatch):
    """Wherever memory is asked for, once there is none."""
    f, args = jit(FUNCTIONS["tiles"]), arguments(0)
    expected = [f(*args) for _ in range(3)][-1]
    take, asked = memory._Pool.take, []

    def none_left(self, size):
        asked.append(size)
        if len(asked) == failing:
            raise MemoryError("no room")
        return take(self, size)

    monkeypatch.setattr(memory._Pool, "take", none_left)
    failed = 0
    for failing in range(1, 20):  # noqa: B007  read where memory is asked for
        asked.clear()
        with contextlib.suppress(MemoryError):
            assert the_same(f(*args), expected)
            break
        failed += 1
        assert the_same(f(*args), expected)
    assert 0 < failed < 19
