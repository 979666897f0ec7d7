"""vmap, and the doors where `in_axes`, `out_axes`, `branches` and `randomness` exist: inside, the batch is axis 0."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import check_callable
from .arrays import is_plain_array
from .axes import REDUCTIONS, InAxes, check_entries, move_axis, placed, spread_prefix
from .batched import AloneTrace, BatchedTensor, BatchTrace, SplitTrace, TangentTrace, beside
from .branches import AGAIN, MOST, SAMPLED, Part, Paths, check_branches, each_row
from .converting import APART
from .core import lift
from .errors import ArgumentError, VmapcoreError, describe, name_of
from .methods import RUN
from .names import call_user
from .opaque import Opaque, anew_if_asked, reaches_tracer, recording, run_anew
from .outside import inside
from .pytree import flatten, paths, unflatten
from .randomness.order import Draws, check_randomness, drawn_so_far, in_order
from .remade import remade
from .rows import Rows
from .tracer import Tracer
from .words import checks_keywords


@remade
@checks_keywords
def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    axis_size: int | None = None,
    branches: str = "error",
    max_paths: int = MOST,
    randomness: str = "error",
) -> Callable[..., Any]:
    """Vectorises `fun` over one axis of its arguments.

    Law:  vmap(fun)(x)[i] == fun(x[i])

    No loop runs: every operation inside `fun` happens once, on all examples. Mapped arguments written to in place
    inside `fun` stay unchanged outside.

    Args:
        fun: a function of arrays in any pytree, written for one example with NumPy.
        in_axes: the axis to map over: an int for every leaf; a tuple or list with an entry per positional argument,
            each a pytree prefix of it; or a dict with an entry per argument name. `None` marks what is not mapped.
        out_axes: where the batch goes in the results: an int or a pytree prefix. `None` returns an unmapped result
            as it is; `"sum"` and `"mean"` reduce over the batch; `list`, for all of them, makes a list with the result
            of each example, which may differ in shape.
        axis_size: the length of the mapped axis; needed only where no argument is mapped.
        branches: what becomes of `if`, `while`, `range(n)` and all else that asks for a value that differs between
            examples: `"error"`; `"split"`, which runs examples that answer alike together, once for each way through
            `fun`, and those that are too few for that one by one; or `"loop"`, which runs all one by one.
        max_paths: how many ways through `fun` are run before the examples that are left run one by one.
        randomness: what becomes of draws from a generator that was made outside: `"error"`; `"different"`, numbers for
            each example, which are those of a loop; or `"same"`, those of one example for all.

    Returns:
        A function of the same signature, with the batch axis added to arguments and results.

    Raises:
        ShapeError: mapped axes differ in size, or an argument to be mapped has no such axis.
        StructureError: `in_axes` or `out_axes` is not a prefix of what it is for.
        RandomnessError: `fun` draws from a generator that was made outside.

    Example:
        >>> import numpy as np
        >>> rows, v = np.ones((5, 3)), np.ones(3)
        >>> vmap(np.dot, in_axes=(0, None))(rows, v).shape
        (5,)
        >>> vmap(lambda x: np.sqrt(x) if x > 0 else 0.0, branches="split")(np.array([4.0, -1.0, 9.0]))
        array([2., 0., 3.])
    """
    check_callable("vmap", fun)
    check_branches(branches, max_paths)
    check_randomness(randomness)
    if instead := getattr(type(fun), "instead_of_vmap", ""):
        raise ArgumentError("vmap", f"argument 'fun' is {describe(fun)}, whose own call is a vmap", "", instead)
    kind = _Door if branches == "error" else _SplitDoor if branches == "split" else _LoopDoor
    door = kind(fun, in_axes, out_axes, axis_size)
    door.most = max_paths
    door.randomness = randomness

    @functools.wraps(fun)
    def vmapped(*args: Any, **kwargs: Any) -> Any:
        return door(args, kwargs)

    return vmapped


class _Door:
    """Where arguments come in and results go out: inside, the batch is on axis 0."""

    trace = BatchTrace
    most = MOST
    randomness: str | None = None
    lately: Draws | None = None
    """What the function has drawn in an earlier call, and so perhaps in the next."""

    def __init__(self, fun: Callable[..., Any], in_axes: Any, out_axes: Any, axis_size: int | None) -> None:
        self.fun = fun
        self.in_axes = InAxes(fun, in_axes, axis_size)
        self.out_axes = out_axes
        self.call = self.in_axes.call
        check_entries(f"vmap({name_of(fun)})", "out_axes", out_axes, REDUCTIONS)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, treedef = flatten((args, kwargs))
        axes = self.in_axes.of_leaves(args, kwargs, len(leaves))
        size = self.in_axes.size(args, kwargs, leaves, axes)
        return self._applied(leaves, treedef, axes, size)

    def _applied(self, leaves: list[Any], treedef: Any, axes: list[int | None], size: int) -> Any:
        around, before = drawn_so_far(), None if self.lately is None else self.lately.once_more(size)
        trace, result = self._together(leaves, treedef, axes, size, before)
        if trace.draws is None:
            return result

        def together(draws: Draws | None = None) -> tuple[BatchTrace, Any]:
            return self._together(leaves, treedef, axes, size, draws)

        def one_by_one() -> Any:
            return self._by_loop()._applied(leaves, treedef, axes, size)

        self.lately, result = in_order(trace, result, around, together, one_by_one)
        return result

    def _together(
        self, leaves: list[Any], treedef: Any, axes: list[int | None], size: int, draws: Draws | None = None
    ) -> tuple[BatchTrace, Any]:
        trace = self.trace(self.call, size, self.randomness)
        trace.draws = draws
        inputs = [
            beside(trace, x) if axis is None else BatchedTensor(trace, _in_front(x, axis))
            for x, axis in zip(leaves, axes, strict=True)
        ]
        args, kwargs = unflatten(treedef, inputs)
        result = trace.run(lambda: self._results(trace, call_user(self.fun, args, kwargs)))
        if trace.report is not None:
            trace.report.tell()
        return trace, result

    def _by_loop(self) -> "_LoopDoor":
        door = object.__new__(_LoopDoor)
        door.__dict__.update(self.__dict__)
        return door

    def _results(self, trace: BatchTrace, result: Any) -> Any:
        if isinstance(self.out_axes, int) and trace.owns(result):  # the common case
            return placed(self.call, trace.size, *trace.taken(result), self.out_axes, lambda: "the result")
        leaves, treedef = flatten(result)
        return self._placed(trace.size, result, treedef, [trace.taken(x) for x in leaves])

    def _placed(self, size: int, result: Any, treedef: Any, taken: list[tuple[Any, bool]]) -> Any:
        if self.out_axes is list:
            return [row for _, row in each_row(Part(range(size), treedef, taken))]
        axes = spread_prefix(self.call, "out_axes", self.out_axes, result, "the result")
        return unflatten(
            treedef,
            [
                placed(self.call, size, x, mapped, axis, lambda i=i: f"result{paths(result)[i]}")  # type: ignore[misc]
                for i, ((x, mapped), axis) in enumerate(zip(taken, axes, strict=True))
            ],
        )


def _in_front(x: Any, axis: int) -> Any:
    """A mapped argument with the batch on axis 0."""
    x = inside(x)
    return move_axis(x.snapshot() if isinstance(x, Tracer) else x, axis + len(x.shape) if axis < 0 else axis, 0)


class _SplitDoor(_Door):
    """One of a vmap whose rows may answer differently."""

    loops = False
    in_vain = 0
    """For how many calls rows run one by one, since it did not pay that they run together."""
    most_in_vain = 0
    """How many rows there were."""
    calls = 0
    """How many have run rows together, from the first of those that paid on."""
    doubtful = False
    """Whether it should be measured, in the second of these and in some later ones, that this pays."""

    def _applied(self, leaves: list[Any], treedef: Any, axes: list[int | None], size: int) -> Any:
        if not size:
            return [] if self.out_axes is list else _Door._applied(self, leaves, treedef, axes, size)
        records = recording()
        if records is None:
            return self._by_rows(leaves, treedef, axes, size)
        if not self._is_alone(records, leaves):
            if self.loops:
                run_anew(records)
            return anew_if_asked(records, lambda: self._by_rows(leaves, treedef, axes, size))
        if not self.loops:
            refused = records.refused
            before = [(x, x.snapshot()) for x in leaves if isinstance(x, Tracer)]
            try:
                result = self._by_rows(leaves, treedef, axes, size)
            except VmapcoreError:
                if records.refused is refused:
                    raise
            if records.refused is refused:
                return result
            records.refused = refused
            for x, was in before:
                x.rebind(was)
        whole = Opaque(self.call, lambda given: self._by_rows(given, treedef, axes, size), leaves)
        return anew_if_asked(records, lambda: whole(*[leaves[i] for i in whole.places]))

    def _is_alone(self, records: Any, leaves: list[Any]) -> bool:
        """Whether all that is traced comes right from the recording, as an argument."""
        traced = [x for x in leaves if isinstance(x, Tracer)]
        return bool(traced) and all(x._trace is records for x in traced) and not reaches_tracer(self.fun)

    def _by_rows(self, leaves: list[Any], treedef: Any, axes: list[int | None], size: int) -> Any:
        mapped = [axis is not None for axis in axes]
        leaves = [x if axis is None else _in_front(x, axis) for x, axis in zip(leaves, axes, strict=True)]
        report: Any = None

        def together(rows: Rows) -> Part:
            nonlocal report
            trace = SplitTrace(self.call, rows, self.randomness)
            trace.report = report
            inputs = list(leaves)
            for i, x in enumerate(leaves):
                if mapped[i]:
                    inputs[i] = BatchedTensor(trace, x if len(rows.here) == size else x[rows.here])
                else:
                    inputs[i] = beside(trace, x)
                if isinstance(inputs[i], BatchedTensor):
                    rows.add(inputs[i])
            args, kwargs = unflatten(treedef, inputs)
            before = APART.get()
            try:
                APART.set(True)
                part = trace.run(lambda: _part(trace, call_user(self.fun, args, kwargs)))
            finally:
                APART.set(before)
            report = trace.report
            return part

        every = self._run(together, leaves, treedef, mapped, size)
        if report is not None:
            report.tell()
        if self.out_axes is list:
            return every.listed()
        tree, found = every.merged()
        return self._placed(size, unflatten(tree, [x for x, _ in found]), tree, found)

    def _run(self, together: Any, leaves: list[Any], treedef: Any, mapped: list[bool], size: int) -> Paths:
        """Runs rows together, or in a loop where that has paid."""
        args, kwargs = unflatten(treedef, leaves)
        simple = not kwargs and len(args) == len(leaves) and all(map(operator.is_, args, leaves))
        traced = RUN.get() is not None or any(isinstance(x, Tracer) for x in leaves)
        alone = _Alone(self, leaves, mapped, size, traced, None if simple else treedef)
        every = Paths(self.call, together, alone, self.most, self.out_axes is list)
        if self.loops or (self.in_vain and not traced and size <= 4 * self.most_in_vain):
            self.in_vain = max(self.in_vain - 1, 0)
            every.loop(range(size))
        else:
            measures = self.doubtful and self.calls % AGAIN == 1 and not traced and size >= SAMPLED
            every.run(size, traced, measures)
            self.calls = 1 if every.vain else self.calls + 1
            self.in_vain, self.most_in_vain = AGAIN * every.vain, size
            single = isinstance(self.out_axes, int) or self.out_axes is list  # alone, nothing is one for all rows
            self.doubtful = every.doubtful and self.randomness == "error" and single
        return every


class _Alone:
    """Runs one row of a call."""

    def __init__(
        self, door: _Door, leaves: Sequence[Any], mapped: Sequence[bool], size: int, traced: bool, treedef: Any
    ) -> None:
        self.door = door
        self.leaves, self.mapped, self.size = leaves, mapped, size
        self.traced = traced
        self.treedef = treedef
        """None where the leaves are the arguments, in their order."""
        self.examples: list[tuple[Any, ...]] = []
        self.writes = traced  # to arguments that are not mapped, of which each row then has its own

    def __call__(self, i: int) -> Any:
        asks = self.door.randomness == "error" and (self.traced or not self.examples)  # as little as may be
        if not self.examples:
            each = zip(self.leaves, self.mapped, strict=True)
            columns = [_rows(x) if m else [_locked(x)] * self.size for x, m in each]
            self.examples = list(zip(*columns, strict=True)) or [()] * self.size
        given: Sequence[Any] = self.examples[i]
        if self.writes:
            given = [x if m else _own(x) for x, m in zip(given, self.mapped, strict=True)]
        args, kwargs = (given, {}) if self.treedef is None else unflatten(self.treedef, given)
        fun = self.door.fun
        try:
            if asks:
                return AloneTrace(self.door.call, 1, "error").run(lambda: call_user(fun, args, kwargs))
            if self.door.randomness == "same":
                return self._as_all(i, lambda: call_user(fun, args, kwargs))
            return call_user(fun, args, kwargs) if self.traced else fun(*args, **kwargs)
        except ValueError as error:
            if self.writes or "read-only" not in str(error):
                raise
            self.writes = True
        return self(i)

    def _as_all(self, i: int, run: Callable[[], Any]) -> Any:
        """Runs a row that draws from copies of generators, which are then as the last row leaves them."""
        trace = AloneTrace(self.door.call, 1, "same")
        result = trace.run(run)
        if trace.draws is not None and i == self.size - 1:
            trace.draws.end(trace)
        return result


class _LoopDoor(_SplitDoor):
    """One of a vmap that runs its rows one by one."""

    loops = True


def _part(trace: SplitTrace, result: Any) -> Part:
    leaves, tree = flatten(result)
    return Part(trace.rows.here, tree, [trace.taken(x) for x in leaves])


def _locked(x: Any) -> Any:
    """An argument that is not mapped, for rows of which each may write to its own: of those that do."""
    if is_plain_array(x) and x.flags.writeable and isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def _own(x: Any) -> Any:
    """One row's own of an argument that is not mapped, which takes what transforms around it trace."""
    if isinstance(x, Tracer):
        return x.snapshot()
    return lift(x.copy()) if is_plain_array(x) else x


def _rows(x: Any) -> Any:
    """The rows of an argument, to each of which the function may write."""
    return x.copy() if len(x.shape) > 1 else x


class OverTangents(_Door):
    """vmap of a jvp over its tangents; the first of two results has no batch."""

    trace = TangentTrace

    def __init__(self, fun: Callable[..., Any], axis_size: int) -> None:
        _Door.__init__(self, fun, 0, (None, 0), axis_size)
