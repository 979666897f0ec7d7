"""What passes know of primitives: which are elementwise, and which must run as often as they were recorded."""

from ..core import PRIMITIVES, Primitive
from ..custom import custom_jvp_call, custom_vjp_call
from ..rules.activations import exp_share, log_one_plus_exp, logistic, normal_cdf, rectify
from ..rules.casts import convert, convert_to_discrete, imaginary_part, join_parts, real_part
from ..rules.elementwise import close, round_to, sinc_derivative
from ..rules.selection import clamp, select
from ..rules.ufuncs import direction, power, share
from .plan_primitives import FUSED, rectify_grad

ELEMENTWISE = frozenset(
    {p for p in PRIMITIVES.values() if p.ufunc is not None and not p.multiple}
    | {select, clamp, convert, convert_to_discrete, real_part, imaginary_part, join_parts, round_to, close, direction}
    | {power, share, sinc_derivative, rectify, logistic, log_one_plus_exp, normal_cdf, exp_share, rectify_grad}
)
"""Primitives of one result that work element by element and broadcast their inputs."""

OWN = frozenset({*PRIMITIVES.values(), *FUSED} - {custom_jvp_call, custom_vjp_call})
"""Primitives whose results are functions of their inputs. Code of an author, above all what `external` wraps, may read
a clock or count its calls: none of its steps is merged with another or run while planning. One whose result nobody
needs goes, as any does."""


def pure(primitive: Primitive) -> bool:
    """Whether equal inputs are known to give equal results."""
    return primitive in OWN
