"""From a Graph to a better Graph, and from that to what an executor needs to know. Computes nothing but constants."""

from ..graph import Graph
from . import checking
from .passes.axis_names import fold_into_products
from .passes.broadcasts import keep_broadcasts_lazy
from .passes.constants import fold_constants
from .passes.cross_entropy import fuse_cross_entropy
from .passes.dead import drop_dead
from .passes.epilogues import fold_epilogues
from .passes.equal import merge_equal
from .passes.noops import drop_noops

PASSES = (
    drop_dead,
    keep_broadcasts_lazy,
    fold_constants,
    drop_noops,
    merge_equal,
    fold_into_products,
    fuse_cross_entropy,
    fold_epilogues,
)
"""Every pass, in the order in which one makes work for the next."""

ROUNDS = 8
"""More than recorded graphs need, which settle in two or three."""


def simplify(graph: Graph) -> Graph:
    """Applies every pass until none finds anything to do.

    Law:  simplify(graph)(*arrays) == graph(*arrays), up to rounding
    """
    unchanged = 0
    for step in PASSES * ROUNDS:
        before, graph = graph, step(graph)
        if checking.CHECKING and graph is not before:
            checking.check_pass(step.__name__, before, graph)
        unchanged = unchanged + 1 if graph is before else 0
        if unchanged == len(PASSES):
            break
    if checking.CHECKING:
        checking.check_settled(graph)
    return graph
