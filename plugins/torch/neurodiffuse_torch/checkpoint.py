"""Reading weights: tensors only, every one in its place, or one line that says what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from neurodiffuse.errors import DataError, MissingDataError, listing

SHOWN = 3
"""Names that a message shows before it says how many more there are."""


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU, as they were stored.

    The content tells the format, not the name: safetensors, torch's zip files (mapped into
    memory, not read) and its older pickles. Nothing but tensors is unpickled. A mapping under
    ``state_dict`` is taken when the tensors lie there.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is damaged, of another format, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise MissingDataError(f"{path}: {kind}; a checkpoint is needed.")
    with path.open("rb") as file:
        head = file.read(16)
    if head[8:9] == b"{":
        return _safetensors(path)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return _tensors(path, _torch_file(path, mapped=head[:2] == b"PK"))
    raise DataError(
        f"{path}: {path.stat().st_size:,} bytes that begin with {head!r} are neither safetensors "
        "nor a torch checkpoint. Download it again."
    )


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return tensors without a prefix that all of their names have, else as they are."""
    if tensors and all(name.startswith(prefix) for name in tensors):
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], where: str | Path) -> None:
    """Put every tensor in its place.

    A module on the ``meta`` device takes the tensors themselves, without a copy, and then has
    their precision.

    Raises
    ------
    DataError
        If tensors are missing, left over or of another shape; the module is then unchanged.
    """
    needed = module.state_dict()
    missing = [name for name in needed if name not in tensors]
    unexpected = [name for name in tensors if name not in needed]
    misshapen = [
        f"{name} is {tuple(tensors[name].shape)}, needed {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    found = [
        f"{len(names):,} {what} ({listing(names, most=SHOWN)})"
        for what, names in (
            ("missing", missing),
            ("not expected", unexpected),
            ("of another shape", misshapen),
        )
        if names
    ]
    if found:
        raise DataError(
            f"{where}: not the weights of {type(module).__name__}, which has {len(needed):,} "
            f"tensors: {'; '.join(found)}."
        )
    bare = any(tensor.is_meta for tensor in needed.values())
    module.load_state_dict(tensors, strict=True, assign=bare)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _torch_file(path: Path, *, mapped: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower() and "unsupported" not in str(error).lower():
            raise _damaged(path, error) from error
        raise DataError(
            f"{path}: holds more than tensors, and reading that could run code, so it is "
            "refused. Take the published file, or one saved from a state_dict."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{path}: {path.stat().st_size:,} bytes, damaged or cut short ({said[:120]}). "
        "Download it again."
    )


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise DataError(f"{path}: holds a {type(content).__name__}, not tensors by name.")
    others: Iterable[str] = [str(k) for k, v in content.items() if not isinstance(v, Tensor)]
    if others:
        raise DataError(
            f"{path}: {listing(others, most=SHOWN)} are no tensors; weights by name are needed, "
            "such as a state_dict."
        )
    return {str(name): tensor.detach() for name, tensor in content.items()}
