"""What is kept on disk: for this user alone, read back whole or not at all, and no calculation fails for want of it."""

import contextlib
import errno
import functools
import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest

from vmapcore.cpu import compiled, disk
from vmapcore.cpu.fusion import cache

from .test_fusion import X, graph_of, run

if compiled.numba is not None:
    from llvmlite import binding

needs_numba = pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")


@functools.cache
def compile_one():
    """With it what all kernels call, which is no file of a test."""
    check(1.0)


@pytest.fixture
def kernels(monkeypatch, tmp_path):
    """A cache of this test's own: where its files are."""
    if compiled.AVAILABLE:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "before"))
        compile_one()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vmapcore" / "kernels"


@pytest.fixture
def bare_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def the_file(kernels):
    (found,) = kernels.iterdir()
    return found


def forged(path, kept):
    """The contents of a whole file that holds something else."""
    return disk._digest(path.name, kept) + kept


class Trap:
    """Says so if it is unpickled."""

    sprung = False

    def __reduce__(self):
        return Trap.spring, ()

    @staticmethod
    def spring():
        Trap.sprung = True


DAMAGES = {
    "empty": lambda path, content: b"",
    "cut": lambda path, content: content[:-1],
    "cut within the digest": lambda path, content: content[:10],
    "longer": lambda path, content: content + b"\0",
    "one bit": lambda path, content: content[:-1] + bytes([content[-1] ^ 1]),
    "garbage": lambda path, content: b"def kernel(:" * 1000,
    "another pickle": lambda path, content: pickle.dumps(Trap()),
    "a pickle behind the digest": lambda path, content: content[:32] + pickle.dumps(Trap()),
    "that of another key": lambda path, content: forged(path.with_name("0.kernel"), pickle.dumps(Trap())),
}


# Bytes.


def test_what_was_written_is_read(kernels):
    assert disk.read("key") is None
    disk.write("key", b"one")
    disk.write("other", b"")
    assert disk.read("key") == b"one" and disk.read("other") == b"" and disk.read("third") is None
    disk.write("key", b"two")
    assert disk.read("key") == b"two" and len(list(kernels.iterdir())) == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_not_read_and_is_replaced(kernels, damage):
    disk.write("key", b"one" * 100)
    path = the_file(kernels)
    path.write_bytes(DAMAGES[damage](path, path.read_bytes()))
    assert disk.read("key") is None
    disk.write("key", b"two")
    assert disk.read("key") == b"two" and the_file(kernels) == path


def test_nobody_else_can_write_there(kernels, bare_umask):
    disk.write("key", b"one")
    folders = [kernels, kernels.parent, kernels.parent.parent]
    assert [mode(path) for path in folders] == [0o700] * 3 and mode(the_file(kernels)) == 0o600


@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_can_write_is_not_used(kernels, bits):
    disk.write("key", b"one")
    path = the_file(kernels)
    path.chmod(0o600 | bits)
    assert disk.read("key") is None
    disk.write("key", b"two")
    assert disk.read("key") == b"two" and mode(path) == 0o600
    kernels.chmod(0o700 | bits)
    before = path.read_bytes()
    assert disk.folder() is None and disk.read("key") is None
    disk.write("key", b"three")
    assert path.read_bytes() == before


def test_what_another_user_owns_is_not_used(kernels, monkeypatch):
    disk.write("key", b"one")
    monkeypatch.setattr(disk, "_user", lambda: os.getuid() + 1)
    assert disk.folder() is None and disk.read("key") is None
    monkeypatch.undo()


def test_a_file_of_another_user_in_ones_own_folder_is_not_used(kernels, monkeypatch):
    disk.write("key", b"one")
    status = os.fstat
    monkeypatch.setattr(os, "fstat", lambda file: os.stat_result([*status(file)[:4], os.getuid() + 1, *[0] * 5]))
    assert disk.read("key") is None


def test_a_link_to_what_another_user_owns(kernels, monkeypatch, tmp_path):
    disk.write("key", b"one")
    path = the_file(kernels)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o666)
    assert disk.read("key") is None
    disk.write("key", b"two")
    assert disk.read("key") == b"two" and not path.is_symlink()


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
@pytest.mark.parametrize("value", [".", "cache", "../cache", "~/cache"])
def test_no_path_depends_on_the_current_folder(monkeypatch, tmp_path, variable, value):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, value)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = disk.folder()
    disk.write("key", b"one")
    assert not list((tmp_path / "here").iterdir()) and not (tmp_path / "cache").exists()
    assert found is None if variable == "HOME" else found.is_relative_to(tmp_path / "home")


