"""What SciPy does around the formulas of a distribution, of traced values: `scipy.stats` by masks.

That is location and scale, what lies outside of the support or at its ends, and NaN for bad parameters. The formulas
are SciPy's own, in the methods that derived classes define (`_pdf`, `_cdf`, `_stats`), as far as these are calls of
ufuncs; `formulas` has the others.
"""

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..derivatives import stop_gradient
from ..errors import MissingRuleError, OptionError
from ..names import INSTEAD, SeenNames, seen
from ..rules._families import operand
from ..rules._ints import as_sizes
from ..rules.casts import cast
from ..tracer import Tracer
from .formulas import DEFAULTS, FORMULAS

ELSEWHERE = "Call it outside, on plain values, or in a vmap(f, branches='split')"


def of_floats(x: Any) -> Any:
    return cast(operand(x), np.float64)


@functools.cache
def names_of(module: str) -> SeenNames:
    return SeenNames(vars(sys.modules[module]))


@functools.cache
def with_names(kind: Any) -> Any:
    """A class of SciPy's, whose methods see the names that know traced values."""
    methods = {}
    for base in kind.__mro__[-2::-1]:
        for name, x in vars(base).items():
            if type(x) is FunctionType and base.__module__.startswith("scipy."):
                methods[name] = FunctionType(x.__code__, names_of(base.__module__), name, x.__defaults__, x.__closure__)
                methods[name].__kwdefaults__ = x.__kwdefaults__
            elif name in methods:
                del methods[name]
    return type(kind.__name__, (kind,), methods)


def of_plain_names(theirs: Any) -> Any:
    """A distribution whose formulas call ufuncs; `SCIPY_ARRAY_API` wraps them, to take arrays of one kind only."""
    if type(sys.modules["scipy.special"].ndtr) is not FunctionType:
        return theirs
    plain: Any = type(theirs)
    kind = with_names(plain)
    made = kind.__new__(kind)
    made.__dict__ = theirs.__dict__
    return made


