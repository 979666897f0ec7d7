"""Teams: every row once, whoever takes it; what fails, leaves, forks or comes second does no harm."""

import contextlib
import ctypes
import functools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmapcore import jit, set_threads, threads, vmap
from vmapcore.cpu import compiled, team
from vmapcore.cpu.compiled import kernel
from vmapcore.cpu.team import share

pytestmark = pytest.mark.plans

ROOT = Path(__file__).resolve().parent.parent
FOREVER = 1 << 40
"""Rounds."""

HUGE = 1 << 55
"""Numbers for which no machine has room."""

SECONDS = 30 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 0.5
"""Of a test under load."""

needs_numba = pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

add, read, rest, let_others = [getattr(team, name, None) for name in ("add", "read", "rest", "let_others")]


# A team for tests.


def eventually(condition):
    """Whether it comes true within a time that no machine needs."""
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def gather(count=1, came=None):
    """Has all workers, at least so many less one, run a task each at the same time; they serve after it."""
    count = max(count, threads._workers.count + 1)
    came = set() if came is None else came
    set_threads(count)
    barrier = threading.Barrier(count)
    threads.run([lambda state: came.add(threading.get_ident()) or barrier.wait(30)] * count, list)


def serving():
    return eventually(lambda: team._team.there == threads._workers.count)


def settle(count=1):
    """Has all workers, at least so many less one, run a task each, then serve until they sleep."""
    came, slept = set(), set()

    class Idle:
        awake = team._team.awake

        def serve(self):
            called = team._team.serve()
            if threading.get_ident() in came and not called:
                slept.add(threading.get_ident())
            return called

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_idle", Idle())
        gather(count, came)
        assert eventually(lambda: len(slept) == threads._workers.count)
    assert team._team.there == threads._waiting.value == 0 and not any(board()[1:])


@contextlib.contextmanager
def crew(count):
    """A team of so many threads, the caller among them; all workers serve until the end, however slow the machine."""
    team.assemble()  # compiles what workers run
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(team._team, "rounds", FOREVER)
            gather(count)
            assert serving()
            set_threads(count)
            team.assemble()
            yield
        settle()
    finally:
        set_threads(None)


@pytest.fixture(autouse=True)
def _default_count():
    yield
    set_threads(None)


def in_threads(*works):
    """Runs functions in threads of a user, all at once."""
    failures = []
    start = threading.Barrier(len(works))

    def run(work):
        try:
            start.wait(30)
            work()
        except BaseException as error:
            failures.append(error)

    users = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for user in users:
        user.start()
    for user in users:
        user.join(120)
    assert not any(user.is_alive() for user in users), "they wait for one another"
    if failures:
        raise failures[0]


def board():
    """The number of places, and what is offered in each."""
    return [ctypes.c_int64.from_address(team.BOARD + team.LINE * i).value for i in range(team.MOST + 1)]


def address(a):
    return a.ctypes.data


@kernel
def _meet_rows(first, last, arrived, wanted, patience, met):
    """Each row waits for others to be under way."""
    for i in range(first, last):
        add(arrived, 1)
        tries = 0
        while read(arrived) < wanted and tries < patience:
            rest()
            tries += 1
            if tries % 64 == 0:
                let_others()
        met[i] = read(arrived) >= wanted


@kernel
def _meet(arrived, wanted, patience, met):
    share(_meet_rows, met.size, met.size, (arrived, wanted, patience, met))


def meet(count, patience=50_000_000):
    """Whether so many threads are in pieces at the same time."""
    arrived, met = np.zeros(1, np.int64), np.zeros(count, np.bool_)
    _meet(address(arrived), count, patience, met)
    return bool(met.all())


# Every row once.


@kernel
def _fill_rows(first, last, calls, ends, seen, x, pair, mask, flag, scale, out):
    """Counts calls and rows, notes where it was cut, and reads arrays of many kinds."""
    add(calls, 1)
    small, (z, steps) = pair
    if last > first:
        ends[first] = last
    for i in range(first, last):
        seen[i] += 1
        out[i] = x[i] * scale + small[i] + z[i, 1].real * steps[1] if mask[i] == flag else -1.0


@kernel
def _fill(calls, ends, seen, x, pair, mask, flag, scale, out, pieces):
    share(_fill_rows, seen.size, pieces, (calls, ends, seen, x, pair, mask, flag, scale, out))


