"""The distributions of `scipy.stats` while a transform runs: their methods by SciPy's names, frozen or not."""

import functools
from collections.abc import Callable
from inspect import Parameter, Signature
from types import ModuleType
from typing import Any

import numpy as np

from ..core import RUNNING
from ..methods import PARTS, RUN
from ..names import SEES, STAND_INS
from ..numpy import Dispatching
from ..rules._families import operand
from . import laws
from .closures import Holder
from .laws import Law, at, at_whole, of_level

PLACE = Parameter.POSITIONAL_OR_KEYWORD
NEEDED = Parameter.empty


class Statistic:
    """A method of distributions: what it computes, and of what, with defaults, before the parameters."""

    def __init__(self, compute: Callable[..., Any], **leading: Any) -> None:
        self.compute = compute
        self.needed = [Parameter(name, PLACE) for name, x in leading.items() if x is NEEDED]
        self.options = [Parameter(name, PLACE, default=x) for name, x in leading.items() if x is not NEEDED]
        self.signature = Signature([*self.needed, *self.options])


class DrawingForm(Dispatching):
    """One that draws random numbers, so that a transform must know, whatever the parameters are."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.applied(*args, **options) if RUNNING.get() else self.theirs(*args, **options)


ANY = {
    "stats": Statistic(laws.stats, moments="mv"),
    "mean": Statistic(lambda law: laws.stats(law, "m")),
    "var": Statistic(lambda law: laws.stats(law, "v")),
    "std": Statistic(lambda law: np.sqrt(laws.stats(law, "v"))),
    "moment": Statistic(laws.moment, order=NEEDED),
    "entropy": Statistic(laws.entropy),
    "support": Statistic(laws.support),
    "rvs": Statistic(laws.rvs, size=None, random_state=None),
}
CONTINUOUS = ANY | {
    **{name: Statistic(at(f"_{name}"), x=NEEDED) for name in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf")},
    **{name: Statistic(of_level(f"_{name}"), q=NEEDED) for name in ("ppf", "isf")},
    "median": Statistic(lambda law: of_level("_ppf")(law, 0.5)),
    "interval": Statistic(laws.interval(of_level("_ppf")), confidence=NEEDED),
}
DISCRETE = ANY | {
    **{name: Statistic(at_whole(f"_{name}"), k=NEEDED) for name in ("pmf", "logpmf", "cdf", "sf", "logcdf", "logsf")},
    **{name: Statistic(of_level(f"_{name}", True), q=NEEDED) for name in ("ppf", "isf")},
    "median": Statistic(lambda law: of_level("_ppf", True)(law, 0.5)),
    "interval": Statistic(laws.interval(of_level("_ppf", True)), confidence=NEEDED),
}


class Distribution(Holder):
    """Stands for a distribution, or for one with parameters that are frozen."""

    def __init__(self, theirs: Any, args: Any = (), kwds: Any = None) -> None:
        self._theirs, self._args, self._kwds = theirs, args, kwds
        self._methods = CONTINUOUS if hasattr(theirs, "pdf") else DISCRETE
        names = (theirs.shapes or "").replace(",", " ").split()
        ends = {"loc": 0, "scale": 1} if self._methods is CONTINUOUS else {"loc": 0}
        self._parameters = [Parameter(name, PLACE) for name in names]
        self._parameters += [Parameter(name, PLACE, default=x) for name, x in ends.items()]

    @property
    def __class__(self) -> Any:
        return type(self._plain())

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise TypeError("the class of a distribution does not change")

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        return Distribution(self._theirs, args, kwds)

    def freeze(self, *args: Any, **kwds: Any) -> Any:
        return Distribution(self._theirs, args, kwds)

    def __getattr__(self, name: str) -> Any:
        method = self._methods.get(name)
        if method is None:
            return getattr(self._plain(), name)
        kind = DrawingForm if name == "rvs" else Dispatching
        called = kind(getattr(self._theirs, name), functools.partial(self._of_traced, method))
        return called if self._kwds is None else functools.partial(self._of_frozen, method, called)

    def _of_traced(self, method: Statistic, *args: Any, **kwds: Any) -> Any:
        options = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in method.options]
        bound = Signature([*method.needed, *self._parameters, *options]).bind(*args, **kwds)
        bound.apply_defaults()
        given = bound.arguments
        leading = [given.pop(name) for name in method.signature.parameters]
        scale = given.pop("scale", 1)
        *shapes, loc = map(operand, given.values())
        name = f"scipy.stats.{self._theirs.name}"
        return method.compute(Law(self._theirs, name, shapes, loc, operand(scale)), *leading)

    def _of_frozen(self, method: Statistic, called: Any, *args: Any, **options: Any) -> Any:
        given = method.signature.bind(*args, **options).arguments
        needed = [given.pop(p.name) for p in method.needed]
        return called(*needed, *self._args, **self._kwds, **given)

    def _plain(self) -> Any:
        """What this stands for."""
        return self._theirs if self._kwds is None else self._theirs.freeze(*self._args, **self._kwds)

    def __repr__(self) -> str:
        return repr(self._theirs)

    def __reduce__(self) -> Any:
        return seen_distribution, (self._plain(),)


def seen_distribution(theirs: Any) -> Any:
    """What a function sees of a distribution, frozen or not."""
    frozen = not hasattr(theirs, "freeze")
    distribution = theirs.dist if frozen else theirs
    run = RUN.get()
    if run is not None:
        run.meet(distribution)  # which may be of a user's own class
    return Distribution(distribution, theirs.args, theirs.kwds) if frozen else Distribution(theirs)


STAND_INS.add(Distribution)


def declare_distributions(stats: ModuleType) -> None:
    for theirs in (stats.norm, stats.norm()):  # and all others, whose types derive from these
        kind: Any = type(theirs).__mro__[-2]
        SEES[kind], PARTS[kind] = seen_distribution, True
