"""What asks for values, as one operation of a recording, which runs it anew each time: a graph has no branches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import is_array
from .core import RUNNING, Primitive, Trace
from .errors import ArgumentError, ShapeError, StructureError, describe
from .methods import RUN
from .pytree import flatten, unflatten
from .tracer import Tracer


def recording_of(leaves: Sequence[Any]) -> Trace | None:
    """The recording that runs, if no other transform is between it and these arguments."""
    records = next((trace for trace in RUNNING.get() if trace.records), None)
    traced = [x for x in leaves if isinstance(x, Tracer)]
    return records if traced and all(x._trace is records for x in traced) else None


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
        running, run = RUNNING.get(), RUN.get()
        try:
            RUNNING.set(())
            RUN.set(None)
            result = self.run(leaves)
        finally:
            RUN.set(run)
            RUNNING.set(running)
        found, tree = flatten(result)
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
