"""Reverse mode: GradTracer and its tape.

The tape lists primitive applications in the order they ran; one walk back turns the cotangents of results into
those of inputs. The vjp rules are plain functions of arrays, so they can be traced again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import separate
from .arrays import is_array
from .core import AS_ARRAYS, RUNNING, Primitive, Trace
from .errors import ArgumentError, callers_line
from .pytree import flatten, unflatten
from .refusals import Differentiated
from .tracer import Tracer
from .views import as_argument

FIRST = 2  # places that a warning may name
SMALL = 4096  # bytes below which a second copy of a constant costs less than looking for the first


class GradTracer(Differentiated, Tracer):
    """Reverse mode's tracer: a value and the place on the tape it came from; `None` for a constant."""

    __slots__ = ()

    node = Tracer.beside  # type: ignore[misc]  # that slot, by its name here


class GradTrace(Trace):
    """One running reverse-mode differentiation.

    The tape has an entry per application of a primitive, `(primitive, args, out, params, parents)`, and starts with
    one `None` per input. A node is the index of an entry, or `(index, i)` for output `i` of several; `parents` holds
    the nodes of the arguments.
    """

    __slots__ = ("compared", "saved", "tape")

    tracer = GradTracer
    differentiates = True

    def __init__(self, call: str) -> None:
        Trace.__init__(self, call)
        self.tape: list[Any] = []
        self.compared: list[tuple[list[Any], str]] | None = []
        """Nodes of the first values that were compared, and the lines; None where others may look at these."""
        self.saved: dict[int, tuple[Any, Any]] = {}

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        values = []
        parents = []
        constants = False
        recorded = False
        for a in args:
            if type(a) is GradTracer and a._trace is self:
                values.append(a.value)
                parents.append(a.node)
                if a.node is not None:
                    recorded = True
            else:
                values.append(np.asarray(a) if type(a) in AS_ARRAYS else a)
                parents.append(None)
                constants = True
        if not recorded or primitive.vjps is None:
            out = primitive(*values, **params)
            if recorded and self.compared is not None and not primitive.multiple and out.dtype.kind in "biu":
                self._note(parents)
            return self._constant(primitive, out)
        if primitive.forward is not None:
            return self._process_forward(primitive, values, params, parents)
        if primitive.vjps == ():
            raise self.no_rule(primitive, "vjp")
        out = primitive(*values, **params)
        if constants:
            values = [v if p is not None else self.keep(v) for v, p in zip(values, parents, strict=True)]
        tape = self.tape
        tape.append((primitive, values, out, params, parents))
        if primitive.multiple:
            return self._outputs(out)
        return GradTracer(self, out, len(tape) - 1)

    def _note(self, nodes: list[Any]) -> None:
        assert self.compared is not None
        if RUNNING.get()[-1:] != (self,):  # of a transform inside, whose rules compare for themselves, or of none
            self.compared = None
        elif len(self.compared) < FIRST:
            self.compared.append((nodes, callers_line()))

    def _process_forward(self, primitive: Primitive, values: Any, params: Any, parents: Any) -> Any:
        assert primitive.forward is not None
        values = [v if p is not None else self.keep(v) for v, p in zip(values, parents, strict=True)]
        out, pullback = primitive.forward([p is not None for p in parents], *values, **params)
        for o in out if primitive.multiple else (out,):
            if isinstance(o, Tracer) and o._trace.level >= self.level:
                raise ArgumentError(
                    self.call,
                    f"{primitive.name} of a function that closes over a value traced by it",
                    "only arguments reach its rule",
                    "Pass the value as an argument",
                )
        self.tape.append((None, pullback, out, None, parents))
        return self._outputs(out) if primitive.multiple else GradTracer(self, out, len(self.tape) - 1)

    def _outputs(self, out: Any) -> Any:
        """Several results of one application; ints and bools as copies, for a rule may read them again."""
        index = len(self.tape) - 1
        return tuple(
            [
                GradTracer(self, o, (index, i))
                if o.dtype.kind in "fc"
                else o.snapshot()
                if isinstance(o, Tracer)
                else o.copy()
                for i, o in enumerate(out)
            ]
        )

    def _constant(self, primitive: Primitive, out: Any) -> Any:
        """A result without derivative: ints and bools leave as they are, floats stay writable for traced values."""
        if primitive.multiple:
            return tuple([GradTracer(self, o, None) if o.dtype.kind in "fc" else o for o in out])
        return GradTracer(self, out, None) if out.dtype.kind in "fc" else out

    def keep(self, constant: Any) -> Any:
        """A constant as it is now: the function may write to it before its rule reads it again."""
        if isinstance(constant, Tracer):
            return constant.snapshot()
        if isinstance(constant, (int, float, complex, np.generic)):
            return constant
        if not is_array(constant):  # of another library: as NumPy has taken it
            constant = np.asarray(constant)
        if constant.nbytes < SMALL:
            return constant.copy()
        seen, copy = self.saved.get(id(constant), (None, None))
        if seen is not constant or not np.array_equal(constant, copy):
            copy = constant.copy()
            self.saved[id(constant)] = (constant, copy)
        return copy


