"""The nouns that steps pass to one another and the four roles that a plugin can play.

Importing this module imports no numpy. Arrays are numpy arrays; shapes are in the docstrings.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]


# --- nouns -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Grid:
    """Where brain values live: the elements (voxels) of one subject's volume.

    ``shape`` is (x, y, z); an array over the grid is flat, of ``size`` elements, in C order of
    that shape. ``affine`` (4, 4) maps voxel indices to millimetres. ``space`` is the BIDS space
    label (``T1w``, ``MNI152NLin2009cAsym``, ``func1pt8mm`` …), empty when unknown.

    Vertices of a surface are a grid of shape (n, 1, 1) in the space ``fsaverage``: those of the
    left hemisphere, then those of the right.
    """

    shape: Shape
    affine: np.ndarray
    space: str = ""

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
    ``run`` are labels (empty where the data set has none).
    """

    stimulus: tuple[str, ...]
    split: tuple[str, ...]
    session: tuple[str, ...]
    run: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.stimulus)

    def images(self, split: str) -> tuple[str, ...]:
        """Return the distinct stimulus ids of a split in order of first presentation."""
        pairs = zip(self.stimulus, self.split, strict=True)
        return tuple(dict.fromkeys(s for s, part in pairs if part == split))


@dataclass(frozen=True)
class Subject:
    """What a data set knows of one subject before any betas are read.

    ``mask`` is the ROI expression that is decoded from unless the recipe or ``--mask`` names
    another one. ``anatomy`` is an image on the same world space as the grid to draw maps on.
    """

    label: str
    grid: Grid
    trials: Trials
    rois: tuple[Roi, ...]
    mask: str
    anatomy: Path | None = None
    task: str = ""


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


@dataclass(frozen=True)
class Download:
    """A file that a plugin fetches at first use; ``size`` in bytes, ``None`` when unknown."""

    address: str
    size: int | None
    licence: str


# --- roles -----------------------------------------------------------------------------------


class Role(ABC):  # noqa: B024
    """What datasets, encoders, generators and metrics share.

    A constructor only stores its arguments (checking their values is welcome: raise
    ``ValueError``); it reads no file and imports no deep-learning library, so that a plan can
    be checked at once. Its keyword arguments are the options of the recipe section.
    """

    def downloads(self) -> tuple[Download, ...]:
        """Return what the first use would fetch and is not on this machine yet."""
        return ()


class Dataset(Role):
    """Trials, betas, regions and stimuli of a study."""

    @abstractmethod
    def subjects(self) -> tuple[str, ...]:
        """Return the subject labels without ``sub-``, sorted."""

    @abstractmethod
    def subject(self, label: str) -> Subject:
        """Return grid, trials and regions of a subject; no betas are read."""

    @abstractmethod
    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield single-trial responses in the order of ``subject(label).trials``.

        ``voxels`` is bool (grid.size,). Each block is float32 (n_trials_of_the_block, n_voxels)
        with voxels in C order of the grid; a run or a session a block keeps memory bounded.
        """

    @abstractmethod
    def roi(self, label: str, name: str) -> np.ndarray:
        """Return a region as bool (grid.size,) or a map as float32 (grid.size,)."""

    @abstractmethod
    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return the stimuli with these ids, in this order, images unread."""

    def fingerprint(self, label: str) -> str:
        """Return a text that changes when a subject's trials do, to notice input that changed.

        Override it to also cover the files that the betas are in.
        """
        trials = self.subject(label).trials
        columns = (trials.stimulus, trials.split, trials.session, trials.run)
        return hashlib.sha256(repr(columns).encode()).hexdigest()

    def files(self, label: str) -> tuple[Path, ...]:
        """Return the files that a subject's betas are read from.

        Where there are any, betas that were prepared from them are kept and used by other runs,
        as long as names, sizes and times of the files and `fingerprint`, which must then tell
        apart whatever options change the betas, stay the same. Without files nothing is kept.
        """
        return ()

    def about(self) -> Mapping[str, str]:
        """Return ``name``, ``version``, ``licence``, ``cite`` of the study where known.

        ``captions`` may say how to get the captions, for who lacks them; ``degrees`` how many
        degrees of visual angle wide the pictures were, centred on where the subject looked.
        """
        return {}


