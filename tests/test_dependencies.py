"""Groups that need one another: the bits against a search through all steps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vmapcore.core import PRIMITIVES
from vmapcore.graph import Graph, Step, Var
from vmapcore.planning.dependencies import Dependencies


def random_graph(rng, length):
    values = [Var((), np.dtype("f"))]
    steps = []
    for _ in range(length):
        latest = values[-4:] if rng.random() < 0.5 else values
        out = Var((), np.dtype("f"))
        steps.append(Step(PRIMITIVES["add"], tuple([latest[rng.integers(len(latest))] for _ in range(2)]), {}, (out,)))
        values.append(out)
    return Graph((values[0],), tuple(steps), (values[-1],))


def has_circle(makers, homes):
    """Whether groups, each one thing, and steps in none cannot be put in order."""
    things = {i: homes.get(i, -1 - i) for i in range(len(makers))}
    needs = {thing: set() for thing in things.values()}
    for i, found in enumerate(makers):
        needs[things[i]].update(things[m] for m in found if things[m] != things[i])
    while needs:
        ready = {thing for thing, found in needs.items() if not found}
        if not ready:
            return True
        needs = {thing: found - ready for thing, found in needs.items() if thing not in ready}
    return False


@given(seed=st.integers(0, 2**32), length=st.integers(1, 30))
def test_a_circle_is_what_cannot_be_put_in_order(seed, length):
    rng = np.random.default_rng(seed)
    circles = Dependencies(random_graph(rng, length))
    homes: dict[int, int] = {}

    def attempt(i, group):
        circle = has_circle(circles.makers, {**homes, i: group})
        assert circles.arise(i, group) == circle
        if not circle:
            homes[i] = group
            circles.join(i, group)

    for _ in range(2):
        for i in circles.forwards():
            groups = max(homes.values(), default=-1) + 1
            if rng.random() < 0.6:
                attempt(i, int(rng.integers(groups + 1)))
    for i in reversed(range(length)):
        readers = {homes.get(r) for r in circles.readers[i]}
        if i not in homes and len(readers) == 1 and readers != {None}:
            attempt(i, readers.pop())
