"""Score two folders of pictures: the computing part."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress
from neurodiffuse.questions.score import choice, folders
from neurodiffuse.types import Images


@dataclass(frozen=True)
class Settings:
    """What was asked for; ``permutations`` None is each metric's own number."""

    recon: Path
    seen: Path
    metrics: tuple[str, ...] = ()
    dialect: str = "brain-diffuser"
    pair_by: str = "name"
    bootstrap: int = 2000
    permutations: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Row:
    """A metric over all pairs: ``values`` (n,) in the order of `Scored.seen`'s ids."""

    name: str
    note: str
    higher_is_better: bool
    summary: metrics.Summary
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Scored:
    """What was found."""

    settings: Settings
    seen: Images
    made: Images
    rows: tuple[Row, ...]
    skipped: tuple[choice.Skipped, ...]
    remarks: tuple[str, ...]


def score(settings: Settings, registry: Registry, machine: Machine, *, quiet: bool) -> Scored:
    """Return the scores of what was made against what was seen, with all pictures.

    Everything that can be checked is checked before the first picture is compared.

    Raises
    ------
    DataError
        If a folder, a name or a picture is not as it should be.
    ConfigError
        If a metric or a setting is not possible.
    """
    ready, skipped = choice.chosen(registry, settings.metrics, settings.dialect, machine)
    found = folders.pairs(settings.recon, settings.seen, settings.pair_by)
    made, about_made = folders.read(found.made, found.names)
    seen, about_seen = folders.read(found.seen, found.names)
    rows = tuple(_row(one, seen, made, settings) for one in progress(ready, "scores", quiet=quiet))
    remarks = tuple(text for text in (about_seen, about_made) if text)
    return Scored(settings, seen, made, rows, tuple(skipped), remarks)


def _row(one: choice.Chosen, seen: Images, made: Images, settings: Settings) -> Row:
    metric = one.metric
    if settings.permutations is not None:
        metric.permutations = settings.permutations
    rng = np.random.default_rng([settings.seed, zlib.crc32(one.name.encode())])
    values = np.asarray(metric.compare(seen, made), np.float64)
    tested = metric.permutations > 0 and len(values) > 1
    null = metric.null(seen, made, rng) if tested else np.empty(0)
    summary = metrics.summary(
        values,
        null,
        higher_is_better=metric.higher_is_better,
        chance=metric.chance,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
    )
    return Row(one.name, one.note, metric.higher_is_better, summary, values)
