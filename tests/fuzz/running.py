"""Many programs, in processes of their own if wished, with a line that says how far it is."""

import contextlib
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vmapcore.thresholds import TINY

from .checking import CHECKS, SkippedError, WrongError, applies, run
from .printing import printed
from .programs import random_program
from .shrinking import shrunk
from .values import LAYOUTS

LARGE = 0.0 if TINY else 0.01
"""The share of programs with large arrays, which with tiny sizes would have a tile for each few numbers."""

CHUNK, CHUNKS = 20, 5
"""How many programs a process is given at a time, and how often, until a new one takes its place: kernels are kept as
long as a process lives, and a thousand programs' fill gigabytes."""

CHANCE = {False: 0.5, True: 0.25}
"""How likely a check is made of a program: one of derivatives seldom, as there are many."""


def check_program(seed):
    """What became of each check of one program: "right", why it was skipped, or the program made small, in print."""
    rng = np.random.default_rng((seed, 1))
    large = rng.random() < LARGE
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = random_program(seed, large)
    found = Counter({"programs": 1, "lines": len(program.lines)})
    for check in CHECKS:
        later = tuple([str(rng.choice(LAYOUTS[:4])) for _ in program.inputs]) if rng.random() < 0.5 else ()
        if rng.random() > CHANCE[check.derivative] or not applies(check, program) or (large and check.depth > 1):
            continue
        found["checks"] += 1
        try:
            run(check, program, later)
        except SkippedError as why:
            found[f"skipped: {why}"] += 1
        except WrongError as error:
            return found, (seed, check, *shrunk(check, program, later, str(error)))
    return found, None


def run_all(chosen):
    """The command. Returns 1 if something is wrong."""
    console, counts, wrong = Console(), Counter(), []
    start = time.perf_counter()
    columns = [TextColumn("programs"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")]
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("0 wrong", total=chosen.programs)
        with results(chosen) as stream:
            for found, find in stream:
                counts += found
                if find:
                    wrong.append(find)
                    console.print(printed(*find), markup=False, highlight=False, soft_wrap=True)
                progress.update(task, advance=1, description=f"{len(wrong)} wrong")
                if len(wrong) >= chosen.most or time.perf_counter() - start > chosen.seconds:
                    break
    for name, count in sorted(counts.items()):
        console.print(f"{name}: {count}", highlight=False)
    console.print(f"{len(wrong)} wrong, in {time.perf_counter() - start:.0f} s")
    return 1 if wrong else 0


@contextlib.contextmanager
def results(chosen):
    """What `check_program` returns for all seeds, as it comes."""
    seeds = range(chosen.seed, chosen.seed + chosen.programs)
    if chosen.jobs == 1 and not chosen.numba:
        yield map(check_program, seeds)
        return
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn"), max_tasks_per_child=CHUNKS) as executor:
        yield executor.map(check_program, seeds, chunksize=CHUNK)
        executor.shutdown(cancel_futures=True)
