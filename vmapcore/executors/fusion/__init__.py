"""Fusion groups: steps that become one kernel. Group -> expression -> source.

`lowering` turns primitives into statements of an `Expression`, `building` finds which axes are the same, `numbering`
orders and merges them. From the expression `loop_source` writes loops for Numba and `tile_source` calls of NumPy on
tiles that stay in a core's cache.
"""

from .fused import Fused, can_fuse, fuse

__all__ = ["Fused", "can_fuse", "fuse"]
