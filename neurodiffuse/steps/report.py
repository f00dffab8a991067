"""Report: one page that says what was decoded and how well, and a BIDS derivative beside it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np

from neurodiffuse import __version__, derivative, reproduce
from neurodiffuse.config import remarks_on
from neurodiffuse.decoding import summary_of, words_of
from neurodiffuse.files import read_json, write_whole
from neurodiffuse.metrics import METHODS, holm
from neurodiffuse.metrics.sizes import in_words
from neurodiffuse.options import parameters
from neurodiffuse.readers.volumes import why_no_background
from neurodiffuse.report import build
from neurodiffuse.report.brain import image_of
from neurodiffuse.report.model import (
    BrainMap,
    Citation,
    FeatureRow,
    ReportData,
    RoiRow,
    ScoreRow,
    SubjectReport,
)
from neurodiffuse.report.saved import SavedPictures
from neurodiffuse.run import Run, copies, inputs, remarks_of, software
from neurodiffuse.run.scoring import keeps_sizes, plain_pictures, recorded_size
from neurodiffuse.store import labels, load_array, load_voxels, seed_of
from neurodiffuse.types import Card, Remark, Subject

DRAWN = 24
"""Regions that are drawn on the brain at most."""

OVERLAP = 0.25
"""Part of a region that may lie under smaller ones that are drawn."""


def report(run: Run) -> None:
    """Write ``report.html`` and lay out pictures, scores and masks under BIDS names."""
    for label in run.config.subjects:
        inputs.begin(run, label, "report")
    config, about = run.config, run.dataset.about()
    for label in config.subjects:
        derivative.publish(run.path, label, _published(run, label))
    derivative.describe(
        run.path,
        recipe=config.name,
        dataset=config.dataset,
        about=about,
        version=__version__,
        subjects=config.subjects,
        source=str(config.dataset_options.get("root", config.dataset)),
    )
    cards = _cards(run)
    data = ReportData(
        title=f"{config.name} on {about.get('name', config.dataset)}",
        created="",
        recipe=config.name,
        version=__version__,
        dataset={"name": config.dataset, **about},
        command=reproduce.command(config, run.registry, run.path),
        stages=tuple(config.stages),
        subjects=tuple(_subject(run, label) for label in config.subjects),
        config=config.to_dict(),
        machine={
            **reproduce.versions(),
            **_distributions(cards),
            "seed": config.seed,
            **({"input": read} if (read := inputs.summary(run)) else {}),
        },
        warnings=_warnings(run),
        remarks=tuple(text for kind, text in _remarks(run) if kind != "warning"),
        methods=reproduce.methods(
            config,
            {(c.role, c.name): c.summary for c in cards},
            intervals=intervals_in_words(run),
            own_size=[name for name in config.metrics if keeps_sizes(run, name)],
            words={f: words_of(run, f) for f in config.features} if config.decoders else {},
            refined={name: run.refiner(name).words() for name in config.refiners},
        ),
        citations=_citations(run, cards),
        licences=_licences(run, cards),
        sections=tuple(run.registry.sections(run)),
        intervals=intervals_in_words(run),
    )
    page = build(data)
    for label in config.subjects:
        with run.writing(run.folder("report", label)) as folder:
            inputs.note(run, label, "report", folder)
    write_whole(run.path / "report.html", page)


def _subject(run: Run, label: str) -> SubjectReport:
    about = run.subject(label)
    counts = read_json(run.folder("mask", label) / "about.json")
    ids = about.trials.images("test")
    stimuli = run.dataset.stimuli(ids)
    mask = load_voxels(run.folder("mask", label))
    rows = _roi_rows(run, about, mask)
    pictures = run.folder("generate", label)
    stages, names = tuple(run.config.stages), labels(ids)
    made = {s: SavedPictures(pictures / "decoded" / s, names) for s in stages}
    oracle = {}
    if run.config.score.oracle:
        oracle = {s: SavedPictures(pictures / "oracle" / s, names) for s in stages}
    return SubjectReport(
        label=label,
        n_train_images=counts["train_images"],
        n_test_images=counts["test_images"],
        n_train_trials=counts["train_trials"],
        n_test_trials=counts["test_trials"],
        n_voxels=counts["voxels"],
        mask_expression=counts["expression"],
        ids=ids,
        seen=stimuli.images,
        made=made,
        scores=_scores(run, label, "decoded"),
        captions=tuple(next(iter(c), "") for c in stimuli.captions),
        oracle=oracle,
        oracle_scores=_scores(run, label, "oracle"),
        features=_features(run, label),
        rois=rows,
        mask_image=image_of(mask, about.grid),
        regions=_regions(run, about, rows),
        anatomy=_background(about.anatomy) if about.anatomy else None,
        maps=_maps(run, about),
        constant_voxels=counts["constant_voxels"],
        facts=_facts(run, about, counts),
    )


def _background(path: Path) -> nib.spatialimages.SpatialImage | None:
    """Return an image to draw maps on, None where that cannot be done: a remark says why."""
    if why_no_background(path):
        return None
    return cast("nib.spatialimages.SpatialImage", nib.load(path))


def _scores(run: Run, label: str, source: str) -> tuple[ScoreRow, ...]:
    folder = run.folder("score", label)
    values: dict[tuple[str, str, str], list[float]] = {}
    with (folder / "images.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            key = (row["source"], row["stage"], row["metric"])
            values.setdefault(key, []).append(float(row["value"]))
    rows = [row for row in read_json(folder / "scores.json") if row["source"] == source]
    last = [row for row in rows if row["stage"] == list(run.config.stages)[-1]]
    known = {row["metric"]: p for row, p in zip(last, holm([r["p"] for r in last]), strict=True)}
    return tuple(
        ScoreRow(
            metric=row["metric"],
            stage=row["stage"],
            mean=row["mean"],
            low=float("nan") if row["low"] is None else row["low"],
            high=float("nan") if row["high"] is None else row["high"],
            n=row["n"],
            p=row["p"],
            chance=run.metric(row["metric"]).chance,
            null_mean=row["null_mean"],
            higher_is_better=row["higher_is_better"],
            note=metric_in_words(run, row["metric"]),
            values=np.array(values[source, row["stage"], row["metric"]]),
            corrected=known.get(row["metric"]) if row in last else None,
            size=_pair(row.get("size")),
        )
        for row in rows
    )


def _pair(size: Sequence[int] | None) -> tuple[int, int] | None:
    return (size[0], size[1]) if size else None


def intervals_in_words(run: Run) -> str:
    """Return how the intervals of a run's scores were computed."""
    rows = [
        row
        for label in run.config.subjects
        for row in read_json(run.folder("score", label) / "scores.json")
    ]
    used = {row.get("interval_method", "percentile") for row in rows if row.get("low") is not None}
    ways = [text for name, text in METHODS.items() if name in used]
    if not ways:
        return ""
    drawn = max((row.get("bootstrap") or 0 for row in rows), default=0)
    said = f"Intervals over images: {'; '.join(ways)}"
    return f"{said} ({drawn:,} resamplings)." if drawn else f"{said}."


