"""vmap's tracers and traces: BatchedTensor, with the batch on axis 0, and those who apply operations to it.

Knows no operation: a rule brings its own batching.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import is_plain_array
from .core import AS_ARRAYS, Memory, Primitive, Trace, at_end
from .errors import TooLargeError, VmapcoreError, callers_line
from .evals.places import BY_VALUES, hangs_on
from .outside import inside
from .refusals import BY_EXAMPLE, OTHERWISE, refuse
from .rows import Rows
from .tracer import Tracer, fixed, innermost, reshaping
from .views import is_contiguous, mark_contiguous

ALL_OF_ONE = (True,)

INDEXED = (Memory.VIEW, Memory.IN_PLACE)
"""What is light work for NumPy, by where its results are."""

OPERATORS = frozenset(
    {np.add, np.subtract, np.multiply, np.divide, np.negative, np.absolute, np.power}
    | {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}
)
"""What Python's operators are, which cost little on numbers."""


class BatchedTensor(Tracer):
    """vmap's tracer: `value` holds every example along axis 0, and the tracer shows one."""

    __slots__ = ()

    home = Tracer.beside  # type: ignore[misc]  # that slot, by its name here: the scope whose rows it has
    shape = reshaping(lambda self: self.value.shape[1:])

    def _asked(self, call: str, wanted: str) -> Any:
        trace = self._trace
        return None if trace.ended or trace.rows is None else trace.rows.answer(self, call, wanted)

    def rebind(self, other: Tracer) -> None:
        rows = self._trace.rows
        if rows is not None and rows.scope is not rows.root:
            rows.bring(self)
        self.value = other.value
        self.home = (rows and rows.scope) if type(other) is SharedTensor else other.beside

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        return f"{wanted}: it has {self._trace.size} of them", BY_EXAMPLE.get(call, OTHERWISE) + self.apart

    @property
    def apart(self) -> str:
        return self._trace.apart


class SharedTensor(BatchedTensor):
    """vmap's tracer of a value that is the same for all examples, `row`: not mapped to rules, known to who asks.

    It becomes an ordinary one when a mapped value is written into it.
    """

    __slots__ = ()

    row, home = Tracer.beside, Tracer.value  # type: ignore[misc]  # these slots, by their names here

    def __init__(self, trace: "BatchTrace", row: Any) -> None:
        self._trace = trace
        self.row = row
        self.home = None
        self.storage = None

    @property
    def value(self) -> Any:
        return np.broadcast_to(self.row, (self._trace.size, *self.row.shape))

    @value.setter
    def value(self, value: Any) -> None:
        self.row = None
        if value is not None:
            self.__class__ = BatchedTensor  # type: ignore[assignment]
            self.value = value

    shape = reshaping(lambda self: self.row.shape)
    dtype = fixed("dtype", "astype", lambda self: self.row.dtype)

    def _known(self, wanted: str) -> Any:
        return self.row

    _asked = Tracer._asked

    def __getitem__(self, index: Any) -> Any:
        row = self.row
        if type(row) is np.ndarray and (row.ndim == 1 if type(index) is int else _is_place(index, row.ndim)):
            try:
                return row[index]  # as often as a loop reads one number, and at its price
            except IndexError:  # which getitem words
                pass
        return Tracer.__getitem__(self, index)

    def rebind(self, other: Any) -> None:
        rows = self._trace.rows
        if rows is not None and (self.home or rows.root) is not rows.scope:
            self.spread(rows)
            self.rebind(other)
        elif type(other) is SharedTensor:
            self.row = other.row
        else:
            home = other.home
            self.value = other.value
            self.home = home

    def spread(self, rows: Rows) -> None:
        """Becomes one with the values of all rows of its scope, to be written to for some of them."""
        home = self.home or rows.root
        self.value = np.broadcast_to(self.row, (len(home.ids), *self.row.shape))
        self.home = home


def _is_place(index: Any, ndim: int) -> bool:
    return type(index) is tuple and len(index) == ndim and set(map(type, index)) == {int}


def beside(trace: "BatchTrace", x: Any) -> Any:
    """An argument that is not mapped, as the function gets it: of an array, a box of its own to write into."""
    if isinstance(x, Tracer) and x.kind is None:
        made = SharedTensor(trace, x.snapshot())
        return mark_contiguous(made) if is_contiguous(x) else made
    if not is_plain_array(x) or x.dtype.kind not in "biufc":
        return x
    made = SharedTensor(trace, inside(x))
    return mark_contiguous(made) if x.flags.c_contiguous else made


