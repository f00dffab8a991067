"""Score: compare what was made with what was seen, with chance, p and an interval."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.files import write_json
from neurodiffuse.metrics.plain import count_plain
from neurodiffuse.metrics.sizes import Size, at_size, own_side, stacked, unresized
from neurodiffuse.run import Run
from neurodiffuse.run.scoring import keeps_sizes, scoring_size
from neurodiffuse.store import LatentFile, labels, load_arrays, load_images, sample_folder
from neurodiffuse.types import Encoder, Images, Latents, Metric, SampleMetric, Stimuli
from neurodiffuse.work import Site, spread

BATCH = 64
"""Pictures that an encoder is given at once."""


def score(run: Run, subject: str) -> None:
    """Write ``scores.json`` (one row a source, stage and metric) and ``images.tsv``.

    Every score has its mean over images, its 95 % interval, the level expected by chance, a
    permutation p-value (pairs shuffled) and the size at which pictures were compared. Draws come
    from the run's seed. Where a stage has several samples, an image's value is the mean over them,
    or what the metric makes of all of them (`SampleMetric`).
    """
    ids = run.subject(subject).trials.images("test")
    sources = ["decoded", *(["oracle"] if run.config.score.oracle else [])]
    work = [
        (subject, s, stage, m)
        for s in sources
        for stage in run.config.stages
        for m in run.config.metrics
    ]
    found = dict(spread(run, score_one, work, f"sub-{subject} scores"))
    rows: list[dict[str, Any]] = []
    table: dict[str, np.ndarray] = {}
    for k, (_, source, stage, name) in enumerate(work):
        row, table[f"{source}/{stage}/{name}"] = found[k]
        rows.append({"source": source, "stage": stage, "metric": name, **row})
    with run.writing(run.folder("score", subject)) as folder:
        write_json(folder / "scores.json", rows)
        _write_table(folder / "images.tsv", ids, table)


def score_one(
    site: Site, subject: str, source: str, stage: str, name: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Return a metric's row of the summary and its value for every image, of one stage."""
    run = site.run
    ids = run.subject(subject).trials.images("test")
    size = None if keeps_sizes(run, name) else scoring_size(run, subject)
    raw = site.keep("seen", lambda: stacked(run.dataset.stimuli(ids).images))
    own = own_side(run.metric(name))
    seen = site.keep(
        ("seen", size or own),
        lambda: Images(ids, at_size(raw, size) if size else unresized(raw, own)),
    )
    place = run.folder("generate", subject) / source / stage
    row, values = _compare(run, subject, name, seen, _samples(run, stage, place), size)
    return row | {"size": list(size) if size else None}, values


def _samples(run: Run, stage: str, place: Path) -> list[Path]:
    """Return the folder of each sample of a stage."""
    return [sample_folder(place, sample) for sample in range(run.config.stages[stage].samples)]


def _compare(
    run: Run,
    subject: str,
    name: str,
    seen: Images,
    samples: Sequence[Path],
    size: Size | None,
) -> tuple[dict[str, Any], np.ndarray]:
    """Return a metric's row of the summary and its value for every image, over the samples."""
    metric, plain = run.metric(name), 0
    if len(samples) > 1 and isinstance(metric, SampleMetric):
        made, rng = _Samples(seen.ids, samples, size), _shufflings(run, name)
        values = np.asarray(metric.compare_samples(seen, made), np.float64)
        null = np.asarray(metric.null_samples(seen, made, rng), np.float64)
    else:
        each = [_of_sample(run, subject, name, metric, seen, sample, size) for sample in samples]
        values = np.stack([np.asarray(v, np.float64) for v, *_ in each]).mean(axis=0)
        null = np.stack([np.asarray(n, np.float64) for _, n, _ in each]).mean(axis=0)
        plain = sum(count for *_, count in each)
    summary = metrics.summary(
        values,
        null,
        higher_is_better=metric.higher_is_better,
        chance=metric.chance,
        share=metric.share,
        bounds=metric.bounds,
        bootstrap=run.config.score.bootstrap,
        seed=run.config.seed,
    )
    low, high = summary.interval or (None, None)
    row = dataclasses.asdict(summary) | {
        "low": low,
        "high": high,
        "null_mean": float(null.mean()) if len(null) else None,
        "higher_is_better": metric.higher_is_better,
    }
    if plain:
        row["one_colour"] = [plain, len(samples) * len(values)]
    return row, values


def _of_sample(
    run: Run,
    subject: str,
    name: str,
    metric: Metric,
    seen: Images,
    sample: Path,
    size: Size | None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return a metric's values and null of the pictures of a folder; how many are of one colour."""
    made = _made(sample, seen.ids, size)
    feature = run.config.metrics[name].feature
    pair: tuple[Any, Any] = _latents(run, subject, feature, made) if feature else (seen, made)
    values, null = metric.compare(*pair), metric.null(*pair, _shufflings(run, name))
    return values, null, count_plain(seen.values, made.values)


def _made(folder: Path, ids: tuple[str, ...], size: Size | None) -> Images:
    """Return the pictures of a folder, at a size or as they are."""
    pictures = load_images(folder, labels(ids))
    return Images(ids, at_size(pictures, size) if size else pictures)


def _shufflings(run: Run, name: str) -> np.random.Generator:
    """Return what draws the same shufflings for each sample: the null of their mean needs them."""
    return np.random.default_rng([run.config.seed, zlib.crc32(name.encode())])


class _Samples(Sequence[Images]):
    """What was made, a sample of each image at a time, loaded when it is asked for."""

    def __init__(self, ids: tuple[str, ...], folders: Sequence[Path], size: Size | None) -> None:
        self.ids, self.folders, self.size = ids, folders, size

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Samples(self.ids, self.folders[index], self.size)
        return _made(self.folders[index], self.ids, self.size)


def _latents(run: Run, subject: str, feature: str, made: Images) -> tuple[Latents, Latents]:
    """Return a feature's latents of what was seen (stored) and of what was made (encoded now)."""
    place = run.latents(subject, feature)
    encoder: Encoder = run.encoder(feature)
    encoder.restore(load_arrays(place / "state.npz"))
    file = LatentFile.open(place / "test.npy")
    order = file.places(made.ids)
    seen, found = (np.empty((len(order), file.targets), np.float32) for _ in range(2))
    for columns, block in file.blocks():
        seen[:, columns] = block[order]
    pictures: Sequence[np.ndarray] = list(made.values)
    stimuli = Stimuli(made.ids, pictures, ((),) * len(made.ids))
    for k in range(0, len(stimuli), BATCH):
        found[k : k + BATCH] = encoder.encode(stimuli.part(k, k + BATCH)).values
    return Latents(made.ids, seen, file.shapes), Latents(made.ids, found, file.shapes)


def _write_table(path: Path, ids: Sequence[str], table: dict[str, np.ndarray]) -> None:
    """Write one row an image and metric: ``stim_id source stage metric value``."""
    with path.open("w", encoding="utf-8") as file:
        file.write("stim_id\tsource\tstage\tmetric\tvalue\n")
        for key, values in table.items():
            source, stage, metric = key.split("/")
            for image, value in zip(ids, values, strict=True):
                file.write(f"{image}\t{source}\t{stage}\t{metric}\t{value:.6f}\n")
