"""`python -m bench gpu-check`: everything that needs a GPU, in one command and one JSON file.

It runs the test suite, whose arrays include CuPy's wherever CuPy sees a device, then the workloads on the device
against the installed peers that see it too. Exit code 0: all good; 1: a test failed or a result disagrees; 3: nothing
to check here.
"""

import importlib
import re
import subprocess
import sys
import time
from typing import Any

from .floors import ROOT
from .library import PEERS, entry, found

NOTHING = 3

LEFT_OUT = ("jax-eager",)
"""Peers that are never the fastest."""

SEES_CUDA = {
    "torch": "import torch; print(torch.cuda.is_available())",
    "jax": "import jax; print(any(d.platform in ('gpu', 'cuda') for d in jax.devices()))",
}


def device() -> tuple[str | None, str]:
    """The device's name, or None and a line that says what is missing."""
    if not found("cupy"):
        return None, "CuPy is not installed. On a machine with an NVIDIA GPU, install vmapcore[cuda12] or [cuda13]."
    cupy = importlib.import_module("cupy")
    try:
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return None, f"CuPy {cupy.__version__} is installed but sees no CUDA device ({error})."
    return name.decode() if isinstance(name, bytes) else str(name), ""


def peers() -> tuple[tuple[str, ...], list[str]]:
    """The peers that can run on the device, and a line for each that can't."""
    able, lines = [], []
    for name in PEERS:
        if name in LEFT_OUT:
            continue
        package = entry(name).requires
        if not found(package):
            lines.append(f"{name}: {package} is not installed, so it is left out.")
        elif not _sees_cuda(package):
            lines.append(f"{name}: {package} is installed but sees no CUDA device, so it is left out.")
        else:
            able.append(name)
    return tuple(able), lines


def _sees_cuda(package: str) -> bool:
    """Asked in a process of its own: what a peer allocates there is gone when it ends."""
    done = subprocess.run([sys.executable, "-c", SEES_CUDA[package]], capture_output=True, text=True)
    return done.stdout.strip().endswith("True")


def run_tests(arguments: tuple[str, ...] = ("tests",)) -> dict[str, Any]:
    """The test suite in a process of its own: its exit code, its last line, the failed tests."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    lines = done.stdout.strip().splitlines()
    return {
        "code": done.returncode,
        "seconds": time.perf_counter() - start,
        "summary": lines[-1] if lines else done.stderr[-500:],
        "failed": [line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")],
    }


def file_name(name: str) -> str:
    """`NVIDIA H100 80GB HBM3` -> `gpu-nvidia-h100-80gb-hbm3.json`."""
    return f"gpu-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
