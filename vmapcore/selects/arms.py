"""The arms of a branch, while they run: what they read, write and leave."""

import operator
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..converting import FRAME
from ..converting.purity import IN_DERIVATIVES, IN_VALUES
from ..core import RUNNING
from ..lanes.meeting import MISSING, PLAIN, Frozen, Undecided, freeze
from ..numbers import Number, number
from ..refusals import BOOL, kept
from ..rules.chosen import repeat_taken
from ..tracer import Tracer
from .asking import known, values_of, vmaps_of
from .effects import is_pure
from .joining import joined, may_share, shares

Names = dict[str, Any]
Strings = tuple[str, ...]


class OneArm:
    """A branch that all who are here take."""

    __slots__ = ("around", "deep", "ways")
    split = False

    def __init__(self, yes: bool, around: Any) -> None:
        self.ways = (yes,)
        self.around = around
        self.deep = around is not None and around.deep

    def __iter__(self) -> Iterator[bool]:
        return iter(self.ways)

    def held(self, x: Any) -> Any:
        return self.around.held(x) if self.deep else x

    def call(self, function: Any) -> Any:
        return self.around.call(function) if self.deep else function

    def put(self, x: Any, key: Any, value: Any) -> None:
        self.around.put(x, key, value)

    def augmented(self, x: Any, new: Any) -> Any:
        return self.around.augmented(x, new)

    def mask(self) -> Any:
        return self.around.mask()

    def forget(self, x: Any) -> None:
        self.around.forget(x)


SAME = {True: OneArm(True, None), False: OneArm(False, None)}


