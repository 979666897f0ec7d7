"""Functions of SciPy's modules in forms that take traced values: all of them are held to SciPy's own."""

import importlib
import inspect

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import OptionError
from vmapcore.libraries.scipy import FORMS

from .together import together

pytest.importorskip("scipy")

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
