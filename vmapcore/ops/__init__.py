"""Operations of users' own: custom_op and external, the kinds that fill in rules, and strict.

An operation is a primitive; what it lacks of rules is derived, looped over with a warning, or an error that names it.
"""

from .declare import bilinear, custom_op, elementwise, gufunc, linear, reduction
from .external import external
from .loops import strict
from .op import CustomOp
from .specs import ArraySpec

__all__ = [
    "ArraySpec",
    "CustomOp",
    "bilinear",
    "custom_op",
    "elementwise",
    "external",
    "gufunc",
    "linear",
    "reduction",
    "strict",
]
