"""What asks for values, as one operation of a recording, which runs it anew each time: a graph has no branches."""

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any, NoReturn, TypeVar

import numpy as np

from .arrays import is_array
from .core import RUNNING, Primitive
from .errors import ArgumentError, ShapeError, StructureError, describe
from .methods import MOST, RUN, SIMPLE
from .pytree import flatten, unflatten
from .tracer import Tracer

R = TypeVar("R")


class AnewError(BaseException):
    """Ends a recording, of which nothing is used."""


def untraced(fun: Callable[..., R], *args: Any, **options: Any) -> R:
    """Calls a function as no transform does: none runs, and names are those of modules."""
    running, run = RUNNING.get(), RUN.get()
    try:
        RUNNING.set(())
        RUN.set(None)
        return fun(*args, **options)
    finally:
        RUN.set(run)
        RUNNING.set(running)


def recording() -> Any:
    """The recording that runs."""
    return next((trace for trace in RUNNING.get() if trace.records), None)


def run_anew(records: Any) -> NoReturn:
    """Ends a recording, as every call is to run anew, whole."""
    records.anew = True
    raise AnewError


def anew_if_asked(records: Any, run: Callable[[], Any]) -> Any:
    """Calls `run`, whose rows may ask, with other transforms around it or values that do not come as arguments."""
    refused = records.refused
    try:
        result = run()
    except Exception:
        if records.refused is refused:
            raise
    if records.refused is not refused:
        run_anew(records)
    return result


def reaches_tracer(fun: Any) -> bool:
    """Whether a function may use traced values that are no arguments of it, as it does one that it closes over."""
    found, waiting = set(), [fun]
    while waiting:
        x = waiting.pop()
        if isinstance(x, Tracer):
            return True
        if type(x) not in SIMPLE and id(x) not in found:
            found.add(id(x))
            waiting += _inside(x)
    return False


def _inside(x: Any) -> Iterable[Any]:
    """What a function has beside its arguments, and what is in that."""
    if isinstance(x, (type, ModuleType)):
        return ()
    if isinstance(x, (list, tuple, dict)):
        return islice(x.values() if isinstance(x, dict) else x, MOST)
    inside = list(getattr(x, "__dict__", {}).values())
    if isinstance(x, functools.partial):
        inside += [x.func, x.args, x.keywords]
    elif isinstance(x, MethodType):
        inside += [x.__self__, x.__func__]
    elif isinstance(x, FunctionType):
        inside += [x.__defaults__, x.__kwdefaults__]
        for cell in x.__closure__ or ():
            with suppress(ValueError):  # not bound yet
                inside.append(cell.cell_contents)
    return inside


class Opaque(Primitive):
    """`run(leaves)`, of the leaves that are traced; results keep the structure, shapes and dtypes of the first run."""

    pure = False

    def __init__(self, call: str, run: Callable[[list[Any]], Any], leaves: Sequence[Any]) -> None:
        Primitive.__init__(self, self._evaluate, name=call, multiple=True, listed=False)
        self.work = lambda ins, outs, **params: 0
        self.run = run
        self.places = [i for i, x in enumerate(leaves) if isinstance(x, Tracer)]
        self.leaves = [x.copy() if isinstance(x, np.ndarray) else x for x in leaves]
        for i in self.places:
            self.leaves[i] = None
        self.tree: Any = None
        self.form: list[Any] = []

    def _evaluate(self, xp: Any, *arrays: Any) -> tuple[Any, ...]:
        leaves = [x.copy() if isinstance(x, np.ndarray) else x for x in self.leaves]
        for i, x in zip(self.places, arrays, strict=True):
            leaves[i] = x.copy()
        found, tree = flatten(untraced(self.run, leaves))
        if any(isinstance(x, Tracer) for x in found):
            fact, remedy = "the function closes over a value that is recorded", "Pass the value as an argument"
            raise ArgumentError(self.name, fact, "only arguments reach what is run anew in each call", remedy)
        if self.tree is None:
            self.tree, self.form = tree, [_like(x) for x in found]
        if tree != self.tree:
            fact = f"results have structure {tree}, and had {self.tree} when it was recorded"
            raise StructureError(self.name, fact, "a recording has one structure of results")
        outs = [self._fitted(x, like) for x, like in zip(found, self.form, strict=True)]
        return tuple([x if x.base is None else x.copy() for x in outs if isinstance(x, np.ndarray)])

    def _fitted(self, x: Any, like: Any) -> Any:
        """A result as the recording had it: where that was a float, a float."""
        if not isinstance(like, np.ndarray):
            if not _is_result(x) and x == like:
                return like
        elif _is_result(x) and np.shape(x) == like.shape:
            x = np.asarray(x)
            if np.can_cast(x.dtype, like.dtype):
                return x.astype(like.dtype, copy=False)
        fact = f"a result is {describe(x)}, and was {describe(like)} when it was recorded"
        raise ShapeError(self.name, fact, "a recording has one shape and dtype for each result")

    def __call__(self, *args: Any, **params: Any) -> Any:
        """The results, as the function returned them: arrays traced, and all else as it was."""
        traced = iter(Primitive.__call__(self, *args, **params))
        return unflatten(self.tree, [next(traced) if isinstance(x, np.ndarray) else x for x in self.form])


def _is_result(x: Any) -> bool:
    return is_array(x) or isinstance(x, (int, float, complex))


def _like(x: Any) -> Any:
    """An array without memory that is like a result; of what is none, that itself."""
    return np.broadcast_to(np.zeros((), np.asarray(x).dtype), np.shape(x)) if _is_result(x) else x
