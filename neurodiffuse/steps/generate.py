"""Generate: paint the predicted latents, stage by stage, one picture a test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import painting
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, labels, load_images, sample_folder, save_image, seed_of
from neurodiffuse.types import Images
from neurodiffuse.work import Site, spread

BATCH = 16
"""Images that a generator is given at once, and the most that a kill can cost."""


def generate(run: Run, subject: str) -> None:
    """Write ``SOURCE/STAGE/LABEL.png`` for every test image, further samples beside it.

    ``SOURCE`` is ``decoded`` (latents predicted from the brain) and, where the recipe asks for
    it, ``oracle`` (the image's true latents: what the generators could reach at best). The second
    sample of a stage is ``SOURCE/STAGE/sample-2/LABEL.png``; it begins from the second sample of
    the stage that ``init`` names if there is one, else from its first. Pictures that a killed
    process finished are kept.
    """
    sources = ["decoded", *(["oracle"] if run.config.score.oracle else [])]
    with run.writing(run.folder("generate", subject), resume=True) as folder:
        names = labels(_order(run, subject))
        for stage, part in run.config.stages.items():
            tasks = [
                (subject, stage, folder.resolve() / source, sample, start, start + BATCH)
                for source in sources
                for sample in range(part.samples)
                for start in _missing(sample_folder(folder / source / stage, sample), names)
            ]
            for _ in spread(run, paint_batch, tasks, f"sub-{subject} {stage}"):
                pass


def _missing(place: Path, names: Sequence[str]) -> list[int]:
    """Return where the batches begin of which a picture is missing."""
    place.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in place.iterdir()}
    return [
        start
        for start in range(0, len(names), BATCH)
        if not all(f"{name}.png" in there for name in names[start : start + BATCH])
    ]


def _order(run: Run, subject: str) -> tuple[str, ...]:
    """Return the test images in the order of their true latents, that of all sources' batches."""
    return _latents(run, subject, next(iter(run.config.features)), "oracle").ids


def _latents(run: Run, subject: str, feature: str, source: str) -> LatentFile:
    if source == "oracle":
        return LatentFile.open(run.latents(subject, feature) / "test.npy")
    return LatentFile.open(run.folder("predict", subject) / f"{feature}.npy")


def paint_batch(
    site: Site, subject: str, stage: str, folder: Path, sample: int, start: int, stop: int
) -> None:
    """Paint one batch of a sample of a stage; ``folder`` is the source's."""
    run, part = site.run, site.run.config.stages[stage]
    generator = site.keep(stage, lambda: painting.restored_generator(run, subject, stage))
    given = painting.given_to(run, stage).items()
    used = {read: _latents(run, subject, feature, folder.name) for read, feature in given}
    every = site.keep((subject, "order"), lambda: _order(run, subject))
    chosen = slice(start, stop)
    ids, names = every[chosen], site.keep(every, lambda: labels(every))[chosen]
    latents = {read: file.of(ids) for read, file in used.items()}  # by id: old runs' are unsorted
    before = _before(run, part.init, sample, folder)
    init = _init(before, ids, names) if before else None
    seeds = tuple(seed_of(run.config.seed, image, sample) for image in ids)
    made = generator.generate(latents, init=init, seeds=seeds)
    made = painting.checked(part.generator, made, ids)
    for name, picture in zip(names, made.values, strict=True):
        save_image(sample_folder(folder / stage, sample) / f"{name}.png", picture)


def _before(run: Run, init: str, sample: int, folder: Path) -> Path | None:
    """Return the folder of the pictures that a stage begins from."""
    if not init:
        return None
    last = run.config.stages[init].samples - 1
    return sample_folder(folder / init, sample if sample <= last else 0)


def _init(folder: Path, ids: Sequence[str], names: Sequence[str]) -> Images:
    """Return what the stage before painted for these images."""
    return Images(tuple(ids), load_images(folder, names))
