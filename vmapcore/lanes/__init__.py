"""What a function does whose rows go apart at a branch and meet again behind it: see `converting` for its code.

Where rows answer differently, those that take one way go on alone, in a scope of their own, then the others, and then
all, with their variables put together. Rows that return, break or continue wait for the others at the end of that.
What is done to anything but variables and arrays, by some rows alone, cannot be taken apart: then the run ends, and
begins again without that branch (`AgainError`), at which rows then go apart for good.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..batched import BatchedTensor, SplitTrace
from ..converting import CONSTANTS, NEW_FRAME, OFF
from ..core import RUNNING
from ..numbers import Number, number, settled
from ..rows import Rows
from ..scopes import joined
from ..tracer import Tracer
from .effects import is_pure
from .meeting import MISSING, decided, freeze, inner, may_join, merged, of_python, spread, undecided

__all__ = ["Frame"]

RETURN, BREAK, CONTINUE = "return", "break", "continue"


class Left(BaseException):
    """Raised where all rows of a scope have left it, by return, break or continue."""


Names = dict[str, Any]
Part = tuple[Any, Names]
"""The rows of some who go on, and their variables."""


def some_of(variables: Names, names: tuple[str, ...]) -> Names:
    """Those of the variables that there are."""
    return {name: variables[name] for name in names if name in variables}


class Same:
    """A branch that all rows take."""

    __slots__ = ("arms",)
    split = False

    def __init__(self, yes: bool) -> None:
        self.arms = (yes,)

    def __iter__(self) -> Iterator[bool]:
        return iter(self.arms)


SAME = {True: Same(True), False: Same(False)}


class Arms:
    """A branch at which rows go apart."""

    split = True

    def __init__(self, frame: "Frame", answers: Any, site: int, names: tuple[str, ...]) -> None:
        self.frame, self.site, self.names = frame, site, names
        self.rows: Rows = frame.rows
        self.rows.sites.add(site)
        self.scope = self.rows.scope
        self.ways = [(True, self.scope.ids[answers]), (False, self.scope.ids[~answers])]
        self.before: Names | None = None
        self.parts: list[Part] = []

    def __iter__(self) -> Iterator[bool]:
        for way, ids in self.ways:
            self.rows.leave(self.scope)
            self.rows.enter(ids, self.site)
            yield way

    def enter(self, variables: Names) -> Names:
        """The variables as they were before the branch."""
        if self.before is None:
            self.before = some_of(variables, self.names)
        return self.frame.complete(self.names, self.before, self.site)

    def keep(self, variables: Names) -> None:
        """Notes the variables at the end of one way."""
        self.parts.append((self.rows.scope.ids, some_of(variables, self.names)))

    def raised(self) -> BaseException:
        return self.rows.again(self.site)

    def join(self) -> Names:
        """Goes on with all rows that are left, and their variables."""
        return self.frame.go_on(self.scope, self.parts, self.names, self.site)


class Rounds:
    """A loop that rows may leave one after the other."""

    def __init__(self, frame: "Frame", site: int, names: tuple[str, ...]) -> None:
        self.frame, self.site, self.names = frame, site, names
        self.scope = self.start = frame.scope
        self.broken: list[Part] = []
        self.continued: list[Part] = []
        self.over = False

    def leave(self, kind: str, variables: Names) -> Left:
        """Has the rows of the scope wait for the end of the loop, or of this round of it."""
        (self.broken if kind == BREAK else self.continued).append(self._part(variables))
        self.over = True
        return Left()

    def _part(self, variables: Names) -> Part:
        scope = self.frame.scope
        return scope and scope.ids, some_of(variables, self.names)

    @property
    def changed(self) -> bool:
        """Whether rows have left the scope of this round."""
        return self.over or self.frame.scope is not self.start

    def again(self, variables: Names, left: bool) -> Names | None:
        """The variables of the rows for whom there is another round; None if there are none."""
        parts, self.continued = self.continued, []
        frame = self.frame
        if not left:
            parts.append(self._part(variables))
        if not parts:
            return None
        self.over = False
        if frame.scope is None or (len(parts) == 1 and parts[0][0] is self.start.ids):
            return {}
        same = sum(len(ids) for ids, _ in parts) == len(self.start.ids)
        found = frame.go_on(self.start if same else self.scope, parts, self.names, self.site)
        self.start = frame.scope
        return found

    @property
    def apart(self) -> bool:
        """Whether some rows have left the loop before others."""
        return bool(self.broken) or self.frame.scope is not self.scope

    def join(self, variables: Names, done: bool) -> Names:
        """Goes on behind the loop with the rows that have not returned; `done` are those that have not broken it."""
        frame, parts = self.frame, self.broken
        if done:
            parts.append(self._part(variables))
        if not parts:
            raise Left
        if frame.scope is None or (len(parts) == 1 and parts[0][0] is self.scope.ids):
            return {}
        return frame.go_on(self.scope, parts, self.names, self.site)

    def raised(self) -> BaseException | None:
        return self.frame.rows.again(self.site) if self.frame.rows is not None and self.apart else None


class Frame:
    """What a call of a converted function keeps."""

    Left = Left
    __slots__ = ("entry", "returned", "rows")

    def __init__(self) -> None:
        running = RUNNING.get()
        trace = running[-1] if running else None
        self.rows: Any = trace.rows if type(trace) is SplitTrace else None
        self.entry = self.scope
        self.returned: list[Part] = []

    @property
    def scope(self) -> Any:
        return None if self.rows is None else self.rows.scope

    @property
    def deep(self) -> bool:
        """Whether only some of the rows are here."""
        rows = self.rows
        return rows is not None and rows.scope is not rows.root

    # Branches.

    def branch(self, test: Any, site: int, names: tuple[str, ...]) -> Any:
        """The ways that rows take."""
        if type(test) is bool:
            return SAME[test]
        answers = self.answers(test, site)
        return SAME[answers] if type(answers) is bool else Arms(self, answers, site, names)

    def answers(self, test: Any, site: int) -> Any:
        """The truth of `test`: one for all rows, or an array of those of each."""
        rows = self.rows
        test = settled(test)
        if type(test) is not BatchedTensor or rows is None or test._trace is not rows.trace:
            return bool(test)
        if test.shape or site in OFF or rows.busy or rows.trace.ended or RUNNING.get()[-1] is not rows.trace:
            return bool(test)
        value = rows.bring(test)
        while isinstance(value, Tracer):
            value = value._concrete("if/while/and/or/bool", "one truth value")
        value = value.astype(bool)
        count = np.count_nonzero(value)
        if count in (0, len(value)):
            return bool(count)
        if type(value) is not np.ndarray or (rows.scope is rows.root and len(value) <= rows.few()):
            return bool(test)
        return value

    def no(self, x: Any) -> Any:
        """`not x`."""
        rows, value = self.rows, settled(x)
        ours = type(value) is BatchedTensor and rows is not None and value._trace is rows.trace and not value.shape
        return number(bool, np.logical_not(value)) if ours else not x

    def both(self, site: int, first: Any, then: Callable[[], Any]) -> Any:
        """`first and then()`."""
        return self.choose(site, first, then, lambda: first)

    def either(self, site: int, first: Any, then: Callable[[], Any]) -> Any:
        """`first or then()`."""
        return self.choose(site, first, lambda: first, then)

    def choose(self, site: int, test: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """`yes() if test else no()`."""
        answers = test if type(test) is bool else self.answers(test, site)
        if type(answers) is bool:
            return yes() if answers else no()
        arms = Arms(self, answers, site, ("value",))
        for way in arms:
            try:
                arms.keep({"value": yes() if way else no()})
            except Exception:
                raise arms.raised() from None
        return arms.join()["value"]

    def go_on(self, scope: Any, parts: list[Part], names: tuple[str, ...], site: int) -> Names:
        """Goes back to a scope, with the rows of some parts, and returns the variables of all of these."""
        rows = self.rows
        rows.leave(scope)
        if not parts:
            raise Left
        if sum(len(ids) for ids, _ in parts) < len(scope.ids):
            ids = parts[0][0] if len(parts) == 1 else np.sort(np.concatenate([ids for ids, _ in parts]))
            rows.enter(ids, site)
        if len(parts) == 1:
            return self.complete(names, parts[0][1], site)
        return {name: merged(rows, [(some, v.get(name, MISSING)) for some, v in parts], site) for name in names}

    def complete(self, names: tuple[str, ...], variables: Names, site: int) -> Names:
        """The variables, and what stands for those that there are not."""
        if len(variables) < len(names):
            nothing = undecided(self.rows, site)
            return {name: variables.get(name, nothing) for name in names}
        return variables

    # Ends of functions.

    def leave(self, value: Any) -> Any:
        """Returns the value, if that is for all rows; else has those that are here wait for the others."""
        if self.scope is self.entry and not self.returned:
            return value
        self.returned.append((self.scope.ids, {"": value}))
        raise Left

    def end(self) -> Any:
        """What all rows have returned."""
        if not self.returned:  # in a scope that has been left by a function around
            raise Left
        site = self.scope.site
        return self.go_on(self.entry, self.returned, ("",), site)[""]

    def raised(self) -> BaseException | None:
        return self.rows.again() if self.rows is not None and self.scope is not self.entry else None

    # What is done beside.

    def call(self, function: Any) -> Any:
        """The function, if it may be called for these rows alone."""
        if self.deep and not is_pure(self.rows, function):
            raise self.rows.again()
        return function

    def calls_to_write(self, function: Any) -> Any:
        """A function that is called with an array to write to."""
        self.effect()
        return function

    def target(self, x: Any) -> Any:
        """What is written to, if that can be for these rows alone."""
        if self.deep and not (self.is_own(x) or id(x) in self.scope.fresh):
            raise self.rows.again()
        return x

    def is_own(self, x: Any) -> bool:
        return isinstance(x, BatchedTensor) and x._trace is self.rows.trace

    def in_place(self, x: Any) -> None:
        """Checks a variable that an operator may write to."""
        if self.deep and isinstance(x, (list, dict, set, np.ndarray, Tracer)) and type(x) is not Number:
            self.target(x)

    def iterated(self, x: Any) -> Any:
        """What is iterated over, by these rows from the start."""
        if self.deep and hasattr(type(x), "__next__"):
            raise self.rows.again()
        return x

    decided = staticmethod(decided)

    def loop(self, site: int, names: tuple[str, ...]) -> Rounds:
        """A loop that rows may leave."""
        return Rounds(self, site, names)

    def fresh(self, x: Any) -> Any:
        """A list or dict that has just been made."""
        if self.deep:
            self.scope.fresh[id(x)] = x
        return x

    def effect(self) -> None:
        """Comes before what is done to something else than variables."""
        if self.deep:
            raise self.rows.again()

    def set_new(self, owner: Any, name: str, value: Any) -> None:
        """The same in `__init__`, of what has just been made."""
        if self.deep and hasattr(owner, name):
            raise self.rows.again()
        setattr(owner, name, value)

    def set(self, owner: Any, name: str, value: Any) -> None:
        """`owner.name = value`."""
        if self.deep:
            if not hasattr(owner, name):
                raise self.rows.again()
            value = self.masked(getattr(owner, name), value)
        setattr(owner, name, value)

    def masked(self, old: Any, value: Any) -> Any:
        """What all rows have in a place where those of this scope have `value` now."""
        if not self.deep or old is value:
            return value
        rows, scope = self.rows, self.scope
        kind = of_python(rows, [old, value])
        old, value = inner(kind, old), inner(kind, value)
        was, home = rows.before(old) if type(old) is BatchedTensor else (old, rows.root)
        others = np.setdiff1d(home.ids, scope.ids)
        if scope.places_in(home) is None or not may_join(rows, [old, value]):
            raise rows.again()
        if type(old) is BatchedTensor:
            was = was[np.searchsorted(home.ids, others)]
        else:
            was = spread(old, len(others))
        new = rows.bring(value) if type(value) is BatchedTensor else spread(value, len(scope.ids))
        made = BatchedTensor(rows.trace, joined([(others, was), (scope.ids, new)], home.ids))
        rows.add(made)
        made.home = home
        if made.shape:
            for x in (old, value, made):
                freeze(x, lambda: rows.again(scope.site))
        return made if kind is None else number(kind, made)


CONSTANTS[NEW_FRAME] = Frame
