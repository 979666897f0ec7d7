"""Fusion groups: steps that become one kernel. Group -> expression -> source.

`planning/expressions` makes an `Expression` of steps. From it `loop_source` writes loops for Numba, as `loops` has
arranged them, and `tile_source` calls of NumPy on tiles that stay in a core's cache. A language for a GPU would start
from the expression as well.

Results are those of the steps run one by one: the same bits for integers, truth values, comparisons and arithmetic, up
to `operations.ULPS` for functions, and up to rounding for sums of floats, which loops add up in another order: in
several totals at once, of their own precision up to `loop_source.LONG` terms and of double precision beyond. They do
not depend on how rows are divided among calls and threads.
"""
