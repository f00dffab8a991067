"""Encode: turn what was seen into the latents that the brain is asked for."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import budget
from neurodiffuse.files import link_files, write_json
from neurodiffuse.painting import encoded
from neurodiffuse.progress import say
from neurodiffuse.run import Run, inputs
from neurodiffuse.store import LatentFile, content, load_arrays
from neurodiffuse.types import Encoder
from neurodiffuse.work import Site, spread

BATCH = 64
"""Stimuli that an encoder is given at once."""


def encode(run: Run, subject: str) -> None:
    """Write the latents of a subject's training and test images for every feature.

    Latents lie in ``latents/FEATURE-DIGEST``, the digest being of the encoder, its options and
    what it reads: ids with pixels or captions. Images are in the order of their ids, so that
    subjects who saw the same pictures share their latents in whatever order they saw them. Runs
    in one folder share them too: what another run there has encoded is not encoded again.
    """
    inputs.begin(run, subject, "encode")
    trials = run.subject(subject).trials
    ids = {split: tuple(sorted(trials.images(split))) for split in ("train", "test")}
    places = {}  # a feature that is not stored has its test images' latents alone
    for feature in run.config.features:
        place = run.shelf / f"{feature}-{_digest(run, feature, ids)}"
        if not place.exists():
            if other := _elsewhere(run, place.name):
                with run.writing(place) as folder:
                    link_files(other, folder)
                say(f"{feature}: encoded before by {other.parents[1]}", quiet=run.quiet)
            else:
                _encode_feature(run, feature, ids, place)
        places[feature] = place.name
    with run.writing(run.folder("encode", subject)) as folder:
        write_json(folder / "features.json", places)
        inputs.note(run, subject, "encode", folder)


def _encode_feature(run: Run, feature: str, ids: dict[str, tuple[str, ...]], place: Path) -> None:
    encoder = run.encoder(feature)
    with run.writing(place) as folder:
        encoder.fit(run.dataset.stimuli(ids["train"]))
        np.savez(folder / "state.npz", **encoder.state())  # type: ignore[arg-type]
        if not run.config.features[feature].store:
            ids = {"test": ids["test"]}
        for split, names in ids.items():
            path, dtype = folder / f"{split}.npy", run.config.encode.dtype
            LatentFile.create(path, names, encoder.shapes(), dtype)
        del encoder  # each process restores its own
        where, size = folder.resolve(), _batch(run, feature, ids["test"])
        tasks = [
            (feature, where, split, start, min(start + size, len(names)))
            for split, names in ids.items()
            for start in range(0, len(names), size)
        ]
        for some in _in_turn(run, tasks):
            for _ in spread(run, encode_batch, some, f"{feature}"):
                pass


def _batch(run: Run, feature: str, ids: tuple[str, ...]) -> int:
    """Return how many images an encoder is given at once."""
    if run.machine.memory is None:
        return BATCH
    image = int(run.dataset.stimuli(ids[:1]).images[0].nbytes)
    targets = budget.targets_of(run.encoder(feature).shapes())
    share = run.machine.executor.share(run.machine.memory)
    return budget.batch_within(share, image, targets, BATCH)


def _in_turn(run: Run, tasks: list[tuple[str, Path, str, int, int]]) -> list[list[Any]]:
    """Return tasks that may be done at once: float16 needs the first rows before all others."""
    if run.config.encode.dtype == "float32" or not run.machine.executor.apart:
        return [tasks]
    first = [task for task in tasks if task[3] == 0]
    return [first, [task for task in tasks if task[3] > 0]]


def encode_batch(site: Site, feature: str, folder: Path, split: str, start: int, stop: int) -> None:
    """Encode one batch of stimuli into its rows, checking what the encoder returns."""
    run = site.run
    encoder = site.keep(feature, lambda: _restored(run, feature, folder))
    file = site.keep(folder / split, lambda: LatentFile.open(folder / f"{split}.npy"))
    stimuli = site.keep(split, lambda: run.dataset.stimuli(file.ids))
    part = stimuli.part(start, stop)
    values = encoded(encoder, part, file.targets)
    if start == 0:
        file.settle(values)
    file.write(start, values)


def _restored(run: Run, feature: str, folder: Path) -> Encoder:
    encoder = run.encoder(feature)
    encoder.restore(load_arrays(folder / "state.npz"))
    return encoder


def _elsewhere(run: Run, name: str) -> Path | None:
    """Return the same latents, by their name, in another run of the same folder."""
    found = sorted(run.shelf.parent.parent.glob(f"*/latents/{glob.escape(name)}"))
    others = (p for p in found if p.parent != run.shelf and os.access(p / "test.json", os.R_OK))
    return next(others, None)


def _digest(run: Run, feature: str, ids: dict[str, tuple[str, ...]]) -> str:
    part = run.config.features[feature]
    card = run.registry.card("encoder", part.encoder)
    read = _read(run, card.reads, ids)
    said = [part.encoder, card.distribution, card.version, dict(part.options), ids, read]
    said.append(_own_files(part.options))
    if run.config.encode.dtype != "float32":
        said.append(run.config.encode.dtype)
    if not part.store:
        said.append("not stored")
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _read(run: Run, reads: Sequence[str], ids: dict[str, tuple[str, ...]]) -> list[Any]:
    """Return what an encoder is shown of each image."""
    every = [*ids["train"], *ids["test"]]
    stimuli = run.dataset.stimuli(every)
    said: list[Any] = []
    if "captions" in reads:
        said += [list(captions) for captions in stimuli.captions]
    if reads != ("captions",):
        for k, name in enumerate(stimuli.ids):
            if name not in run.contents:
                run.contents[name] = content(stimuli.images[k])
        said += [run.contents[name] for name in every]
    return said


def _own_files(options: Mapping[str, Any]) -> list[Any]:
    """Return path, size and time of the files that options name, such as a user's own weights."""
    named = [Path(v).expanduser() for v in options.values() if isinstance(v, str) and v]
    files = [f for p in named for f in ([p] if p.is_file() else sorted(p.rglob("*")))]
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
