"""check_op finds every wrong operation by the check that is meant to, and nothing in the right ones."""

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmapcore.testing import check_op
from vmapcore.testing.reproduction import SHOWN_AGAIN

from .wrong_operations import RIGHT, WRONG
from .wrong_operations_found import FOUND


@pytest.mark.parametrize("name", RIGHT)
def test_right_operations_pass(name):
    right = RIGHT[name]
    check_op(right.op(), *right.examples, **right.params)


def failure(name, op):
    """What check_op raises for a wrong operation, in text, and the line that shows it again."""
    wrong = WRONG[name]
    with pytest.raises(Exception) as caught:
        check_op(op, *wrong.examples, **wrong.params)
    (line,) = [note.removeprefix(SHOWN_AGAIN) for note in caught.value.__notes__ if note.startswith(SHOWN_AGAIN)]
    return f"{type(caught.value).__name__}: {caught.value}", line


RUN_EACH = """
import json, os, sys, traceback
import tests.wrong_operations

for line, expected in json.load(sys.stdin):
    read, write = os.pipe()
    if os.fork() == 0:  # a process of its own, in which nothing has run
        try:
            exec(line, {})
            text = "passed"
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode()[:4096])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as found:
        print(json.dumps([expected, found.read()]))
    os.wait()
"""


PARTS = [list(WRONG)[i::4] for i in range(4)]


@pytest.mark.parametrize("names", PARTS, ids=range(len(PARTS)))
def test_wrong_operations_are_found(names, tmp_path, monkeypatch):
    """By the check that is meant to; and the line that shows a failure again does, without a word more."""
    monkeypatch.syspath_prepend(tmp_path)
    shown = []
    for name in names:
        module = f"operation_{list(WRONG).index(name)}"
        (tmp_path / f"{module}.py").write_text(f"from tests.wrong_operations import WRONG\nop = WRONG[{name!r}].op()\n")
        text, line = failure(name, importlib.import_module(module).op)
        check = re.search(r"from vmapcore.testing import (\w+)", line)[1]
        assert re.match(FOUND[name], f"{check}: {text}", re.DOTALL), f"{name}: {check}: {text}"
        assert f"from {module} import op" in line
        shown.append((line, text))
    if hasattr(os, "fork"):  # each runs in one
        show_again(shown, tmp_path)


def show_again(shown, folder):
    """Each line by itself, in a process of its own: it says all it needs, and fails in the same way."""
    path = os.pathsep.join([str(folder), str(Path(__file__).parent.parent)])
    run = functools.partial(subprocess.run, capture_output=True, text=True, check=True)
    done = run(
        [sys.executable, "-W", "ignore", "-c", RUN_EACH],
        input=json.dumps(shown),
        env={**os.environ, "PYTHONPATH": path},
    )
    pairs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(pairs) == len(shown)
    for expected, found in pairs:
        assert in_kind(found) == in_kind(expected)


def in_kind(text):
    """A failure without its numbers, and without the names that one function has with parameters and without."""
    return re.sub(r"[-+]?(\d+\.?\d*(e[-+]?\d+)?|nan)j?", "#", re.sub(r"\b(partial|op)\b", "op", text))