def test_no_home(monkeypatch):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where the user has no entry
    disk.write("key", b"one")
    assert disk.folder() is None and disk.read("key") is None


def test_what_nobody_reads_for_a_month_goes(kernels, monkeypatch):
    """When another kernel is written; also what a process left that was killed."""
    names = {key: disk._name(key) for key in ("old", "read", "new")} | {"left": "tmp0"}
    disk.write("old", b"one")
    disk.write("read", b"two")
    (kernels / "tmp0").write_bytes(b"half")
    now = time.time()
    for key, read in {"old": 31, "read": 29, "left": 31}.items():
        os.utime(kernels / names[key], (now - read * 86400, now - 40 * 86400))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fails(errno.EACCES))
        disk.write("new", b"three")
    assert {path.name for path in kernels.iterdir()} == set(names.values())
    disk.write("new", b"three")
    assert {path.name for path in kernels.iterdir()} == {names["read"], names["new"]}
    assert disk.read("read") == b"two" and disk.read("new") == b"three"


def fails(number):
    def failing(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return failing


def is_a_file(kernels, monkeypatch):
    kernels.parent.parent.mkdir()
    kernels.parent.write_text("")


def is_a_broken_link(kernels, monkeypatch):
    kernels.parent.mkdir(parents=True)
    kernels.symlink_to(kernels.parent / "nowhere")


def cannot_be_made(kernels, monkeypatch):
    monkeypatch.setattr(os, "mkdir", fails(errno.EROFS))


def cannot_be_written(kernels, monkeypatch):
    monkeypatch.setattr(tempfile, "_mkstemp_inner", fails(errno.EROFS))


def full_at_the_first_byte(kernels, monkeypatch):
    monkeypatch.setattr(disk, "NamedTemporaryFile", full(0))


def full_at_the_end(kernels, monkeypatch):
    monkeypatch.setattr(disk, "NamedTemporaryFile", full(7))


def cannot_be_renamed(kernels, monkeypatch):
    monkeypatch.setattr(os, "replace", fails(errno.EACCES))


def full(room):
    """Files on a disk that has room for so many bytes."""

    @contextlib.contextmanager
    def opened(**options):
        with tempfile.NamedTemporaryFile(**options) as file:
            write = file.write

            def part(content):
                write(content[:room])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            file.write = part
            yield file

    return opened


FAULTS = [
    is_a_file,
    is_a_broken_link,
    cannot_be_made,
    cannot_be_written,
    full_at_the_first_byte,
    full_at_the_end,
    cannot_be_renamed,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_without_a_place_nothing_is_kept_and_nothing_left_over(kernels, monkeypatch, fault):
    fault(kernels, monkeypatch)
    disk.write("key", b"one" * 100)
    assert disk.read("key") is None
    assert not kernels.is_dir() or not list(kernels.iterdir())


def test_an_interrupt_leaves_nothing_over(kernels, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        disk.write("key", b"one")
    assert not list(kernels.iterdir())


def test_who_reads_sees_whole_files_while_others_write(kernels):
    contents = [bytes([i]) * 10_000 * (i + 1) for i in range(4)]
    disk.write("key", contents[0])
    seen = set()

    def write(content):
        for _ in range(100):
            disk.write("key", content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(disk.read("key"))
    assert seen <= set(contents) and len(list(kernels.iterdir())) == 1


# Kernels.


def check(factor):
    """A generated kernel, as a process gets it that has none yet."""
    cache._kernels.clear()
    graph = graph_of(lambda x: x * factor, X)
    np.testing.assert_array_equal(run(graph, "numba", X)[0], X * np.float32(factor))


@needs_numba
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_kernels_without_a_disk(kernels, monkeypatch, capfd, recwarn, fault):
    fault(kernels, monkeypatch)
    check(1.2345)
    assert capfd.readouterr() == ("", "") and not recwarn.list


@needs_numba
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_kernel_is_compiled_anew_and_replaced(kernels, capfd, recwarn, damage):
    check(5.4321)
    path = the_file(kernels)
    path.write_bytes(DAMAGES[damage](path, path.read_bytes()))
    damaged = path.read_bytes()
    check(5.4321)
    assert the_file(kernels).read_bytes() != damaged and not Trap.sprung
    assert capfd.readouterr() == ("", "") and not recwarn.list


@needs_numba
def test_no_source_on_disk_is_run(kernels):
    """The source of a kernel is what was generated; on disk there is none."""
    check(2.3456)
    assert {path.suffix for path in kernels.rglob("*")} == {".kernel"}


PROGRAM = """
import sys
import numpy as np
from vmapcore import jit

f = jit(lambda x, w: np.tanh(x * 1.5 - 0.25) * np.exp(x @ w))
x = np.linspace(0, 1, 300_000, dtype="f").reshape(3000, 100)
w = x[:100]
sys.stdin.readline()
print(*[f(x, w).tobytes().hex()[:1000] for _ in range(3)][1:])
"""


def start(program, *args, **environment):
    paths = {"PYTHONPATH": os.pathsep.join(["." if p == "" else p for p in sys.path])}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command, settings = [sys.executable, "-c", program, *args], os.environ | paths | environment
    return subprocess.Popen(command, env=settings, text=True, **pipes)


def test_two_processes_at_once(kernels):
    both = [start(PROGRAM) for _ in range(2)]
    found = [process.communicate("\n", timeout=120) for process in both]
    assert not any(errors for _, errors in found) and found[0][0] == found[1][0] != ""
    assert all(disk._digest(p.name, p.read_bytes()[32:]) == p.read_bytes()[:32] for p in kernels.rglob("*.kernel"))


STRANGERS = """
import sys
import numpy as np
from vmapcore import jit

def first(x, y):
    return np.tanh(np.exp(-x * x) + np.sin(y) * np.tanh(x) + np.exp(-y * y)) + np.tanh(x * y) * np.exp(-x)

def second(x, y):
    return np.tanh(np.exp(-y * y) - np.sin(x) * np.tanh(y) + np.exp(-x * x)) - np.tanh(x - y) * np.exp(-y)

x, y = np.random.default_rng(0).standard_normal((2, 2000, 1000))
for name in sys.argv[1:]:
    f = globals()[name]
    planned = jit(f)
    for _ in range(3):
        np.testing.assert_allclose(planned(x, y), f(x, y), rtol=1e-8)
"""


@needs_numba
@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")], ids=" ".join)
def test_kernels_that_other_processes_compiled_are_strangers(tmp_path, order):
    """Each process counts its functions anew, so two have different ones of the same name."""
    for name in order:
        assert start(STRANGERS, name, NUMBA_CACHE_DIR=str(tmp_path / name)).communicate(timeout=120) == ("", "")
    for path in (tmp_path / order[1]).rglob("*.kernel"):
        shutil.copy(path, tmp_path / order[0] / "vmapcore" / "kernels")
    assert start(STRANGERS, *order, NUMBA_CACHE_DIR=str(tmp_path / order[0])).communicate(timeout=120) == ("", "")


@needs_numba
def test_kernels_on_disk_offer_no_function_but_their_own(kernels):
    """What they call is theirs alone, under whatever name."""
    check(6.5432)
    found = start(STRANGERS, "first", NUMBA_CACHE_DIR=str(kernels.parents[1])).communicate(timeout=120)
    assert found == ("", "")
    for path in kernels.iterdir():
        ((_, _, (_, names)), *_), code = pickle.loads(path.read_bytes()[32:])
        offered = {f.name for f in binding.parse_bitcode(names).functions}
        inside = [f for f in binding.parse_bitcode(code).functions if not f.is_declaration]
        assert {f.name for f in inside if f.linkage != binding.Linkage.internal} == offered and len(offered) == 3


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "home").write_text("")  # a file: also root cannot write into it
    before = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"), "")
    found = start(PROGRAM, HOME=str(tmp_path / "home"), **before).communicate("\n", 120)
    assert found[0] and not found[1]


@needs_numba
def test_where_numba_compiles_nothing():
    found = start(PROGRAM, NUMBA_DISABLE_JIT="1").communicate("\n", 120)
    assert found[0] and not found[1]
