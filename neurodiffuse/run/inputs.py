"""What a run reads of a data set: which files, and what was in them.

A step's folder has a note of the files that its result depends on, ``inputs.json``: their names
from the data set's folder, sizes and SHA-256. ``logs/inputs`` knows their times as they were when
the note was true: a file whose size and times are those is taken for the same, another one is
hashed again (`neurodiffuse.run.changes`). So a copy, or a data set that was moved, goes on.

Some groups of files may change as long as what a step takes from them does not: regions while an
expression selects the same voxels, captions while those of the subject's images are the same,
tables of all images while the subject's trials are the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurodiffuse import __version__
from neurodiffuse.errors import RunError
from neurodiffuse.files import json_of, read_json, write_json, write_whole
from neurodiffuse.run.folder import Run
from neurodiffuse.run.hashing import SAMPLED, Stamp, samples_of, sha256_of, stamp_of

NOTE = "inputs.json"
"""The note in a step's folder."""

NOTED = ("mask", "encode", "fit", "report")
"""Steps that read the data set and note what."""

SETTLED = 2 * 10**9
"""Nanoseconds after which another change of a file is sure to have another time."""


@dataclass(frozen=True)
class Reading:
    """The files that a step reads, by group and name, as they were before it read them."""

    groups: Mapping[str, Mapping[str, Path]]
    stamps: Mapping[str, Stamp | None]


# --- noting ----------------------------------------------------------------------------------


def begin(run: Run, subject: str, step: str) -> Reading:
    """Look at the files that a step will read, before it does; once in a process."""
    key = (step, subject)
    if key not in run._readings:
        groups = files_of(run, subject, step)
        stamps = {name: stamp_of(p) for files in groups.values() for name, p in files.items()}
        run._readings[key] = Reading(groups, stamps)
    return run._readings[key]


def check_begun(run: Run, subject: str, steps: Iterable[str]) -> None:
    """Refuse to read on from files that have changed since `begin` looked at them.

    Raises
    ------
    RunError
        With the first of them.
    """
    for step in steps:
        reading = run._readings.get((step, subject), Reading({}, {}))
        for name, path in (item for files in reading.groups.values() for item in files.items()):
            if stamp_of(path) != reading.stamps[name]:
                raise RunError(
                    f"{path}: has changed while this run was reading the data set. Give the "
                    "same command again when the file does not change any more."
                )


def note(
    run: Run, subject: str, step: str, folder: Path, known: Mapping[str, str] | None = None
) -> None:
    """Write into a step's folder what it has read; ``known`` are SHA-256 by the files' names.

    Raises
    ------
    RunError
        If a file has changed since `begin`.
    """
    reading = begin(run, subject, step)
    groups = {
        group: noted_of(run, subject, step, group, files, known or {})
        for group, files in reading.groups.items()
        if files
    }
    check_begun(run, subject, (step,))
    write_json(folder / NOTE, {"version": __version__, "groups": groups})
    remember(run, subject, step, reading.stamps)