class Picks:
    """A branch of which both arms run."""

    split = deep = True
    __slots__ = (
        "around",
        "before",
        "copies",
        "masks",
        "names",
        "parts",
        "read",
        "risk",
        "saved",
        "seen",
        "test",
        "way",
        "written",
    )

    def __init__(
        self, test: Any, around: Any, risk: int, read: Strings = (), names: Strings = (), written: Strings = ()
    ) -> None:
        self.test = test if test.dtype == bool else test != 0
        self.around = around if around is not None and around.deep else None
        differentiates = risk and any(trace.differentiates for trace in RUNNING.get())
        self.risk = risk == IN_VALUES or (risk == IN_DERIVATIVES and differentiates)
        self.read, self.names, self.written = read, names, written
        self.way = True
        self.masks: dict[bool, Any] = {}
        self.saved: dict[int, Any] = {}
        self.seen: dict[int, Any] = {}
        self.copies: list[tuple[Any, Any]] = []
        self.before: Names = {}
        self.parts: list[Names] = []

    def __iter__(self) -> Iterator[bool]:
        for way in (True, False):
            self.way = way
            self.saved = {}
            yield way

    def mask(self) -> Any:
        """For whom the arm is that runs now."""
        if self.way not in self.masks:
            mine = self.test if self.way else np.logical_not(self.test)
            self.masks[self.way] = mine if self.around is None else np.logical_and(self.around.mask(), mine)
        return self.masks[self.way]

    def error(self) -> BaseException:
        """That of a branch which cannot be taken by some alone."""
        try:
            bool(self.test)
        except Exception as error:
            return error
        return AssertionError(BOOL)

    # Variables.

    def enter(self, variables: Names) -> Names:
        """The variables as the arm has them."""
        if self.way:
            self.before = dict(variables)
            self.seen.update({id(x): x for x in variables.values()})
        found = {name: self.before.get(name, MISSING) for name in (*self.names, *self.read)}
        changing = [self.before[name] for name in self.written if name in self.before]
        for name, x in found.items():
            if x is MISSING:
                found[name] = Undecided(self.error)
            elif name in self.read:
                found[name] = held = self.held(x)
                if held is not x and any(may_share(x, y) for y in changing):
                    raise self.error()
        return found

    def keep(self, variables: Names) -> None:
        """Notes the variables at the end of an arm."""
        self.parts.append({name: variables[name] for name in self.names if name in variables})

    def raised(self, error: Exception) -> None:
        """Keeps what only some raise, so that no function goes on from there for all."""
        if not any(error is refusal.error for refusal in self.test._trace.refused):
            kept(self.test._trace, error)

    def join(self) -> Names:
        """The variables behind the branch."""
        found = {name: self.before.get(name, MISSING) for name in self.read}
        yes, no = self.parts
        for name in self.names:
            a, b = yes.get(name, MISSING), no.get(name, MISSING)
            if name.startswith(FRAME):  # which only those read that have it
                a, b = (b if _is_nothing(a) else a), (a if _is_nothing(b) else b)
            found[name] = self.joined(a, b)
        return {name: Undecided(self.error) if x is MISSING else x for name, x in found.items()}

    def joined(self, yes: Any, no: Any) -> Any:
        made = joined(self.test, yes, no, self.others, self.error)
        for copy, old in self.copies:
            if type(copy.storage) is Frozen:
                freeze(old, self.error)
        return made

    def others(self, x: Any) -> list[Any]:
        """What else there is of a value: it sees writes to `x`, or `x` is to see writes to it."""
        found = [old for copy, old in self.copies if may_share(x, copy)]
        return [x, *found] if found or id(x) in self.seen or shares(x) else []

    # What arms read and do.

    def held(self, x: Any) -> Any:
        """A value, in the rows that take the arm; in others that of the first one which does."""
        kind = type(x)
        if kind in PLAIN or kind is Undecided:
            return x
        self.seen[id(x)] = x
        if kind in (list, tuple):
            items = [self.held(y) for y in x]
            return kind(items) if any(map(operator.is_not, items, x)) else x
        if kind is dict:
            named = {k: self.held(y) for k, y in x.items()}
            return named if any(map(operator.is_not, named.values(), x.values())) else x
        if not self.risk or not isinstance(x, Tracer):
            return x
        if isinstance(x, Number):
            return number(x.kind, self.held(x.value), x.bound)
        if id(x) not in self.saved:
            self.saved[id(x)] = held = self._held(x)
            if held is not x:
                self.copies.append((held, x))
        return self.saved[id(x)]

    def _held(self, x: Any) -> Any:
        mask = self.mask()
        vmaps = vmaps_of(mask)
        if x.dtype.kind not in "biufc" or (vmaps and not vmaps & vmaps_of(x)):
            return x
        return repeat_taken(x, mask)

    def call(self, function: Any) -> Any:
        """A function, if it does nothing but compute."""
        if not is_pure(function):
            raise self.error()
        return function

    def put(self, x: Any, key: Any, value: Any) -> None:
        """`x[key] = value`, for those who take the arm."""
        try:
            old = x[key]
        except KeyError:
            raise self.error() from None
        new = joined(self.mask(), value, old, lambda _: [], self.error)
        if type(new) is Undecided:
            raise self.error()
        x[key] = new
        self.forget(x)

    def augmented(self, x: Any, new: Any) -> Any:
        """What `x += 1` leaves in the variable: a number is another, an array the same one."""
        if isinstance(x, (list, dict, set)):
            raise self.error()
        if not isinstance(x, (Tracer, np.ndarray)) or (isinstance(x, Tracer) and x._is_scalar):
            return new
        x[...] = np.where(self.mask(), new, x)
        self.forget(x)
        return x

    def forget(self, x: Any) -> None:
        """After a write to `x`, has it be read again; what is still there of what was read would not see the write."""
        self.saved = {}
        viewed = [shares(copy) for copy, old in self.copies if may_share(old, x)]
        dropped = [weakref.ref(copy) for copy, old in self.copies if may_share(old, x)]
        self.copies = [(copy, old) for copy, old in self.copies if not may_share(old, x)]
        if any(viewed) or any(ref() is not None for ref in dropped):
            raise self.error()
        if self.around is not None:
            self.around.forget(x)


def _is_nothing(x: Any) -> bool:
    return x is MISSING or type(x) is Undecided


def way_of(test: Any, around: Any) -> Any:
    """The branch, if all take one way."""
    deep = around is not None and around.deep
    if not isinstance(test, Tracer):
        yes = test if type(test) is bool else bool(test)
        return OneArm(yes, around) if deep else SAME[yes]
    found = known(test)
    if found is None:
        values = values_of(test)
        if values is None:
            return None
        if deep:
            values = values_of(np.logical_and(around.mask(), test))
            if values is None or values.any():
                no = values_of(np.logical_and(around.mask(), np.logical_not(test)))
                return None if no is None or no.any() else OneArm(True, around)
            return OneArm(False, around)
        count = int(np.count_nonzero(values))
        if count not in (0, values.size):
            return None
        found = bool(count)
    return OneArm(found, around) if deep else SAME[found]
