"""Which files a subject has: pybids, with an index that is kept between runs.

pybids indexes a file in about a millisecond, with all its settings trimmed; so one subject is
indexed at a time, with the entities of ``entities.json`` alone and without metadata. The index
depends on nothing but the names of the files: it is stored under a hash of these names, and a
tree that has changed has another hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from neurodiffuse.errors import DataError, is_text, printable
from neurodiffuse.readers.volumes import VOLUMES
from neurodiffuse_bids.identity import same

ENTITIES = Path(__file__).with_name("entities.json")
"""The entities that are told apart, in the form of a pybids configuration."""

READ = (*VOLUMES, ".gii", ".tsv")
"""How the names end that are indexed: also of surface data, which are told and not read."""

_LEFT_OUT = ("figures", "log", "logs")


@dataclass(frozen=True)
class BidsFile:
    """A file and the entities of its name, such as ``{"session": "01", "suffix": "mask"}``."""

    path: Path
    entities: Mapping[str, str]

    def __getitem__(self, entity: str) -> str:
        """Return the value of an entity, empty when the name has none."""
        return self.entities.get(entity, "")

    def fits(self, wanted: Mapping[str, Any]) -> bool:
        """Return whether every entity has the wanted value, or one of a list of values.

        Subjects, sessions and runs are compared as indices: ``1`` fits ``01``.
        """
        for entity, value in wanted.items():
            values = [value] if isinstance(value, str) else list(value)
            if not any(same(entity, self[entity], str(one)) for one in values):
                return False
        return True

    def order(self) -> tuple[Any, ...]:
        """Return what sorts files by session and run, numbers as numbers."""
        return natural(self["session"]), natural(self["run"]), natural(self.path.name)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts ``run-2`` before ``run-10``."""
    pieces = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), p) if p.isdigit() else (1, 0, p) for p in pieces)


@cache
def entity_names() -> tuple[str, ...]:
    """Return the names of the entities that are told apart."""
    with ENTITIES.open(encoding="utf-8") as file:
        return tuple(entity["name"] for entity in json.load(file)["entities"])


def subject_files(root: Path, label: str, cache_dir: Path) -> tuple[BidsFile, ...]:
    """Return the images and tables of a subject, and the tables at the root of the data set.

    The index is read from ``cache_dir`` when it is there. Where that folder cannot be written
    the index is built in memory, every time.
    """
    kept = _place(root, label, cache_dir)
    stored = (kept / "layout_index.sqlite").exists() or _build(root, label, kept)
    files = _query(_layout(root, label, kept if stored else None))
    return tuple(file for file in files if file["subject"] in ("", label))


def names_that_are_no_text(root: Path, label: str) -> list[str]:
    """Return the images and tables of a subject that are not read since their names are not UTF-8.

    They are spelt as a terminal can show them.
    """
    return sorted(printable(Path(name).name) for name in _names(root, label) if not is_text(name))


def _place(root: Path, label: str, cache_dir: Path) -> Path:
    """Return where the index of the tree as it is now belongs."""
    from bids import __version__ as version

    names = hashlib.sha256(f"{version}\n".encode() + ENTITIES.read_bytes())
    for name in sorted(_names(root, label)):
        names.update(name.encode("utf-8", "surrogateescape") + b"\n")
    whose = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_dir / whose / f"sub-{label}-{names.hexdigest()[:24]}"


def _names(root: Path, label: str) -> Iterable[str]:
    with os.scandir(root) as entries:
        yield from (e.name for e in entries if e.name.endswith(".tsv"))
    for folder, folders, files in os.walk(root / f"sub-{label}", followlinks=True):
        folders[:] = [f for f in folders if f not in _LEFT_OUT]
        yield from (os.path.join(folder, f) for f in files if f.endswith(READ))  # noqa: PTH118


def _build(root: Path, label: str, kept: Path) -> bool:
    """Build the index beside its place and rename it; return whether that could be done."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=kept.parent))
    except OSError:
        return False
    try:
        _layout(root, label, beside).connection_manager.session.close()
        with contextlib.suppress(OSError):  # another process was faster: its index is as good
            beside.rename(kept)
        for old in kept.parent.glob(f"sub-{label}-*"):
            if old != kept:
                shutil.rmtree(old, ignore_errors=True)
    except (OSError, SQLAlchemyError):  # a full disk
        return False
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return kept.exists()


def _layout(root: Path, label: str, database: Path | None) -> Any:
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    subject = re.escape(f"sub-{label}")
    left_out = [
        re.compile(rf"^/(?!{subject}(?:/|$))(?![^/]*\.tsv$)."),
        re.compile("[\udc80-\udcff]"),  # bytes of a name that is not UTF-8
        re.compile(r"\.(?!(?:nii|gz|mgz|mgh|gii|tsv)$)[^./]+$"),
        re.compile(rf"^/{subject}/(?:.*/)?(?:{'|'.join(_LEFT_OUT)})(?:/|$)"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pybids misses in the description is not needed
        try:
            return BIDSLayout(
                str(root),
                validate=False,
                config=[str(ENTITIES)],
                indexer=BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=left_out),
                database_path=None if database is None else str(database),
            )
        except PermissionError as error:
            raise DataError(f"{root}: cannot be read ({error}).") from error
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            # what pybids makes of a field of another type than BIDS has for it
            raise DataError(
                f"{root / 'dataset_description.json'}: a field is not what BIDS has for it "
                f"({type(error).__name__}: {printable(' '.join(str(error).split()), 200)}). "
                "GeneratedBy and SourceDatasets are lists of objects, Name and BIDSVersion texts."
            ) from error


def _query(layout: Any) -> tuple[BidsFile, ...]:
    """Return every file with its entities, in one query (a file at a time takes a millisecond)."""
    from bids.layout.models import Tag

    session = layout.connection_manager.session
    found: dict[str, dict[str, str]] = {}
    for path, entity, value in session.query(Tag.file_path, Tag.entity_name, Tag._value):
        found.setdefault(path, {})[entity] = str(value)
    session.close()
    files = (BidsFile(Path(path), entities) for path, entities in found.items())
    kept = (file for file in files if file.path.name.endswith(READ))
    return tuple(sorted(kept, key=lambda file: (file.order(), str(file.path))))
