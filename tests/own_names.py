"""Transforms of functions that see the names of their module as they are, NumPy's `np` among them."""

import functools

import vmapcore


def of_plain(transform):
    @functools.wraps(transform)
    def transformed(fun, *args, **options):
        return transform(vmapcore.plain(fun) if callable(fun) else fun, *args, **options)

    return transformed


grad, hessian, jacfwd, jacrev, jit, jvp, trace, value_and_grad, vjp, vmap = map(
    of_plain,
    [
        *(vmapcore.grad, vmapcore.hessian, vmapcore.jacfwd, vmapcore.jacrev, vmapcore.jit, vmapcore.jvp),
        *(vmapcore.trace, vmapcore.value_and_grad, vmapcore.vjp, vmapcore.vmap),
    ],
)
