"""What the ridge benchmarks share: the machine in words, and the cost of a piece of work."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


def gemm_rate(m: int, n: int, width: int = 2048, seconds: float = 0.5) -> dict[str, float]:
    """Return float32 operations a second of a product (m, n) by (n, width): the ceiling.

    By the clock, ``wall``, and by the processors' time, ``cpu``, which is what remains comparable
    when other work takes turns with this.
    """
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, n), dtype=np.float32)
    b = rng.standard_normal((n, width), dtype=np.float32)
    a @ b
    start, cpu, times = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        a @ b
        times += 1
    work = 2 * m * n * width * times
    return {
        "wall": work / (time.perf_counter() - start),
        "cpu": work / (time.process_time() - cpu),
    }


@contextmanager
def cost() -> Iterator[dict[str, float]]:
    """Fill in wall and processor seconds, bytes read from disk, and the process's peak, MiB."""
    found: dict[str, float] = {}
    read, cpu, start = bytes_read(), time.process_time(), time.perf_counter()
    yield found
    found["seconds"] = time.perf_counter() - start
    found["cpu"] = time.process_time() - cpu
    found["read_bytes"] = bytes_read() - read
    found["peak_mib"] = peak_kib() / 1024


def bytes_read() -> int:
    """Return how many bytes this process has had fetched from the disk (Linux)."""
    place = Path("/proc/self/io")
    if not place.exists():
        return 0
    lines = dict(line.split(": ") for line in place.read_text().splitlines())
    return int(lines["read_bytes"])


def peak_kib() -> int:
    """Return the most memory that this process has held.

    Linux hands ``ru_maxrss`` down to the programs that a process starts, so there it is read
    elsewhere.
    """
    place = Path("/proc/self/status")
    if not place.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = dict(line.split(":", 1) for line in place.read_text().splitlines())
    return int(lines["VmHWM"].split()[0])


def forget(folder: Path) -> None:
    """Write a folder's files to disk and drop them from the page cache, so that reads are cold."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def machine() -> dict[str, Any]:
    """Return the properties of this machine that explain the numbers, never its name."""
    from threadpoolctl import threadpool_info

    blas = [i for i in threadpool_info() if i["user_api"] == "blas"]
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "blas": sorted({f"{b['internal_api']} {b['version']} {b['architecture']}" for b in blas}),
        "blas_threads": sorted({b["num_threads"] for b in blas}),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    place = Path("/proc/cpuinfo")
    if place.exists():
        for line in place.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
