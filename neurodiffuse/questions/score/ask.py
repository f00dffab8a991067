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
from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.executor import Work
from neurodiffuse.machine import Machine
from neurodiffuse.metrics.sizes import Pictures, Size, at_size, own_side, unresized
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress
from neurodiffuse.questions.score import choice, folders
from neurodiffuse.questions.score.remarks import remarks
from neurodiffuse.readers.pictures import read_picture
from neurodiffuse.types import Images
from neurodiffuse.work import installed


@dataclass(frozen=True)
class Settings:
    """What was asked for; ``permutations`` None is each metric's own number.

    ``size`` is the side at which metrics without size or dialect of their own compare; 0 is the
    size of the first picture that was made.
    """

    recon: Path
    seen: Path
    metrics: tuple[str, ...] = ()
    dialect: str = "brain-diffuser"
    pair_by: str = "name"
    bootstrap: int = 2000
    permutations: int | None = None
    seed: int = 0
    size: int = 0


@dataclass(frozen=True, eq=False)
class Row:
    """A metric over all pairs: ``values`` (n,) in the order of `Scored.names`.

    ``size`` is what pictures were resized to, None where the metric has a size of its own.
    """

    name: str
    note: str
    higher_is_better: bool
    summary: metrics.Summary
    values: np.ndarray
    size: Size | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """What was found; ``seen`` and ``made`` are the pictures as they were, by ``names``."""

    settings: Settings
    names: tuple[str, ...]
    seen: Pictures
    made: Pictures
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
    if settings.size and all(one.own_size for one in ready):
        raise ConfigError(
            f"--size: it would change nothing: {listing(one.name for one in ready)} have sizes of "
            "their own or those of a dialect. Leave --size out, or write --dialect none."
        )
    found = folders.pairs(settings.recon, settings.seen, settings.pair_by)
    _check_memory(found, ready, machine, settings.size)
    made, seen = folders.read(found.made), folders.read(found.seen)
    executor, tasks = machine.executor, [(one.name,) for one in ready]
    work: Work = Here(settings, ready, found.names, seen, made)
    if executor.apart:
        work = Elsewhere(settings, found, machine.device, executor.share(machine.memory))
    done = executor.run(work, tasks, quiet=quiet)
    rows = dict(progress(done, "scores", total=len(tasks), quiet=quiet))
    said = remarks(seen, made, seen_in=settings.seen, made_in=settings.recon)
    said = (found.alone, *said) if found.alone else said
    in_order = tuple(rows[k] for k in range(len(tasks)))
    return Scored(settings, found.names, seen, made, in_order, tuple(skipped), said)


def size_of(settings: Settings, made: Pictures) -> Size:
    """Return height and width at which metrics without a size of their own compare."""
    if settings.size:
        return settings.size, settings.size
    height, width = made[0].shape[:2]
    return height, width


def _check_memory(
    found: folders.Pairs, ready: Sequence[choice.Chosen], machine: Machine, size: int
) -> None:
    """Refuse a budget that scoring would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    if machine.memory is not None:
        budget.check_machine(machine, {"score": memory_needed(found, ready, machine, size)})


def memory_needed(
    found: folders.Pairs, ready: Sequence[choice.Chosen], machine: Machine, size: int = 0
) -> int:
    """Return the peak in bytes, of one process where several share the budget.

    The pictures, and what the metric that needs most holds beside them, or the page. Where others
    do the work the pictures are once more in the process of the command, which is divided among
    them.
    """
    n = len(found.names)
    seen, made = (read_picture(files[0]).shape[:2] for files in (found.seen, found.made))
    both = scores.pictures(n, seen) + scores.pictures(n, made)
    at = (size, size) if size else made
    sized = 0 if all(one.own_size for one in ready) else 2 * scores.pictures(n, at)
    most = sized + max(scores.of_pictures(one.metric, n, seen, made) for one in ready)
    held = both + max(most, scores.page(n, seen, made))
    if machine.executor.apart:
        held += both // budget.sharing(machine)
    return int(budget.BASE + budget.MARGIN * held)


@dataclass(eq=False)
class Here:
    """The work of a metric in this process; pictures are brought to a size once for all."""

    settings: Settings
    ready: Sequence[choice.Chosen]
    names: tuple[str, ...]
    seen: Pictures
    made: Pictures

    def __post_init__(self) -> None:
        """Know no pair of arrays yet."""
        self._arrays: dict[object, tuple[Images, Images]] = {}
        self._making = threading.Lock()

    def __call__(self, task: tuple[str]) -> Row:
        """Return the row of a metric by its name."""
        (name,) = task
        one = next(one for one in self.ready if one.name == name)
        size = None if one.own_size else size_of(self.settings, self.made)
        own = own_side(one.metric)
        with self._making:
            if (size or own) not in self._arrays:
                seen, made = (
                    Images(self.names, at_size(p, size) if size else unresized(p, own))
                    for p in (self.seen, self.made)
                )
                self._arrays[size or own] = seen, made
        return replace(_row(one, *self._arrays[size or own], self.settings), size=size)


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
        made, seen = folders.read(self.pairs.made), folders.read(self.pairs.seen)
        return Here(settings, ready, self.pairs.names, seen, made)


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
        share=metric.share,
        bounds=metric.bounds,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
    )
    return Row(one.name, one.note, metric.higher_is_better, summary, values)
