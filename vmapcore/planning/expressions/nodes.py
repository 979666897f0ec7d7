"""Which axes of a group are the same.

Every axis of an operand starts as a node; nodes that meet in an operation are united. Two axes of one array stay apart
for good: where an array meets itself turned or reshaped, one of both is computed again along nodes of its own.
"""

from collections.abc import Iterable, Sequence

Node = int | None


class Nodes:
    """Nodes with their lengths, and which of them are axes of one array."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.lengths: list[int] = []
        self.beside: list[set[int]] = []
        """For a root the roots, as they were when this was noted, that it must stay apart from."""

    def new(self, length: int) -> int:
        self.parents.append(len(self.parents))
        self.lengths.append(length)
        self.beside.append(set())
        return len(self.parents) - 1

    def find(self, node: int) -> int:
        while self.parents[node] != node:
            node = self.parents[node]
        return node

    def note(self, nodes: Iterable[Node]) -> None:
        """These are the axes of one array."""
        roots = {self.find(n) for n in nodes if n is not None}
        for r in roots:
            self.beside[r] |= roots - {r}

    def unite(self, one: int, other: int) -> bool:
        """Makes both the same, unless one array has both."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return True
        if one in map(self.find, self.beside[other]) or other in map(self.find, self.beside[one]):
            return False
        self.parents[other] = one
        self.beside[one] |= self.beside[other]
        return True

    def meet(self, arrays: Sequence[Sequence[Node]]) -> tuple[list[Node], list[dict[int, int]]]:
        """Unites the axes of arrays of one rank that broadcast together.

        Returns the axes of what they make, and for each array which of its nodes it has to be computed along anew.
        """
        made: list[Node] = []
        renamed: list[dict[int, int]] = [{} for _ in arrays]
        for column in zip(*arrays, strict=True):
            roots = [None if n is None else self.find(n) for n in column]
            used = {self.find(n) for n in made if n is not None}
            free = [r for r in roots if r is not None and r not in used]
            present = [r for r in roots if r is not None]
            node = free[0] if free else self.new(self.lengths[present[0]]) if present else None
            for r, names in zip(roots, renamed, strict=True):
                if r is not None and node is not None and (r in used or not self.unite(node, r)):
                    names[r] = node
            made.append(node)
        self.note(made)
        return made, renamed
