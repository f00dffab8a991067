"""Where things are in the Natural Scenes Dataset, and how a missing one is told.

Names are those of the public bucket: a folder that was downloaded with its paths is a tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Literal

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.absent import why_absent

Space = Literal["func1pt8mm", "func1mm", "fsaverage"]
Version = Literal["b1", "b2", "b3"]

VERSIONS: dict[str, str] = {
    "b1": "betas_assumehrf",
    "b2": "betas_fithrf",
    "b3": "betas_fithrf_GLMdenoise_RR",
}
"""Folders of the three sets of betas."""

VOXEL: dict[str, float] = {"func1pt8mm": 1.8, "func1mm": 1.0}
"""Voxel size of the volumes, mm."""

HEMISPHERES = ("lh", "rh")


class WrongFileError(DataError):
    """A file that is cut off, or another than NSD's: what helps is to get NSD's own."""


class AbsentFileError(MissingDataError):
    """A file that is named in the tree and whose content is not on this machine."""


def check_content(*paths: Path) -> None:
    """Refuse a link that leads nowhere and a pointer to a content that was not fetched.

    Raises
    ------
    MissingDataError
        With what fetches the content.
    """
    for path in paths:
        if why := why_absent(path):
            raise AbsentFileError(f"{path}: {why}")


def first_of(choices: Iterable[Sequence[Path]]) -> tuple[Path, ...]:
    """Return the first files that are all there, else the first that are all named, or none."""
    named = [tuple(paths) for paths in choices if all(map(lexists, paths))]
    there = (paths for paths in named if not any(map(why_absent, paths)))
    return next(there, named[0] if named else ())


@dataclass(frozen=True)
class Tree:
    """Paths below the root of a tree; subjects are ``01`` to ``08``.

    ``flags`` are what ``neurodiffuse fetch nsd`` needs to get what is read, and not its defaults.
    """

    root: Path
    flags: str = ""

    @property
    def design(self) -> Path:
        """Which picture each trial showed, for all subjects."""
        return self.root / "nsddata/experiments/nsd/nsd_expdesign.mat"

    @property
    def picture_table(self) -> Path:
        """Which COCO image each of the 73,000 pictures is cut from."""
        return self.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"

    @property
    def pictures(self) -> Path:
        """The 73,000 pictures."""
        return self.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"

    @property
    def annotations(self) -> Path:
        """Folder of COCO's annotations, which are not part of NSD."""
        return self.root / "nsddata_stimuli/stimuli/nsd/annotations"

    def subjects(self) -> tuple[str, ...]:
        """Return the subjects that have a folder of betas or of other prepared data, sorted."""
        found = set()
        for part in ("nsddata", "nsddata_betas"):
            folders = (self.root / part / "ppdata").glob("subj[0-9][0-9]")
            found |= {path.name.removeprefix("subj") for path in folders if path.is_dir()}
        return tuple(sorted(found))

    def responses(self, subject: str) -> Path:
        """Table of the subject's button presses, a row a trial."""
        return self.root / f"nsddata/ppdata/subj{subject}/behav/responses.tsv"

    def volumes(self, subject: str, space: str) -> Path:
        """Folder of maps and anatomy; regions are in ``roi`` below it."""
        return self.root / f"nsddata/ppdata/subj{subject}/{space}"

    def transforms(self, subject: str) -> Path:
        """Folder of the ways from one space to another."""
        return self.root / f"nsddata/ppdata/subj{subject}/transforms"

    def surface_labels(self, subject: str) -> Path:
        """Folder of regions on a surface, the subject's own or ``fsaverage``'s."""
        name = subject if subject == "fsaverage" else f"subj{subject}"
        return self.root / f"nsddata/freesurfer/{name}/label"

    def betas(self, subject: str, space: str, version: str) -> Path:
        """Folder of single-trial betas, a file a session."""
        return self.root / f"nsddata_betas/ppdata/subj{subject}/{space}/{VERSIONS[version]}"

    def missing(self, path: Path, what: str, subject: str = "") -> MissingDataError:
        """Return the error that a file is not there, with the line that gets it."""
        why = f": {why_absent(path)}" if lexists(path) else "."
        return MissingDataError(f"{path}: there is no such file, {what}{why} {self.fetch(subject)}")

    def fetch(self, subject: str = "") -> str:
        """Return the sentence that says how to get what a subject needs."""
        who = f" --sub {int(subject)}" if subject.isdigit() else " --sub ID"
        return f"Get it with: neurodiffuse fetch nsd{who}{self.flags} --root {self.root}"
