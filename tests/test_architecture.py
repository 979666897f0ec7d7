"""The shape of the source: floors, imports at the top, one file that names CuPy, ceilings on length."""

import ast
import functools
import io
import os
import subprocess
import sys
import tokenize
from importlib.util import find_spec
from pathlib import Path

import pytest

from .together import together

ROOT = Path(__file__).parent.parent / "vmapcore"
FILES = sorted(ROOT.rglob("*.py"))
each_file = together("path", FILES, str)

MAX_FILE = 300
MAX_FUNCTION = 45

FLOORS = [
    {"errors", "locks", "thresholds"},
    {"arrays", "memory", "refusals", "remade", "threads", "words"},
    {"views", "numpy_protocol", "pytree"},
    {"tracer", "parameters", "modules", "seen_classes"},
    {"scopes"},
    {"rows", "outside"},
    {"methods"},
    {"converting"},
    {"names"},
    {"core"},
    {"numbers"},
    {"graph"},
    {"evals"},
    {"rules"},
    {"randomness"},
    {"numpy", "scalars"},
    {"arguments", "axes", "branches", "keys", "opaque"},
    {"batched"},
    {"lanes"},
    {"batching", "reverse", "forward", "recording"},
    {"derivatives"},
    {"jacobians", "transposing"},
    {"custom", "vectorizing"},
    {"planning"},
    {"cpu"},
    {"executors"},
    {"replay"},
    {"ops"},
    {"libraries"},
    {"explain"},
    {"testing"},
    {"nn"},
]
"""From the ground up; a module that is not named here may be imported by none that is."""

TRANSFORMS = {
    "batched",
    "batching",
    "reverse",
    "forward",
    "recording",
    "derivatives",
    "jacobians",
    "custom",
    "ops",
    "arguments",
    "axes",
    "branches",
    "rows",
    "opaque",
}


def tree(path):
    return parsed(path.read_text())


@functools.cache
def parsed(source):
    return ast.parse(source)


def module_of(path):
    """The name of a file below the package, dotted; of the package itself, the empty one."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """The modules of the package that a file imports, dotted, from the package on."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {name.name.removeprefix("vmapcore.") for name in node.names if name.name.startswith("vmapcore.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
            elif (node.module or "").split(".")[0] == "vmapcore":
                base = tuple(node.module.split(".")[1:])
            else:
                continue
            base = tuple(part for part in base if part)
            names = [".".join((*base, name.name)) for name in node.names]
            found |= {name if is_module(name) else ".".join(base) for name in names}
    return found


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def floor(module):
    """The floor of a module, by its file or folder at the top of the package."""
    top = module.split(".")[0]
    return next((i for i, names in enumerate(FLOORS) if top in names), len(FLOORS))


@each_file
def test_imports_go_down(path):
    module = module_of(path)
    if not module:
        return  # the package itself gathers names from everywhere
    own = module.split(".")[0]
    for other in imported(path):
        assert other, f"{module} imports the package itself"
        if other.split(".")[0] != own:
            assert floor(other) < floor(module), f"{module} imports {other}, which is not below it"


def test_every_floor_exists():
    """A module that was renamed would otherwise leave its floor unguarded."""
    named = {name for names in FLOORS for name in names}
    there = {module_of(path).split(".")[0] for path in FILES}
    assert named - there <= {"numpy", "nn"}, named - there


def test_no_circles():
    """Within a floor and within a folder too."""
    graph = {module_of(path): imported(path) for path in FILES}
    done, open_ = set(), []

    def visit(module):
        assert module not in open_, " imports ".join([*open_[open_.index(module) :], module])
        if module in done or module not in graph:
            return
        open_.append(module)
        for other in graph[module]:
            if other != module:
                visit(other)
        open_.pop()
        done.add(module)

    for module in graph:
        visit(module)
    assert len(done) == len(graph)


def test_no_two_classes_have_one_name():
    names = [node.name for path in FILES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}


@each_file
def test_rules_know_no_transform(path):
    if "rules" in path.relative_to(ROOT).parts:
        assert not {name.split(".")[0] for name in imported(path)} & (TRANSFORMS | {"nn", "testing"})


@each_file
def test_no_import_inside_a_function(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inner = [n.lineno for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom))]
            assert not inner, f"imports inside {getattr(node, 'name', 'a lambda')}, lines {inner}"


HIDDEN = {"import_module", "__import__", "globals"}
"""Calls that import, or make names that a reader does not see."""