class BatchTrace(Trace):
    """One running vmap."""

    __slots__ = ("draws", "randomness", "report", "size")

    tracer = BatchedTensor
    overwrites = True

    rows: Rows | None = None
    """Those that it is for, where rows may answer differently."""

    apart = ', or vmap(f, branches="split")'
    """What to do where rows answer differently, to be added to other ways."""

    def __init__(self, call: str, size: int, randomness: str | None = None) -> None:
        Trace.__init__(self, call)
        self.size = size
        self.randomness = randomness
        self.draws: Any = None  # what was drawn from generators that were there before
        self.report: Any = None  # what operations have to say when the vmap is over, by its method tell()

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        try:
            rule = primitive.vmap
            if len(args) == 1 and rule is not None and type(args[0]) is BatchedTensor:
                out = rule(self.size, ALL_OF_ONE, args[0].value, **params)
            else:
                values = []
                mapped = []
                for a in args:
                    if type(a) is BatchedTensor and a._trace is self:
                        values.append(a.value)
                        mapped.append(True)
                    else:
                        if type(a) is SharedTensor and a._trace is self:
                            a = a.row
                        values.append(np.asarray(a) if type(a) in AS_ARRAYS else a)
                        mapped.append(False)
                if True not in mapped:
                    return self._once(primitive(*values, **params))
                if rule is None:
                    raise self._without_rule(primitive)
                out = rule(self.size, mapped, *values, **params)
        except (ArithmeticError, IndexError, ValueError) as error:
            if self.rows is None and (primitive.raises or isinstance(error, BY_VALUES)):
                hangs_on(self, error)
            raise
        if primitive.multiple:
            return tuple([BatchedTensor(self, o) for o in out])
        return BatchedTensor(self, out)

    def taken(self, x: Any) -> tuple[Any, bool]:
        """A leaf of what the function returned: its values, and whether there is one for each example."""
        x = at_end(x)
        if not self.owns(x):
            return x, False
        return (x.row, False) if type(x) is SharedTensor else (x.value, True)

    def _once(self, out: Any) -> Any:
        """The result of an operation on values that are the same for all examples; a scalar is never written to."""
        if type(out) is tuple:
            return tuple([self._once(x) for x in out])
        return (
            out
            if isinstance(out, np.generic) or (not out.shape and isinstance(out, Tracer))
            else SharedTensor(self, out)
        )

    def _without_rule(self, primitive: Primitive) -> VmapcoreError:
        if primitive.dynamic is None:
            return self.no_rule(primitive, "vmap")
        call, what, instead = primitive.dynamic
        fact = f"the array is mapped, and results may differ in {what}, at {callers_line()}"
        return refuse(self, call, fact, "", instead + self.apart)

    def lift(self, value: Any) -> BatchedTensor:
        if type(value) is BatchedTensor and value._trace is self:
            return BatchedTensor(self, value.value)
        if type(value) is SharedTensor and value._trace is self:
            value = value.row
        return SharedTensor(self, value if hasattr(value, "shape") else np.asarray(value))


class TangentTrace(BatchTrace):
    """One running vmap over tangents: what a function makes meanwhile depends on its primals alone."""

    __slots__ = ()

    adopts = False
    apart = ""


class AloneTrace(BatchTrace):
    """One row that runs alone: it traces nothing, and says only what may be drawn."""

    __slots__ = ()

    adopts = False


FLOAT = np.dtype(float)
OF_NUMBERS = tuple(map(np.dtype, (bool, int, float, complex)))
DIVIDES = frozenset({np.divide, np.floor_divide, np.remainder, np.divmod})
GROWS = frozenset({np.add, np.subtract, np.multiply, np.square, np.power, np.left_shift, np.negative, np.absolute})


def check_numbers(rows: Rows, primitive: Primitive, args: Sequence[Any]) -> None:
    """Ends the run where Python's numbers would raise, or grow larger, or bools be numbers, and arrays are not."""
    ufunc = primitive.ufunc
    floats = True
    for a in args:
        dtype = getattr(a, "dtype", None)
        if dtype is None:
            floats = floats and type(a) is float
        elif dtype is not FLOAT:
            floats = False
            if dtype.kind in "iufc" and dtype not in OF_NUMBERS:
                raise rows.again()  # whose dtype wins over a number's, and not over an array's
    if (floats and ufunc not in DIVIDES and ufunc is not np.power) or (ufunc not in DIVIDES and ufunc not in GROWS):
        return
    values = [innermost(a.row if type(a) is SharedTensor else a) for a in args]
    if any(np.ndim(x) > 1 for x in values):  # arrays, which are none
        return
    kinds = {np.asarray(x).dtype.kind for x in values}
    if ufunc in DIVIDES:
        wrong = not np.all(values[1])
    elif kinds <= {"b"}:
        wrong = True
    elif kinds <= {"b", "i", "u"}:
        most = [float(np.max(np.abs(x), initial=0)) for x in values]
        if ufunc is np.power:
            wrong = np.min(values[1], initial=0) < 0 or max(most[0], 1.0) ** min(most[1], 64.0) >= 2.0**62
        elif ufunc is np.left_shift:
            wrong = np.min(values[1], initial=0) < 0 or most[0] * 2.0 ** min(most[1], 64.0) >= 2.0**62
        else:
            wrong = (most[0] * most[-1] if ufunc in (np.multiply, np.square) else sum(most)) >= 2.0**62
    else:
        wrong = ufunc is np.power
        if wrong and "c" not in kinds:
            with np.errstate(all="ignore"):
                wrong = not np.isfinite(np.power(*values)).all()
    if wrong:
        raise rows.again()


