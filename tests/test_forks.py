"""Forks while other threads import, record, plan, compile, allocate or multiply: the child is complete, and never waits
for a thread that it does not have."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vmapcore
from vmapcore.cpu import compiled

pytestmark = [pytest.mark.plans, pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")]
needs_numba = pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")

HEAD = """
import faulthandler, gc, os, signal, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks of processes with threads
import numpy as np
from numpy.testing import assert_allclose  # which np.testing would import meanwhile
from vmapcore import explain, jit, locks, memory, threads, vmap

X = np.linspace(0, 1, 60_000, dtype="f").reshape(300, 200)

def new(c=1.5):
    return lambda x: np.sum(np.tanh(x * c) * np.exp(x - c), -1)

def check(c=1.5):
    fun = new(c)
    f = jit(vmap(fun))
    for _ in range(3):
        assert_allclose(f(X), fun(X), rtol=1e-4)

def child(work, seconds=60):
    "Forks; the child does it in time, or else has failed."
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(seconds)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid

def succeeded(pid):
    assert os.waitpid(pid, 0)[1] == 0, "the child failed, or waits for ever"

def meanwhile(work, forks, pause):
    "Forks while another thread works."
    stop, failures = threading.Event(), []
    def go():
        try:
            while not stop.is_set():
                work()
        except BaseException as error:
            failures.append(error)
    busy = threading.Thread(target=go, daemon=True)
    busy.start()
    children = []
    for _ in range(forks):
        time.sleep(pause)
        children.append(child(check))
    for pid in children:
        succeeded(pid)
    stop.set()
    busy.join(60)
    assert not failures and not busy.is_alive(), failures
    check()
"""


def alone(code, **environment):
    """In a process that has done nothing yet."""
    path = os.pathsep.join([str(Path(vmapcore.__file__).parent.parent), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", HEAD + code],
        env=os.environ | {"PYTHONPATH": path, "VMAPCORE_NUM_THREADS": "2"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert found.returncode == 0, found.stderr


def test_every_lock_is_free_in_the_child():
    alone("""
check()
taken = list(locks._order)
assert len(taken) == (6 if sys.modules.get("numba") else 4)
for lock in taken:
    has, stop = threading.Event(), threading.Event()
    def hold():
        with lock:
            has.set()
            stop.wait(0.2)
    holder = threading.Thread(target=hold)
    holder.start()
    has.wait()
    def all_are_free():  # in this thread: a new one in the child may go by the name of the one that has gone
        for lock in taken:
            with lock:
                pass
    succeeded(child(all_are_free, 10))
    holder.join()
    all_are_free()
""")


def test_a_thread_that_holds_a_lock_may_fork():
    """As the handler of a signal does, if that comes while a lock is held: also in the child the lock stays held."""
    alone("""
check()
for lock in locks._order:
    with lock:
        pid = os.fork()
    if pid == 0:
        check()
        os._exit(0)
    succeeded(pid)
    check()
""")


def test_several_threads_fork():
    alone("""
check()
def often():
    for _ in range(3):
        succeeded(child(check))
forking = [threading.Thread(target=often) for _ in range(3)]
for thread in forking: thread.start()
for thread in forking: thread.join(120)
assert not any(thread.is_alive() for thread in forking)
""")


def test_while_a_thread_imports_what_plans_need():
    alone("meanwhile(check, forks=8, pause=0.05)")


@needs_numba
def test_while_a_thread_compiles(tmp_path):
    alone(
        """
values = iter(range(2, 1000))
check()
meanwhile(lambda: check(float(next(values))), forks=4, pause=0.3)
""",
        NUMBA_CACHE_DIR=str(tmp_path),
    )


@needs_numba
def test_while_a_user_compiles(tmp_path):
    """With Numba's lock alone."""
    alone(
        """
import numba
def work():
    numba.njit(lambda x: np.sin(x) + np.dot(x, x))(np.ones(3))
check()
work()
meanwhile(work, forks=4, pause=0.2)
""",
        NUMBA_CACHE_DIR=str(tmp_path),
    )


@pytest.mark.parametrize(
    "work",
    [
        "jit(new())(X)",
        "memory.empty(np, (2000, 1000), np.dtype('d')).fill(1)",
        "threads.with_one_blas_thread(int)",
        "threads.run([lambda state: X @ X.T] * 4, list)",
        "explain(vmap(new()), X)",
        "jit(vmap(new()))(X)",
    ],
    ids=["records", "allocates", "sets BLAS", "runs tasks", "explains", "records and plans"],
)
def test_while_a_thread(work):
    alone(f"check(); meanwhile(lambda: {work}, forks=8, pause=0.02)")


def test_python_searches_for_garbage_in_the_child_of_one_that_plans():
    alone("""
from vmapcore import executors
check()
inside, done = threading.Event(), threading.Event()
usual = gc.get_threshold()
def plan():
    executors._without_search_for_garbage(lambda: inside.set() or done.wait(60))
planner = threading.Thread(target=plan)
planner.start()
inside.wait()
assert gc.get_threshold()[0] == 0
def searches():
    assert gc.get_threshold() == usual
    check()
    assert gc.get_threshold() == usual
succeeded(child(searches))
done.set()
planner.join()
assert gc.get_threshold() == usual
""")


OF_THREADS = {"memory._Pool", "threads._Workers", "threads._run", "cpu.team._Team"}
"""Who has locks of its own: a child has new ones of these."""

OF_USERS = {"methods.", "methods._functions", "methods._seen"}
"""Who knows the properties that are kept of users' classes."""


def test_all_locks_are_in_one_place():
    """And so are properties that are kept, which have a lock in Python 3.11's functools."""
    folder, found = Path(vmapcore.__file__).parent, set()
    for path in folder.rglob("*.py"):
        module, text = ".".join(path.relative_to(folder).with_suffix("").parts), path.read_text()
        names = {"Lock", "RLock", "Condition", "Semaphore"}
        if "locks import cached_property" not in text:
            names.add("cached_property")
        for outer in ast.parse(text).body:
            used = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(outer)}
            if used & names:
                found.add(f"{module}.{getattr(outer, 'name', '')}")
    assert {place for place in found if not place.startswith("locks.")} == OF_THREADS | OF_USERS
