"""The pictures of a simulated study: scenes drawn here, or a folder of captioned photographs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.files import json_of, read_text
from neurodiffuse.progress import progress
from neurodiffuse.readers.pictures import PICTURES, read_picture
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.regions import LABELS, strengths
from neurodiffuse.simulate.scenes import Combinations, Scene, scene

SCENE_SEED = 20_000
"""Added to the study's seed for its scenes, so that they are not those of small seeds."""

BLOCK = 100_000
"""Scene numbers: the test set begins at 0, the training set of subject k at k times this."""

_SCENIC = ("grass", "beach", "night", "sunset", "room")
_LABEL_OF = {"house": "place", "person": "body", "apple": "food", "car": "vehicle", "cat": "animal"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with what is known of it.

    ``number`` identifies it within the study and chooses its noise; ``labels`` float64
    (n_labels,) says how strongly it shows each of ``regions.LABELS``.
    """

    id: str
    number: int
    image: np.ndarray
    captions: tuple[str, ...]
    labels: np.ndarray
    description: str
    held_out: bool = False


@dataclass(frozen=True, eq=False)
class Album:
    """All pictures of a study; ``test`` and ``train[k]`` (of subject k) index into them."""

    pictures: tuple[Picture, ...]
    test: tuple[int, ...]
    train: tuple[tuple[int, ...], ...]

    def seen_by(self, subject: int) -> tuple[int, ...]:
        """Return the pictures of a subject (0, 1, …), training first."""
        return self.train[subject] + self.test


# --- scenes ------------------------------------------------------------------------------------


def from_scenes(
    subjects: int,
    *,
    train: int,
    test: int,
    held_out: float,
    own_train: bool,
    size: int,
    seed: int,
    quiet: bool = True,
) -> Album:
    """Return scenes: training scenes without held-out combinations, and test scenes.

    Parameters
    ----------
    subjects, train, test
        How many subjects, training scenes of each, and test scenes of all.
    held_out
        Share of the test scenes with a combination of category, colour and background that no
        training scene has, spread evenly.
    own_train
        Every subject has training scenes of their own.
    size
        Side in pixels.
    seed
        Of the study.
    quiet
        Show no progress bar.
    """
    blocks = range(1, subjects + 1) if own_train else [1]
    wanted: list[tuple[int, Combinations]] = [
        (k, "held-out" if int((k + 1) * held_out) > int(k * held_out) else "train")
        for k in range(test)
    ]
    wanted += [(block * BLOCK + k, "train") for block in blocks for k in range(train)]
    pictures = tuple(
        _of_scene(scene(number, seed=SCENE_SEED + seed, size=size, combinations=kind))
        for number, kind in progress(wanted, "draw scenes", quiet=quiet)
    )
    sets = [tuple(range(test + k * train, test + (k + 1) * train)) for k in range(len(blocks))]
    return Album(pictures, tuple(range(test)), tuple(sets if own_train else sets * subjects))


def _of_scene(made: Scene) -> Picture:
    return Picture(
        id=f"stim-scene{made.index:07d}",
        number=made.index,
        image=made.image,
        captions=made.captions,
        labels=scene_labels(made),
        description=made.caption,
        held_out=made.held_out,
    )


def scene_labels(made: Scene) -> np.ndarray:
    """Return how strongly a scene shows each of ``LABELS``.

    An object counts 0.6 + its radius, so more the larger it is, wherever it is; a person's face
    counts 0.3 of the body, and a background that is a landscape or a room 0.2 as a place.
    """
    labels = np.zeros(len(LABELS))
    for thing in made.objects:
        strength = 0.6 + thing.radius
        labels[LABELS.index(_LABEL_OF.get(thing.category, thing.category))] += strength
        if thing.category == "person":
            labels[LABELS.index("face")] += 0.3 * strength
    if made.background in _SCENIC:
        labels[LABELS.index("place")] += 0.2
    return labels


# --- photographs -------------------------------------------------------------------------------


def from_folder(
    folder: Path,
    captions: Path | None,
    subjects: int,
    *,
    train: int | None,
    test: int,
    own_train: bool,
    size: int,
    seed: int,
    quiet: bool = True,
) -> Album:
    """Return photographs, cut to the central square and scaled to ``size``.

    Which are shown, and which of them are test images, follows from the seed. ``train=None``
    takes all that are left. What a picture shows is told by its captions (`regions.strengths`).

    Raises
    ------
    MissingDataError
        If the folder has no or too few images, or an image has no caption in the file.
    DataError
        If an image or the caption file cannot be read.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != ".")
    if not files:
        raise MissingDataError(
            f"--images {folder}: there is no image; it needs files ending in "
            f"{listing(sorted(PICTURES))}."
        )
    sets = subjects if own_train else 1
    train = (len(files) - test) // sets if train is None else train
    needed = test + sets * train
    if train < 2 or needed > len(files):
        raise MissingDataError(
            f"--images {folder}: {len(files)} images are too few for {test} test and {sets} x "
            f"{max(train, 2)} training images. Lower --train, --test or leave out --own-train."
        )
    rank = [float(stream(seed, Draw.IMAGES, number).random()) for number in range(len(files))]
    chosen = sorted(range(len(files)), key=rank.__getitem__)[:needed]
    words = _captions(captions, [files[number] for number in chosen])
    names = _ids(files)
    pictures = tuple(
        Picture(
            id=names[number],
            number=number,
            image=_photograph(files[number], size),
            captions=words[files[number].name],
            labels=np.asarray(strengths(words[files[number].name])),
            description=files[number].name,
        )
        for number in progress(chosen, "read images", quiet=quiet)
    )
    parts = [tuple(range(test + k * train, test + (k + 1) * train)) for k in range(sets)]
    return Album(pictures, tuple(range(test)), tuple(parts if own_train else parts * subjects))


def _ids(files: Sequence[Path]) -> list[str]:
    """Return a stimulus id for each file: ``stim-`` and the letters and digits of its name."""
    stems = [re.sub(r"[^A-Za-z0-9]", "", path.stem) for path in files]
    return [
        f"stim-{stem}" if stem and stems.count(stem) == 1 else f"stim-{stem}x{number:05d}"
        for number, stem in enumerate(stems)
    ]


def _captions(path: Path | None, files: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    files = list(files)
    if path is None:
        return {file.name: () for file in files}
    try:
        table = json_of(read_text(path))
    except (OSError, ValueError) as error:
        raise DataError(f"--captions {path}: cannot be read as JSON ({error}).") from None
    if not isinstance(table, dict):
        raise DataError(f"--captions {path}: must map each file name to a list of captions.")
    lacking = [file.name for file in files if not table.get(file.name)]
    if lacking:
        raise MissingDataError(
            f"--captions {path}: no captions for {listing(lacking, most=3)}. "
            "Add them, or leave out --captions."
        )
    out = {}
    for file in files:
        lines = table[file.name]
        lines = [lines] if isinstance(lines, str) else lines
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise DataError(f"--captions {path}: the captions of {file.name} must be text.")
        out[file.name] = tuple(" ".join(line.split()) for line in lines)
    return out


def _photograph(path: Path, size: int) -> np.ndarray:
    picture = Image.fromarray(read_picture(path))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
