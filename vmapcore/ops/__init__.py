"""Operations of users' own: custom_op and external, the kinds that fill in rules, strict, and explain.

An operation is a primitive; what it lacks of rules is derived, looped over with a warning, or an error that names it.
"""

from .declare import bilinear, custom_op, elementwise, gufunc, linear, reduction
from .explain import Explanation, explain
from .external import external
from .loops import strict
from .op import CustomOp
from .specs import ArraySpec

__all__ = [
    "ArraySpec",
    "CustomOp",
    "Explanation",
    "bilinear",
    "custom_op",
    "elementwise",
    "explain",
    "external",
    "gufunc",
    "linear",
    "reduction",
    "strict",
]
