"""The nouns that steps pass to one another; arrays are numpy arrays, shapes are in docstrings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where brain values live: the elements (voxels) of one subject's volume.

    ``shape`` is (x, y, z); an array over the grid is flat, of ``size`` elements, in C order of
    that shape. ``affine`` (4, 4) maps voxel indices to millimetres. ``space`` is the BIDS space
    label (``T1w``, ``MNI152NLin2009cAsym``, ``func1pt8mm`` …), empty when unknown.

    A grid is not ``placed`` where the files do not say where in the world it lies: the affine
    is then made up, and only the order of the voxels holds.

    Vertices of a surface are a grid of shape (n, 1, 1) in the space ``fsaverage``: those of the
    left hemisphere, then those of the right.
    """

    shape: Shape
    affine: np.ndarray
    space: str = ""
    placed: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def is_surface(self) -> bool:
        """Whether the elements are vertices."""
        return self.space.startswith("fsaverage") and self.shape[1:] == (1, 1)


@dataclass(frozen=True)
class Roi:
    """A named region (``kind="mask"``) or a continuous map (``kind="map"``) of one subject.

    ``atlas`` is the file family it comes from (``prfvisualrois``, ``flocfaces`` …), ``units``
    the unit of a map (``degree``, ``percent``), ``source`` the file, for the report. ``detail``
    is true of one among very many (a hemisphere's part, an area of a fine parcellation): it is
    known to every expression and left out of tables that nobody asked to hold it.
    """

    name: str
    kind: str = "mask"
    atlas: str = ""
    units: str = ""
    source: str = ""
    detail: bool = False


@dataclass(frozen=True)
class Trials:
    """One row a stimulus trial, in the order of presentation; every field has n_trials entries.

    ``stimulus`` is the stimulus id, ``split`` is ``"train"`` or ``"test"``, ``session`` and
    ``run`` are labels (empty where the data set has none). ``count`` is how many trials a row is
    the average of; empty: every row is one trial.
    """

    stimulus: tuple[str, ...]
    split: tuple[str, ...]
    session: tuple[str, ...]
    run: tuple[str, ...]
    count: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.stimulus)

    def counts(self) -> tuple[int, ...]:
        """Return how many trials each row is the average of."""
        return self.count or (1,) * len(self)

    def total(self, split: str) -> int:
        """Return how many trials there are of a split, rows counted as often as they average."""
        return sum(n for n, part in zip(self.counts(), self.split, strict=True) if part == split)

    def images(self, split: str) -> tuple[str, ...]:
        """Return the distinct stimulus ids of a split in order of first presentation."""
        pairs = zip(self.stimulus, self.split, strict=True)
        return tuple(dict.fromkeys(s for s, part in pairs if part == split))


@dataclass(frozen=True)
class Remark:
    """Something about the input that a user should know and that stops nothing.

    ``kind`` is ``"warning"`` (a number may be wrong for it), ``"note"`` (how something unclear
    was understood) or ``"left out"`` (a file, and why). ``text`` is one line and begins with the
    file or the setting that it is about. The plan prints remarks and the report shows them.
    ``same`` are groups of stimuli that it says are one picture; the run does not tell them again.
    """

    text: str
    kind: Literal["warning", "note", "left out"] = "note"
    same: tuple[tuple[str, ...], ...] = ()

    @property
    def words(self) -> str:
        """The text, with what it is where it is no plain note."""
        return self.text if self.kind == "note" else f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Subject:
    """What a data set knows of one subject before any betas are read.

    ``mask`` is the ROI expression that is decoded from unless the recipe or ``--mask`` names
    another one. ``anatomy`` is an image on the same world space as the grid to draw maps on.
    ``remarks`` say how what was unclear in the input was understood, and what was left out.
    ``absent`` are regions of files that were left out: `Dataset.roi` raises the reason.
    ``chosen_by`` are the settings of the user that leave trials out, as they are written.
    """

    label: str
    grid: Grid
    trials: Trials
    rois: tuple[Roi, ...]
    mask: str
    anatomy: Path | None = None
    task: str = ""
    remarks: tuple[Remark, ...] = ()
    absent: tuple[str, ...] = ()
    chosen_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stimuli:
    """What was seen. ``images[i]`` loads image i as uint8 (height, width, 3), RGB.

    ``images`` is a lazy sequence: nothing is read before it is indexed. ``captions[i]`` holds
    the image's captions, possibly none.
    """

    ids: tuple[str, ...]
    images: Sequence[np.ndarray]
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int) -> Stimuli:
        """Return stimuli ``start`` to ``stop`` without loading an image."""
        return Stimuli(
            self.ids[start:stop], Window(self.images, start, stop), self.captions[start:stop]
        )


class Window(Sequence):  # type: ignore[type-arg]
    """A stretch of a sequence that reads an item only when it is asked for."""

    def __init__(self, items: Sequence[Any], start: int, stop: int) -> None:
        self._items = items
        self._rows = range(len(items))[start:stop]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._items[i] for i in self._rows[index]]
        return self._items[self._rows[index]]


@dataclass(frozen=True, eq=False)
class Betas:
    """Brain responses: ``values`` float32 (n_rows, n_voxels), row i belongs to image ``ids[i]``.

    Standardised with the training rows' mean and standard deviation (ddof 1). An id occurs
    more than once when repetitions are kept single.
    """

    ids: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Latents:
    """What an image is to a network: ``values`` float32 (n_images, n_targets).

    ``shapes`` undoes the flattening: C-order blocks whose sizes add up to n_targets, such as
    ``((257, 768),)``.
    """

    ids: tuple[str, ...]
    values: np.ndarray
    shapes: tuple[Shape, ...]

    def blocks(self) -> list[np.ndarray]:
        """Return one array ``(n_images, *shape)`` for every shape."""
        out, start = [], 0
        for shape in self.shapes:
            size = 1
            for length in shape:
                size *= length
            out.append(self.values[:, start : start + size].reshape(-1, *shape))
            start += size
        return out


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures: ``values`` uint8 (n_images, height, width, 3), RGB."""

    ids: tuple[str, ...]
    values: np.ndarray
