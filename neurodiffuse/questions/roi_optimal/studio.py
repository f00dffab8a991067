"""Paint the rows, score every picture by a forward model, keep and save what is wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.questions.roi_optimal.display import Display, shown
from neurodiffuse.questions.roi_optimal.encoding import ForwardModel, image_features
from neurodiffuse.questions.roi_optimal.paint import Painter
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import Region
from neurodiffuse.questions.roi_optimal.results import Made
from neurodiffuse.questions.roi_optimal.rows import AVERAGE, Row
from neurodiffuse.run import Run
from neurodiffuse.store import load_images, save_image, seed_of
from neurodiffuse.types import Images, Latents
from neurodiffuse.work import Site, spread

BATCH = 4
"""Pictures of a region that are painted at once, and the most that a kill can cost."""

ENCODED = 64
"""Pictures that the forward model's encoders are given at once."""

SAME = (
    "All candidates of a region are the same picture: the generators of this recipe draw nothing "
    "at random, so there is nothing to rank."
)

Activation = tuple[np.ndarray, float]
"""Predicted activation of pictures (n_pictures,), and R² of the model that predicts it."""


@dataclass(frozen=True, eq=False)
class Panel:
    """A region of a row, whose pictures are files of ``folder``."""

    row: Row
    region: Region
    folder: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """Those whose latents are painted: one, or all that are averaged."""
        return tuple(self.row.inside[self.region.key])

    def seeds(self, run: Run, question: Question) -> list[int]:
        """Return a seed for each picture, of the run's seed, the region and its number alone."""
        seed, key = run.config.seed, self.region.key
        return [seed_of(seed, f"{key}/{k}") for k in range(question.painted)]

    def latents(self, start: int, stop: int) -> dict[str, Latents]:
        """Return the latents of some pictures: a row each, or the one that all have."""
        return {
            feature: one.rows() if len(one) == 1 else one.rows(start, stop)
            for feature, one in self.row.latents[self.region.key].items()
        }


def panels_of(question: Question, rows: Sequence[Row]) -> list[Panel]:
    """Return the regions of every row that are painted."""
    return [
        Panel(row, region, f"{_who(row)}/{region.group or 'regions'}/{region.label}")
        for row in rows
        for region in question.regions
        if region.key in row.latents
    ]


def paint(
    run: Run, question: Question, rows: Sequence[Row], folder: Path, notes: list[str]
) -> list[Made]:
    """Paint every region of every row into ``folder``, keep what is wanted, return all.

    Pictures that a killed process finished are kept.
    """
    panels = panels_of(question, rows)
    tasks = [
        (number, folder.resolve() / panel.folder, start, min(start + BATCH, question.painted))
        for number, panel in enumerate(panels)
        for start in range(0, question.painted, BATCH)
    ]
    left = [task for task in tasks if not all(_files(run, *task[1:]))]
    for _ in spread(run, paint_batch, left, "pictures", shared=(question, panels)):
        pass
    found = _activations(run, question, panels, folder)
    made: list[Made] = []
    for number, panel in enumerate(panels):
        ranked = question.method == "encoder-ranked"
        if ranked and SAME not in notes and _all_equal(run, question, panel, folder):
            notes.append(SAME)
        entries = _entries(run, question, panel, *found[number])
        _tidy(run, question.display, entries, folder)
        made += entries
    return made


def paint_batch(site: Site, number: int, place: Path, start: int, stop: int) -> None:
    """Paint some pictures of a panel, every stage of them."""
    question, panels = site.shared
    panel = panels[number]
    # an average is only made where the encoders' states agree: any subject's will do
    subject = panel.subjects[0]
    painter = site.keep(("painter", subject), lambda: Painter(site.run, subject))
    seeds = panel.seeds(site.run, question)[start:stop]
    stages = painter.paint(panel.latents(start, stop), seeds)
    place.mkdir(parents=True, exist_ok=True)
    for stage, pictures in stages.items():
        for k, picture in enumerate(pictures.values, start):
            save_image(place / f"{name_of(k, stage)}.png", picture)


