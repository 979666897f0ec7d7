"""docs/coverage.md is what `python -m tests.coverage` makes, and leaves no function of NumPy out."""

import numpy as np
import pytest

from vmapcore import vmap

from .coverage import CANNOT, LACKING, MADE_OF_OTHERS, MODULES, NO_CUPY, PAGE, functions, page


@pytest.fixture(scope="module")
def made():
    return page()


def test_the_page_is_as_the_table_is(made):
    assert PAGE.read_text() == made[0], "run python -m tests.coverage"


def test_every_function_is_covered_or_has_a_reason(made):
    assert not made[1]
    assert made[2] >= 0.99


def test_reasons_are_needed():
    named = [*MADE_OF_OTHERS, *LACKING, *[n for names in CANNOT.values() for n in names.split()]]
    assert len(named) == len(set(named))
    assert set(named) <= {name for module in MODULES for name in functions(module)}
    every = {f"{module}.{name}".removeprefix("np.") for module in MODULES for name in functions(module)}
    assert every >= NO_CUPY


def test_what_is_made_of_others():
    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(vmap(lambda d: np.fft.fftfreq(4, d))(x), [np.fft.fftfreq(4, d) for d in x])
    np.testing.assert_allclose(vmap(lambda d: np.fft.rfftfreq(4, d))(x), [np.fft.rfftfreq(4, d) for d in x])
    found = vmap(lambda a: np.fromfunction(lambda i, j: a * i + j, (2, 2)))(x)
    np.testing.assert_allclose(found, [np.fromfunction(lambda i, j, a=a: a * i + j, (2, 2)) for a in x])
    assert vmap(lambda a: np.ascontiguousarray(a))(x).tolist() == x.tolist()
