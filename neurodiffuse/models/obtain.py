"""Fetch weights into the cache, on their terms, and note what was fetched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from neurodiffuse.downloads import (
    Digest,
    Fetched,
    HttpSource,
    Plan,
    Terms,
    Wanted,
    fetch,
    forbidden,
    in_bytes,
    plan,
)
from neurodiffuse.downloads.digests import computed
from neurodiffuse.downloads.http import on_hub
from neurodiffuse.errors import DownloadError, listing
from neurodiffuse.files import json_of
from neurodiffuse.models.place import folder_of
from neurodiffuse.types import Model, ModelFile

RECORD = "fetched.json"
"""In the model's folder: address, size, SHA-256 and date of each file that was fetched."""


def wanted(model: Model) -> tuple[Wanted, ...]:
    """Return the model's files as they lie in the cache."""
    folder, source = folder_of(model), HttpSource()
    return tuple(
        Wanted(file.address, folder / file.path, source, file.size, _digests(file))
        for file in model.files
    )


def terms(model: Model) -> Terms:
    """Return on what terms the weights are given."""
    hosts = dict.fromkeys(urlsplit(file.address).netloc for file in model.files)
    sizes = [file.size for file in model.files]
    size = f", {in_bytes(sum(s for s in sizes if s))}" if None not in sizes else ""
    lines = [model.summary, f"{len(model.files)} files{size}, from {listing(hosts)}"]
    if model.cite:
        lines.append(f"cite: {model.cite}")
    licence = model.licence or "no licence is stated"
    return Terms(f"weights {model.name}", licence, model.terms, "\n".join(lines))


def refuse_offline(model: Model, rest: Sequence[Wanted]) -> None:
    """Raise when a setting forbids to fetch what is missing."""
    switch = forbidden(hub=any(on_hub(one.address) for one in rest))
    if rest and switch:
        raise DownloadError(
            f"weights {model.name!r}: {len(rest)} of {len(model.files)} files are not in "
            f"{folder_of(model)}, and fetching is forbidden ({switch})."
        )


def obtain(model: Model, *, jobs: int, quiet: bool) -> list[Fetched]:
    """Fetch the files of a model that are not here or of another size than published."""
    try:
        fetched = fetch(wanted(model), jobs=jobs, replace=True, quiet=quiet)
    except DownloadError:  # some files may be here all the same
        _note(model)
        raise
    _note(model)
    return fetched


def standing(model: Model) -> Plan:
    """Return which files are here; nothing is asked of a server."""
    return plan(wanted(model))


@dataclass(frozen=True)
class Check:
    """What verifying one file found: ``problem`` is empty when it is as it should be.

    ``by`` says what it was compared with: ``published sha256``, ``sha256 when fetched``,
    ``size`` or ``nothing``.
    """

    path: Path
    by: str
    problem: str = ""


def verify(model: Model, folder: Path) -> list[Check]:
    """Compare files with their published checksum, else with the one of when they were fetched."""
    noted = record(folder)
    return [_check(file, folder / file.path, noted.get(file.path, {})) for file in model.files]


def verify_own_file(model: Model, path: Path) -> Check:
    """Compare a user's own file with the file of the model that it is, by its name or size."""
    same = [f for f in model.files if Path(f.path).name == path.name]
    same = same or [f for f in model.files if f.size == path.stat().st_size]
    if len(same) != 1:
        return Check(path, "nothing", f"it has neither name nor size of a file of {model.name}")
    return _check(same[0], path, {})


def summary(checks: Sequence[Check]) -> str:
    """Return how many files were verified by what."""
    counts = Counter(check.by for check in checks if not check.problem)
    return ", ".join(f"{n} by {by}" for by, n in sorted(counts.items())) or "none"


def record(folder: Path) -> dict[str, Any]:
    """Return what was noted of fetched files, by path; empty when nothing readable is there."""
    try:
        noted = json_of((folder / RECORD).read_text("utf-8"))
        return noted if isinstance(noted, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def _check(file: ModelFile, path: Path, noted: dict[str, Any]) -> Check:
    if not path.is_file():
        return Check(path, "nothing", "not there")
    size = path.stat().st_size
    if file.size not in (None, size):
        return Check(path, "size", f"{size:,} bytes; published are {file.size:,}")
    by, expected = "published sha256", file.sha256.lower()
    if not expected:
        by, expected = "sha256 when fetched", str(noted.get("sha256", ""))
    if not expected:
        return Check(path, "size" if file.size else "nothing")
    found = computed(path, Digest("sha256", expected))
    return Check(path, by, "" if found == expected else f"sha256 {found}; {by} {expected}")


def _digests(file: ModelFile) -> tuple[Digest, ...]:
    return (Digest("sha256", file.sha256.lower()),) if file.sha256 else ()


def _whole(file: ModelFile) -> str:
    """Return the published SHA-256, empty when it is unknown or only its first digits are."""
    return file.sha256.lower() if len(file.sha256) == 64 else ""


def _note(model: Model) -> None:
    """Note the checksum of each file that is new, so that `verify` notices when it changes."""
    folder = folder_of(model)
    noted, before = record(folder), dict(record(folder))
    for file in model.files:
        path = folder / file.path
        if not path.is_file():
            noted.pop(file.path, None)
        elif (stamp := path.stat().st_mtime_ns) != noted.get(file.path, {}).get("mtime_ns"):
            noted[file.path] = {
                "address": file.address,
                "size": path.stat().st_size,
                "sha256": _whole(file) or computed(path, Digest("sha256", "")),
                "mtime_ns": stamp,
                "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
            }
    if noted != before:
        beside = folder / f"{RECORD}.partial"
        beside.write_text(json.dumps(noted, indent=2), "utf-8")
        beside.replace(folder / RECORD)
