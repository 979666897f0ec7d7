"""Dead code: steps whose results nobody needs."""

from ...graph import Atom, Graph, Step


def drop_dead(graph: Graph) -> Graph:
    """Drops steps that no result of the graph depends on.

    Before: b = sin(a); c = cos(a); return c
    After:  c = cos(a); return c

    Exact. An operation of an author's goes too: whoever counts its calls does not depend on a result.
    """
    needed: set[Atom] = set(graph.outputs)
    kept: list[Step] = []
    for step in reversed(graph.steps):
        for v in step.outputs:
            if v in needed:
                kept.append(step)
                needed.update(step.inputs)
                break
    return graph if len(kept) == len(graph.steps) else graph.with_steps(reversed(kept))
