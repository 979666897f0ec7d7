"""Every primitive with its rules, one family a file. Importing this package fills the tables.

Rules are functions of plain values: nothing here imports a transform.
"""

from . import (
    activations,
    conv,
    creation,
    elementwise,
    indexing,
    layout,
    linalg,
    matmul,
    pooling,
    reductions,
    sorting,
)

__all__ = ["activations", "conv", "creation", "elementwise", "indexing", "layout", "linalg", "matmul", "pooling", "reductions", "sorting"]
