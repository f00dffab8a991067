"""Score two folders of pictures: the computing part."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurodiffuse import budget, metrics
from neurodiffuse.budget import scores
from neurodiffuse.executor import Work
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress
from neurodiffuse.questions.score import choice, folders
from neurodiffuse.readers.pictures import read_picture
from neurodiffuse.types import Images
from neurodiffuse.work import installed


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
    RunError
        If there is too little memory.
    """
    ready, skipped = choice.chosen(registry, settings.metrics, settings.dialect, machine)
    found = folders.pairs(settings.recon, settings.seen, settings.pair_by)
    _check_memory(found, ready, machine)
    made, about_made = folders.read(found.made, found.names)
    seen, about_seen = folders.read(found.seen, found.names)
    executor, tasks = machine.executor, [(one.name,) for one in ready]
    work: Work = Here(settings, ready, seen, made)
    if executor.apart:
        work = Elsewhere(settings, found, machine.device, executor.share(machine.memory))
    done = executor.run(work, tasks, quiet=quiet)
    rows = dict(progress(done, "scores", total=len(tasks), quiet=quiet))
    remarks = tuple(text for text in (about_seen, about_made) if text)
    in_order = tuple(rows[k] for k in range(len(tasks)))
    return Scored(settings, seen, made, in_order, tuple(skipped), remarks)


def _check_memory(found: folders.Pairs, ready: Sequence[choice.Chosen], machine: Machine) -> None:
    """Refuse a budget that scoring would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    if machine.memory is not None:
        budget.check_machine(machine, {"score": memory_needed(found, ready, machine)})


def memory_needed(found: folders.Pairs, ready: Sequence[choice.Chosen], machine: Machine) -> int:
    """Return the peak in bytes, of one process where several share the budget.

    The pictures, and what the metric that needs most holds beside them, or the page. Where others
    do the work the pictures are once more in the process of the command, which is divided among
    them.
    """
    n = len(found.names)
    seen, made = (read_picture(files[0]).shape[:2] for files in (found.seen, found.made))
    both = scores.pictures(n, seen) + scores.pictures(n, made)
    most = max(scores.of_pictures(one.metric, n, seen, made) for one in ready)
    held = both + max(most, scores.page(n, seen, made))
    if machine.executor.apart:
        held += both // budget.sharing(machine)
    return int(budget.BASE + budget.MARGIN * held)


@dataclass(frozen=True, eq=False)
class Here:
    """The work of a metric in this process."""

    settings: Settings
    ready: Sequence[choice.Chosen]
    seen: Images
    made: Images

    def __call__(self, task: tuple[str]) -> Row:
        """Return the row of a metric by its name."""
        (name,) = task
        one = next(one for one in self.ready if one.name == name)
        return _row(one, self.seen, self.made, self.settings)


@dataclass(eq=False)
class Elsewhere:
    """The same as it is sent to another process, which reads the pictures once."""

    settings: Settings
    pairs: folders.Pairs
    device: str
    memory: int | None

    def __post_init__(self) -> None:
        """Name the pictures so that another process finds them."""
        made, seen = (tuple(p.resolve() for p in of) for of in (self.pairs.made, self.pairs.seen))
        self.pairs = replace(self.pairs, made=made, seen=seen)

    def __call__(self, task: tuple[str]) -> Row:
        """Return the row of a metric by its name."""
        with _READING:
            if "_here" not in self.__dict__:
                self._here = self._opened()
        return self._here(task)

    def _opened(self) -> Here:
        settings, machine = self.settings, Machine(self.device, self.memory)
        ready, _ = choice.chosen(installed(), settings.metrics, settings.dialect, machine)
        made, _ = folders.read(self.pairs.made, self.pairs.names)
        seen, _ = folders.read(self.pairs.seen, self.pairs.names)
        return Here(settings, ready, seen, made)


_READING = threading.Lock()


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
