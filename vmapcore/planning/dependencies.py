"""Which groups need which while they grow, also by way of steps in none, so that none comes to need itself.

A set of groups is an int, with the bit of a group's number. What a step in no group needs, and what needs it, is said
by the groups that are met first; what those need in turn is known of each group. So nothing is searched to ask.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..graph import Graph


class Dependencies:
    """For steps that join groups, in passes through all of them: forwards, from the first, or at the end backwards.

    Backwards only a step joins whose readers are all in the group, of which none has been left.
    """

    def __init__(self, graph: Graph) -> None:
        maker = {v: i for i, step in enumerate(graph.steps) for v in step.outputs}
        self.makers = [sorted({maker[a] for a in step.inputs if a in maker}) for step in graph.steps]
        self.readers = [sorted({r for v in step.outputs for r in graph.readers.get(v, ())}) for step in graph.steps]
        self.home = [0] * len(graph.steps)
        self.below = [0] * len(graph.steps)
        self.above = [0] * len(graph.steps)
        self.needed: defaultdict[int, int] = defaultdict(int)

    def forwards(self) -> Iterator[int]:
        """The steps in no group, in order; they join before the next one is asked for."""
        for i in range(len(self.home) - 1, -1, -1):
            self.above[i] = self._first(self.readers[i], self.above, 0)
        for i, home in enumerate(self.home):
            if not home:
                self.below[i] = self._first(self.makers[i], self.below, 0)
                yield i

    def arise(self, i: int, group: int) -> bool:
        """Whether with step `i` the group would need, from outside, what it makes itself."""
        bit = 1 << group
        needed, needing = self._around(i, bit)
        return bool(needed & bit or needing & (bit | self.needed[group]))

    def join(self, i: int, group: int) -> None:
        """Step `i` is in the group from now on."""
        bit = 1 << group
        needed, needing = self._around(i, bit)
        self._add(bit, needed)
        self._add(needing, bit | self.needed[group])
        self.home[i] = bit

    def _around(self, i: int, bit: int) -> tuple[int, int]:
        """The groups that step `i` needs outside of one, and the first of those that need it."""
        needed = self._first(self.makers[i], self.below, bit)
        for group in _numbers(needed):
            needed |= self.needed[group]
        return needed, self._first(self.readers[i], self.above, bit)

    def _first(self, steps: Sequence[int], beyond: Sequence[int], without: int) -> int:
        """The groups of steps, but for one, and of those in none the groups beyond them."""
        found = 0
        for s in steps:
            home = self.home[s]
            if not home:
                found |= beyond[s]
            elif home != without:
                found |= home
        return found

    def _add(self, groups: int, needed: int) -> None:
        """Some groups need others, and so do all that need those."""
        for group in _numbers(groups):
            if needed & ~self.needed[group]:
                for other, before in self.needed.items():
                    if other == group or before >> group & 1:
                        self.needed[other] |= needed


def _numbers(groups: int) -> Iterator[int]:
    while groups:
        low = groups & -groups
        yield low.bit_length() - 1
        groups ^= low