class SplitTrace(BatchTrace):
    """One run of a vmap whose rows may answer differently."""

    __slots__ = ("rows",)

    rows: Rows
    apart = ""

    def __init__(self, call: str, rows: Rows, randomness: str | None) -> None:
        BatchTrace.__init__(self, call, len(rows.here), randomness)
        self.rows = rows
        rows.trace = self

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        rows = self.rows
        for a in args:
            if type(a) is BatchedTensor and a._trace is self and (a.home or rows.root) is not rows.scope:
                rows.bring(a)
        if rows.of_numbers:
            check_numbers(rows, primitive, args)
        if primitive.vmap is None and primitive.dynamic is not None:
            out = self._row_by_row(primitive, args, params)
        else:
            out = self._together(primitive, args, params)
        for x in out if type(out) is tuple else (out,):
            if isinstance(x, Tracer):
                rows.note(x, primitive.memory in INDEXED or (primitive.ufunc in OPERATORS and not x.shape))
        return out

    def _together(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        while True:
            try:
                self.rows.busy += 1
                return BatchTrace.process(self, primitive, args, params)
            except Exception as error:  # as of a matrix that has no inverse: of some rows, or of all
                if isinstance(error, VmapcoreError) and not isinstance(error, (*BY_VALUES, TooLargeError)):
                    raise
                self.rows.busy -= 1
                try:
                    if not self._some_raise(primitive, args, params):
                        raise self.rows.again() if isinstance(error, TooLargeError) else error
                finally:
                    self.rows.busy += 1
            finally:
                self.rows.busy -= 1

    def _example(self, args: Sequence[Any], i: int) -> list[Any]:
        mine = [self.owns(a) for a in args]
        given = [a.row if m and type(a) is SharedTensor else a for a, m in zip(args, mine, strict=True)]
        return [a.value[i] if m and type(a) is BatchedTensor else a for a, m in zip(given, mine, strict=True)]

    def _some_raise(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
        """Whether an operation raises for some rows only; those go apart from the others."""
        raised: list[Any] = []
        for i in range(self.size):
            try:
                primitive(*self._example(args, i), **params)
                raised.append(None)
            except Exception as error:
                raised.append(type(error))
        kinds = {kind: n for n, kind in enumerate(dict.fromkeys(raised))}
        self.rows.split(np.array([kinds[kind] for kind in raised]))
        return len(kinds) > 1

    def _row_by_row(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """An operation whose results may differ in length: rows whose are of one go on."""
        if not self.size or not any(self.owns(a) and type(a) is BatchedTensor for a in args):
            return BatchTrace.process(self, primitive, args, params)
        found = [primitive(*self._example(args, i), **params) for i in range(self.size)]
        outs = found if primitive.multiple else [(x,) for x in found]
        forms = [tuple([(x.shape, x.dtype.str) for x in out]) for out in outs]
        kinds = {form: n for n, form in enumerate(dict.fromkeys(forms))}
        kept = [outs[i] for i in self.rows.split(np.array([kinds[form] for form in forms])).tolist()]
        stacked = tuple([BatchedTensor(self, np.stack(column)) for column in zip(*kept, strict=True)])
        return stacked if primitive.multiple else stacked[0]

    @property
    def overwrites(self) -> bool:  # type: ignore[override]
        return self.rows.scope is self.rows.root  # else the memory may be that of other rows, too

    def lift(self, value: Any) -> BatchedTensor:
        if type(value) is BatchedTensor and value._trace is self:
            self.rows.bring(value)
        lifted = BatchTrace.lift(self, value)
        self.rows.add(lifted)
        return lifted

    def note(self, tracer: Tracer) -> None:
        self.rows.add(tracer)

    def taken(self, x: Any) -> tuple[Any, bool]:
        if type(x) is BatchedTensor and x._trace is self:
            self.rows.bring(x)
        return BatchTrace.taken(self, x)
