"""Conway's Game of Life on a torus: population history, final grid and first step at which it stands still."""
import numpy as np


def neighbours(grid):
    total = np.zeros_like(grid)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            if di == 0 and dj == 0:
                continue
            total += np.roll(np.roll(grid, di, axis=0), dj, axis=1)
    return total


def step(grid):
    n = neighbours(grid)
    new = grid.copy()
    new[(grid == 1) & ((n < 2) | (n > 3))] = 0
    new[(grid == 0) & (n == 3)] = 1
    return new


def life(grid, steps):
    population = []
    still_at = -1
    for t in range(steps):
        nxt = step(grid)
        if still_at < 0 and np.array_equal(nxt, grid):
            still_at = t
        grid = nxt
        population.append(grid.sum())
    rows, cols = np.nonzero(grid)
    if len(rows) == 0:
        spread = 0
    else:
        spread = max(rows.max() - rows.min(), cols.max() - cols.min()) + 1
    return np.array(population), grid, still_at, spread


_rng = np.random.default_rng(6)
_grids = (_rng.random((12, 12, 14)) < 0.3).astype(int)
_grids[3] = 0
_grids[3, 4:6, 5:7] = 1          # a block
_grids[8] = 0
CASES = {
    "fun": life,
    "sweep": (_grids,),
    "fixed": (20,),
    "differentiable": False,
    "features": ["mask", "list", "branch", "continue", "nonzero", "automaton", "integer"],
}
