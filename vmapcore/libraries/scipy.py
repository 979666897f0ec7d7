"""What the names of SciPy mean while a transform runs: told to `names` when the user has imported them."""

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..errors import public_module
from ..modules import LATER, declare_imported
from ..names import INSTEAD, seen, stands_for
from ..numpy import Dispatching
from . import (
    distances,
    events,
    fft,
    images,
    interpolate,
    ivp,
    linalg,
    minima,
    peaks,
    quadrature,
    roots,
    samples,
    signals,
    spectra,
    statistics,
)
from .calls import Calling, SolverCall
from .distributions import declare_distributions
from .forms import Counterpart, OfPlainValues
from .functions import FUNCTIONS
from .multivariate import declare_multivariate
from .slopes import s
from .special import PARTIALS


class Library(ModuleType):
    """A module of a library, whose names are seen as those of a user's module are."""

    def __init__(self, theirs: ModuleType) -> None:
        self.__dict__.clear()
        self.__dict__["_theirs"] = theirs
        stands_for(self, theirs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._theirs, name)  # which imports what is not loaded yet
        if LATER:
            declare_imported()
        return seen(value)

    def __dir__(self) -> list[str]:
        return dir(self._theirs)

    def __repr__(self) -> str:
        return repr(self._theirs)


FORMS: dict[str, dict[str, Callable[..., Any]]] = {
    "scipy.fft": fft.FUNCTIONS,
    "scipy.integrate": samples.FUNCTIONS,
    "scipy.linalg": linalg.FUNCTIONS,
    "scipy.interpolate": interpolate.FUNCTIONS,
    "scipy.ndimage": interpolate.OF_IMAGES | images.FUNCTIONS,
    "scipy.signal": signals.FUNCTIONS | spectra.FUNCTIONS | peaks.FUNCTIONS,
    "scipy.spatial.distance": distances.FUNCTIONS,
    "scipy.stats": statistics.FUNCTIONS,
}
"""By modules of SciPy's, the forms of their functions, by name."""


CALLS: dict[str, dict[str, Callable[[SolverCall], Any]]] = {
    "scipy.integrate": events.FUNCTIONS | ivp.FUNCTIONS | quadrature.FUNCTIONS,
    "scipy.optimize": roots.FUNCTIONS | minima.FUNCTIONS,
}
"""The same of functions that call functions of the user's."""


PUBLIC = (
    *("scipy.cluster", "scipy.cluster.hierarchy", "scipy.cluster.vq", "scipy.fft", "scipy.fftpack", "scipy.integrate"),
    *("scipy.interpolate", "scipy.linalg", "scipy.ndimage", "scipy.odr", "scipy.optimize", "scipy.signal"),
    *("scipy.signal.windows", "scipy.sparse", "scipy.sparse.csgraph", "scipy.sparse.linalg", "scipy.spatial"),
    *("scipy.spatial.distance", "scipy.stats", "scipy.stats.contingency", "scipy.stats.mstats", "scipy.stats.qmc"),
)
"""Modules whose other functions compute with plain values."""


def declare(module: ModuleType) -> None:
    """What the functions of a module are."""
    for kind, forms in ((Counterpart, FORMS), (Calling, CALLS)):
        for name, ours in forms.get(module.__name__, {}).items():
            theirs = getattr(module, name, None)  # an older SciPy may not have it
            if theirs is not None and theirs not in INSTEAD:
                stands_for(kind(theirs, ours, f"{module.__name__}.{name}"), theirs)
    for name, theirs in list(vars(module).items()):
        if not name.startswith("_") and _is_function(theirs, module.__name__) and theirs not in INSTEAD:
            stands_for(OfPlainValues(theirs, f"{module.__name__}.{name}"), theirs)
    Library(module)


def _is_function(x: Any, module: str) -> bool:
    """Whether it is a function of this module's."""
    if not callable(x) or isinstance(x, (type, ModuleType, np.ufunc)) or not hasattr(x, "__name__"):
        return False
    return public_module(str(x.__module__)) == module


def declare_stats(stats: ModuleType) -> None:
    declare_distributions(stats)
    declare_multivariate(stats)
    declare(stats)


def declare_interpolate(module: ModuleType) -> None:
    interpolate.declare_interpolants(module)
    declare(module)


def declare_special(special: ModuleType) -> None:
    """The forms of what is in `scipy.special`; of its ufuncs too, which `SCIPY_ARRAY_API` wraps."""
    for name, theirs in list(vars(special).items()):
        known = name in PARTIALS and type(theirs) is FunctionType
        ours = theirs if isinstance(theirs, np.ufunc) else getattr(s, name) if known else FUNCTIONS.get(name)
        if ours is not None and theirs not in INSTEAD:
            stands_for(Dispatching(theirs, ours), theirs)
    INSTEAD[np].special = s  # where SciPy's dispatch looks for them, by the namespace of a tracer
    Library(special)


LATER.update(
    {
        "scipy": Library,
        "scipy.special": declare_special,
        **dict.fromkeys(PUBLIC, declare),
        "scipy.stats": declare_stats,
        "scipy.interpolate": declare_interpolate,
    }
)
