"""Where networks run and in which precision."""

from __future__ import annotations

import torch

from neurodiffuse.errors import ConfigError, listing, near

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
KINDS = ("cuda", "mps", "cpu")


def device_of(name: str = "auto") -> torch.device:
    """Return the device of this name; ``auto`` is the first of cuda, mps and cpu there is.

    Raises
    ------
    ConfigError
        If the name is no device, or this machine does not have it.
    """
    there = _there()
    if name == "auto":
        return torch.device(there[0])
    kind, _, index = name.partition(":")
    if kind not in KINDS or (":" in name and not index.isdecimal()):
        gpu = kind.lower() in ("gpu", "nvidia", "rocm")
        meant = " Did you mean 'cuda'?" if gpu else near(name, KINDS)
        raise ConfigError(
            f"device: {name!r} is not a device.{meant} Possible: auto, cpu, cuda, cuda:1, mps."
        )
    if kind not in there:
        raise ConfigError(
            f"device: {name!r} is not on this machine (torch {torch.__version__} finds "
            f"{listing(there)}). Write auto or cpu, or install torch for that device."
        )
    if int(index or 0) >= _count(kind):
        raise ConfigError(f"device: {name!r} is not on this machine; it has {_count(kind)} {kind}.")
    return torch.device(name)


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of this name; ``auto`` is float32 on a CPU, float16 on a GPU.

    Half precision is asked of a CPU only by name: without instructions for it, convolutions
    are about a hundred times slower there.

    Raises
    ------
    ConfigError
        If there is no such precision.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if name not in DTYPES:
        raise ConfigError(
            f"dtype: {name!r} is not a precision.{near(name, DTYPES)} "
            f"Possible: auto, {listing(DTYPES)}."
        )
    return DTYPES[name]


def _there() -> list[str]:
    """Return the kinds of device of this machine, the best one first."""
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return [kind for kind in KINDS if has[kind]]


def _count(kind: str) -> int:
    return torch.cuda.device_count() if kind == "cuda" else 1
