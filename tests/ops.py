"""The one table of operations: every check in `test_rules.py` runs over every row.

A row is a function of arrays and, per argument, the shape, kind and range of one example. Rows live in `rows/`,
one file per file of `vmapcore/rules/`, and are joined here.
"""

from .rows import activations, conv, creation, elementwise, indexing, layout, linalg, matmul, pooling, reductions, sorting

OPS = [row for family in (elementwise, creation, layout, reductions, indexing, sorting, matmul, linalg, activations, conv, pooling)
       for row in family.ROWS]
