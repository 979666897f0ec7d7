"""Rows for vmapcore/rules/chosen.py."""

import numpy as np

from vmapcore.rules.chosen import extremum_of_chosen, place_chosen, repeat_chosen, repeat_taken

from . import Arg, row

MASK = Arg((4,), "b")
SPREAD = Arg((2, 4), distinct=True)
SOME = np.array([False, True, False, True])


def extremum(largest):
    return lambda x, m: extremum_of_chosen(x, np.logical_or(m, SOME), largest=largest)


def largest_of_rows(x, m):
    return np.max(np.where(np.logical_or(m, SOME), x, -np.inf), -1)


def where_chosen(x, m, axis):
    """What stands elsewhere takes no part in a derivative."""
    along = m.reshape(m.shape + (1,) * (-1 - axis))
    return np.where(along, repeat_chosen(x, along, axis=axis), 0)


def where_taken(x, m):
    return np.where(m, repeat_taken(x, m), 0)


ROWS = [
    row("repeat_taken", where_taken, (), Arg((), "b"), kinds="fcib"),
    row("repeat_taken of rows", lambda x, m: where_taken(x, m[0]), (4, 2), MASK),
    row("repeat_chosen", lambda x, m: where_chosen(x, m, -1), (4,), MASK, kinds="fcib"),
    row("repeat_chosen of rows", lambda x, m: where_chosen(x, m, -2), (4, 2), MASK),
    row("extremum_of_chosen", extremum(True), SPREAD, MASK, loop=largest_of_rows),
    row("extremum_of_chosen smallest", extremum(False), SPREAD, MASK, kinds="fcib"),
    row("place_chosen", lambda m: place_chosen(np.logical_or(m, SOME), k=1), MASK),
    row("place_chosen from the end", lambda m: place_chosen(np.logical_or(m, SOME), k=-2), MASK),
]
