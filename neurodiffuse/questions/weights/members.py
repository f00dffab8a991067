"""Regions to compare in, and which voxels of each subject's mask they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.progress import say
from neurodiffuse.questions.roi_optimal.regions import Region, hidden, in_mask, wanted
from neurodiffuse.run import Run
from neurodiffuse.store import load_voxels

PAPER = ("visual", "category")
"""Presets of the regions of the paper's figure."""


@dataclass(frozen=True, eq=False)
class Members:
    """Regions, and of each subject (regions, n_voxels of its mask), bool.

    A region that the subject lacks is a row without any. ``named`` says that the user chose them.
    """

    regions: tuple[Region, ...]
    of: Mapping[str, np.ndarray]
    named: bool


def find_members(run: Run, subjects: Sequence[str], words: Sequence[str]) -> Members:
    """Find the regions that ``--roi`` names, or else the paper's and every mask of the data set.

    Raises
    ------
    ConfigError
        If a word cannot be read, a region that the user named is known of no subject, or all of
        them are empty or the whole mask in every subject.
    """
    regions = wanted(words) if words else _every(run, subjects)
    for note in hidden(run, subjects, regions) if words else ():
        say(f"note: {note}", quiet=run.quiet)
    found = {s: _voxels(run, s, regions) for s in subjects}
    if words:
        _check_known(regions, found)
    of = {}
    for subject, answers in found.items():
        none = np.zeros(int(load_voxels(run.folder("mask", subject)).sum()), dtype=bool)
        rows = [none if isinstance(a, ConfigError) else a for a in answers]
        of[subject] = np.stack(rows) if rows else none[None, :][:0]
    if words and not any((rows.any(axis=1) & ~rows.all(axis=1)).any() for rows in of.values()):
        raise ConfigError(
            f"--roi: nothing to compare in {listing(r.name for r in regions)}: no voxel of any "
            "subject's mask, or the whole mask. `neurodiffuse rois` lists regions and voxels."
        )
    return Members(regions, of, bool(words))


def _every(run: Run, subjects: Sequence[str]) -> tuple[Region, ...]:
    """Return the paper's regions and every mask of the data set that is not one of them."""
    paper = wanted(PAPER)
    named = {choice.lower() for region in paper for choice in region.choices[:1]}
    names = dict.fromkeys(
        roi.name
        for s in subjects
        for roi in run.subject(s).rois
        if roi.kind == "mask" and not roi.detail
    )
    others = [Region(n, (f'"{n}"',)) for n in names if n.lower() not in named]
    return (*paper, *others)


def _voxels(run: Run, subject: str, regions: Sequence[Region]) -> list[np.ndarray | ConfigError]:
    """Return which voxels of the mask are in each region, or why the subject lacks it."""
    inside = load_voxels(run.folder("mask", subject))
    found: list[np.ndarray | ConfigError] = []
    for region in regions:
        try:
            found.append(in_mask(run, subject, inside, region).voxels)
        except ConfigError as error:
            found.append(error)
    return found


def _check_known(
    regions: Sequence[Region], found: Mapping[str, list[np.ndarray | ConfigError]]
) -> None:
    for k, region in enumerate(regions):
        answers = [voxels[k] for voxels in found.values()]
        problems = [a for a in answers if isinstance(a, ConfigError)]
        if len(problems) == len(answers) and region.group == "":
            raise ConfigError(f"--roi {region.name!r}: {problems[0]}") from problems[0]
