"""How much memory is free, and how many images go into it at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from neurodiffuse.errors import ConfigError

SHARE = 0.8
"""Of the memory that is free: what is planned with when no budget is given."""

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device now.

    Of a CPU it is what the system calls available, or what the container may still take if
    that is less; where the system does not say, half of the installed memory.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        most = torch.mps.recommended_max_memory()
        return max(0, int(most) - int(torch.mps.driver_allocated_memory()))
    return min([_available(), *_left_in_container()])


def batch_size(
    each: int, device: torch.device, *, memory: int | None = None, fixed: int = 0, most: int = 64
) -> int:
    """Return how many images fit: at least one, at most ``most``.

    Parameters
    ----------
    each
        Bytes that an image needs while it is computed.
    memory
        Bytes to stay within, ``fixed`` included; None is most of what is free.
    fixed
        Bytes of the weights. Call before they are loaded, or leave them out.

    Raises
    ------
    ConfigError
        If ``memory`` is given and not even one image fits into it.
    """
    budget = int(SHARE * free_memory(device)) if memory is None else memory
    fitting = (budget - fixed) // each
    if memory is not None and fitting < 1:
        raise ConfigError(
            f"memory: {memory / 2**20:,.2f} MiB is not enough: the weights need "
            f"{fixed / 2**20:,.2f} MiB and one image {each / 2**20:,.2f} MiB more."
        )
    return max(1, min(fitting, most))


def batches(n: int, size: int) -> Iterator[slice]:
    """Yield slices of ``size`` rows, the last one shorter, that cover ``n`` rows."""
    if size < 1:
        raise ValueError(f"a batch has one row or more, not {size}")
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _available() -> int:
    if MEMINFO.exists():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return _installed() // 2


def _installed() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 * 2**30


def _left_in_container() -> list[int]:
    """Return what each control group still allows; cached files count as free."""
    left = []
    for folder, limit, used in CGROUPS:
        try:
            most, now = (folder / limit).read_text().strip(), (folder / used).read_text().strip()
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:  # no such control group here
            continue
        if most.isdecimal():
            cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            left.append(max(0, int(most) - int(now) + cached))
    return left