def metric_in_words(run: Run, name: str) -> str:
    """Return what a metric is, with the options and at the size that it ran with."""
    size = recorded_size(run, name)
    text = _without_size(run, name)
    if size and not keeps_sizes(run, name):
        text += f", pictures compared at {in_words(size)}"
    return text


def _without_size(run: Run, name: str) -> str:
    part = run.config.metrics[name]
    card = run.registry.card("metric", part.metric)
    if words := run.metric(name).words():
        return words
    known = parameters(run.registry.load(card))
    options = {k: part.options.get(k, p.default) for k, p in known.items()}
    own = {k: v for k, v in options.items() if k not in ("device", "memory")}
    said = ", ".join(f"{k} {v}" for k, v in own.items() if v not in ("", 0, None))
    return f"{card.summary} ({said})" if said else card.summary


def _features(run: Run, label: str) -> tuple[FeatureRow, ...]:
    folder = run.folder("predict", label)
    fits = {f: summary_of(run, label, f) for f in run.config.features}
    found = read_json(folder / "features.json")
    return tuple(
        FeatureRow(
            name=name,
            encoder=part.encoder,
            n_targets=found[name]["targets"],
            decoder=fits[name].cell or words_of(run, name),
            roi=part.roi,
            rescale=run.config.predict.rescale,
            r2_mean=found[name]["r2_mean"],
            r2_median=found[name]["r2_median"],
            identification=found[name]["identification"],
            constant_targets=found[name]["constant_targets"],
            r2=load_array(folder / f"{name}_r2.npy"),
            sections=tuple(fits[name].sections),
        )
        for name, part in run.config.features.items()
    )


