import sys, importlib, signal, traceback, warnings, os
warnings.simplefilter("ignore")
sys.path.insert(0, "examples/numpy_code")
import numpy as np
import vmapcore as vc
from vmapcore.pytree import flatten
def leaves(x): return [np.asarray(v) for v in flatten(x)[0]]
class Late(Exception): pass
def late(*a): raise Late("timeout")
signal.signal(signal.SIGALRM, late)
def attempt(f):
    signal.alarm(60)
    try: return f(), None
    except BaseException as e:
        if os.environ.get("TB"): traceback.print_exc()
        return None, f"{type(e).__name__}: {str(e)[:int(os.environ.get('W', 170))]}"
    finally: signal.alarm(0)
def same(a, b, tol=1e-7):
    a, b = leaves(a), leaves(b)
    if len(a) != len(b): return f"leaves {len(a)} {len(b)}"
    for x, y in zip(a, b):
        if x.shape != y.shape: return f"shape {x.shape} {y.shape}"
        if x.dtype.kind in "OSU": continue
        if not np.allclose(x, y, rtol=tol, atol=tol, equal_nan=True): return f"values {x.ravel()[:3]} {y.ravel()[:3]}"
    return None
def scalar(r):
    fl = [v for v in flatten(r)[0] if (hasattr(v, "dtype") and v.dtype.kind == "f") or isinstance(v, float)]
    return sum(np.sum(v) for v in fl)
scalar = vc.plain(scalar) if hasattr(vc, "plain") else scalar
names = sys.argv[1:] or sorted(f[:-3] for f in os.listdir("examples/numpy_code") if f.endswith(".py") and f[0] != "_")
tally = dict(vmap=0, jit=0, grad=0, of=0, ofgrad=0, wrong=0)
for name in names:
    m = importlib.import_module(name); c = m.CASES; fun = c["fun"]; sweep, fixed = c["sweep"], c.get("fixed", ())
    tally["of"] += 1
    rows, err = attempt(lambda: [fun(*[s[i] for s in sweep], *fixed) for i in range(len(sweep[0]))])
    if err: print(name, "LOOP", err); continue
    L = [leaves(r) for r in rows]
    ragged = any(len(l) != len(L[0]) or any(x.shape != y.shape for x, y in zip(l, L[0])) for l in L)
    if ragged: print(name, "RAGGED")
    axes = (0,) * len(sweep) + (None,) * len(fixed)
    for kind, run in (("vmap", lambda: vc.vmap(fun, axes)(*sweep, *fixed)), ("jit", lambda: [vc.jit(vc.vmap(lambda *s: fun(*s, *fixed)))] and (lambda f: (f(*sweep), f(*sweep), f(*sweep))[-1])(vc.jit(vc.vmap(lambda *s: fun(*s, *fixed)))))):
        got, err = attempt(run)
        if err is None and not ragged:
            want = [np.stack(z) for z in zip(*L)] if L[0] else []
            err = same(got, want)
            if err: tally["wrong"] += 1; err = "WRONG " + err
        if err is None: tally[kind] += 1
        else: print(f"{name:22} {kind}: {err}")
    if c.get("differentiable"):
        tally["ofgrad"] += 1
        base = [np.asarray(s[0])[()] for s in sweep]
        nums = tuple(i for i, b in enumerate(base) if b.dtype.kind == "f")
        def g(*t): return scalar(fun(*t, *fixed))
        got, err = attempt(lambda: vc.grad(g, argnums=nums)(*base))
        if err is None:
            for got_i, i in zip(got, nums):
                b = base[i]; h = 1e-5 * max(1, np.max(np.abs(b))); hi = base[:]; lo = base[:]; hi[i] = b + h; lo[i] = b - h
                want = (g(*hi) - g(*lo)) / (2 * h)
                if not np.allclose(np.sum(got_i), want, rtol=2e-3, atol=1e-4 * (1 + abs(want))): err = f"WRONG grad {i} {got_i} {want}"; tally["wrong"] += 1; break
        if err is None: tally["grad"] += 1
        else: print(f"{name:22} grad: {err}")
print(tally)
