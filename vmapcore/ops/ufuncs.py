"""Ufuncs of any library as operations: they batch as themselves, elementwise or by their core axes.

One that nobody declared is made into an operation when it first meets a tracer.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from ..arrays import LIBRARIES
from ..errors import ArgumentError
from ..evals.large import heavy
from ..numpy_protocol import MAKERS, NUMPY, full_name
from ..rules._axes import EACH
from ..rules._work import each
from .kinds import Elementwise, Gufunc
from .op import CustomOp
from .signature import Signature

TABLES: list[Callable[[Any], tuple[str, Sequence[Any]] | None]] = []
"""What knows a ufunc that nobody declared: the name, and the partial derivatives that `elementwise` takes."""

DECLARED: dict[Any, CustomOp] = {}
"""Ufuncs that a user made operations of, with derivatives perhaps."""


def is_ufunc(x: Any) -> bool:
    """Whether `x` is a ufunc, NumPy's class or one that does what it does."""
    return isinstance(x, np.ufunc) or (callable(x) and hasattr(x, "nin") and hasattr(x, "nout"))


def path_of(ufunc: Any) -> str:
    """Where a ufunc is found, `scipy.special.erf`, as far as the modules loaded tell; else its bare name."""
    name = ufunc.__name__.partition(" ")[0]
    found = [
        module
        for module, content in list(sys.modules.items())
        if content is not None and "._" not in module and vars(content).get(name) is ufunc
    ]
    module = min(found, key=lambda m: (m.count("."), len(m)), default="__main__")
    return name if module == "__main__" else f"{module}.{name}"


class UfuncOp(CustomOp):
    """A ufunc as an operation."""

    def __init__(self, ufunc: Any, name: str | None = None) -> None:
        self.original = ufunc
        library = type(ufunc).__module__.partition(".")[0]
        home = library if library in LIBRARIES else "numpy"

        def evaluate(xp: Any, *args: Any) -> Any:
            if xp.__name__ != home:
                path = path_of(ufunc)
                fact = f"got an array of {xp.__name__}"
                remedy = f"Say what does it there: vmapcore.custom_op({path}).def_eval({xp.__name__}=...)"
                raise ArgumentError(path, fact, f"it computes on arrays of {home} alone", remedy)
            return heavy(ufunc, *args) if self.ufunc is not None else ufunc(*args)

        names = ["x"] if ufunc.nin == 1 else [f"x{i + 1}" for i in range(ufunc.nin)]
        parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
        CustomOp.__init__(self, evaluate, Signature(parameters), name or path_of(ufunc), ufunc.__doc__)
        self.evaluate = evaluate  # no guard: a ufunc writes to nothing that it reads
        signature = getattr(ufunc, "signature", None)
        if signature is None:
            self.vmap_kind = Elementwise()
        elif "?" not in signature:
            self.vmap_kind = Gufunc(self.name, signature)
        self._reset()

    def _reset(self) -> None:
        CustomOp._reset(self)
        self.spelled = None  # of a tracer it is this operation

    def elementwise(self, *partials: Any) -> Self:
        if getattr(self.original, "signature", None) is not None:
            fact = f"it has the signature {self.original.signature}"
            raise ArgumentError(f"{self.name}.elementwise", fact, "", "Use def_vjp")
        return CustomOp.elementwise(self, *partials)

    def remedy(self, kind: str) -> str:
        made = f"vmapcore.custom_op({path_of(self.original)})"
        if kind == "vmap":
            return f"Declare one with {made}.def_vmap"
        if getattr(self.original, "signature", None) is not None:
            return f"Declare its derivative with {made}.def_vjp(...)"
        args = ", ".join(self.signature.arrays)
        partials = ", ".join([f"lambda out, {args}: ..."] * self.original.nin)
        return f"Declare its derivative with {made}.elementwise({partials})"


def declare_ufunc(ufunc: Any, name: str | None = None) -> CustomOp:
    """The operation that tracers run for `ufunc` from now on."""
    if ufunc in NUMPY:
        raise ArgumentError(f"custom_op({full_name(ufunc)})", "it is an operation of vmapcore's already")
    op = UfuncOp(ufunc, name)
    # A compiler's gufunc may wrap one of NumPy's, which is then what tracers are called with.
    for met in (ufunc, getattr(ufunc, "ufunc", ufunc)):
        DECLARED[met] = op
    return op


@functools.lru_cache(maxsize=1024)
def _undeclared(ufunc: Any) -> CustomOp:
    for known in TABLES:
        if (found := known(ufunc)) is not None:
            op = UfuncOp(ufunc, found[0]).elementwise(*found[1])
            op.def_facts(axes=EACH, work=each)  # as NumPy's ufuncs: no author's code, so equal steps are one
            op.ufunc = ufunc if ufunc.nout == 1 else None
            return op
    return UfuncOp(ufunc)


def operation_of(ufunc: Any) -> CustomOp:
    """The operation that a ufunc of any library is to tracers."""
    return DECLARED.get(ufunc) or _undeclared(ufunc)


MAKERS.append(operation_of)
