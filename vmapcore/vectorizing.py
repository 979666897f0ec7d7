"""`vectorize`: np.vectorize's contract, by vmap in place of a loop."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arrays import is_array
from .batching import vmap
from .errors import ArgumentError, OptionError, ShapeError, describe, name_of
from .names import call_user, stands_for
from .numpy import is_traced
from .tracer import Tracer
from .words import checks_keywords


class Core(NamedTuple):
    """A signature such as "(m,n),(n)->(m)": the names of the axes of one example."""

    inputs: list[tuple[str, ...]]
    outputs: list[tuple[str, ...]]


PART = r"\(\s*(?:\w+(?:\s*,\s*\w+)*)?\s*\)"
SIGNATURE = re.compile(rf"\s*(?:{PART}(?:\s*,\s*{PART})*)?\s*->\s*{PART}(?:\s*,\s*{PART})*\s*")


@checks_keywords
def vectorize(
    pyfunc: Callable[..., Any] | None = None,
    otypes: Any = None,
    doc: str | None = None,
    excluded: Any = None,
    cache: bool = False,
    *,
    signature: str | None = None,
) -> Any:
    """Makes of a function of numbers, or of small arrays, one of arrays of them, which broadcast.

    Law:  vectorize(f)(x)[i] == f(x[i])

    It takes what `np.vectorize` takes, and runs `f` by `vmap` on all elements at once. `f` may branch, loop and draw
    random numbers as in a loop; what it does outside of itself, it does for each run and not for each element.

    Args:
        pyfunc: the function; without it, a decorator is returned.
        otypes: dtypes of the results, as a list or as characters; without them, those that come.
        doc: the docstring; by default that of `pyfunc`.
        excluded: positions and names of arguments that are passed on as they are.
        cache: has no effect, as the function is not called to find out how many results it has.
        signature: axes of one example, such as "(m,n),(n)->(m)"; without it, arguments and results are numbers.

    Returns:
        A function of arrays.

    Raises:
        ShapeError: arguments do not broadcast, lack axes of the signature, or disagree on their lengths.

    Example:
        >>> import numpy as np
        >>> clipped = vectorize(lambda x, top: x if x < top else top)
        >>> clipped([[1.0, 5.0], [2.0, 0.5]], 2.0)
        array([[1. , 2. ],
               [2. , 0.5]])
        >>> vectorize(np.dot, signature="(n),(n)->()")(np.ones((4, 1, 3)), np.ones((2, 3))).shape
        (4, 2)
    """
    if pyfunc is None:
        options = {"doc": doc, "excluded": excluded, "cache": cache, "signature": signature}
        return functools.partial(vectorize, otypes=otypes, **options)
    if not callable(pyfunc):
        raise ArgumentError("vectorize", f"argument 'pyfunc' is {describe(pyfunc)}", "it must be a function")
    made = _Vectorized(pyfunc, otypes, frozenset(excluded or ()), signature)

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        return made(args, kwargs)

    vectorized.__doc__ = pyfunc.__doc__ if doc is None else doc
    return vectorized


class _Vectorized:
    """A function with what is known of its arguments and results."""

    def __init__(self, fun: Callable[..., Any], otypes: Any, excluded: frozenset[Any], signature: str | None) -> None:
        self.fun = fun
        self.call = f"vectorize({name_of(fun)})"
        self.excluded = excluded
        self.core = None if signature is None else _parsed(self.call, signature)
        self.otypes = None if otypes is None else [np.dtype(t) for t in otypes]

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        every: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        keys = [key for key in every if key not in self.excluded]
        if not keys:
            return self.fun(*args, **kwargs)
        arrays = [x if isinstance(x, Tracer) or is_array(x) else np.asarray(x) for x in map(every.__getitem__, keys)]
        cores = [()] * len(keys) if self.core is None else self.core.inputs
        if len(cores) != len(keys):
            raise ArgumentError(self.call, f"got {len(keys)} arguments", f"its signature has {len(cores)}")
        sizes = self._sizes(arrays, cores)
        leads = [x.shape[: len(x.shape) - len(core)] for x, core in zip(arrays, cores, strict=True)]
        try:
            lead = np.broadcast_shapes(*leads)
        except ValueError:
            fact = f"shapes {', '.join(map(str, leads))} do not broadcast together"
            raise ShapeError(self.call, fact) from None
        count = math.prod(lead)
        if not count:
            return self._of_nothing(lead, sizes)
        given, axes = [], []
        for x, own in zip(arrays, leads, strict=True):
            alike, core = math.prod(own) == 1, x.shape[len(own) :]
            axes.append(None if alike else 0)
            given.append(x.reshape(core) if alike else np.broadcast_to(x, lead + core).reshape((count, *core)))

        def of_one(*rows: Any) -> Any:
            full = every | dict(zip(keys, rows, strict=True))
            return call_user(
                self.fun, tuple([full[i] for i in range(len(args))]), {name: full[name] for name in kwargs}
            )

        mapped = vmap(of_one, tuple(axes), axis_size=count, branches="split", randomness="different")(*given)
        outs = mapped if isinstance(mapped, tuple) else (mapped,)
        found = [
            self._placed(i, np.asarray(x) if not hasattr(x, "shape") else x, lead, sizes) for i, x in enumerate(outs)
        ]
        self._check_count(found)
        return tuple(found) if isinstance(mapped, tuple) else found[0]

    def _sizes(self, arrays: Sequence[Any], cores: Sequence[tuple[str, ...]]) -> dict[str, int]:
        """The lengths of the axes of the signature."""
        sizes: dict[str, int] = {}
        for i, (x, core) in enumerate(zip(arrays, cores, strict=True)):
            if len(x.shape) < len(core):
                raise ShapeError(
                    self.call, f"argument {i} is {describe(x)}", f"its signature has {len(core)} axes for it"
                )
            for name, n in zip(core, x.shape[len(x.shape) - len(core) :], strict=True):
                if sizes.setdefault(name, n) != n:
                    raise ShapeError(self.call, f"axis {name} has lengths {sizes[name]} and {n}", "they must be equal")
        return sizes

    def _placed(self, i: int, x: Any, lead: tuple[int, ...], sizes: dict[str, int]) -> Any:
        """A result, with the axes of the examples in front."""
        shape = x.shape[1:]
        if self.core is None and shape:
            raise ShapeError(self.call, f"a result has shape {shape}", "it must be a number", "Pass signature=")
        if self.core is not None and i < len(self.core.outputs):
            names = self.core.outputs[i]
            if len(names) != len(shape) or any(sizes.setdefault(a, n) != n for a, n in zip(names, shape, strict=True)):
                raise ShapeError(self.call, f"result {i} has shape {shape}", f"its signature has ({','.join(names)})")
        x = x.reshape(lead + shape)
        return x if self.otypes is None or i >= len(self.otypes) else x.astype(self.otypes[i])

    def _check_count(self, found: Sequence[Any]) -> None:
        for what, wanted in (("signature", self.core and self.core.outputs), ("otypes", self.otypes)):
            if wanted is not None and len(wanted) != len(found):
                raise OptionError(self.call, f"there are {len(found)} results", f"its {what} has {len(wanted)}")

    def _of_nothing(self, lead: tuple[int, ...], sizes: dict[str, int]) -> Any:
        cores = [()] if self.core is None else self.core.outputs
        unknown = {name for core in cores for name in core if name not in sizes}
        if self.otypes is None or unknown:
            remedy = "Pass otypes=" if self.otypes is None else "Give the axes of results those of arguments"
            raise OptionError(self.call, "there are no elements", "so nobody knows what results would be", remedy)
        cores = cores if self.core else cores * len(self.otypes)
        empty = [np.zeros((*lead, *[sizes[n] for n in c]), t) for c, t in zip(cores, self.otypes, strict=True)]
        return tuple(empty) if len(empty) > 1 else empty[0]


def _parsed(call: str, signature: str) -> Core:
    if not isinstance(signature, str) or not SIGNATURE.fullmatch(signature):
        raise OptionError(call, f"signature is {signature!r}", 'it reads like "(m,n),(n)->(m)"')
    sides = [[tuple(re.findall(r"\w+", part)) for part in re.findall(PART, side)] for side in signature.split("->")]
    return Core(*sides)


class Loops(np.vectorize):
    """`np.vectorize` inside a transform: of plain arrays it is NumPy's, of traced ones `vectorize`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            not hasattr(self, "pyfunc")
            or not callable(self.pyfunc)
            or not any(map(is_traced, (*args, *kwargs.values())))
        ):
            return np.vectorize.__call__(self, *args, **kwargs)
        made = vectorize(self.pyfunc, self.otypes, excluded=self.excluded, signature=self.signature)
        return made(*args, **kwargs)


stands_for(Loops, np.vectorize)
