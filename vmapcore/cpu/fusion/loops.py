"""Where each statement runs: an expression as loops within loops, and what is kept between them.

A loop runs over one axis, and takes with it every statement that is ready and serves a store or a sum in it; what needs
the result of a reduction over that axis waits for another loop. A number of an earlier loop that a later one needs is
computed again where that is cheap, and is else kept in an array.
"""

from typing import NamedTuple

from ...planning.expressions.expression import Axes, Expression
from .operations import EXPENSIVE, cost


class Run(NamedTuple):
    """Computes the number of a statement; of a reduction, combines one more term."""

    statement: int


class Put(NamedTuple):
    """Stores an output, by its place among `expression.stores`."""

    store: int


class Fetch(NamedTuple):
    """Reads the number of a statement from where it is kept, or a reduction that is complete from its variable."""

    statement: int


class Start(NamedTuple):
    """Sets a reduction, held in one variable or in the array where it is kept, to what terms are combined with."""

    statement: int
    axes: Axes


class Loop(NamedTuple):
    axis: int
    body: "list[Item]"


Item = Run | Put | Fetch | Start | Loop
Job = Run | Put


class Nest(NamedTuple):
    """The items in order; `kept` maps a statement to the axes of the array that keeps its numbers."""

    body: list[Item]
    kept: dict[int, Axes]


def nest(expression: Expression) -> Nest:
    """The loops of an expression."""
    scheduler = _Scheduler(expression)
    statements = enumerate(expression.statements)
    todo: list[Job] = [Run(i) for i, s in statements if s.operation not in FREE]
    todo += [Put(i) for i in range(len(expression.stores))]
    return Nest(scheduler.block(todo, (), set(), {}), scheduler.kept)


FREE = ("load", "index")
"""Made wherever they are used."""


class _Scheduler:
    """`scope` holds the statements whose numbers are at hand in variables, `done` those of earlier loops, with the
    loops that were open around these."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self.statements = expression.statements
        self.kept: dict[int, Axes] = {}

    def block(self, todo: list[Job], opened: Axes, scope: set[int], done: dict[int, Axes]) -> list[Item]:
        """The jobs in an order in which they run, within the loops that are open."""
        items: list[Item] = []
        scope, done = set(scope), dict(done)
        while todo:
            left = [job for job in todo if not self._run(job, opened, scope, done, items)]
            todo = self._loop(left, opened, scope, done, items) if left else left
        return items

    def _run(self, job: Job, opened: Axes, scope: set[int], done: dict[int, Axes], items: list[Item]) -> bool:
        """Runs a job here, if it needs no more loops and its arguments are at hand."""
        if not set(self._needs(job)) <= set(opened) or not self._ready(job, scope, done, set()):
            return False
        for a in self._args(job):
            self._provide(a, scope, done, items)
        items.append(job)
        if isinstance(job, Run) and not self.statements[job.statement].over:
            scope.add(job.statement)
        return True

    def _provide(self, value: int, scope: set[int], done: dict[int, Axes], items: list[Item]) -> None:
        """Puts a number into a variable."""
        if value in scope:
            return
        if self._again(value, scope, done) < EXPENSIVE and value not in self.kept:
            for a in self._args(Run(value)):
                self._provide(a, scope, done, items)
            items.append(Run(value))
        else:
            opened = done[value]
            self.kept[value] = tuple([a for a in self.statements[value].axes if a not in opened])
            items.append(Fetch(value))
        scope.add(value)

    def _again(self, value: int, scope: set[int], done: dict[int, Axes]) -> int:
        """What it costs to compute a number again."""
        s = self.statements[value]
        if value in scope or s.operation in FREE or value in self.kept:
            return 0
        if s.over:
            return EXPENSIVE
        total = cost(s.operation)
        for a in self._args(Run(value)):
            if total < EXPENSIVE:
                total += self._again(a, scope, done)
        return total

    def _loop(
        self, todo: list[Job], opened: Axes, scope: set[int], done: dict[int, Axes], items: list[Item]
    ) -> list[Job]:
        """Makes one loop over the innermost axis that something ready waits for; returns what is left."""
        axis = max([self._first(job, opened) for job in todo if self._ready(job, scope, done, set())])
        taken = self._useful(self._joining(todo, axis, opened, scope, done), axis)
        started = [
            job.statement
            for job in taken
            if isinstance(job, Run)
            and axis in (s := self.statements[job.statement]).over
            and not set(s.over) & set(opened)
        ]
        for i in started:
            if rest := tuple([a for a in self.statements[i].axes if a not in opened]):
                self.kept[i] = rest
            items.append(Start(i, rest))
        items.append(Loop(axis, self.block(taken, tuple(sorted((*opened, axis))), scope, done)))
        for job in taken:
            if isinstance(job, Run) and axis not in self.statements[job.statement].over:
                done[job.statement] = opened
        for i in started:
            if i in self.kept:
                done[i] = opened
            else:
                items.append(Fetch(i))
                scope.add(i)
        chosen = {(type(job), *job) for job in taken}  # alone, Run(1) == Put(1)
        return [job for job in todo if (type(job), *job) not in chosen]

    def _joining(self, todo: list[Job], axis: int, opened: Axes, scope: set[int], done: dict[int, Axes]) -> list[Job]:
        """The jobs that can run in a loop over `axis`."""
        taken: list[Job] = []
        inside: set[int] = set()
        for job in todo:
            if self._first(job, opened) == axis and self._ready(job, scope, done, inside):
                taken.append(job)
                if isinstance(job, Run) and axis not in self.statements[job.statement].over:
                    inside.add(job.statement)
        return taken

    def _useful(self, taken: list[Job], axis: int) -> list[Job]:
        """Those that a store, a check or a reduction over `axis` among them needs; all if there is none."""
        needed: set[int] = set()
        found: list[Job] = []
        for job in reversed(taken):
            i = job.statement if isinstance(job, Run) else -1
            if i < 0 or i in needed or i in self.expression.checks or axis in self.statements[i].over:
                needed.update(self._args(job))
                found.append(job)
        return found[::-1] or taken

    def _first(self, job: Job, opened: Axes) -> int:
        """The outermost axis that a job needs and that is not open."""
        return min([a for a in self._needs(job) if a not in opened], default=-1)

    def _needs(self, job: Job) -> Axes:
        if isinstance(job, Run):
            return self.statements[job.statement].evaluated
        store = self.expression.stores[job.store]
        return tuple(sorted({*store.axes, *self.expression.axes_of(store.value)}))

    def _args(self, job: Job) -> list[int]:
        given = (
            self.statements[job.statement].args if isinstance(job, Run) else (self.expression.stores[job.store].value,)
        )
        return [a for a in given if isinstance(a, int)]

    def _ready(self, job: Job, scope: set[int], done: dict[int, Axes], inside: set[int]) -> bool:
        return all(
            a in scope or a in inside or a in done or self.statements[a].operation in FREE for a in self._args(job)
        )