class Encoder(Role):
    """Turns stimuli into latents."""

    @abstractmethod
    def shapes(self) -> tuple[Shape, ...]:
        """Return the shapes of the latents of one image."""

    @abstractmethod
    def encode(self, stimuli: Stimuli) -> Latents:
        """Return latents, one row a stimulus.

        A row must not depend on the other rows of the call: the encode step cuts the stimuli
        into batches as memory allows.
        """

    def fit(self, stimuli: Stimuli) -> None:
        """Learn from the training stimuli what encoding needs; pretrained encoders need not."""

    def state(self) -> dict[str, np.ndarray]:
        """Return what ``fit`` learned, to be stored in the run and handed to generators."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` returned."""


class Generator(Role):
    """Turns latents into images."""

    @abstractmethod
    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one image for each row of the latents.

        ``latents`` maps each name in the card's ``reads`` to its latents, rows aligned; names
        in ``optional`` may be missing. ``init`` is the picture of the stage before, or None: a
        generator with ``"init"`` in ``optional`` then begins from noise. ``seeds[i]`` is the only
        source of randomness of image i, so that image i does not depend on image i-1 or on the
        batch.
        """

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take what the encoders of the features in ``reads`` have learned, by feature."""


class Metric(Role):
    """Compares what was seen with what was made.

    ``higher_is_better`` gives the direction; ``chance`` is the value expected by chance where
    theory gives one (two-way identification: 0.5), else None and the null's mean is shown.
    ``permutations`` is how many shufflings ``null`` draws.
    """

    higher_is_better: bool = True
    chance: float | None = None
    permutations: int = 199

    @abstractmethod
    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return float64 (n_images,): one value for each pair; sizes may differ, ids agree."""

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return (permutations,) mean values with the pairs shuffled.

        Works for any metric by calling ``compare``; override it where a table of all pairs is
        cheap.
        """
        import numpy as np

        n, means = len(seen.ids), []
        for _ in range(self.permutations):
            order = rng.permutation(n)
            shuffled = Images(tuple(made.ids), seen.values[order])
            means.append(float(np.mean(self.compare(shuffled, made))))
        return np.asarray(means)


# --- plugins ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """A registered name: what it is and where its class is, without importing it.

    ``target`` is ``"package.module:Class"``; for a recipe ``"package:path/inside/it.toml"``.
    ``optional`` is what a generator can do without: names in ``reads``, and ``"init"``.
    """

    name: str
    role: str
    target: str
    summary: str
    reads: tuple[str, ...] = ()
    extra: str = ""
    cite: str = ""
    licence: str = ""
    distribution: str = ""
    version: str = ""
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """A distribution whose entry point could not be loaded, and why."""

    entry_point: str
    distribution: str
    error: str


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading and HTML that the plugin has escaped itself."""

    title: str
    html: str
    order: int = 50
    anchor: str = field(default="")


# --- weights ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelFile:
    """A file of published weights.

    ``path`` is relative to the model's folder, with ``/``. ``address`` is where it is fetched
    from (https). ``size`` in bytes and ``sha256`` in hexadecimal, whole or its first digits, are
    checked where known.
    """

    path: str
    address: str
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Model:
    """Published weights that a plugin needs: its files, and on what terms they are given.

    ``licence`` is the licence's short name, ``terms`` the address of its text, ``cite`` the
    paper. ``name`` is what ``neurodiffuse models fetch`` takes and the name of the folder.
    """

    name: str
    files: tuple[ModelFile, ...]
    summary: str
    licence: str
    terms: str = ""
    cite: str = ""
