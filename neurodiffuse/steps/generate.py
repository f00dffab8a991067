"""Generate: paint the predicted latents, stage by stage, one picture a test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import painting
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, labels, load_images, sample_folder, save_image, seed_of
from neurodiffuse.types import Generator, Images

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
        for source in sources:
            files = {f: _latents(run, subject, f, source) for f in run.config.features}
            for stage, part in run.config.stages.items():
                for sample in range(part.samples):
                    _paint_stage(run, subject, stage, sample, files, folder / source)


def _latents(run: Run, subject: str, feature: str, source: str) -> LatentFile:
    if source == "oracle":
        return LatentFile.open(run.latents(subject, feature) / "test.npy")
    return LatentFile.open(run.folder("predict", subject) / f"{feature}.npy")


def _paint_stage(
    run: Run, subject: str, stage: str, sample: int, files: dict[str, LatentFile], folder: Path
) -> None:
    """Paint what is missing of one sample of a stage, a batch at a time."""
    part, place = run.config.stages[stage], sample_folder(folder / stage, sample)
    place.mkdir(parents=True, exist_ok=True)
    before = _before(run, part.init, sample, folder)
    used = {read: files[feature] for read, feature in painting.given_to(run, stage).items()}
    ids = next(iter(files.values())).ids
    names = labels(ids)
    generator: Generator | None = None
    label = f"{folder.name} {stage}" + (f" {sample + 1} of {part.samples}" if sample else "")
    for start in progress(range(0, len(ids), BATCH), label, quiet=run.quiet):
        batch = range(start, min(start + BATCH, len(ids)))
        if all((place / f"{names[i]}.png").exists() for i in batch):
            continue
        generator = generator or painting.restored_generator(run, subject, stage)
        latents = {read: file.rows(batch.start, batch.stop) for read, file in used.items()}
        chosen = slice(batch.start, batch.stop)
        init = _init(before, ids[chosen], names[chosen]) if before else None
        seeds = tuple(seed_of(run.config.seed, ids[i], sample) for i in batch)
        made = generator.generate(latents, init=init, seeds=seeds)
        made = painting.checked(part.generator, made, ids[chosen])
        for i, picture in zip(batch, made.values, strict=True):
            save_image(place / f"{names[i]}.png", picture)


def _before(run: Run, init: str, sample: int, folder: Path) -> Path | None:
    """Return the folder of the pictures that a stage begins from."""
    if not init:
        return None
    last = run.config.stages[init].samples - 1
    return sample_folder(folder / init, sample if sample <= last else 0)


def _init(folder: Path, ids: Sequence[str], names: Sequence[str]) -> Images:
    """Return what the stage before painted for these images."""
    return Images(tuple(ids), load_images(folder, names))
