"""The machine on which figures were measured: they mean nothing without it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import onnxruntime


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model, "cores": cores, "python": platform.python_version(), "onnxruntime": onnxruntime.__version__,
    }  # fmt: skip
