"""The methods of NumPy's generators, of arguments that are traced: made of what one draws without arguments, if it is.

So they have derivatives by their arguments, along one and the same draw, and rows that draw with other arguments draw
the same from the generator. Of all others each row calls the method.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import OptionError, callers_line
from ..numpy_protocol import NUMPY
from ..rules._ints import as_sizes
from ..tracer import Tracer, innermost
from .sources import Source, check_without_derivative, draw

Family = Callable[..., Any]
Families = dict[str, Family]


class Drawing:
    """Draws from one source for a method that a function has called."""

    __slots__ = ("call", "source")

    def __init__(self, source: Source, call: str) -> None:
        self.source = source
        self.call = call

    def __call__(self, name: Any, *args: Any, **options: Any) -> Any:
        return draw(self.source, self.call, name, *args, **options)


def unit(name: str) -> Family:
    """A method whose only arguments are a size, a dtype and the like."""

    def drawn(d: Drawing, size: Any = None, *args: Any, out: Any = None, **options: Any) -> Any:
        options.update(zip(("dtype", "method"), args, strict=False))
        if size is None and out is not None:
            size = out.shape
        values = d(name, size=None if size is None else as_sizes(d.call, "size", size), **options)
        if out is None:
            return values
        out[...] = values
        return out

    return drawn


POSITIVE = frozenset({"scale", "sigma", "shape"})
"""Arguments that NumPy refuses where they are negative."""


def scaled(name: str, formula: Callable[..., Any], *parameters: str) -> Family:
    """A method that applies `formula` to what another draws, and to its own arguments; `parameters` go to the other."""
    known = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in inspect.signature(formula).parameters.values()][1:]
    size = inspect.Parameter("size", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    extra = [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters]
    signature = inspect.Signature([*extra, *known, size])

    def drawn(d: Drawing, *args: Any, **options: Any) -> Any:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        given = {key: NUMPY["as_array"](x) if isinstance(x, (list, tuple)) else x for key, x in bound.arguments.items()}
        shape = np.broadcast_shapes(*[np.shape(x) for key, x in given.items() if key != "size"])
        if bound.arguments["size"] is not None:
            size = as_sizes(d.call, "size", bound.arguments["size"])
            if np.broadcast_shapes(size, shape) != size:
                fact = f"size is {size}, and the arguments have the shape {shape}, at {callers_line()}"
                raise OptionError(d.call, fact, "arguments must broadcast to the size")
            shape = size
        for key in POSITIVE & given.keys():
            if np.any(np.signbit(innermost(given[key]))):
                raise ValueError(f"{key} < 0")
        whole = shape != () or bound.arguments["size"] is not None
        values = d(name, *[given[p] for p in parameters], size=shape if whole else None)
        if type(values) is float:
            values = np.float64(values)  # by which what NumPy would make of numbers is made of arrays
        found = formula(values, *[given[p.name] for p in known])
        return found if whole or not isinstance(found, Tracer) else NUMPY["number"](float, found)  # as NumPy's is

    return drawn


def _triangular(u: Any, left: Any, mode: Any, right: Any) -> Any:
    base = right - left
    below = left + np.sqrt(u * ((mode - left) * base))
    above = right - np.sqrt((1.0 - u) * ((right - mode) * base))
    return np.where(u <= (mode - left) / base, below, above)


def _moved(name: str) -> Family:
    return scaled(name, lambda z, loc=0.0, scale=1.0: loc + scale * z)


SCALED: Families = {
    "normal": _moved("standard_normal"),
    "laplace": _moved("laplace"),
    "gumbel": _moved("gumbel"),
    "logistic": _moved("logistic"),
    "uniform": scaled("random", lambda u, low=0.0, high=1.0: low + (high - low) * u),
    "exponential": scaled("standard_exponential", lambda e, scale=1.0: scale * e),
    "rayleigh": scaled("rayleigh", lambda r, scale=1.0: scale * r),
    "lognormal": scaled("standard_normal", lambda z, mean=0.0, sigma=1.0: np.exp(mean + sigma * z)),
    "weibull": scaled("standard_exponential", lambda e, a: e ** (1.0 / a)),
    "pareto": scaled("standard_exponential", lambda e, a: np.expm1(e / a)),
    "power": scaled("standard_exponential", lambda e, a: (-np.expm1(-e)) ** (1.0 / a)),
    "triangular": scaled("random", _triangular),
}

WHOLE = frozenset(
    {
        *("binomial", "choice", "geometric", "hypergeometric", "integers", "logseries", "multinomial", "permutation"),
        *("multivariate_hypergeometric", "negative_binomial", "poisson", "randint", "random_integers", "zipf"),
        *("randrange", "getrandbits", "sample", "binomialvariate", "choices", "_randbelow"),
    }
)
"""What draws integers, which have no derivative by anything."""


def each(d: Drawing, name: str, *args: Any, **options: Any) -> Any:
    """A method that each row calls with its arguments."""
    args = tuple(map(_whole, args))
    options = {key: _whole(x) for key, x in options.items()}
    if name not in WHOLE:
        for x in (*args, *options.values()):
            check_without_derivative(d.call, x)
    return d(name, *args, **options)


def _whole(x: Any) -> Any:
    """A list that holds tracers as an array; a size of known ones as one of ints."""
    traced = isinstance(x, (list, tuple)) and any(isinstance(e, Tracer) for e in x)
    return NUMPY["as_array"](list(x)) if traced else x


# What is chosen, permuted and moved.


def picked(x: Any, index: Any, axis: int = 0) -> Any:
    """The elements of an array, or of a list of numbers, at indices that may be traced."""
    return NUMPY[np.take](NUMPY["as_array"](x) if isinstance(x, (list, tuple, range)) else x, index, axis)


def _count(a: Any, axis: int = 0) -> Any:
    return None if np.ndim(a) == 0 else np.shape(a)[axis]


def _as_array(a: Any) -> Any:
    return NUMPY["as_array"](a) if isinstance(a, (list, tuple, range)) else a


def choice(d: Drawing, a: Any, size: Any = None, replace: Any = True, p: Any = None, axis: int = 0, **more: Any) -> Any:
    a = _as_array(a)
    count = _count(a, axis)
    index = each(d, "choice", a if count is None else count, size, replace, p, **more)
    return index if count is None else picked(a, index, axis)


def permutation(d: Drawing, x: Any, axis: int = 0) -> Any:
    x = _as_array(x)
    count = _count(x, axis)
    return each(d, "permutation", x) if count is None else picked(x, each(d, "permutation", count), axis)


def shuffle(d: Drawing, x: Any, axis: int = 0) -> None:
    order = each(d, "permutation", len(x) if isinstance(x, list) else np.shape(x)[axis])
    if isinstance(x, list):
        x[:] = list(picked(x, order))
    else:
        x[...] = picked(x, order, axis)


def permuted(d: Drawing, x: Any, *, axis: int | None = None, out: Any = None) -> Any:
    x = _as_array(x)
    shape = np.shape(x)
    if axis is None:
        values = np.reshape(picked(np.reshape(x, -1), each(d, "permuted", np.arange(np.size(x)))), shape)
    else:
        others = [i for i in range(len(shape)) if i != axis % len(shape)]
        places = np.broadcast_to(np.expand_dims(np.arange(shape[axis]), others), shape)
        values = np.take_along_axis(x, each(d, "permuted", places, axis=axis), axis)
    if out is None:
        return values
    out[...] = values
    return out


def multivariate_normal(d: Drawing, mean: Any, cov: Any, size: Any = None, *args: Any, **options: Any) -> Any:
    mean = _as_array(mean)
    return mean + each(d, "multivariate_normal", np.zeros(np.shape(mean)), cov, size, *args, **options)


def gamma(d: Drawing, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
    check_without_derivative(d.call, shape)
    return _gamma(d, shape, scale, size)


_gamma = scaled("standard_gamma", lambda g, scale=1.0: scale * g, "shape")


GENERATOR: Families = {
    **SCALED,
    **{name: unit(name) for name in ("random", "standard_normal", "standard_exponential")},
    "choice": choice,
    "gamma": gamma,
    "multivariate_normal": multivariate_normal,
    "permutation": permutation,
    "permuted": permuted,
    "shuffle": shuffle,
}

STATE: Families = {
    **GENERATOR,
    "random_sample": GENERATOR["random"],
    "ranf": GENERATOR["random"],
    "sample": GENERATOR["random"],
    "rand": lambda d, *sizes: GENERATOR["random"](d, sizes or None),
    "randn": lambda d, *sizes: GENERATOR["standard_normal"](d, sizes or None),
}
del STATE["permuted"]


def family(families: Families, name: str) -> Family:
    """What a method does of traced arguments, or for rows that draw each for itself."""
    return families.get(name) or partial(_each, name)


def _each(name: str, d: Drawing, *args: Any, **options: Any) -> Any:
    return each(d, name, *args, **options)
