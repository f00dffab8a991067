"""Which files hold the single-trial betas of a subject."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.readers.volumes import VOLUMES
from neurodiffuse_bids.identity import index
from neurodiffuse_bids.index import BidsFile, natural

TRIAL = ("trial", "stim", "contrast")
"""Entities that tell the files of single trials apart."""

EFFECTS = ("effect", "beta", "betas", "trialbetas", "imagebetas")
"""What ``stat-`` says of responses, in lower case; ``stat-ncsnr`` is a map."""

_SINGLE = re.compile(r"single[-+]?trial|beta|trial\d*$", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?trial)(\d+)", re.IGNORECASE)
_SHORT = {
    "session": "ses", "acquisition": "acq", "reconstruction": "rec", "direction": "dir",
    "segmentation": "seg", "resolution": "res", "density": "den", "hemisphere": "hemi",
}  # fmt: skip


class NoBetasError(MissingDataError):
    """A subject has no betas at all, or none of those that were asked for."""


@dataclass(frozen=True)
class Series:
    """The betas of one run or session: a 4D file, or the 3D files of its trials in order."""

    files: tuple[BidsFile, ...]

    def __getitem__(self, entity: str) -> str:
        """Return an entity that all the files share."""
        return self.files[0][entity]

    def trials(self) -> tuple[str, ...]:
        """Return the labels of the trials, empty texts where the names have none."""
        return tuple(_trial(file)[1] for file in self.files)

    def trial_entity(self) -> str:
        """Return the entity that tells the trials' files apart, empty for a 4D file."""
        return _trial(self.files[0])[0]


def find_series(
    files: Sequence[BidsFile], wanted: Mapping[str, Any], space: str, task: str, who: str
) -> tuple[Series, ...]:
    """Return the betas of a subject by session and run.

    Parameters
    ----------
    wanted
        Entities that the names must have; when empty, files count that are called betas by
        their names: ``_betas``, ``_betaseries``, ``_statmap`` and ``_bold`` with a ``desc`` such
        as ``singletrial``, ``_statmap`` with ``stat-effect``.
    space, task
        As ``wanted``, when not empty.

    Raises
    ------
    NoBetasError
        If there are none.
    DataError
        If there are several kinds, such as two spaces.
    """
    images = [f for f in files if f["extension"] in VOLUMES and f["subject"]]
    chosen = [f for f in images if f.fits(wanted)] if wanted else _called_betas(images)
    limits = {key: value for key, value in (("space", space), ("task", task)) if value}
    fitting = [f for f in chosen if f.fits(limits)]
    if not fitting:
        if not chosen and (surfaces := on_surfaces(files, wanted)):
            raise DataError(not_read(surfaces))
        raise NoBetasError(_none(chosen, wanted, limits, who))
    kinds: dict[str, list[BidsFile]] = {}
    for file in fitting:
        kinds.setdefault(_kind(file), []).append(file)
    if len(kinds) > 1 and not _trial_types(kinds):
        raise DataError(
            f"{who}: has several kinds of betas: {listing(kinds)}. Choose one with --set "
            "datasets.bids.space=… or datasets.bids.task=…, or with datasets.bids.betas_filter "
            "in a recipe."
        )
    return _series(fitting)


def on_surfaces(files: Sequence[BidsFile], wanted: Mapping[str, Any]) -> list[BidsFile]:
    """Return the files that would be betas by their names and are no volumes."""
    others = [
        f for f in files if f["extension"] not in (*VOLUMES, ".tsv", ".surf.gii") and f["subject"]
    ]
    return [f for f in others if f.fits(wanted)] if wanted else _called_betas(others)


def not_read(files: Sequence[BidsFile]) -> str:
    """Return that betas are in a format which is not read, and the way round."""
    kind = "GIFTI" if files[0]["extension"].endswith(".gii") else "CIFTI"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return (
        f"{files[0].path}{more}: betas on a surface ({kind}, {files[0]['extension']}) are not "
        "read. Volumes are, NIfTI or .mgz: take the volumes of the same pipeline (space-T1w, or "
        "MNI), or estimate the betas in the volume."
    )


def is_alike(file: BidsFile, betas: BidsFile) -> bool:
    """Return whether a file holds betas too, of another space or task."""
    return all(file[e] == betas[e] for e in ("suffix", "stat", "desc"))


def _called_betas(images: Iterable[BidsFile]) -> list[BidsFile]:
    """Return the files that are called betas; plain effects only when nothing else is."""
    sure, effects = [], []
    for file in images:
        single = bool(_SINGLE.search(file["desc"]) or file["trial"] or file["stim"])
        effect = file["stat"].lower() in EFFECTS
        if file["suffix"] in ("betas", "betaseries", "beta") or (
            file["suffix"] in ("statmap", "bold") and single and (effect or not file["stat"])
        ):
            sure.append(file)
        elif file["suffix"] == "statmap" and effect:
            effects.append(file)
    return sure or effects


