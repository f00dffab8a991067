"""What a run has read: which files, what was in them, and whether they still hold the same.

A step's folder has a note of the files that its result depends on, ``inputs.json``: their names
from the data set's folder, sizes and SHA-256. ``logs/inputs`` knows their times as they were when
the note was true: a file whose size and times are those is taken for the same, another one is
hashed again. So a copy, or a data set that was moved, goes on.

Some groups of files may change as long as what a step takes from them does not: regions while an
expression selects the same voxels, captions while those of the subject's images are the same,
tables of all images while the subject's trials are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurodiffuse import __version__
from neurodiffuse.config import STEPS
from neurodiffuse.errors import RunError, listing
from neurodiffuse.files import read_json, write_json, write_whole
from neurodiffuse.progress import say
from neurodiffuse.run.folder import Run
from neurodiffuse.run.hashing import SAMPLED, Stamp, samples_of, sha256_of, stamp_of

NOTE = "inputs.json"
"""The note in a step's folder."""

NOTED = ("mask", "encode", "fit", "report")
"""Steps that read the data set and note what."""

LARGE = 10**9
"""Bytes from which hashing again is announced."""

SETTLED = 2 * 10**9
"""Nanoseconds after which another change of a file is sure to have another time."""


@dataclass(frozen=True)
class Reading:
    """The files that a step reads, by group and name, as they were before it read them."""

    groups: Mapping[str, Mapping[str, Path]]
    stamps: Mapping[str, Stamp | None]


@dataclass(frozen=True)
class Difference:
    """A file that is not what a step has read; ``what`` happened to it: changed or is new."""

    step: str
    path: Path
    what: str


# --- noting ----------------------------------------------------------------------------------


def begin(run: Run, subject: str, step: str) -> Reading:
    """Look at the files that a step will read, before it does; once in a process."""
    key = (step, subject)
    if key not in run._readings:
        groups = _files(run, subject, step)
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
        group: _noted(run, subject, step, group, files, known or {})
        for group, files in reading.groups.items()
        if files
    }
    check_begun(run, subject, (step,))
    write_json(folder / NOTE, {"version": __version__, "groups": groups})
    _remember(run, subject, step, reading.stamps)


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
    held = {}
    for subject in run.config.subjects:
        for step in NOTED[:-1]:
            for group in _note_of(run, subject, step).get("groups", {}).values():
                held |= {n: one.get("sha256", "") for n, one in group["files"].items()}
                held |= group.get("images", {})
    files = len(held)
    digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
    return f"{files:,} files and pictures, digest {digest[:16]}" if files else ""


