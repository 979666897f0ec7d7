"""What is checked of every call of a SciPy function inside a transform, against SciPy in a loop."""

from vmapcore import vmap
from vmapcore.names import call_user
from vmapcore.testing import check_composition, check_grads, check_jit, check_vmap


def with_names(fun):
    """The function as transforms run it, for a check that gives them one of its own."""
    return lambda *args: call_user(fun, args)


def check_call(fun, *args, grads=True, tol=1.0, deep=False, order=2, tol_of_slopes=1.0):
    """The law of vmap, derivatives and jit, of a function of which the arguments have a batch."""
    ours = with_names(fun)
    check_vmap(ours, *args, like=fun, tol=tol)
    check_jit(vmap(ours), *args)
    if grads:
        check_grads(ours, *[a[0] for a in args], order=order, tol=tol_of_slopes)
        if deep:
            check_composition(ours, *args)
