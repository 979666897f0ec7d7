"""`python -m tests.fuzz --programs N --seed S`: random programs, checked; what is wrong is made small and printed."""

import argparse
import os
import sys


def options():
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000, metavar="N", help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the number of the first (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes (default: 1)")
    parser.add_argument("--forced", action="store_true", help="tiny thresholds: small arrays take every way")
    parser.add_argument("--numba", action="store_true", help="kernels are compiled, which takes a second each")
    parser.add_argument("--seconds", type=float, default=1e9, metavar="T", help="stop after so long")
    parser.add_argument("--most", type=int, default=10, metavar="K", help="stop after so many finds (default: 10)")
    return parser.parse_args()


def main():
    chosen = options()
    os.environ["VMAPCORE_TINY"] = "1" if chosen.forced else "0"  # read when the package is imported
    os.environ["VMAPCORE_NUMBA"] = "1" if chosen.numba else "0"
    from .running import run_all  # noqa: PLC0415

    sys.exit(run_all(chosen))


if __name__ == "__main__":
    main()
