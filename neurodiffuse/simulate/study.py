"""A simulated study: its settings, checked, and the brains, pictures and trials they give."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.errors import ConfigError, MissingDataError
from neurodiffuse.simulate.brain import Brain, Moment
from neurodiffuse.simulate.design import Trial, repetitions, schedule
from neurodiffuse.simulate.masks import build
from neurodiffuse.simulate.pictures import BLOCK, Album, from_folder, from_scenes

WIDEST = 2048
"""Pixels along a side; scenes are drawn four times as wide, in memory."""


@dataclass(frozen=True)
class Settings:
    """What ``neurodiffuse simulate`` can be asked for.

    ``noise`` has a level a subject, repeated when there are more subjects: the standard
    deviation of a single trial's noise over that of the signal, in the median voxel.
    ``train=None`` is 400 scenes, or all photographs that are not test images.
    """

    images: Path | None = None
    captions: Path | None = None
    geometry: Path | None = None
    subjects: int = 2
    train: int | None = None
    test: int = 40
    sessions: int = 2
    runs: int = 2
    repetitions: int = 3
    train_repetitions: int = 1
    unequal: bool = False
    own_train: bool = False
    size: int = 64
    noise: tuple[float, ...] = (1.0, 1.4, 1.9)
    dtype: str = "int16"
    held_out: float = 0.5
    seed: int = 0

    def problems(self) -> list[str]:
        """Return one line for every setting that cannot be."""
        least = {
            "subjects": 1,
            "test": 2,
            "sessions": 1,
            "runs": 1,
            "repetitions": 1,
            "train_repetitions": 1,
            "size": 16,
            "seed": 0,
        }
        out = [
            f"--{name.replace('_', '-')}: {getattr(self, name)} given; it must be {low} or more."
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if self.train is not None and not 2 <= self.train < BLOCK:
            out.append(f"--train: {self.train} given; it must be from 2 to {BLOCK - 1}.")
        if self.test >= BLOCK:
            out.append(f"--test: {self.test} given; it must be less than {BLOCK}.")
        if self.size > WIDEST:
            out.append(f"--size: {self.size} given; it must be from 16 to {WIDEST} pixels.")
        if not self.noise or not all(0 <= level < 1000 for level in self.noise):
            out.append(f"--noise: {self.noise} given; each level must be from 0 to below 1000.")
        if not 0 <= self.held_out <= 1:
            out.append(f"--held-out: {self.held_out} given; it must be a share from 0 to 1.")
        if self.dtype not in ("int16", "float32"):
            out.append(f"--dtype: {self.dtype!r} given; it must be int16 or float32.")
        if self.captions is not None and self.images is None:
            out.append("--captions: only goes with --images; scenes have captions of their own.")
        return out

    def flags(self) -> dict[str, Any]:
        """Return the settings by name; a folder or file is only said to be given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: True if isinstance(v, Path) else v for k, v in values.items() if v is not None}

    def command(self) -> str:
        """Return the command line that writes such a study, without what is the default."""
        words = ["neurodiffuse simulate OUT"]
        for field in fields(self):
            value, name = getattr(self, field.name), "--" + field.name.replace("_", "-")
            if value == field.default:
                continue
            if isinstance(value, Path):
                words.append(f"{name} {field.name.upper()}")
            elif isinstance(value, tuple):
                words += [f"{name} {part:g}" for part in value]
            else:
                words.append(name if value is True else f"{name} {value}")
        return " ".join(words)


@dataclass(frozen=True, eq=False)
class Study:
    """What is written: the pictures, and of each subject the brain and the trials."""

    settings: Settings
    album: Album
    brains: tuple[Brain, ...]
    trials: tuple[tuple[Trial, ...], ...]

    def signal(self, subject: int) -> np.ndarray:
        """Return the noiseless answers of a subject (0, 1, …) to the pictures they see.

        Float64 (n_seen, n_voxels), rows as ``album.seen_by``, standardised on training rows.
        """
        seen = self.album.seen_by(subject)
        images = np.stack([self.album.pictures[k].image for k in seen])
        labels = np.stack([self.album.pictures[k].labels for k in seen])
        training = np.arange(len(seen)) < len(self.album.train[subject])
        return self.brains[subject].signal(images, labels, reference=training)

    def betas(self, subject: int, signal: np.ndarray, trials: tuple[Trial, ...]) -> np.ndarray:
        """Return the responses (n_trials, n_voxels) to trials of a subject, of whole runs."""
        row = {picture: k for k, picture in enumerate(self.album.seen_by(subject))}
        length: dict[tuple[int, int], float] = {}
        for trial in trials:
            key = trial.session, trial.run
            length[key] = max(length.get(key, 0.0), trial.onset)
        moments = [
            Moment(
                picture=self.album.pictures[trial.picture].number,
                repetition=trial.repetition,
                session=trial.session,
                run=trial.run,
                position=2 * trial.onset / length[trial.session, trial.run] - 1,
            )
            for trial in trials
        ]
        return self.brains[subject].betas(signal[[row[t.picture] for t in trials]], moments)


def plan(settings: Settings, *, quiet: bool = True) -> Study:
    """Return the study that the settings describe.

    Raises
    ------
    ConfigError
        If a setting cannot be; every problem is told.
    DataError
        If images, captions or masks that were given are not usable.
    """
    if problems := settings.problems():
        raise ConfigError(*problems)
    for flag, path in (("--images", settings.images), ("--geometry", settings.geometry)):
        if path is not None and not path.is_dir():
            raise MissingDataError(f"{flag} {path}: there is no such folder.")
    album = album_of(settings, quiet)
    shapes = build(settings.geometry, settings.subjects, seed=settings.seed)
    brains = tuple(
        Brain.grow(shape, k + 1, noise=settings.noise[k % len(settings.noise)], seed=settings.seed)
        for k, shape in enumerate(shapes)
    )
    trials = tuple(_trials(settings, album, k) for k in range(settings.subjects))
    return Study(settings, album, brains, trials)


def album_of(settings: Settings, quiet: bool) -> Album:
    """Return the pictures that the settings ask for."""
    if settings.images is not None:
        return from_folder(
            settings.images,
            settings.captions,
            settings.subjects,
            train=settings.train,
            test=settings.test,
            own_train=settings.own_train,
            size=settings.size,
            seed=settings.seed,
            quiet=quiet,
        )
    return from_scenes(
        settings.subjects,
        train=400 if settings.train is None else settings.train,
        test=settings.test,
        held_out=settings.held_out,
        own_train=settings.own_train,
        size=settings.size,
        seed=settings.seed,
        quiet=quiet,
    )


def _trials(settings: Settings, album: Album, subject: int) -> tuple[Trial, ...]:
    shows: list[tuple[int, str, int]] = []
    for split, members, most in (
        ("test", album.test, settings.repetitions),
        ("train", album.train[subject], settings.train_repetitions),
    ):
        numbers = tuple(album.pictures[k].number for k in members)
        times = repetitions(numbers, most, unequal=settings.unequal, seed=settings.seed)
        shows += [(k, split, n) for k, n in zip(members, times, strict=True)]
    return schedule(
        shows,
        sessions=settings.sessions,
        runs=settings.runs,
        subject=subject + 1,
        seed=settings.seed,
    )
