"""Functions of SciPy's modules in forms that take traced values: all of them are held to SciPy's own."""

import importlib
import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import ConcretizationError, OptionError
from vmapcore.libraries.scipy import FORMS

from .together import together

pytest.importorskip("scipy")
cluster, ndimage = (pytest.importorskip(f"scipy.{name}") for name in ("cluster", "ndimage"))
signal, stats = (pytest.importorskip(f"scipy.{name}") for name in ("signal", "stats"))
pytest.importorskip("scipy.cluster.hierarchy")
shapiro = stats.shapiro

FUNCTIONS = [(module, name) for module, forms in FORMS.items() for name in forms]


@together("path", FUNCTIONS, ".".join)
def test_parameters_and_defaults_are_scipys(path):
    module, name = path
    theirs = getattr(importlib.import_module(module), name, None)
    if theirs is None:
        return  # an older SciPy
    known, parameters = inspect.signature(FORMS[module][name]).parameters, inspect.signature(theirs).parameters
    for parameter in known.values():
        assert parameter.name in parameters, parameter
        default = parameters[parameter.name].default
        assert default is parameter.default or default == parameter.default, parameter
        assert parameters[parameter.name].kind >= parameter.kind, parameter
    assert [name for name in parameters if name in known] == [*known]
    assert all(p.name in known or p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in parameters.values())


def test_an_option_that_is_not_known_is_named():
    fft = importlib.import_module("scipy.fft")
    with pytest.raises(OptionError, match=r"scipy\.fft\.fft: plan is 3, .*; it must be None then\. Pass plain values"):
        vmap(lambda x: fft.fft(x, plan=3))(np.ones((2, 3)))
    with pytest.raises(TypeError, match="unexpected keyword argument 'lenght'"):
        vmap(lambda x: fft.fft(x, lenght=3))(np.ones((2, 3)))


NAMED = {
    "scipy.signal.argrelmax": lambda x: signal.argrelmax(x)[0],
    "scipy.ndimage.label": lambda x: ndimage.label([x, x])[0],
    "scipy.cluster.vq.whiten": lambda x: cluster.vq.whiten(x[:, None]),
    "scipy.stats.shapiro": lambda x: shapiro(x)[0],
    "scipy.cluster.hierarchy.linkage": lambda x: cluster.hierarchy.linkage(y=x[:, None])[:, 2],
    "scipy.stats.gaussian_kde": lambda x: stats.gaussian_kde(x)(0.5),
}
"""Calls of what computes with plain values, by the name that an error has."""


IN_BOTH_MODES = (
    lambda x: stats.gamma.logpdf(x + 1, 2.5),
    lambda x: stats.norm(0.5, x + 1).cdf(0.3),
    lambda x: stats.poisson.logpmf(3, x + 1) + stats.bernoulli.pmf(1, x / 9),
    lambda x: stats.t.sf(x, 4.5) + stats.zscore(x),
    lambda x: signal.lfilter([1.0], [1.0, 0.5], x),
    lambda x: ndimage.gaussian_filter1d(x, 1.0),
)


@pytest.mark.parametrize("array_api", ["0", "1"])
def test_what_has_no_form_is_named(array_api):
    """By the line, and with a remedy that works, with and without SciPy's own dispatch."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.test_scipy_forms"],
        env=os.environ | {"SCIPY_ARRAY_API": array_api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: signal.convolve2d(x[:, None] * x, np.eye(3), mode="same", boundary="symm").sum(),
        lambda x: stats.rankdata(x, method="dense") @ x,
    ],
    ids=range(2),
)
def test_an_option_that_a_form_does_not_know_runs_by_row(fun):
    x = np.array([[0.0, 2.0, 1.0, 2.0], [1.0, 5.0, 2.0, 3.5]])
    expected = [fun(row) for row in x]
    assert np.allclose(vmap(fun, branches="split")(x), expected)
    assert np.allclose(jit(vmap(fun, branches="split"))(x), expected)
    with pytest.raises(OptionError):
        vmap(fun)(x)


def check_named():
    x = np.array([[0.0, 2.0, 1.0, 4.0, 0.5], [1.0, 5.0, 2.0, 3.5, 0.0]])
    for name, fun in NAMED.items():
        where = rf"^{name}: has no form that takes traced values, such as .* of "
        line = r"at test_scipy_forms\.py:\d+ in <lambda>\. "
        with pytest.raises(ConcretizationError, match=where + rf"vmap\(<lambda>\), {line}.*branches=\"split\""):
            vmap(fun)(x)
        with pytest.raises(ConcretizationError, match=where + rf"jit\(<lambda>\), {line}"):
            jit(fun)(x[0])
        with pytest.raises(ConcretizationError, match=where + rf".*{line}Declare it as an operation with a derivative"):
            grad(lambda x, fun=fun: np.sum(fun(x)))(x[0])
        wanted = [fun(row) for row in x]
        assert np.allclose(vmap(fun, branches="split")(x), wanted), name
        assert np.allclose(vmap(lambda y, fun=fun: fun(x[0]) + 0 * y[0])(x), [wanted[0]] * 2), name
    for fun in IN_BOTH_MODES:
        assert np.allclose(vmap(fun)(x), [fun(row) for row in x])
        assert np.all(np.isfinite(vmap(grad(lambda x, fun=fun: np.sum(fun(x)[1])))(x)))


if __name__ == "__main__":
    check_named()
