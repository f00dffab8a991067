"""The data set: trials, betas, regions and pictures of a study."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.errors import MissingDataError
from neurodiffuse.readers.pictures import ImageFiles
from neurodiffuse.types import Dataset, Grid, Roi, Stimuli, Subject, Trials

COLUMNS = ("betas", "stimulus", "split", "affine")


class Folders(Dataset):
    """A folder with ``sub-LABEL.npz`` for each subject and ``stimuli/ID.png``.

    Parameters
    ----------
    root
        The folder.
    """

    def __init__(self, root: str = ".") -> None:
        self.root = root

    def subjects(self) -> tuple[str, ...]:
        """Return the labels of the files ``sub-LABEL.npz``."""
        found = sorted(p.stem.removeprefix("sub-") for p in Path(self.root).glob("sub-*.npz"))
        if not found:
            raise MissingDataError(f"datasets.folders.root: {self.root} has no file sub-*.npz.")
        return tuple(found)

    def subject(self, label: str) -> Subject:
        """Return grid, trials and regions; the betas stay on the disk."""
        with np.load(self._file(label)) as stored:
            shape = stored["betas"].shape[1:]
            stimulus, split = (tuple(stored[k].astype(str)) for k in ("stimulus", "split"))
            regions = tuple(
                Roi(name, source=self._file(label).name) for name in self._regions(label)
            )
            grid = Grid(shape, stored["affine"], "")
        blank = ("",) * len(stimulus)
        return Subject(label, grid, Trials(stimulus, split, blank, blank), regions, "all")

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the trials' responses, here in one block; a session a block keeps memory small."""
        with np.load(self._file(label)) as stored:
            betas = stored["betas"]
        yield betas.reshape(len(betas), -1)[:, voxels].astype(np.float32)

    def roi(self, label: str, name: str) -> np.ndarray:
        """Return a region as bool (grid.size,)."""
        with np.load(self._file(label)) as stored:
            return stored[name].ravel().astype(bool)

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return the pictures, each read when it is asked for; this data set has no captions."""
        files = [Path(self.root) / "stimuli" / f"{stimulus}.png" for stimulus in ids]
        return Stimuli(tuple(ids), ImageFiles(files), ((),) * len(ids))

    def fingerprint(self, label: str) -> str:
        """Return a text that changes when the subject's file does."""
        return hashlib.sha256(self._file(label).read_bytes()).hexdigest()

    def inputs(self, label: str) -> dict[str, tuple[Path, ...]]:
        """Return the files that a subject's results depend on, to notice that one changed."""
        return {"responses": (self._file(label),)}

    def _regions(self, label: str) -> list[str]:
        with np.load(self._file(label)) as stored:
            return [name for name in stored.files if name not in COLUMNS]

    def _file(self, label: str) -> Path:
        return Path(self.root) / f"sub-{label}.npz"