MAY_HIDE = {"names.py": {"__import__"}, "executors.py": {"import_module"}, "numpy.py": {"globals"}}
"""Plans wait until one is built; the names of `vmapcore.numpy` are those of a table."""


@each_file
def test_no_import_is_hidden(path):
    called = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = {getattr(function, "id", getattr(function, "attr", None)) for function in called}
    assert not names & HIDDEN - MAY_HIDE.get(str(path.relative_to(ROOT)), set())


@each_file
def test_only_arrays_names_cupy(path):
    """In code: prose may speak of it."""
    if path.name == "arrays.py":
        return
    source = path.read_text()
    docstrings = docstring_lines(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.STRING) and token.start[0] not in docstrings:
            assert "cupy" not in token.string, f"line {token.start[0]}"


@functools.cache
def docstring_lines(source):
    """The lines of every string that stands alone as a statement."""
    lines = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


@functools.cache
def code_lines(source):
    """The numbers of the lines that hold code: no blank lines, comments or docstrings."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines - docstring_lines(source)


@each_file
def test_files_are_short(path):
    count = len(code_lines(path.read_text()))
    assert count <= MAX_FILE, f"{count} lines of code; split it"


@each_file
def test_functions_are_short(path):
    source = path.read_text()
    code = code_lines(source)
    for node in ast.walk(parsed(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = len(code & set(range(node.lineno, node.end_lineno + 1)))
            assert count <= MAX_FUNCTION, f"{node.name} has {count} lines of code"


@each_file
def test_every_module_says_what_lives_there(path):
    assert ast.get_docstring(tree(path)), "has no docstring"


# What is loaded, and when.


def loaded_after(code, **variables):
    """The modules that a fresh process has imported after some code."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT.parent,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


PLAN = "import numpy as np, vmapcore\nf = vmapcore.jit(lambda x: x + 1)\nf(f(np.ones(3)))"


def test_the_package_loads_little():
    """Neither Numba, nor plans and their kernels, before a plan is built: importing it would take twice as long."""
    loaded = loaded_after("import vmapcore, vmapcore.testing, vmapcore.nn\nvmapcore.jit(lambda x: x)")
    assert "vmapcore.executors" in loaded and not loaded & {"numba", "llvmlite"}
    assert not {m for m in loaded if m.startswith(("vmapcore.cpu", "vmapcore.planning"))}


def test_plans_load_numba_unless_told_not_to():
    assert "numba" not in loaded_after(PLAN, VMAPCORE_NUMBA="0")
    if find_spec("numba") is not None:
        assert "numba" in loaded_after(PLAN, VMAPCORE_NUMBA="1")


# The checks above, held against sources that break them.


def broken(tmp_path, monkeypatch, name, source):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    return path


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        (test_imports_go_down, "core.py", "from .batching import vmap"),
        (test_imports_go_down, "core.py", "import vmapcore.batching"),
        (test_imports_go_down, "rules/sums.py", "from ..batching import vmap"),
        (test_imports_go_down, "rules/sums.py", "from .. import batching"),
        (test_imports_go_down, "batching.py", "from .reverse import grad"),
        (test_rules_know_no_transform, "rules/sums.py", "from ..nn import functional"),
        (test_no_import_inside_a_function, "core.py", "def f():\n    import json"),
        (test_no_import_is_hidden, "core.py", "import importlib\nimportlib.import_module('json')"),
        (test_no_import_is_hidden, "core.py", "globals().update(x)"),
        (test_only_arrays_names_cupy, "core.py", "import cupy"),
        (test_only_arrays_names_cupy, "core.py", "x = f('cupy')"),
        (test_files_are_short, "core.py", "x = 1\n" * 301),
        (test_functions_are_short, "core.py", "def f():\n" + "    x = 1\n" * 45),
        (test_every_module_says_what_lives_there, "core.py", "x = 1"),
    ],
)
def test_the_checks_fail(tmp_path, monkeypatch, check, name, source):
    (tmp_path / "batching.py").write_text("")
    (tmp_path / "nn.py").write_text("")
    path = broken(tmp_path, monkeypatch, name, source)
    with pytest.raises(AssertionError):
        check.__wrapped__(path)


def test_prose_does_not_count(tmp_path, monkeypatch):
    path = broken(tmp_path, monkeypatch, "core.py", '"""Names cupy."""\n' + "# cupy\n\n" * 400)
    test_only_arrays_names_cupy.__wrapped__(path)
    test_files_are_short.__wrapped__(path)
