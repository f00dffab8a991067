"""Paint the rows, score every picture by a forward model, keep and save what is wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from neurodiffuse.progress import progress
from neurodiffuse.questions.roi_optimal.display import shown
from neurodiffuse.questions.roi_optimal.encoding import ForwardModel, image_features
from neurodiffuse.questions.roi_optimal.paint import Painter
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import Region, Selection
from neurodiffuse.questions.roi_optimal.results import Made
from neurodiffuse.questions.roi_optimal.rows import AVERAGE, Row
from neurodiffuse.run import Run
from neurodiffuse.store import save_image, seed_of
from neurodiffuse.types import Images

SAME = (
    "All candidates of a region are the same picture: the generators of this recipe draw nothing "
    "at random, so there is nothing to rank."
)


class Studio:
    """Generators and forward models of a run, for one question.

    Raises
    ------
    ConfigError
        If pictures are to be ranked and no feature of the recipe is encoded from pictures.
    """

    def __init__(self, run: Run, question: Question) -> None:
        self.run, self.question = run, question
        self.models: dict[str, ForwardModel] = {}
        if image_features(run) or question.method == "encoder-ranked":
            subjects = progress(question.subjects, "forward models", quiet=run.quiet)
            self.models = {subject: ForwardModel(run, subject) for subject in subjects}
        # An average is only made where the encoders' states agree: any subject's will do.
        self._painter = cache(lambda subject: Painter(run, subject))

    def paint(self, row: Row, folder: Path, notes: list[str]) -> list[Made]:
        """Paint every region of a row, write what is kept into ``folder``, return all."""
        regions = [region for region in self.question.regions if region.key in row.latents]
        made: list[Made] = []
        for region in progress(regions, f"{row.name} pictures", quiet=self.run.quiet):
            painter = self._painter(next(iter(row.inside[region.key])))
            seeds = self._seeds(region)
            stages = painter.paint(row.latents[region.key], seeds)
            last = list(stages.values())[-1]
            if self.question.method == "encoder-ranked" and _all_equal(last):
                _say_once(notes, SAME)
            entries = self._entries(row, region, seeds, last)
            self._save([one for one in entries if one.kept], stages, folder)
            made += entries
        return made

    def _seeds(self, region: Region) -> list[int]:
        """Return a seed for each picture, of the run's seed, the region and its number alone."""
        return [
            seed_of(self.run.config.seed, f"{region.key}/{k}") for k in range(self.question.painted)
        ]

    def _entries(self, row: Row, region: Region, seeds: list[int], last: Images) -> list[Made]:
        """Return an entry for each picture, those that are kept with a file."""
        question, key = self.question, region.key
        activation, r2 = self._activation(row.inside[key], last)
        order = np.argsort(-activation, kind="stable")
        rank = {int(k): place for place, k in enumerate(order, 1)}
        ranked = question.method == "encoder-ranked"
        better = shown(last.values, question.display)
        who = row.label if row.label == AVERAGE else f"sub-{row.label}"
        folder = f"{who}/{region.group or 'regions'}/{region.label}"
        stage = list(self.run.config.stages)[-1]
        return [
            Made(
                region=region,
                subject=row.label,
                sample=k,
                seed=seed,
                expression=next(iter(row.inside[key].values())).expression,
                voxels=tuple(int(s.voxels.sum()) for s in row.inside[key].values()),
                norms={f: float(np.linalg.norm(x.values)) for f, x in row.latents[key].items()},
                activation=float(activation[k]),
                r2=r2,
                rank=rank[k],
                file=""
                if ranked and rank[k] > question.seeds
                else f"{folder}/sample-{k}_stage-{stage}.png",
                picture=last.values[k],
                display=better[k],
            )
            for k, seed in enumerate(seeds)
        ]

    def _activation(
        self, inside: Mapping[str, Selection], pictures: Images
    ) -> tuple[np.ndarray, float]:
        """Return predicted activation (n_pictures,) and R², averaged over the row's subjects."""
        if not self.models:
            return np.full(len(pictures.ids), math.nan), math.nan
        predicted, r2 = [], []
        for subject, selection in inside.items():
            model = self.models[subject]
            response = model.response(selection.voxels)
            predicted.append(response.predict(model.predictors(pictures)))
            r2.append(response.r2)
        return np.mean(predicted, axis=0), float(np.mean(r2))

    def _save(self, kept: list[Made], stages: Mapping[str, Images], folder: Path) -> None:
        display = self.question.display
        for one in kept:
            path = folder / one.file
            path.parent.mkdir(parents=True, exist_ok=True)
            for stage, pictures in stages.items():
                name = f"sample-{one.sample}_stage-{stage}.png"
                save_image(path.with_name(name), pictures.values[one.sample])
            if display != "none":
                save_image(path.with_name(f"{path.stem}_display-{display}.png"), one.display)


def _say_once(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def _all_equal(pictures: Images) -> bool:
    return bool((pictures.values == pictures.values[:1]).all())
