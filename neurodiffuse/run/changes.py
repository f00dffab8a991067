"""Whether the files that a run has read still hold the same."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurodiffuse import __version__
from neurodiffuse.config import STEPS
from neurodiffuse.errors import ConfigError, NeurodiffuseError, RunError, listing
from neurodiffuse.files import read_json, write_whole
from neurodiffuse.progress import say
from neurodiffuse.run.folder import Run
from neurodiffuse.run.hashing import Stamp, samples_of, sha256_of, stamp_of
from neurodiffuse.run.inputs import (
    MEANINGS,
    NOTE,
    NOTED,
    contents_of,
    files_of,
    note_of,
    noted_of,
    places_of,
    remember,
    times_of,
)

LARGE = 10**9
"""Bytes from which hashing again is announced."""


@dataclass(frozen=True)
class Difference:
    """A file that is not what a step has read; ``what`` happened to it: changed or is new."""

    step: str
    path: Path
    what: str


def check(
    run: Run,
    subjects: Sequence[str] | None = None,
    *,
    before: str = "",
    quick: bool = False,
    keep: bool = True,
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
    keep
        Note new times of files that hold the same.

    Raises
    ------
    RunError
        Which names the file and the step to compute again.
    """
    steps = [s for s in NOTED[:-1] if not before or STEPS.index(s) < STEPS.index(before)]
    for subject in run.config.subjects if subjects is None else subjects:
        found = differences(run, subject, steps, quick=quick, keep=keep)
        if found:
            step = found[0].step
            raise RunError(
                f"{in_words([one for one in found if one.step == step])}, and the run {run.path} "
                "was computed from what was there before. Choose another --out, or give the run's "
                f"decode command with --from {step} to compute again what depends on it."
            )
        if quick or "mask" not in steps:
            continue
        if text := changed_trials(run, subject):
            raise RunError(
                f"{run.path}: {text}. Choose another --out, or compute everything again: "
                "--from mask."
            )
        if (new := changed_mask(run, subject)) and new.stops:
            raise RunError(
                f"{new.text}, and the run {run.path} was computed with {new.before!r}. Go on with "
                f"that: --mask {shlex.quote(new.before)}; choose another --out; or give the run's "
                "decode command with --from mask to compute everything again."
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
        if said := note_of(run, subject, step):
            found += _differences(run, subject, step, said, keep, quick)
    return found


def in_words(found: Sequence[Difference]) -> str:
    """Return what happened to the first of some files, and how many more there are."""
    others = len(found) - 1
    more = f" (and {others} more file{'s' if others > 1 else ''})" if others else ""
    return f"{found[0].path} {found[0].what}{more}"


@dataclass(frozen=True)
class OtherMask:
    """The data set's own mask where it is another one (``now``) than the run's (``before``).

    A run goes on, unless it ``stops``, where its mask is gone: it has its voxels.
    """

    before: str
    now: str
    text: str
    stops: bool


def changed_mask(run: Run, subject: str) -> OtherMask | None:
    """Return how the mask that nobody names differs from that of the run, if it does."""
    about = run.folder("mask", subject) / "about.json"
    if run.config.mask.select or not about.exists():
        return None
    before, now = read_json(about)["expression"], run.subject(subject).mask
    if before == now:
        return None
    from neurodiffuse import rois  # brings numpy, which a command's help does without

    known = {roi.name for roi in run.subject(subject).rois}
    try:
        rois.parse(before, known=known)
    except ConfigError:
        text = (
            f"sub-{subject}: {before!r}, the default mask so far, is not there any more, and "
            f"{now!r} would now be the default mask"
        )
        return OtherMask(before, now, text, stops=False)
    named = rois.names(rois.parse_for(run.subject(subject), now))
    files = [p for n in named if n in known for p in run.dataset.region_files(subject, n)]
    what = f"{files[0]} is new and" if files else f"sub-{subject}: {now!r}"
    which = f": {now!r}" if files else ""
    text = f"{what} would now be the default mask{which}"
    version = note_of(run, subject, "mask").get("version", __version__)
    return OtherMask(before, now, text, stops=version == __version__)


def is_noted(run: Run) -> bool:
    """Return whether a run knows what was in the files of its betas, wherever these lie."""
    notes = [note_of(run, subject, "mask") for subject in run.config.subjects]
    return all("responses" in said.get("groups", {}) for said in notes)


def _differences(
    run: Run, subject: str, step: str, said: dict[str, Any], keep: bool, quick: bool
) -> list[Difference]:
    times, today = times_of(run, subject, step), {} if quick else _files_now(run, subject, step)
    stamps: dict[str, Stamp] = {}
    found: list[Difference] = []
    renewed = False
    for group, before in said["groups"].items():
        here = places_of(run, before["files"])
        now = {name: stamp for name, path in here.items() if (stamp := stamp_of(path))}
        doubtful = [name for name in now if times.get(name) != now[name]]
        changed = _changed(run, subject, before, {n: here[n] for n in doubtful}, group)
        new = [n for n in today.get(group, {}) if n not in before["files"] and step != "report"]
        if (changed or new) and "means" in before:
            again = _afresh(run)
            if _meaning(again, subject, step, group) == before["means"]:
                files = files_of(again, subject, step)[group]
                said["groups"][group] = noted_of(again, subject, step, group, files, {})
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
        remember(run, subject, step, times | stamps)
    return found


def _files_now(run: Run, subject: str, step: str) -> dict[str, dict[str, Path]]:
    """Return the files that a step would read now, none where it could not read them any more.

    A step that is left and needs them says so itself.
    """
    try:
        return files_of(run, subject, step)
    except NeurodiffuseError:
        return {}


def _meaning(run: Run, subject: str, step: str, group: str) -> str:
    """Return what a step would take from a group of files now, nothing if it could not."""
    try:
        return MEANINGS[group](run, subject, step)
    except NeurodiffuseError:
        return ""


def _changed(
    run: Run, subject: str, before: dict[str, Any], doubtful: dict[str, Path], group: str
) -> dict[str, str]:
    """Return which files of doubtful size or times hold something else, and what is said of it."""
    if not doubtful:
        return {}
    if "images" in before:
        say(f"sub-{subject}: reading pictures again, since times have changed", quiet=run.quiet)
        now = contents_of(_afresh(run), tuple(before["images"]))
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
    """Return in words that betas or trials are not those the run began with, else nothing.

    A data set may tell more after what it told so far: a run from before has the beginning.
    """
    before = run.folder("mask", subject) / "input.txt"
    if not before.exists():
        return ""
    old, now = before.read_text(encoding="utf-8").split(), run.dataset.fingerprint(subject).split()
    if old and now[: len(old)] == old:
        return ""
    said = note_of(run, subject, "mask").get("groups", {})
    files = {n: p for part in said.values() for n, p in places_of(run, part["files"]).items()}
    gone = [str(path) for path in files.values() if not path.exists()]
    which = f" (gone: {listing(gone, most=3)})" if gone else ""
    return (
        f"the data set's betas or events of sub-{subject} have changed since this run began{which}"
    )


def _afresh(run: Run) -> Run:
    """Return a run whose data set has read nothing yet."""
    config = run.config
    dataset = run.registry.dataset(config.dataset, config.dataset_options, config.links)
    return dataclasses.replace(run, dataset=dataset, contents={}, _subjects={}, _readings={})