def _roi_rows(run: Run, about: Subject, mask: np.ndarray) -> tuple[RoiRow, ...]:
    """Return the regions, those in the mask first; small ones that hardly overlap are drawn.

    One that holds all voxels of the mask is what is outlined already, and would hide the rest.
    """
    names = [roi.name for roi in about.rois if roi.kind == "mask" and not roi.detail]
    masks = {name: run.dataset.roi(about.label, name) for name in names}
    inside = {name: int((values & mask).sum()) for name, values in masks.items()}
    voxels = int(mask.sum())
    taken = np.zeros(about.grid.size, bool)
    drawn: list[str] = []
    for name in sorted(masks, key=lambda n: (int(masks[n].sum()), n)):
        size = masks[name].sum()
        if inside[name] == voxels:
            continue
        if inside[name] and (masks[name] & taken).sum() <= OVERLAP * size and len(drawn) < DRAWN:
            taken |= masks[name]
            drawn.append(name)
    order = [roi.name for roi in about.rois]
    drawn.sort(key=order.index)
    return tuple(
        RoiRow(
            name,
            int(masks[name].sum()),
            inside[name],
            drawn.index(name) + 1 if name in drawn else 0,
        )
        for name in sorted(inside, key=lambda n: (inside[n] == 0, order.index(n)))
    )


def _regions(run: Run, about: Subject, rows: Sequence[RoiRow]) -> Any:
    drawn = np.zeros(about.grid.size, np.int16)
    for row in sorted((r for r in rows if r.value), key=lambda r: -r.n_voxels):
        drawn[run.dataset.roi(about.label, row.name)] = row.value
    return image_of(drawn, about.grid) if drawn.any() else None


def _noise_map(about: Subject) -> str:
    names = [roi.name for roi in about.rois if roi.kind == "map"]
    return next((n for n in names if "ncsnr" in n.lower() or "noiseceiling" in n.lower()), "")


def _maps(run: Run, about: Subject) -> tuple[BrainMap, ...]:
    name = _noise_map(about)
    if not name:
        return ()
    voxels = load_voxels(run.folder("mask", about.label))
    values = np.where(voxels, run.dataset.roi(about.label, name), np.nan)
    image = image_of(values, about.grid)
    units = next(roi.units for roi in about.rois if roi.name == name)
    title = f"Signal-to-noise of the responses ({name})"
    units = "" if units == "arbitrary" else units  # BIDS's word for what has none
    return () if image is None else (BrainMap(title, image, units),)


