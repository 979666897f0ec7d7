"""check_op finds every wrong operation of the zoo, and nothing in the right ones."""

import pytest

from vmapcore.testing import check_op
from vmapcore.testing.reproduction import SHOWN_AGAIN

from .zoo import RIGHT, WRONG


@pytest.mark.parametrize("name", RIGHT)
def test_right_operations_pass(name):
    right = RIGHT[name]
    check_op(right.op(), *right.examples, **right.params)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_operations_are_found(name):
    """And the line that is said to show it does, by itself."""
    wrong = WRONG[name]
    op = wrong.op()
    with pytest.raises(Exception) as caught:
        check_op(op, *wrong.examples, **wrong.params)
    note = next(n for n in caught.value.__notes__ if n.startswith(SHOWN_AGAIN))
    with pytest.raises(type(caught.value)):
        exec(note.removeprefix(SHOWN_AGAIN), {"op": op})
