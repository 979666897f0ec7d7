"""The gallery's programs, as they are, under every transform, against the loop and finite differences."""

from pathlib import Path

import numpy as np
import pytest

from bench import documents, gallery, programs
from vmapcore import grad, jacfwd, jit, plain, rows, vmap
from vmapcore.errors import VmapcoreError

WHOLE = [name for name in programs.names() if name not in programs.RAGGED]

pytestmark = pytest.mark.filterwarnings("ignore::vmapcore.errors.PerformanceWarning")


@pytest.fixture
def cheap(monkeypatch):
    """Runs of rows together cost nothing, so that all but single rows do."""
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_ROWS", 0.0)


def assert_rows(program, call, sweep, calls=1):
    """That a function of the sweep gives what the program gives row by row."""
    wanted = programs.stacked([program.fun(*row) for row in program.each(sweep)])
    for _ in range(calls):
        for x, y in zip(programs.leaves(call(*sweep)), wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", WHOLE)
def test_vmap_and_jit(name):
    """With the options that are said of it."""
    program = programs.load(name)
    mapped = vmap(program.fun, program.in_axes, **program.options)
    swept = [x[:4] for x in program.sweep]
    assert_rows(program, lambda *sweep: mapped(*sweep, *program.fixed), swept)
    assert_rows(program, jit(lambda *sweep: mapped(*sweep, *program.fixed)), swept, calls=2)


@pytest.mark.parametrize("name", sorted(programs.RAGGED))
@pytest.mark.parametrize("branches", ["split", "loop"])
def test_results_of_different_shapes(name, branches):
    program = programs.load(name)
    made = vmap(program.fun, program.in_axes, out_axes=list, branches=branches)(*program.sweep, *program.fixed)
    for found, wanted in zip(made, [program.fun(*row) for row in program.each(program.sweep)], strict=True):
        for x, y in zip(programs.leaves(found), programs.leaves(wanted), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9)


@pytest.mark.parametrize("name", sorted({*WHOLE} - programs.AS_ONE))
def test_what_is_needed_is(name):
    """A program that has come to need nothing is one of `programs.AS_ONE`."""
    program = programs.load(name)
    with pytest.raises(VmapcoreError):
        jit(vmap(program.fun, program.in_axes))(*program.sweep, *program.fixed)


@pytest.mark.parametrize("name", WHOLE)
def test_rows_that_answer_alike_go_together(name, cheap):
    program = programs.load(name)
    assert_rows(
        program,
        lambda *sweep: vmap(program.fun, program.in_axes, branches="split")(*sweep, *program.fixed),
        program.sweep,
    )


@pytest.mark.parametrize("name", [name for name in WHOLE if programs.load(name).differentiable])
def test_derivatives(name):
    """Of a weighted sum of what floats the program returns, by each argument that is one."""
    program = programs.load(name)

    @plain
    def total(result):
        floats = [x for x in programs.leaves(result) if getattr(x, "dtype", np.dtype(type(x))).kind == "f"]
        return sum([np.sum(x) * (1 + 0.1 * i) for i, x in enumerate(floats)])

    def fun(*row):
        return total(program.fun(*row, *program.fixed))

    row = [x[0] for x in program.sweep]
    for i, x in enumerate(row):
        if x.dtype.kind == "f":
            step = 1e-5 * max(1.0, np.max(np.abs(x)))
            above, below = [fun(*row[:i], x + s, *row[i + 1 :]) for s in (step, -step)]
            wanted = (above - below) / (2 * step)
            for derivative in (grad, jacfwd):
                found = np.sum(derivative(fun, argnums=i)(*row))
                np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-4 * (1 + abs(wanted)))


def test_the_page_says_what_was_measured():
    page = (Path(__file__).parent.parent / "docs" / "gallery.md").read_text()
    assert page == gallery.page(documents.load(gallery.MEASURED)), "python -m bench gallery > docs/gallery.md"
