"""What the timings were taken on: machine, versions, threads."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

PACKAGES = ("vmapcore", "numpy", "optree", "torch", "jax", "jaxlib", "cupy-cuda12x", "cupy-cuda13x", "cupy", "numba")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")


def describe() -> dict[str, Any]:
    """Everything about this machine that moves a timing and that a reader can't know."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    pools = [
        {key: pool[key] for key in ("user_api", "internal_api", "num_threads", "version")}
        for pool in threadpoolctl.threadpool_info()
    ]
    return {
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "usable cores": _usable(),
        },
        "versions": {"python": platform.python_version(), **_versions(), "blas": f"{blas['name']} {blas['version']}"},
        "threads": {"pools": pools, "environment": {name: os.environ[name] for name in THREADS if name in os.environ}},
    }


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
