"""Run every gallery program over its sweep in plain Python; print a table (time: best of three passes over the 12 rows).

Usage: python check.py [open|held]"""
import ast
import collections
import importlib.util
import pathlib
import sys
import time
import warnings

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
KEYS = {"fun", "sweep", "fixed", "differentiable", "features"}


def load(path):
    spec = importlib.util.spec_from_file_location(path.parent.name + "_" + path.stem, path)
    mod = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = mod      # dataclasses need this
    spec.loader.exec_module(mod)
    return mod


def shape(r):
    if isinstance(r, dict):
        return {k: shape(v) for k, v in r.items()}
    if isinstance(r, (tuple, list)):
        return tuple(shape(v) for v in r)
    return np.shape(r)


def leaves(r):
    if isinstance(r, dict):
        r = list(r.values())
    if isinstance(r, (tuple, list)):
        return [x for v in r for x in leaves(v)]
    return [np.asarray(r)]


def same(a, b):
    la, lb = leaves(a), leaves(b)
    return len(la) == len(lb) and all(np.array_equal(x, y, equal_nan=x.dtype.kind in "fc") for x, y in zip(la, lb))


def check(path):
    text = path.read_text()
    problems = []
    n_lines = len(text.splitlines())
    if not 15 <= n_lines <= 60:
        problems.append(f"{n_lines} lines")
    if not ast.get_docstring(ast.parse(text)):
        problems.append("no docstring")
    if "\nimport numpy as np" not in text:
        problems.append("no numpy import")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        c = load(path).CASES
        if set(c) != KEYS:
            problems.append("keys")
        if not 1 <= len(c["sweep"]) <= 3 or any(len(s) != 12 for s in c["sweep"]):
            problems.append("sweep")
        before = [s.copy() for s in c["sweep"]]
        [c["fun"](*row, *c["fixed"]) for row in zip(*c["sweep"])]
        seconds = np.inf
        for _ in range(3):
            start = time.perf_counter()
            out = [c["fun"](*row, *c["fixed"]) for row in zip(*c["sweep"])]
            seconds = min(seconds, time.perf_counter() - start)
        again = [c["fun"](*row, *c["fixed"]) for row in zip(*c["sweep"])]
    if caught:
        problems.append("warning: " + str(caught[0].message))
    if not all(same(a, b) for a, b in zip(out, again)):
        problems.append("not repeatable")
    if not all(np.array_equal(a, b) for a, b in zip(before, c["sweep"])):
        problems.append("input changed")
    shapes = [shape(r) for r in out]
    equal = all(s == shapes[0] for s in shapes)
    distinct = len({tuple(x.tobytes() for x in leaves(r)) for r in out})
    if any(x.dtype.kind not in "biufc" for r in out for x in leaves(r)):
        problems.append("output that is not numeric")
    if seconds > 0.3:
        problems.append("slow")
    bad = sum(not np.all(np.isfinite(x)) for r in out for x in leaves(r))
    return c, dict(lines=n_lines, s=seconds, equal=equal, distinct=distinct, nonfinite=bad, scipy="scipy" in text,
                   math="import math" in text, shape=shapes[0], problems=problems)


def main():
    halves = sys.argv[1:] or ["open", "held"]
    words, total = collections.Counter(), collections.Counter()
    print(f"{'file':30}{'lines':>6}{'s':>7} {'same':5}{'dist':>5}{'nonf':>5} {'diff':5} sweep / problems")
    for half in halves:
        for path in sorted((HERE / half).glob("*.py")):
            total["files"] += 1
            try:
                c, r = check(path)
            except Exception as err:
                total["problems"] += 1
                print(f"{half + '/' + path.stem:30} FAILED {type(err).__name__}: {err}")
                continue
            words.update(c["features"])
            total[half] += 1
            total["same shape"] += r["equal"]
            total["differentiable"] += c["differentiable"]
            total["scipy"] += r["scipy"]
            total["scipy or math"] += r["scipy"] or r["math"]
            total["problems"] += bool(r["problems"])
            sweep = ",".join(s.dtype.kind + str(s.shape[1:]) for s in c["sweep"])
            print(f"{half + '/' + path.stem:30}{r['lines']:>6}{r['s']:>7.3f} {str(r['equal']):5}{r['distinct']:>5}"
                  f"{r['nonfinite']:>5} {str(c['differentiable']):5} {sweep} {'; '.join(r['problems'])}")
    print(dict(total))
    print(", ".join(f"{w} {n}" for w, n in words.most_common()))
    sys.exit(bool(total["problems"]))


if __name__ == "__main__":
    main()
