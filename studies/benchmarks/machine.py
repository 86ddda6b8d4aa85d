"""The machine that a run was made on, and the memory that a process has taken."""

import os
import platform
from pathlib import Path
from typing import Any

_MEGA, _GIGA = 1e6, 1e9
_CPUS, _STATUS = Path("/proc/cpuinfo"), Path("/proc/self/status")


def facts() -> dict[str, Any]:
    """processor, cores, memory_gb, platform, and load_average: how many processes wanted to run in the last minute."""
    return {
        "processor": _found(_CPUS, "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIGA, 1),
        "platform": platform.platform(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def peak_memory_mb() -> float:
    """Most memory (resident) that this process has held so far, MB of 1e6 bytes.

    Linux counts a parent's memory in the `ru_maxrss` of the process that it starts, but not in VmHWM, which is read where there
    is one.
    """
    line = _found(_STATUS, "VmHWM")
    if line:
        return float(line.split()[0]) * 1024 / _MEGA
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if platform.system() == "Darwin" else 1024.0) / _MEGA


def _found(path: Path, key: str) -> str:
    """The first value of that key in a file of the kernel, "" without one."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