class Law:
    """A distribution with its parameters."""

    def __init__(self, theirs: Any, name: str, shapes: list[Any], loc: Any, scale: Any) -> None:
        self.theirs, self.name, self.formulas = theirs, name, of_plain_names(theirs)
        self.shapes, self.loc, self.scale = shapes, loc, scale
        self.allowed = self.hook("_argcheck")
        self.valid = self.allowed & (scale > 0)
        self.a, self.b = self.hook("_get_support")

    def hook(self, name: str, *first: Any, **options: Any) -> Any:
        """What SciPy's method of that name says, or what stands for it; also of bad parameters, which is not used."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._hook(name, *first, **options)

    def _hook(self, name: str, *first: Any, **options: Any) -> Any:
        for base in type(self.theirs).__mro__:
            if base.__module__.startswith("scipy."):
                if (ours := FORMULAS.get(base.__name__, {}).get(name)) is not None:
                    return ours(*first, *self.shapes, **options)
                if (ours := DEFAULTS.get(base.__name__, {}).get(name)) is not None:
                    return ours(self, *first, **options)
            if name in vars(base):
                break
        method = getattr(self.formulas, name)
        if not base.__module__.startswith("scipy."):  # a user's, which may say what is wrong
            return method(*first, *self.shapes, **options)
        try:
            return method(*first, *self.shapes, **options)
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            what = "moments" if name in ("_stats", "_munp") else name.removeprefix("_")
            fact = f"has no formula for its {what} that takes traced values"
            raise MissingRuleError(self.name, fact, "", ELSEWHERE) from error

    def checked(self, out: Any, *others: Any) -> Any:
        """`out` where the parameters are good, and none of `others` is NaN."""
        good = self.valid
        for x in others:
            good = good & (x == x)
        return of_floats(np.where(good, out, np.nan))

    def scaled(self, x: Any) -> Any:
        return x * self.scale + self.loc

    def some_inside(self) -> Any:
        """A number inside the support."""
        a, b = of_floats(self.a), of_floats(self.b)
        lower = np.where(a > -np.inf, a, np.where(b < np.inf, b, 0) - 1)
        return stop_gradient((lower + np.where(b < np.inf, b, lower + 2)) / 2)


# Densities and distribution functions.

OUTSIDE = {
    **dict.fromkeys(("_pdf", "_pmf"), (0, 0)),
    **dict.fromkeys(("_logpdf", "_logpmf"), (-np.inf, -np.inf)),
    "_cdf": (0, 1),
    "_sf": (1, 0),
    "_logcdf": (-np.inf, 0),
    "_logsf": (0, -np.inf),
}
"""The values before and after the support."""


def at(hook: str) -> Callable[[Law, Any], Any]:
    """A function of where a number is."""
    before, after = OUTSIDE[hook]

    def of_place(law: Law, x: Any) -> Any:
        x = of_floats(x)
        near = np.isfinite(x)
        x = np.where(near, (np.where(near, x, 0) - law.loc) / law.scale, x)  # not to be 0 * inf in derivatives
        mask = law.theirs._support_mask if before == after else law.theirs._open_support_mask
        inside = mask(x, *law.shapes) & law.valid
        value = law.hook(hook, np.where(inside, x, law.some_inside()))
        if hook == "_pdf":
            value = value / law.scale
        elif hook == "_logpdf":
            value = value - np.log(law.scale)
        return law.checked(np.where(inside, value, np.where(x >= law.b, after, before)), x)

    return of_place


def at_whole(hook: str) -> Callable[[Law, Any], Any]:
    """The same of whole numbers."""
    before, after = OUTSIDE[hook]

    def of_place(law: Law, k: Any) -> Any:
        k = stop_gradient(operand(k) - law.loc)
        inside = (k >= law.a) & law.valid
        if before == after:
            inside = inside & (k <= law.b) & law.theirs._nonzero(k, *law.shapes)
        else:
            inside = inside & (k < law.b) & (k > -np.inf)
        value = law.hook(hook, np.where(inside, k, law.some_inside() if law.a == -np.inf else law.a))
        if "log" not in hook:
            value = value + stop_gradient(np.clip(value, 0, 1) - value)
        out = law.checked(np.where(inside, value, np.where(k >= law.b, after, before)), k)
        return np.where(k >= law.b, 0.0, out) if hook == "_logcdf" else out  # as SciPy has it for any parameters

    return of_place


def of_level(hook: str, of_whole: bool = False) -> Callable[[Law, Any], Any]:
    """An inverse of a distribution function."""
    low, high = (0, 1) if hook == "_ppf" else (1, 0)

    def quantile(law: Law, q: Any) -> Any:
        q = operand(q)
        inside = (q > 0) & (q < 1) & law.valid
        level = np.where(inside, q, 0.5)
        if of_whole:
            level, law.shapes = stop_gradient(level), stop_gradient(law.shapes)
        value = np.where(inside, law.hook(hook, level), 0)
        value = np.where(q == low, law.a - of_whole, np.where(q == high, law.b, value))
        out = law.checked(law.scaled(np.where(law.valid, value, 0)), law.loc)
        return np.where(inside | (q == low) | (q == high), out, np.nan)

    return quantile


def interval(quantile: Callable[[Law, Any], Any]) -> Callable[[Law, Any], Any]:
    def between(law: Law, confidence: Any) -> Any:
        confidence = operand(confidence)
        return quantile(law, (1.0 - confidence) / 2), quantile(law, (1.0 + confidence) / 2)

    return between


def support(law: Law) -> Any:
    return law.checked(law.scaled(law.a)), law.checked(law.scaled(law.b))


# Moments.


def central(law: Law, moments: str) -> list[Any]:
    """The mean, the variance, skewness and excess kurtosis in standard form, as far as `moments` names them."""
    options = {"moments": moments} if law.theirs._stats_has_moments else {}
    found = [*law.hook("_stats", **options)]
    if all(found["mvsk".index(m)] is not None for m in moments):
        return found
    raw = [law.hook("_munp", n) for n in range(1, 2 + max("mvsk".index(m) for m in moments))]
    raw += [np.nan] * (4 - len(raw))
    mean, var = raw[0], raw[1] - raw[0] ** 2
    third = raw[2] - 3 * mean * var - mean**3
    fourth = raw[3] - 4 * mean * third - 6 * mean * mean * var - mean**4
    made = mean, var, third / var**1.5, fourth / var**2 - 3
    return [y if x is None else x for x, y in zip(found, made, strict=True)]


def stats(law: Law, moments: str = "mv") -> Any:
    found = {m: x for m, x in zip("mvsk", central(law, moments), strict=True) if m in moments}
    if "m" in found:
        found["m"] = law.scaled(found["m"])
    if "v" in found:
        found["v"] = found["v"] * law.scale**2
    out = [law.checked(x, law.loc) for x in found.values()]
    return out[0] if len(out) == 1 else tuple(out)


def moment(law: Law, order: Any) -> Any:
    if order not in (1, 2, 3, 4):
        raise OptionError(f"{law.name}.moment", f"order is {order!r}, and there are traced values", "it must be 1 to 4")
    mean, var, skew, kurtosis = central(law, "mvsk"[:order])
    mean = law.scaled(mean)
    if order == 1:
        return law.checked(mean)
    var = var * law.scale**2
    if order == 2:
        return law.checked(var + mean * mean)
    third = skew * var**1.5
    if order == 3:
        return law.checked(third + 3 * mean * var + mean**3)
    return law.checked((kurtosis + 3) * var * var + 4 * mean * third + 6 * mean * mean * var + mean**4)


def entropy(law: Law) -> Any:
    return law.checked(law.hook("_entropy") + np.log(law.scale), law.loc)


# Random numbers: drawn by SciPy's methods, from what is seen of the generator.


def rvs(law: Law, size: Any = None, random_state: Any = None) -> Any:
    good = law.allowed & (law.scale >= 0)
    if not isinstance(good, Tracer) and not np.all(good):
        raise OptionError(f"{law.name}.rvs", "a parameter is outside of its domain", "", "See its documentation")
    shape = np.broadcast_shapes(*[x.shape for x in (*law.shapes, law.loc, law.scale)])
    size = shape if size is None else as_sizes(f"{law.name}.rvs", "size", size)
    drawn = law.hook("_rvs", size=size, random_state=generator(law.theirs, random_state))
    whole = not hasattr(law.theirs, "pdf")
    return drawn + law.loc if whole else np.where(good, law.scaled(drawn), np.nan)


def generator(theirs: Any, given: Any) -> Any:
    """What is seen of the generator that SciPy would draw from."""
    if given is None or given is np.random:
        return seen(theirs.random_state)
    return INSTEAD[np.random.RandomState](given) if isinstance(given, (int, np.integer)) else seen(given)
