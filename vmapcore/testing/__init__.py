"""Checks that functions obey the laws of vmap, jvp and vjp, for one's own tests.

The loop is the oracle of `vmap`, finite differences of `jvp`, and `jvp` of `vjp`. A check raises AssertionError with
what differs and a line that shows it again. It uses the transforms like any caller: nothing of the package imports it.
"""

from .compare import assert_same
from .composition import check_composition
from .derivatives import check_grads
from .dtypes import check_dtypes
from .law import check_vmap
from .ops import OpCheck, check_op
from .oracles import numeric_jvp, vmap_loop
from .replaying import check_jit

__all__ = [
    "OpCheck",
    "assert_same",
    "check_composition",
    "check_dtypes",
    "check_grads",
    "check_jit",
    "check_op",
    "check_vmap",
    "numeric_jvp",
    "vmap_loop",
]
