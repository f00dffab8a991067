"""Encode: turn what was seen into the latents that the brain is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.errors import PluginError
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, write_json
from neurodiffuse.store import LatentFile
from neurodiffuse.types import Encoder, Stimuli

BATCH = 64
"""Stimuli that an encoder is given at once."""


def encode(run: Run, subject: str) -> None:
    """Write the latents of a subject's training and test images for every feature.

    Latents lie in ``latents/FEATURE-DIGEST``, the digest being of the encoder, its options and
    the images. Images are in the order of their ids, so that subjects who saw the same pictures
    share their latents in whatever order they saw them.
    """
    trials = run.subject(subject).trials
    ids = {split: tuple(sorted(trials.images(split))) for split in ("train", "test")}
    places = {}
    for feature in run.config.features:
        place = run.shelf / f"{feature}-{_digest(run, feature, ids)}"
        if not place.exists():
            _encode_feature(run, feature, ids, place)
        places[feature] = place.name
    with run.writing(run.folder("encode", subject)) as folder:
        write_json(folder / "features.json", places)


def _encode_feature(run: Run, feature: str, ids: dict[str, tuple[str, ...]], place: Path) -> None:
    encoder = run.encoder(feature)
    with run.writing(place) as folder:
        train = run.dataset.stimuli(ids["train"])
        encoder.fit(train)
        np.savez(folder / "state.npz", **encoder.state())  # type: ignore[arg-type]
        for split in ("train", "test"):
            stimuli = train if split == "train" else run.dataset.stimuli(ids["test"])
            path, dtype = folder / f"{split}.npy", run.config.encode.dtype
            file = LatentFile.create(path, ids[split], encoder.shapes(), dtype)
            write_rows(file, encoder, stimuli, f"{feature} {split}", quiet=run.quiet)


def write_rows(
    file: LatentFile, encoder: Encoder, stimuli: Stimuli, label: str, *, quiet: bool
) -> None:
    """Encode stimuli batch by batch into a file, checking what the encoder returns."""
    starts: Sequence[int] = range(0, len(stimuli), BATCH)
    for start in progress(starts, label, quiet=quiet):
        part = stimuli.part(start, start + BATCH)
        values = np.asarray(encoder.encode(part).values)
        if values.shape != (len(part), file.targets):
            raise PluginError(
                f"encoder {type(encoder).__name__}: returned latents of shape {values.shape} for "
                f"{len(part)} stimuli; its shapes() promise {(len(part), file.targets)}."
            )
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise PluginError(
                f"encoder {type(encoder).__name__}: latents of {part.ids[row]} are not finite."
            )
        if start == 0:
            file.settle(values)
        file.write(start, values)


def _digest(run: Run, feature: str, ids: dict[str, tuple[str, ...]]) -> str:
    part = run.config.features[feature]
    card = run.registry.card("encoder", part.encoder)
    said = [part.encoder, card.distribution, card.version, dict(part.options), ids]
    if run.config.encode.dtype != "float32":
        said.append(run.config.encode.dtype)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
