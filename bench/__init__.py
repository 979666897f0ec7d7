"""The benchmark: `python -m bench list | run NAMES... | report | sweep | gpu-check`.

`workloads` is the table of what is measured; a library module (`own`, `by_hand`, `peers.*`) says how one library does
it; every contender runs in a `worker` process of its own, which `timing` drives in alternating rounds. `sweep` compares
jit(vmap) with a loop over a grid of sizes.
"""
