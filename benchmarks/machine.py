"""Describe the machine and the libraries that a benchmark runs with, as benchmarks/results/schema.json says."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

EXTENSIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "Arm bf16",
}
"""Vector extensions that matrix products depend on, from the oldest on, by their flags in /proc/cpuinfo."""

LIBRARIES = ("torch", "transformers", "diffusers", "photism")


def describe_machine(device: str = "cpu") -> dict[str, Any]:
    """Return CPU, cores, vector extensions, memory and accelerator, without the load; None for what is not known."""
    cpu, extensions = read_cpu()
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    fastest = f" with {extensions[-1]}" if extensions else ""
    accelerator = torch.cuda.get_device_name() if device.startswith("cuda") else None
    name = re.sub(r"\((R|TM)\)| (Processor|CPU)\b", "", cpu or "an unknown CPU")
    return {
        "label": accelerator or f"{cores} core{'s' * (cores != 1)} of {name}{fastest}",
        "cpu": cpu,
        "cores": cores,
        "vector_extensions": extensions,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "accelerator": accelerator,
    }


def read_cpu() -> tuple[str | None, list[str] | None]:
    """Return the CPU's model and vector extensions as Linux reports them, or what Python knows elsewhere.

    Virtual machines often hide the model's name, so that its family and number are part of it.
    """
    source = Path("/proc/cpuinfo")
    if not source.is_file():
        return platform.processor() or None, None
    lines = (line.partition(":") for line in source.read_text(encoding="utf8").split("\n\n")[0].splitlines())
    found = {name.strip(): value.strip() for name, _, value in lines}
    flags = (found.get("flags") or found.get("Features") or "").split()
    extensions = [name for flag, name in EXTENSIONS.items() if flag in flags]
    name = found.get("model name") or platform.processor()
    if "cpu family" in found:
        name = f"{name} (family {found['cpu family']}, model {found['model']})"
    return name or None, extensions


def describe_software() -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that are compared, None for one that is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def load_average() -> float:
    """Return the mean number of running processes of the last minute, those of the benchmark included."""
    return round(psutil.getloadavg()[0], 2)
