"""The page of an average: pictures and scores beside those of the subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurodiffuse.files import read_json
from neurodiffuse.questions import sheets, tables
from neurodiffuse.questions.arms import Cell
from neurodiffuse.questions.average.beside import AVERAGE, Column, cells
from neurodiffuse.questions.pages import Chart, Grid, Page, Part, render
from neurodiffuse.questions.sheets import places
from neurodiffuse.report import charts, wording
from neurodiffuse.report.grid import Layer, TestImages, grid
from neurodiffuse.report.ranking import grid_rows
from neurodiffuse.run import Run

REFERENCES = (
    "Ozcelik F, VanRullen R (2023). Natural scene reconstruction from fMRI signals using "
    "generative latent diffusion. Scientific Reports 13:15666.",
)
RESCALED = {
    "train": "shifted and stretched, target by target, to the mean and standard deviation of the "
    "training latents (predict.rescale = train)",
    "test": "standardised over that subject's test images and given the mean and standard "
    "deviation of the training latents (predict.rescale = test)",
    "none": "left as predicted (predict.rescale = none)",
}
SHEET = "sheet.png"


def write(view: Run, run: Run, shown: Sequence[Column]) -> Path:
    """Write ``RUN/average``: page, scores and a sheet for print; return the page.

    Parameters
    ----------
    view, run
        The average as a run of its own, and the run it was taken of.
    shown
        The average and the subjects (`beside.columns`).
    """
    found = cells(shown)
    place = run.path / AVERAGE
    sheet = sheets.side_by_side(shown, shown[0])
    with run.writing(place) as folder:
        tables.write(folder, found)
        (folder / SHEET).write_bytes(sheets.png(sheet))
        parts = (Part("Pictures", "pictures", grid=_grid(shown), file=SHEET), _scores(found))
        html = render(_page(view, run, found, parts))
        (folder / "index.html").write_text(html, encoding="utf-8")
    return place / "index.html"


def _grid(shown: Sequence[Column]) -> Grid:
    """Return best, median and worst images of the average: seen, average, every subject."""
    average, _ = shown[0]
    ids = average.ids(AVERAGE)
    stimuli = average.run.dataset.stimuli(ids)
    scores = [
        dataclasses.replace(score, metric=wording.metric_label(name))
        for name, score in average.scores(AVERAGE).items()
    ]
    choice, _ = grid_rows(scores, len(ids))
    choice = dataclasses.replace(choice, rule=f"{choice.rule} The scores are the average's.")
    captions = [next(iter(c), "") for c in stimuli.captions]
    images = TestImages(ids, captions, tuple(scores), choice.rank)
    layers = [Layer("Seen", "Seen", stimuli.images, "seen")]
    for (arm, who), colour in zip(shown, _colours(len(shown)), strict=True):
        made = arm.pictures(who, places(ids, arm.ids(who)))
        layers.append(Layer(arm.name, f"{arm.name} of", made, colour))
    return Grid(grid(images, layers, choice), [(layer.label, layer.colour) for layer in layers])


def _colours(n: int) -> list[str]:
    """Return the colour of each column, the average's first."""
    return ["final", *(f"stage-{k % 3}" for k in range(n - 1))]


def _scores(found: Sequence[Cell]) -> Part:
    table = tables.of_cells(found, found[0].arm, "Scores", "scores", "against the average")
    return Part(table.title, table.anchor, table, tuple(verdicts(found)), charts=_charts(found))


def verdicts(found: Sequence[Cell]) -> list[str]:
    """Say in which metrics the average is clearly better or worse than each of the others."""
    out = []
    for arm in tables.arms_of(found)[1:]:
        mine = [c for c in found if c.arm is arm]
        # a cell says how the subject stands to the average; here it is told the other way round
        won = [wording.metric_label(c.score.metric) for c in mine if c.better is False]
        lost = [wording.metric_label(c.score.metric) for c in mine if c.better is True]
        said = [f"better in {wording.joined(won)}"] if won else []
        said += [f"worse in {wording.joined(lost)}"] if lost else []
        name = arm.name if arm.name.startswith("sub-") else f"the {arm.name.lower()}"
        rest = "" if len(won) + len(lost) == len(mine) else " Other metrics do not tell them apart."
        verdict = f"Against {name} the average is {' and '.join(said)} (p < 0.05, Holm).{rest}"
        if not said:
            verdict = f"Against {name} no metric tells the average apart (all p ≥ 0.05, Holm)."
        out.append(verdict)
    return out