def _facts(run: Run, about: Subject, counts: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    trials = about.trials
    facts = [
        ("sessions", str(len(set(trials.session)))),
        ("trials for each test image", f"{counts['test_trials'] / counts['test_images']:.1f}"),
        (
            "trials for each training image",
            f"{counts['train_trials'] / counts['train_images']:.1f}",
        ),
    ]
    if counts["dropped_voxels"]:
        facts.append(("voxels left out as not finite", f"{counts['dropped_voxels']:,}"))
    if name := _noise_map(about):
        voxels = load_voxels(run.folder("mask", about.label))
        median = float(np.nanmedian(run.dataset.roi(about.label, name)[voxels]))
        facts.append((f"median of {name} in the mask", f"{median:.2f}"))
    return tuple(facts)


def _published(run: Run, label: str) -> derivative.Published:
    about = run.subject(label)
    counts = read_json(run.folder("mask", label) / "about.json")
    ids = about.trials.images("test")
    return derivative.Published(
        mask=run.folder("mask", label) / "mask.nii.gz",
        space=about.grid.space,
        task=about.task,
        names=labels(ids),
        ids=ids,
        seeds=[seed_of(run.config.seed, i) for i in ids],
        pictures={s: run.folder("generate", label) / "decoded" / s for s in run.config.stages},
        scores=read_json(run.folder("score", label) / "scores.json"),
        mask_expression=counts["expression"],
    )


def _cards(run: Run) -> list[Card]:
    """Return the cards of everything that the recipe uses, each once."""
    config = run.config
    used = [("dataset", config.dataset)]
    used += [("encoder", part.encoder) for part in config.features.values()]
    used += [("decoder", part.decoder) for part in config.decoders.values()]
    used += [("refiner", part.refiner) for part in config.refiners.values()]
    used += [("generator", part.generator) for part in config.stages.values()]
    used += [("metric", part.metric) for part in config.metrics.values()]
    return [run.registry.card(role, name) for role, name in dict.fromkeys(used)]


def _distributions(cards: Sequence[Card]) -> dict[str, str]:
    found = {c.distribution: c.version for c in cards if c.distribution}
    return dict(sorted(found.items()))


def _citations(run: Run, cards: Sequence[Card]) -> tuple[Citation, ...]:
    texts = [*run.config.cite, run.dataset.about().get("cite", ""), *(c.cite for c in cards)]
    return tuple(Citation(text) for text in dict.fromkeys(texts) if text)


def _licences(run: Run, cards: Sequence[Card]) -> tuple[tuple[str, str], ...]:
    rows = [("neurodiffuse", "BSD-3-Clause")]
    if licence := run.dataset.about().get("licence"):
        rows.append((run.dataset.about().get("name", run.config.dataset), licence))
    rows += [(c.name, c.licence) for c in cards if c.licence]
    return tuple(rows)


def _remarks(run: Run) -> list[tuple[str, str]]:
    """Return kind and text of remarks on the recipe, the data and the fit, each once."""
    on_recipe = remarks_on(run.config, run.dataset.about())
    found = [(remark.kind, remark.words) for remark in on_recipe]
    if mixed := software.differences(run):
        found.append(("note", f"steps were computed with different software: {'; '.join(mixed)}"))
    found += [
        (remark.kind, f"sub-{label}: {remark.words}")
        for label in run.config.subjects
        for remark in _of_subject(run, label)
    ]
    return list(dict.fromkeys(found))


def _of_subject(run: Run, label: str) -> list[Remark]:
    on_input = (*remarks_of(run, label), *copies.remarks(run, label))
    return [*on_input, *_fit_remarks(run, label), *plain_pictures(run, label)]


def _fit_remarks(run: Run, label: str) -> list[Remark]:
    """Return what decoders say of their fits."""
    return [r for f in run.config.features for r in summary_of(run, label, f).remarks]


def _warnings(run: Run) -> tuple[str, ...]:
    found = [text for kind, text in _remarks(run) if kind == "warning"]
    if run.config.predict.rescale == "test":
        found.append(
            "Predictions were standardised over the test set (predict.rescale = 'test', as in "
            "the published code): a picture then depends on which other test images there are."
        )
    return tuple(found)
