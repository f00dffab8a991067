"""Generate: paint the predicted latents, stage by stage, one picture a test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import painting
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, labels, load_images, save_image, seed_of
from neurodiffuse.types import Generator, Images

BATCH = 16
"""Images that a generator is given at once, and the most that a kill can cost."""


def generate(run: Run, subject: str) -> None:
    """Write ``SOURCE/STAGE/LABEL.png`` for every test image.

    ``SOURCE`` is ``decoded`` (latents predicted from the brain) and, where the recipe asks for
    it, ``oracle`` (the image's true latents: what the generators could reach at best). Pictures
    that a killed process finished are kept.
    """
    sources = ["decoded", *(["oracle"] if run.config.score.oracle else [])]
    with run.writing(run.folder("generate", subject), resume=True) as folder:
        for source in sources:
            files = {f: _latents(run, subject, f, source) for f in run.config.features}
            for stage in run.config.stages:
                _paint_stage(run, subject, stage, files, folder / source)


def _latents(run: Run, subject: str, feature: str, source: str) -> LatentFile:
    if source == "oracle":
        return LatentFile.open(run.latents(subject, feature) / "test.npy")
    return LatentFile.open(run.folder("predict", subject) / f"{feature}.npy")


def _paint_stage(
    run: Run, subject: str, stage: str, files: dict[str, LatentFile], folder: Path
) -> None:
    """Paint what is missing of one stage, a batch at a time."""
    part, place = run.config.stages[stage], folder / stage
    place.mkdir(parents=True, exist_ok=True)
    used = {read: files[feature] for read, feature in painting.given_to(run, stage).items()}
    ids = next(iter(files.values())).ids
    names = labels(ids)
    generator: Generator | None = None
    for start in progress(range(0, len(ids), BATCH), f"{folder.name} {stage}", quiet=run.quiet):
        batch = range(start, min(start + BATCH, len(ids)))
        if all((place / f"{names[i]}.png").exists() for i in batch):
            continue
        generator = generator or painting.restored_generator(run, subject, stage)
        latents = {read: file.rows(batch.start, batch.stop) for read, file in used.items()}
        chosen = slice(batch.start, batch.stop)
        init = _init(folder / part.init, ids[chosen], names[chosen]) if part.init else None
        made = generator.generate(
            latents, init=init, seeds=tuple(seed_of(run.config.seed, ids[i]) for i in batch)
        )
        made = painting.checked(part.generator, made, ids[chosen])
        for i, picture in zip(batch, made.values, strict=True):
            save_image(place / f"{names[i]}.png", picture)


def _init(folder: Path, ids: Sequence[str], names: Sequence[str]) -> Images:
    """Return what the stage before painted for these images."""
    return Images(tuple(ids), load_images(folder, names))