def _trial(file: BidsFile) -> tuple[str, str]:
    """Return the entity that names a file's trial and its value."""
    for entity in TRIAL:
        if file[entity]:
            return entity, file[entity]
    numbered = _NUMBERED.fullmatch(file["desc"])
    return ("desc", file["desc"]) if numbered else ("", "")


def _kind(file: BidsFile) -> str:
    """Return in words what sort of betas a file holds: all of its name but where it belongs."""
    left_out = ("subject", "session", "run", "extension", "suffix", *TRIAL)
    words = []
    for entity, value in file.entities.items():
        if entity not in left_out:
            if entity == "desc" and (numbered := _NUMBERED.fullmatch(value)):
                value = numbered[1]
            words.append(f"{_SHORT.get(entity, entity)}-{value}")
    return " ".join([*sorted(words), file["suffix"]])


def _trial_types(kinds: Mapping[str, Sequence[BidsFile]]) -> bool:
    """Return whether kinds differ in ``desc`` alone and are the trial types of a betaseries."""
    found = {
        _kind(BidsFile(f.path, {k: v for k, v in f.entities.items() if k != "desc"}))
        for some in kinds.values()
        for f in some
    }
    every = [f for some in kinds.values() for f in some]
    return len(found) == 1 and all(f["suffix"] == "betaseries" and f["desc"] for f in every)


def _series(files: Sequence[BidsFile]) -> tuple[Series, ...]:
    """Group files by session and run; files of single trials go into one series, in order."""
    places: dict[tuple[Any, ...], list[BidsFile]] = {}
    for file in files:
        entity, _ = _trial(file)
        own = "" if entity else file["desc"]
        session, run = (natural(index(file[e])) for e in ("session", "run"))
        places.setdefault((session, run, entity, own), []).append(file)
    series = []
    for key in sorted(places):
        group = sorted(places[key], key=lambda f: natural(_trial(f)[1]))
        labels = [_trial(f)[1] for f in group]
        double = [k for k in range(1, len(group)) if index(labels[k]) == index(labels[k - 1])]
        if double:
            one, two = group[double[0] - 1].path, group[double[0]].path
            raise DataError(
                f"{two}: holds the same betas as {one} by its name (run-1 and run-01 are one "
                "run). Move the one that does not count out of the data set."
            )
        series.append(Series(tuple(group)))
    _check_apart(series)
    return tuple(series)


def _check_apart(series: Sequence[Series]) -> None:
    """Refuse series that hold the same trials: a session and its runs, 4D and 3D files.

    Several series of one run are trial types of a betaseries.
    """
    places: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        places.setdefault((index(one["session"]), index(one["run"])), []).append(one)
    for (session, run), some in places.items():
        kinds = {one.trial_entity(): one for one in some}
        if len(kinds) > 1:
            one, two = sorted(kinds.values(), key=Series.trial_entity)[:2]
            raise DataError(_twice(one, two, two.trial_entity()))
        if session and run:
            continue
        for (other, part), others in places.items():
            wider = "session" if other and not session else "run" if part and not run else ""
            sessions, runs = {session, other} - {""}, {run, part} - {""}
            if wider and len(sessions) < 2 and len(runs) < 2:
                raise DataError(_twice(some[0], others[0], wider))


def _twice(one: Series, two: Series, entity: str) -> str:
    """Return that two series hold the same trials, of which the second alone has an entity."""
    own = {e: one[e] for e in ("suffix", "stat", "desc") if one[e] and one[e] == two[e]}
    wanted = ", ".join(f'{e} = "{v}"' for e, v in {**own, entity: ""}.items())
    return (
        f"{one.files[0].path} and {two.files[0].path} hold the same trials by their names: every "
        f"trial would count twice. Choose with datasets.bids.betas_filter; {{{wanted}}} takes the "
        f"first, and a list of labels for {entity} the others."
    )


def _none(
    chosen: Sequence[BidsFile], wanted: Mapping[str, Any], limits: Mapping[str, Any], who: str
) -> str:
    if chosen:
        asked = " ".join(f"{key}-{value}" for key, value in limits.items())
        have = listing(dict.fromkeys(_kind(f) for f in chosen))
        return f"{who}: no betas of {asked}. There are: {have}."
    if wanted:
        return f"{who}: no image fits datasets.bids.betas_filter {dict(wanted)}."
    return (
        f"{who}: no single-trial betas found: no *_desc-singletrial_statmap, *_betas, "
        "*_betaseries or the like. Say which files hold them with datasets.bids.betas_filter in a "
        'recipe, such as {suffix = "bold", desc = "mine"}.'
    )