def _charts(found: Sequence[Cell]) -> tuple[Chart, ...]:
    """Return a chart a metric: one dot an image, the average above the subjects."""
    out = []
    for head in tables.heads_of(found):
        mine = [c for c in found if c.score.metric == head.name and c.subject != "mean"]
        if found[0].score.n > 1:
            rows, names = [c.score for c in mine], [c.arm.name for c in mine]
            chart = charts.strips(rows, names, _colours(len(mine)))
            out.append((wording.metric_label(head.name), chart))
    return tuple(out)


def _page(view: Run, run: Run, found: Sequence[Cell], parts: tuple[Part, ...]) -> Page:
    about, subjects = run.dataset.about(), run.config.subjects
    people = wording.joined([f"sub-{s}" for s in subjects])
    n = found[0].score.n
    everybody = "both subjects" if len(subjects) == 2 else f"all {len(subjects)} subjects"
    return Page(
        command="average",
        title=f"Average of {people}",
        lead=f"{wording.counted(n, 'test image')} that {everybody} saw, painted from the mean of "
        "the latents predicted from their brains, beside each subject alone.",
        facts=(("Recipe", run.config.name), ("Data", about.get("name", run.config.dataset))),
        notes=_notes(run, n),
        sections=parts,
        rows=tuple((arm.name, arm.meaning) for arm in tables.arms_of(found)),
        methods=_methods(view, run, n),
        references=REFERENCES,
    )


def _notes(run: Run, n: int) -> list[str]:
    notes = []
    more = {s: len(run.subject(s).trials.images("test")) - n for s in run.config.subjects}
    if any(more.values()):
        left = wording.joined([f"{k} of sub-{s}" for s, k in more.items() if k])
        notes.append(
            f"Only the {n} test images that all subjects saw are used; left out are {left}. The "
            "subjects are scored anew on these images, so their numbers differ from the run's "
            "report."
        )
    if run.config.predict.rescale == "test":
        notes.append(
            "Predictions were standardised over the test set (predict.rescale = 'test'): a "
            "picture then depends on which other test images there are."
        )
    if few := wording.few_images(n, "common test image"):
        notes.append(few)
    return notes


def _methods(view: Run, run: Run, n: int) -> tuple[str, ...]:
    about: dict[str, Any] = read_json(view.folder("predict", AVERAGE) / "features.json")
    spread = {f: about[f]["spread"] for f in run.config.features}
    kept = wording.joined([f"{wording.number(v)} for {f}" for f, v in spread.items()])
    people = wording.joined([f"sub-{s}" for s in run.config.subjects])
    return (
        f"Test images were matched by their names; {n} are common to {people}. Each subject has "
        "maps of their own, fitted on their own training images; brains are not aligned.",
        "What is averaged are the predicted latents: for every image and target the plain mean "
        f"over subjects, each weighing the same. Before that, each subject's latents were "
        f"{RESCALED[run.config.predict.rescale]}. After it nothing is rescaled again. Where "
        "subjects disagree the mean is shorter: over images, the standard deviation of the mean's "
        f"latents is, as a part of the single subjects', {kept}.",
        "The average and the subjects are painted by the same generators, every image from the "
        "same seed in each row, so that differences come from the latents and not from the noise.",
        "A row is tested against the average image by image: under the null hypothesis each "
        "image's difference could as well have the other sign. The p-values are two-sided, "
        "corrected for the metrics of a row (Holm), not for the number of rows, and speak of other "
        "images, not of other subjects.",
    )