def names_of(run: Run, paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by the names that notes have for them: from the data set's folder."""
    home = run.dataset.home()
    homes = (home, home.resolve()) if home else ()
    found = {}
    for path in paths:
        inside = next((h for h in homes if path.is_relative_to(h)), None)
        found[path.relative_to(inside).as_posix() if inside else str(path.absolute())] = path
    return found


def summary(run: Run) -> str:
    """Return how many files a run was computed from, and one digest of what they hold."""
    held: dict[str, str] = {}
    for subject in run.config.subjects:
        for step in NOTED[:-1]:
            for group in note_of(run, subject, step).get("groups", {}).values():
                held |= {n: one.get("sha256", "") for n, one in group["files"].items()}
                held |= group.get("images", {})
    files = len(held)
    digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
    return f"{files:,} files and pictures, digest {digest[:16]}" if files else ""


def noted_of(
    run: Run,
    subject: str,
    step: str,
    group: str,
    files: Mapping[str, Path],
    known: Mapping[str, str],
) -> dict[str, Any]:
    """Return what is noted of a group of files."""
    said: dict[str, Any] = {}
    if group == "pictures" and len(files) < len(ids := _ids(run, subject)):
        said["files"] = {name: {"size": path.stat().st_size} for name, path in files.items()}
        said["images"] = contents_of(run, ids)  # few of many in a large file
        return said
    said["files"] = {name: _entry(path, known.get(name, "")) for name, path in files.items()}
    if step != "report" and group in MEANINGS:
        said["means"] = MEANINGS[group](run, subject, step)
    return said


def _entry(path: Path, known: str) -> dict[str, Any]:
    size = path.stat().st_size
    entry = {"size": size, "sha256": known or sha256_of(path)}
    return entry | ({"samples": samples_of(path)} if size >= SAMPLED else {})


# --- what a step reads -----------------------------------------------------------------------


def files_of(run: Run, subject: str, step: str) -> dict[str, dict[str, Path]]:
    """Return the files that a step's result depends on as they are now, by group and name."""
    given = run.dataset.inputs(subject)
    reads_captions = any(
        "captions" in run.registry.card("encoder", part.encoder).reads
        for part in run.config.features.values()
    )
    groups: dict[str, Iterable[Path]] = {}
    if step == "mask":
        groups = {key: given.get(key, ()) for key in ("responses", "trials")}
    elif step == "encode":
        images = run.dataset.stimuli(_ids(run, subject)).images
        groups = {"pictures": getattr(images, "paths", ())}
        groups["captions"] = given.get("captions", ()) if reads_captions else ()
    elif step == "report":
        groups = {"report": given.get("report", ())}
        groups["captions"] = () if reads_captions else given.get("captions", ())
    if step != "encode":
        groups["regions"] = _region_files(run, subject, step)
    return {group: names_of(run, sorted(set(paths))) for group, paths in groups.items()}


def _region_files(run: Run, subject: str, step: str) -> list[Path]:
    about = run.subject(subject)
    known = [roi.name for roi in about.rois]
    if step == "report":
        named = set(known)
    else:
        from neurodiffuse import rois  # brings numpy, which a command's help does without

        parsed = (rois.parse(e, known=known) for e in _expressions(run, subject, step))
        named = {name for one in parsed for name in rois.names(one)}
    return [path for name in named for path in run.dataset.region_files(subject, name)]


def _expressions(run: Run, subject: str, step: str) -> list[str]:
    """Return the ROI expressions that a step's result depends on."""
    if step == "fit":
        features = run.config.features.values()
        return [text for part in features for _, text in part.regions()]
    about = run.folder("mask", subject) / "about.json"
    if about.exists():  # the data set's own mask may be another one by now
        return [read_json(about)["expression"]]
    return [run.config.mask.select or run.subject(subject).mask]


def _ids(run: Run, subject: str) -> tuple[str, ...]:
    trials = run.subject(subject).trials
    return tuple(sorted({*trials.images("train"), *trials.images("test")}))


def contents_of(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """Return what pictures hold, by id."""
    from neurodiffuse.store import content

    images = run.dataset.stimuli(ids).images
    for k, image in enumerate(ids):
        if image not in run.contents:
            run.contents[image] = content(images[k])
    return {image: run.contents[image] for image in ids}


def _voxels(run: Run, subject: str, step: str) -> str:
    import numpy as np

    chosen = [run.select(subject, text) for text in _expressions(run, subject, step)]
    return _digest([np.packbits(voxels).tobytes().hex() for voxels in chosen])


def _captions(run: Run, subject: str, step: str) -> str:
    return _digest(run.dataset.stimuli(_ids(run, subject)).captions)


def _trials(run: Run, subject: str, step: str) -> str:
    trials = run.subject(subject).trials
    counts = [trials.count] if trials.count else []
    return _digest([trials.stimulus, trials.split, trials.session, trials.run, *counts])


MEANINGS: Mapping[str, Callable[[Run, str, str], str]] = {
    "regions": _voxels,
    "captions": _captions,
    "trials": _trials,
}
"""What a step takes from a group of files, as a digest: while it is the same they may change."""


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


# --- notes and times -------------------------------------------------------------------------


def note_of(run: Run, subject: str, step: str) -> dict[str, Any]:
    """Return a step's note, empty where there is none, as of a run made before there were any."""
    place = run.folder(step, subject) / NOTE
    return dict(read_json(place)) if place.exists() else {}


def places_of(run: Run, names: Iterable[str]) -> dict[str, Path]:
    """Return where files are whose names are in a note."""
    home = run.dataset.home() or Path()
    return {name: home / name for name in names}  # a name that is absolute stays as it is


def _times_file(run: Run, subject: str, step: str) -> Path:
    while run.trunk is not None and step not in run.own:
        run = run.trunk
    return run.path / "logs" / "inputs" / f"sub-{subject}_{step}.json"


def times_of(run: Run, subject: str, step: str) -> dict[str, Stamp]:
    """Return sizes and times of files when they were last seen to hold what is noted."""
    try:
        return dict(json_of(_times_file(run, subject, step).read_text(encoding="utf-8")))
    except (OSError, ValueError):  # logs may be removed: then everything is hashed again
        return {}


def remember(run: Run, subject: str, step: str, stamps: Mapping[str, Stamp | None]) -> None:
    """Write the times of files that have not been changed within the last seconds."""
    place, now = _times_file(run, subject, step), time.time_ns()
    sure = {n: s for n, s in stamps.items() if s and max(s[1:]) < now - SETTLED}
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, json.dumps(sure, indent=0, sort_keys=True) + "\n")