def _noted(
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
        said["images"] = _contents(run, ids)  # few of many in a large file
        return said
    said["files"] = {name: _entry(path, known.get(name, "")) for name, path in files.items()}
    if step != "report" and group in MEANINGS:
        said["means"] = MEANINGS[group](run, subject, step)
    return said


def _entry(path: Path, known: str) -> dict[str, Any]:
    size = path.stat().st_size
    entry = {"size": size, "sha256": known or sha256_of(path)}
    return entry | ({"samples": samples_of(path)} if size >= SAMPLED else {})


# --- checking --------------------------------------------------------------------------------


def check(
    run: Run,
    subjects: Sequence[str] | None = None,
    *,
    before: str = "",
    quick: bool = False,
) -> None:
    """Refuse to go on from results of files that have changed since.

    Parameters
    ----------
    run
        Its finished steps are looked at.
    subjects
        By default all.
    before
        The step that will be computed again with all later ones; empty: none.
    quick
        Look at sizes and times of the files alone that were read, not for further ones.

    Raises
    ------
    RunError
        Which names the file and the step to compute again.
    """
    steps = [s for s in NOTED[:-1] if not before or STEPS.index(s) < STEPS.index(before)]
    for subject in run.config.subjects if subjects is None else subjects:
        found = differences(run, subject, steps, quick=quick)
        if found:
            first, others = found[0], sum(one.step == found[0].step for one in found[1:])
            more = f" (and {others} more files)" if others else ""
            raise RunError(
                f"{first.path}: {first.what}{more}, and {run.path} was computed from what was "
                "there before. Choose another --out, or compute again what depends on it: "
                f"--from {first.step}."
            )
        if not quick and "mask" in steps and (text := changed_trials(run, subject)):
            raise RunError(
                f"{run.path}: {text}. Choose another --out, or compute everything again: "
                "--from mask."
            )


def differences(
    run: Run,
    subject: str,
    steps: Iterable[str] = NOTED,
    *,
    keep: bool = True,
    quick: bool = False,
) -> list[Difference]:
    """Return the files that are not what the finished steps of a subject have read.

    Files that are gone are not needed by what is done. With ``keep`` the times of files that
    were found to hold the same are noted, so that they are not hashed again. ``quick`` is as in
    `check`.
    """
    found = []
    for step in steps:
        if said := _note_of(run, subject, step):
            found += _differences(run, subject, step, said, keep, quick)
    return found


def noted(run: Run) -> bool:
    """Return whether a run knows what was in the files of its betas, wherever these lie."""
    notes = [_note_of(run, subject, "mask") for subject in run.config.subjects]
    return all("responses" in said.get("groups", {}) for said in notes)


def _differences(
    run: Run, subject: str, step: str, said: dict[str, Any], keep: bool, quick: bool
) -> list[Difference]:
    times, today = _times(run, subject, step), {} if quick else _files(run, subject, step)
    stamps: dict[str, Stamp] = {}
    found: list[Difference] = []
    renewed = False
    for group, before in said["groups"].items():
        here = _places(run, before["files"])
        now = {name: stamp for name, path in here.items() if (stamp := stamp_of(path))}
        doubtful = [name for name in now if times.get(name) != now[name]]
        changed = _changed(run, subject, before, {n: here[n] for n in doubtful}, group)
        new = [n for n in today.get(group, {}) if n not in before["files"] and step != "report"]
        if (changed or new) and "means" in before:
            again = _afresh(run)
            if MEANINGS[group](again, subject, step) == before["means"]:
                files = _files(again, subject, step)[group]
                said["groups"][group] = _noted(again, subject, step, group, files, {})
                now = {name: stamp for name, path in files.items() if (stamp := stamp_of(path))}
                changed, new, renewed = {}, [], True
        elif said["version"] != __version__:
            new = []  # another version reads other files, and what this one read is the same
        found += [Difference(step, here[name], what) for name, what in changed.items()]
        found += [Difference(step, today[group][name], "is new") for name in new]
        stamps |= {name: stamp for name, stamp in now.items() if name not in changed}
    if keep and renewed:
        write_whole(
            run.folder(step, subject) / NOTE, json.dumps(said, indent=2, sort_keys=True) + "\n"
        )
    if keep and any(times.get(name) != stamp for name, stamp in stamps.items()):
        _remember(run, subject, step, times | stamps)
    return found


def _changed(
    run: Run, subject: str, before: dict[str, Any], doubtful: dict[str, Path], group: str
) -> dict[str, str]:
    """Return which files of doubtful size or times hold something else, and what is said of it."""
    if not doubtful:
        return {}
    if "images" in before:
        say(f"sub-{subject}: reading pictures again, since times have changed", quiet=run.quiet)
        now = _contents(_afresh(run), tuple(before["images"]))
        other = [image for image, held in before["images"].items() if now[image] != held]
        said = f"has changed (the picture {other[0]})" if other else ""
        return dict.fromkeys(doubtful, said) if other else {}
    files = before["files"]
    changed = [n for n, path in doubtful.items() if path.stat().st_size != files[n]["size"]]
    same = {name: path for name, path in doubtful.items() if name not in changed}
    total = sum(files[name]["size"] for name in same)
    sampled = group == "responses" and total > LARGE  # which no later step reads
    if total > LARGE:
        how = "comparing samples of" if sampled else "hashing"
        why = "; no step that is left reads them" if sampled else ""
        say(
            f"sub-{subject}: {how} {len(same)} files ({total / 1e9:.0f} GB) again, since their "
            f"times have changed{why}",
            quiet=run.quiet,
        )
    for name, path in same.items():
        if sampled and "samples" in files[name]:
            equal = samples_of(path) == files[name]["samples"]
        else:
            equal = sha256_of(path) == files[name]["sha256"]
        changed += [] if equal else [name]
    return dict.fromkeys(changed, "has changed")


def changed_trials(run: Run, subject: str) -> str:
    """Return in words that betas or trials are not those the run began with, else nothing."""
    place = run.folder("mask", subject)
    before = place / "input.txt"
    if not before.exists() or before.read_text().strip() == run.dataset.fingerprint(subject):
        return ""
    said = _note_of(run, subject, "mask").get("groups", {})
    files = {n: p for part in said.values() for n, p in _places(run, part["files"]).items()}
    gone = [str(path) for path in files.values() if not path.exists()]
    which = f" (gone: {listing(gone, most=3)})" if gone else ""
    return (
        f"the data set's betas or events of sub-{subject} have changed since this run "
        f"began{which}"
    )


# --- what a step reads -----------------------------------------------------------------------


def _files(run: Run, subject: str, step: str) -> dict[str, dict[str, Path]]:
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
        return [text for part in features for text in (part.roi, *part.bands) if text]
    about = run.folder("mask", subject) / "about.json"
    if about.exists():  # the data set's own mask may be another one by now
        return [read_json(about)["expression"]]
    return [run.config.mask.select or run.subject(subject).mask]


def _ids(run: Run, subject: str) -> tuple[str, ...]:
    trials = run.subject(subject).trials
    return tuple(sorted({*trials.images("train"), *trials.images("test")}))


def _contents(run: Run, ids: Sequence[str]) -> dict[str, str]:
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
    return _digest([trials.stimulus, trials.split, trials.session, trials.run])


MEANINGS: Mapping[str, Callable[[Run, str, str], str]] = {
    "regions": _voxels,
    "captions": _captions,
    "trials": _trials,
}
"""What a step takes from a group of files, as a digest: while it is the same they may change."""


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _afresh(run: Run) -> Run:
    """Return a run whose data set has read nothing yet."""
    cls = run.registry.load(run.registry.card("dataset", run.config.dataset))
    dataset = cls(**run.config.dataset_options)
    return dataclasses.replace(run, dataset=dataset, contents={}, _subjects={}, _readings={})


# --- notes and times -------------------------------------------------------------------------


def _note_of(run: Run, subject: str, step: str) -> dict[str, Any]:
    """Return a step's note, empty where there is none, as of a run made before there were any."""
    place = run.folder(step, subject) / NOTE
    return dict(read_json(place)) if place.exists() else {}


def _places(run: Run, names: Iterable[str]) -> dict[str, Path]:
    home = run.dataset.home() or Path()
    return {name: home / name for name in names}  # a name that is absolute stays as it is


def _times_file(run: Run, subject: str, step: str) -> Path:
    while run.trunk is not None and step not in run.own:
        run = run.trunk
    return run.path / "logs" / "inputs" / f"sub-{subject}_{step}.json"


def _times(run: Run, subject: str, step: str) -> dict[str, Stamp]:
    try:
        return dict(json.loads(_times_file(run, subject, step).read_text(encoding="utf-8")))
    except (OSError, ValueError):  # logs may be removed: then everything is hashed again
        return {}


def _remember(run: Run, subject: str, step: str, stamps: Mapping[str, Stamp | None]) -> None:
    """Write the times of files that have not been changed within the last seconds."""
    place, now = _times_file(run, subject, step), time.time_ns()
    sure = {n: s for n, s in stamps.items() if s and max(s[1:]) < now - SETTLED}
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, json.dumps(sure, indent=0, sort_keys=True) + "\n")