def predict_activation(site: Site, subject: str, folder: Path) -> dict[int, Activation]:
    """Return what a subject's forward model says to the pictures of each panel, by its number."""
    question, panels = site.shared
    model = ForwardModel(site.run, subject)
    found = {}
    for number, panel in enumerate(panels):
        if selection := panel.row.inside[panel.region.key].get(subject):
            response = model.response(selection.voxels)
            predictors = [
                model.predictors(_last(site.run, question, panel, folder, start))
                for start in range(0, question.painted, ENCODED)
            ]
            found[number] = (response.predict(np.vstack(predictors)), response.r2)
    return found


def _activations(
    run: Run, question: Question, panels: Sequence[Panel], folder: Path
) -> list[Activation]:
    """Return each panel's activation, averaged over the row's subjects.

    NaN where no feature is encoded from pictures, and for signs, which ask for no activity.
    """
    if not image_features(run) or question.pattern == "signs":
        return [(np.full(question.painted, math.nan), math.nan)] * len(panels)
    tasks = [(subject, folder.resolve()) for subject in question.subjects]
    work = spread(run, predict_activation, tasks, "forward models", shared=(question, panels))
    by_subject = {tasks[k][0]: found for k, found in work}
    mean = []
    for number, panel in enumerate(panels):
        each = [by_subject[subject][number] for subject in panel.subjects]
        mean.append((np.mean([a for a, _ in each], axis=0), float(np.mean([r2 for _, r2 in each]))))
    return mean


def _entries(
    run: Run, question: Question, panel: Panel, activation: np.ndarray, r2: float
) -> list[Made]:
    """Return an entry for each picture of a panel, those that are kept with a file."""
    row, region = panel.row, panel.region
    order = np.argsort(-activation, kind="stable")
    rank = {int(k): place for place, k in enumerate(order, 1)}
    ranked = question.method == "encoder-ranked"
    stage = list(run.config.stages)[-1]
    inside = row.inside[region.key].values()
    return [
        Made(
            region=region,
            subject=row.label,
            sample=k,
            seed=seed,
            expression=next(iter(inside)).expression,
            voxels=tuple(int(s.voxels.sum()) for s in inside),
            norms={
                f: float(np.linalg.norm(one.values)) for f, one in panel.latents(k, k + 1).items()
            },
            activation=float(activation[k]),
            r2=r2,
            rank=rank[k],
            folder=panel.folder,
            name="" if ranked and rank[k] > question.seeds else name_of(k, stage),
            display=question.display,
        )
        for k, seed in enumerate(panel.seeds(run, question))
    ]


def _tidy(run: Run, display: Display, entries: Sequence[Made], folder: Path) -> None:
    """Remove the pictures that are not kept; write those for display beside the others."""
    place = folder / entries[0].folder
    for one in entries:
        if not one.kept:
            for stage in run.config.stages:
                (place / f"{name_of(one.sample, stage)}.png").unlink()
        elif display != "none":
            raw = load_images(place, [Path(one.file).stem])
            save_image(folder / one.shown, shown(raw, display)[0])


def _last(run: Run, question: Question, panel: Panel, folder: Path, start: int) -> Images:
    """Return up to `ENCODED` pictures of a panel as the last stage made them."""
    stage, chosen = list(run.config.stages)[-1], slice(start, start + ENCODED)
    names = [name_of(k, stage) for k in range(question.painted)[chosen]]
    ids = tuple(str(seed) for seed in panel.seeds(run, question)[chosen])
    return Images(ids, load_images(folder / panel.folder, names))


def _files(run: Run, place: Path, start: int, stop: int) -> Iterator[bool]:
    """Tell of each file of a batch whether it is there."""
    for k in range(start, stop):
        for stage in run.config.stages:
            yield (place / f"{name_of(k, stage)}.png").exists()


def name_of(sample: int, stage: str) -> str:
    """Return the name of a picture in its panel's folder, without its ending."""
    return f"sample-{sample}_stage-{stage}"


def _who(row: Row) -> str:
    return row.label if row.label == AVERAGE else f"sub-{row.label}"


def _all_equal(run: Run, question: Question, panel: Panel, folder: Path) -> bool:
    """Return whether all pictures of a panel are the same."""
    stage = list(run.config.stages)[-1]
    each = (
        load_images(folder / panel.folder, [name_of(k, stage)]) for k in range(question.painted)
    )
    first = next(each)
    return all(np.array_equal(picture, first) for picture in each)