def check_fill(count, pieces, flag=True):
    rng = np.random.default_rng(count)
    x, small = rng.integers(-99, 99, count).astype(np.float32), rng.integers(0, 256, count).astype(np.uint8)
    z = rng.integers(-99, 99, (3, count, 2)).astype(np.complex128)[1, ::-1]
    mask, out = rng.random(count) < 0.5, np.full(count, np.nan)
    calls, ends, seen = np.zeros(1, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    _fill(address(calls), ends, seen, x, (small, (z, (7, 2))), mask, flag, 0.5, out, pieces)
    assert calls[0] == pieces and np.all(seen == 1)
    np.testing.assert_array_equal(out, np.where(mask == flag, x * 0.5 + small + z[:, 1].real * 2, -1))
    cuts = [(count * k // pieces, count * (k + 1) // pieces) for k in range(pieces)]
    assert [(i, end) for i, end in enumerate(ends) if end] == [(i, end) for i, end in cuts if end > i]


@needs_numba
def test_every_row_once():
    """However many rows, pieces and threads; pieces are cut alike for all numbers of threads."""
    with crew(4):

        @given(count=st.integers(0, 200), pieces=st.integers(1, 70), number=st.integers(1, 4), flag=st.booleans())
        def check(count, pieces, number, flag):
            set_threads(number)
            team.assemble()
            check_fill(count, pieces, flag)

        check()


@needs_numba
@pytest.mark.parametrize("count, pieces", [(0, 1), (0, 5), (1, 1), (1, 70), (3, 200), (1000, 32)])
def test_every_row_once_at_the_ends(count, pieces):
    with crew(3):
        check_fill(count, pieces)


@given(count=st.integers(0, 10**6), nanoseconds=st.floats(0, 1e12), more=st.floats(0, 1e12))
def test_pieces_are_worth_their_way(count, nanoseconds, more):
    """And go by sizes alone."""
    found = team.pieces(count, nanoseconds)
    assert 1 <= found <= max(1, min(count, 32))
    assert found == 1 or nanoseconds / found >= team.PIECE
    assert found <= team.pieces(count, nanoseconds + more)
    assert found <= team.pieces(count + 1, nanoseconds)
    for number in (1, 2, 5):
        set_threads(number)
        assert team.pieces(count, nanoseconds) == found


# Who takes part.


@needs_numba
@pytest.mark.parametrize("count", [2, 3, 4])
def test_all_of_a_team_take_part(count):
    """On fewer cores too: who waits lets others run."""
    with crew(count):
        assert meet(count)
        assert meet(count)
        assert not meet(count + 1, 1000), "nobody else does"


@needs_numba
def test_one_thread_and_back():
    with crew(3):
        assert meet(3)
        for count in (1, 3, 2, 1, 3):
            set_threads(count)
            team.assemble()
            assert meet(count) and not meet(count + 1, 1000)
            check_fill(50, 7)


@needs_numba
def test_workers_sleep_when_nothing_is_offered():
    """Calls do without them, and wake them again."""
    for _ in range(3):
        settle(3)
        assert meet(1) and not meet(2, 1000)
        set_threads(2)
        team.assemble()
        check_fill(100, 10)


@needs_numba
def test_python_comes_first():
    """Workers that serve leave for tasks, and come back."""
    with crew(3):
        for _ in range(20):
            gather()
            assert serving() and meet(3)


@needs_numba
def test_those_who_left_for_a_call_of_another_come_back():
    """One call makes all of a team look; who does not get it serves again, without being woken."""
    with crew(4):
        for _ in range(5):
            done = threading.Event()
            threads._waiting.value = 1  # long before there is one, so that all leave for it
            time.sleep(0.05)
            threads._workers.call([[done.set]])
            assert done.wait(30) and serving()


@needs_numba
def test_shares_inside_tasks():
    """On workers and on the caller, while others of the team serve."""
    with crew(4):
        threads.run([lambda state, n=n: check_fill(40 + n, 6) for n in range(12)], list)


@needs_numba
def test_all_workers_stand_up():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(team._team, "rounds", 1 << 20)
        for _ in range(3):
            settle(4)
            set_threads(4)
            team.assemble()
            assert meet(4, 2_000_000)


@needs_numba
def test_more_workers_are_started_for_a_larger_team():
    """In a process of its own, which has no worker yet."""
    run_alone("""
        team._team.rounds = 1 << 30
        for count in (2, 3, 4):
            set_threads(count)
            team.assemble()
            assert eventually(lambda: team._team.there == count - 1), (count, team._team.there)
        os._exit(0)
    """)


@needs_numba
def test_those_who_stand_up_are_offered_something():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(team._team, "rounds", 1 << 20)
        for _ in range(6):
            settle(4)
            set_threads(2)
            team.assemble()
            assert meet(2, 2_000_000)


@needs_numba
def test_workers_compile_nothing():
    """A child of a fork would find the compiler locked by a thread that it has not, and wait."""
    run_alone("""
        from numba.core.dispatcher import Dispatcher

        names, compile_ = set(), Dispatcher.compile
        Dispatcher.compile = lambda *args: (names.add(threading.current_thread().name), compile_(*args))[1]
        settle(2)
        set_threads(2)
        team.assemble()
        settle(2)
        assert not [name for name in names if name.startswith("vmapcore")], names
    """)


# Several at once.


@kernel
def _bump(first, last, seen, work):
    for i in range(first, last):
        for _ in range(i % 5 * work):
            rest()
        seen[i] += 1


@kernel
def _bump_often(rounds, pieces, seen, work):
    """How many rows were not as they should be when `share` returned."""
    wrong = 0
    for n in range(rounds):
        share(_bump, seen.size, pieces, (seen, work))
        for i in range(seen.size):
            wrong += seen[i] != n + 1
    return wrong


@kernel
def _bump_each(first, last, seen, pieces):
    for i in range(first, last):
        share(_bump, seen.shape[1], pieces, (seen[i], 1))


@kernel
def _bump_all(seen, pieces):
    share(_bump_each, seen.shape[0], pieces, (seen, pieces))


def check_often(rounds, count, pieces, work):
    assert _bump_often(rounds, pieces, np.zeros(count, np.int64), work) == 0


def check_nested(rows, columns, pieces):
    seen = np.zeros((rows, columns), np.int64)
    _bump_all(seen, pieces)
    assert np.all(seen == 1)


@needs_numba
def test_one_share_after_another():
    """All rows are done when a call returns; jobs of calls lie at one address, and workers of the last may be late."""
    with crew(3):
        check_often(3000, 8, 8, 0)
        check_often(1000, 30, 6, 3)


@needs_numba
@pytest.mark.parametrize("rows, columns, pieces", [(1, 9, 3), (5, 7, 4), (12, 30, 12), (0, 5, 2), (5, 0, 2)])
def test_shares_inside_shares(rows, columns, pieces):
    with crew(3):
        for _ in range(20):
            check_nested(rows, columns, pieces)


@needs_numba
@pytest.mark.parametrize("users", [2, 5])
def test_many_users_at_once(users):
    """Each has its own job; a worker is in one at a time."""
    with crew(3):
        in_threads(*[functools.partial(check_often, 300, 10 + n, 5, n % 3) for n in range(users)])


@needs_numba
def test_everything_at_once():
    """Shares, shares in shares, failures, tasks, workers that leave, other numbers of threads."""
    until = time.monotonic() + SECONDS

    def often(work):
        def loop():
            rng = np.random.default_rng(0)
            while time.monotonic() < until:
                work(int(rng.integers(1, 40)))

        return loop

    def tasks(n):
        found = []
        threads.run([lambda state, i=i: (check_often(5, n, 3, 1), found.append(i)) for i in range(4)], list)
        assert sorted(found) == [0, 1, 2, 3]

    def count(n):
        set_threads(1 + n % 4)
        team.assemble()
        time.sleep(0.0005 * (n % 5))

    gather(4)
    in_threads(
        often(lambda n: check_often(n, 20, 1 + n % 9, n % 2)),
        often(lambda n: check_nested(1 + n % 6, n, 4)),
        often(lambda n: check_failure(n, n // 2, n % 2 * HUGE)),
        often(lambda n: check_fill(n, 1 + n % 40)),
        often(tasks),
        often(count),
    )
    settle()


# What fails.


@kernel
def _fail_rows(first, last, where, numbers, seen):
    """Rows from `where` on fail, for want of room or because they say so."""
    for i in range(first, last):
        if i >= where:
            if numbers == 0:
                raise KeyError("no")
            room = np.empty(numbers)
            room[0] = 1
        seen[i] += 1


@kernel
def _fail(where, numbers, seen):
    share(_fail_rows, seen.size, seen.size, (where, numbers, seen))


@kernel
def _fail_inside_rows(first, last, where, numbers, seen):
    for i in range(first, last):
        _fail(where if i == seen.shape[0] // 2 else seen.shape[1], numbers, seen[i])


@kernel
def _fail_inside(where, numbers, seen):
    share(_fail_inside_rows, seen.shape[0], seen.shape[0], (where, numbers, seen))


def check_failure(count, where, numbers):
    """The caller hears of it when all pieces are done."""
    seen = np.zeros(count, np.int64)
    with pytest.raises(MemoryError, match="a kernel has no room"):
        _fail(where, numbers, seen)
    assert np.array_equal(seen, np.arange(count) < where)


failing = pytest.mark.parametrize("numbers", [0, HUGE], ids=["raises", "no room"])


@needs_numba
@failing
@pytest.mark.parametrize("where", [0, 1, 7, 11])
def test_a_piece_that_fails(where, numbers):
    with crew(3):
        for _ in range(10):
            check_failure(12, where, numbers)
        assert meet(3) and not any(board()[1:])


@needs_numba
@failing
def test_a_piece_of_a_piece_that_fails(numbers):
    with crew(3):
        seen = np.zeros((5, 6), np.int64)
        with pytest.raises(MemoryError, match="a kernel has no room"):
            _fail_inside(4, numbers, seen)
        assert np.array_equal(seen, np.arange(6) < np.where(np.arange(5) == 2, 4, 6)[:, None])
        assert meet(3) and not any(board()[1:])


# Forks, and no Numba.


def run_alone(code, **environment):
    """In a process of its own."""
    names = "address, board, crew, eventually, gather, meet, serving, settle, _meet"
    head = "import os, threading, traceback, warnings\n"
    head += f"from tests.test_team import {names}, np, set_threads, team, threads\n"
    head += 'warnings.simplefilter("ignore")  # newer Pythons warn of forks of processes with threads\n'
    body = "if True:\n" + code
    found = subprocess.run(
        [sys.executable, "-c", head + body],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr


@needs_numba
@needs_fork
def test_after_a_fork():
    """The child's board is empty, and its team new; the parent's goes on."""
    run_alone("""
        with crew(2):
            arrived, met = np.zeros(1, np.int64), np.zeros(2, np.bool_)
            user = threading.Thread(target=_meet, args=(address(arrived), 3, 1 << 40, met), daemon=True)
            user.start()  # waits for a third
            assert eventually(lambda: arrived[0] == 2) and any(board()[1:]), "a worker has a piece"
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    assert not any(board()) and team._team.there == team._team.coming == 0
                    assert meet(1) and not meet(2, 1000)
                    gather(3)
                    team.assemble()
                    assert serving() and meet(3)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            arrived[0] = 3
            user.join(60)
            assert met.all() and meet(2)
    """)


def test_without_numba():
    """Who shares does all rows; nobody serves."""
    run_alone(
        """
        calls = []
        assert team.numba is None
        team.assemble()
        team.share(lambda first, last, *args: calls.append((first, last, args)), 7, 3, ("a", (True,)))
        assert calls == [(0, 7, ("a", (True,)))] and team.pieces(100, 1e6) == 32
        assert threads._idle is None and not [t for t in threading.enumerate() if t.name.startswith("vmapcore")]
        """,
        VMAPCORE_NUMBA="0",
    )


def test_called_from_python():
    calls = []
    share(lambda *args: calls.append(args), 7, 3, (1, (2, False)))
    assert calls == [(0, 7, 1, (2, False))]


# Through jit.


@needs_numba
def test_the_same_bits_for_any_number_of_threads(monkeypatch):
    cut = []
    pieces = team.pieces
    monkeypatch.setattr(team, "pieces", lambda *sizes: cut.append(pieces(*sizes)) or cut[-1])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 60, 500))
    f = jit(vmap(lambda x, y: (np.tanh(x) * y - np.sum(x * y), np.mean(np.exp(-x) + y))))
    f(x, y)
    f(x, y)
    assert max(cut) > 1
    results = []
    for number in (1, 2, 3, 1):
        with crew(number):
            results += [f(x, y) for _ in range(5)]
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))
