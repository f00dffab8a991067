"""What a simulated tree holds: one order of presentation for all subjects, as in NSD."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from neurodiffuse.errors import ConfigError
from neurodiffuse.simulate.brain import Brain
from neurodiffuse.simulate.design import TRIAL, Trial, repetitions, schedule
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.simulate.masks import build
from neurodiffuse.simulate.pictures import Album
from neurodiffuse.simulate.study import Settings, Study, album_of
from neurodiffuse_nsd.design import PICTURES, SHARED
from neurodiffuse_nsd.fetch.needs import SHAPES
from neurodiffuse_nsd.sessions import PUBLISHED
from neurodiffuse_nsd.simulate.geometry import placed, refined

SUBJECTS, RUNS, SLOTS = 8, 12, 75
COLUMNS = 10_000
"""Subjects, runs of a session, times for a trial in a run, pictures of a subject."""

LONGEST = 70
"""Trials in a run, so that they and the blanks between them have a time each."""

VOXELS = 4096
"""Voxels whose answers are computed together."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A study with its place among NSD's 73,000 pictures.

    ``pictures`` (8, 10000) as ``subjectim``; ``columns`` the number of each planned trial's
    picture among a subject's, from 1; ``trials`` of the first subject, whose sessions, runs and
    times are everybody's.
    """

    study: Study
    pictures: np.ndarray
    columns: np.ndarray
    trials: tuple[Trial, ...]

    @property
    def pattern(self) -> np.ndarray:
        """1 where a trial is, uint8 (n_sessions, 12, 75)."""
        out = np.zeros((self.trials[-1].session, RUNS, SLOTS), np.uint8)
        for trial in self.trials:
            out[trial.session - 1, trial.run - 1, round(trial.onset / TRIAL) - 1] = 1
        return out

    def rows(self) -> dict[int, int]:
        """Return the row among the 73,000 of every picture of the album that somebody sees."""
        seen: dict[int, int] = {}
        album = self.study.album
        for subject in range(len(album.train)):
            test, train = self.pictures[subject, :SHARED], self.pictures[subject, SHARED:]
            seen |= dict(zip(album.test, (test - 1).tolist(), strict=False))
            seen |= dict(zip(album.train[subject], (train - 1).tolist(), strict=False))
        return seen


def plan(
    settings: Settings, *, scale: float = 1.0, published: bool = False, quiet: bool = True
) -> Plan:
    """Return the study that settings describe, in NSD's terms.

    Sessions have 12 runs. All subjects share the test pictures and the order; training pictures
    are their own. A subject has at most as many sessions as in NSD.

    Raises
    ------
    ConfigError
        If a setting cannot be, or does not fit into NSD.
    """
    problems = [*settings.problems(), *_limits(settings)]
    if problems:
        raise ConfigError(*problems)
    settings = replace(settings, own_train=True, runs=RUNS)
    album = album_of(settings, quiet)
    test, train = len(album.test), len(album.train[0])
    numbers = (*range(1, test + 1), *range(SHARED + 1, SHARED + train + 1))
    shows = [
        (number, "test" if number <= SHARED else "train", times)
        for number, times in zip(numbers, _times(settings, test, train), strict=True)
    ]
    common = schedule(shows, sessions=settings.sessions, runs=RUNS, subject=0, seed=settings.seed)
    brains = tuple(
        _brain(settings, g, k, scale, published) for k, g in enumerate(_shapes(settings))
    )
    own = tuple(_own(common, album, k) for k in range(settings.subjects))
    columns = np.asarray([trial.picture for trial in common])
    return Plan(Study(settings, album, brains, own), _places(settings.seed), columns, common)


def _shapes(settings: Settings) -> list[Geometry]:
    """Return the built-in brains, or those of a folder of masks, numbered as NSD's subjects."""
    made = build(settings.geometry, settings.subjects, seed=settings.seed)
    return [replace(geometry, subject=f"{k:02d}") for k, geometry in enumerate(made, start=1)]


def _brain(
    settings: Settings, geometry: Geometry, subject: int, scale: float, published: bool
) -> Brain:
    geometry = refined(geometry, scale)
    if published:
        geometry = placed(geometry, SHAPES["func1pt8mm"][geometry.subject])
    noise = settings.noise[subject % len(settings.noise)]
    return Brain.grow(geometry, subject + 1, noise=noise, seed=settings.seed)


def _limits(settings: Settings) -> list[str]:
    most = {"subjects": SUBJECTS, "test": SHARED, "sessions": 40, "train": COLUMNS - SHARED}
    said = [
        f"--{name} {given}: NSD has {limit}; give at most that many."
        for name, limit in most.items()
        if (given := getattr(settings, name) or 0) > limit
    ]
    shown = settings.test * settings.repetitions
    shown += (settings.train or 400) * settings.train_repetitions
    longest = -(-shown // (max(settings.sessions, 1) * RUNS))
    if longest > LONGEST:
        said.append(
            f"--sessions {settings.sessions}: a run would have {longest} trials, and NSD's have "
            f"room for {LONGEST}. Ask for more sessions or fewer images."
        )
    return said


def _times(settings: Settings, test: int, train: int) -> tuple[int, ...]:
    """Return how often each picture is shown, the same for every subject's k-th picture."""
    parts = (
        (range(test), settings.repetitions),
        (range(test, test + train), settings.train_repetitions),
    )
    return tuple(
        times
        for numbers, most in parts
        for times in repetitions(tuple(numbers), most, unequal=settings.unequal, seed=settings.seed)
    )


def _own(common: tuple[Trial, ...], album: Album, subject: int) -> tuple[Trial, ...]:
    """Return the common trials with a subject's own pictures, as far as its sessions go."""
    last = PUBLISHED[f"{subject + 1:02d}"]
    test = dict(enumerate(album.test, start=1))
    train = dict(enumerate(album.train[subject], start=SHARED + 1))
    picture = test | train
    return tuple(replace(t, picture=picture[t.picture]) for t in common if t.session <= last)


def _places(seed: int) -> np.ndarray:
    """Return ``subjectim``: all 73,000 pictures, the shared ones first in every row, ascending."""
    order = stream(seed, Draw.DESIGN, 0).permutation(PICTURES) + 1
    shared, rest = np.sort(order[:SHARED]), order[SHARED:].reshape(SUBJECTS, -1)
    return np.hstack([np.tile(shared, (SUBJECTS, 1)), rest])


def signal_of(study: Study, subject: int) -> np.ndarray:
    """Return `Study.signal` as float32, computed for some voxels at a time to spare memory."""
    brain, seen = study.brains[subject], study.album.seen_by(subject)
    images = np.stack([study.album.pictures[k].image for k in seen])
    labels = np.stack([study.album.pictures[k].labels for k in seen])
    training = np.arange(len(seen)) < len(study.album.train[subject])
    out = np.empty((len(seen), brain.geometry.n_voxels), np.float32)
    for start in range(0, out.shape[1], VOXELS):
        part = slice(start, start + VOXELS)
        out[:, part] = _part(brain, part).signal(images, labels, reference=training)
    return out


def _part(brain: Brain, part: slice) -> Brain:
    """Return a brain of some voxels."""
    shape = brain.geometry
    geometry = replace(
        shape,
        voxels=shape.voxels[part],
        region=shape.region[part],
        hemisphere=shape.hemisphere[part],
        order=shape.order[part],
    )
    planted = brain.tuning
    tuning = type(planted)(*(getattr(planted, f.name)[part] for f in fields(planted)))
    return replace(brain, geometry=geometry, tuning=tuning)