def pull_back(tape: list[Any], inputs: int, outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Walks the tape back once; returns the cotangent of each input, `None` where it was not reached."""
    grads: list[Any] = [None] * len(tape)
    for node, g in zip(outputs, cotangents, strict=True):
        if node is not None:
            _add(tape, grads, node, g)
    for index in range(len(tape) - 1, inputs - 1, -1):
        g = grads[index]
        if g is None:
            continue
        grads[index] = None  # freed as soon as it is used
        primitive, args, out, params, parents = tape[index]
        if primitive is None:
            for parent, ct in zip(parents, args(g), strict=True):
                if parent is not None and ct is not None:
                    _add(tape, grads, parent, ct)
            continue
        vjps = primitive.vjps
        for i, parent in enumerate(parents):
            if parent is None:
                continue
            vjp = vjps[i]
            if vjp is None:
                continue
            ct = vjp(g, out, *args, **params)
            if type(parent) is int:
                old = grads[parent]
                grads[parent] = ct if old is None else old + ct
            else:
                _add(tape, grads, parent, ct)
    return grads[:inputs]


def reaches_inputs(tape: list[Any], nodes: Sequence[Any], inputs: int) -> bool:
    """Whether what is at `nodes` was made of an input."""
    waiting = [node if type(node) is int else node[0] for node in nodes if node is not None]
    seen = set(waiting)
    while waiting:
        index = waiting.pop()
        if index < inputs:
            return True
        for node in tape[index][4]:
            before = node[0] if type(node) is tuple else node
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return False


def _add(tape: list[Any], grads: list[Any], node: Any, g: Any) -> None:
    """Adds `g` to the cotangent of `node`."""
    if type(node) is int:
        grads[node] = g if grads[node] is None else grads[node] + g
        return
    index, i = node
    if grads[index] is None:
        grads[index] = [None] * len(tape[index][2])
    entry = grads[index]
    entry[i] = g if entry[i] is None else entry[i] + g


class Recording:
    """What one run of a function left on the tape: the values and nodes of its results, ready to be pulled back."""

    __slots__ = ("aux", "compared", "inputs", "out_nodes", "out_tree", "tape", "values")

    def __init__(self, call: str, run: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any]) -> None:
        """Calls `run`, which returns `(result, aux)`, on tracers of `inputs`."""
        for outer in RUNNING.get():
            if isinstance(outer, GradTrace):
                outer.compared = None
        trace = GradTrace(call)
        self.inputs = inputs
        trace.tape = [None] * len(inputs)
        tracers = [
            as_argument(x, GradTracer(trace, x.snapshot() if isinstance(x, Tracer) else x, node))
            for node, x in enumerate(inputs)
        ]
        trace.run(self._run, trace, run, tracers)
        self.tape = trace.tape
        self.compared = trace.compared

    def _run(self, trace: GradTrace, run: Callable[[list[Any]], tuple[Any, Any]], tracers: list[Any]) -> None:
        result, aux = run(tracers)
        leaves, self.out_tree = flatten(result)
        self.values, self.out_nodes = trace.unwrapped(leaves)
        aux_leaves, aux_tree = flatten(aux)
        self.aux = unflatten(aux_tree, trace.unwrapped(aux_leaves)[0])

    def only_compared(self) -> str | None:
        """Where the inputs went into what has no derivative, if no result hangs on them in any other way."""
        if not self.compared or reaches_inputs(self.tape, self.out_nodes, len(self.inputs)):
            return None
        found = (line for nodes, line in self.compared if reaches_inputs(self.tape, nodes, len(self.inputs)))
        return next(found, None)

    def pull_back(self, cotangents: Sequence[Any]) -> list[Any]:
        """Returns the cotangent of every input, given those of the results."""
        grads = pull_back(self.tape, len(self.inputs), self.out_nodes, cotangents)
        grads = [np.zeros_like(x) if g is None else g for g, x in zip(grads, self.inputs, strict=True)]
        return separate(grads, list(cotangents))
