"""One self-contained page: every picture, its predicted activation, and how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.questions.roi_optimal.energy_page import Shown as ShownEnergy
from neurodiffuse.questions.roi_optimal.figures import groups
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.results import Made, shown_in
from neurodiffuse.questions.roi_optimal.rows import AVERAGE, Row
from neurodiffuse.report import wording
from neurodiffuse.report.environment import filled
from neurodiffuse.report.pictures import LARGE, Picture, picture
from neurodiffuse.run import Run

TITLES = {
    "": ("Regions", "Asked for by expression."),
    "visual": ("V1 to V4", "Laid out as Fig 9 of Ozcelik & VanRullen 2023."),
    "category": ("Category regions", "Laid out as Fig 9 of Ozcelik & VanRullen 2023."),
    "paper-combinations": (
        "V1–V4, alone and with a category region",
        "Laid out as Fig 10 of Ozcelik & VanRullen 2023.",
    ),
    "eccentricity": ("Bands of eccentricity", "Laid out as Fig 11 of Ozcelik & VanRullen 2023."),
}

PATTERN = {
    "ones": (
        "A pattern that is 1 in the region and 0 in every other voxel of the mask, in units of "
        "each voxel's standard deviation over the training betas, goes through the decoder "
        "from voxels to latents."
    ),
    "signs": (
        "Patterns that are +1 or -1 at random in the region's voxels, anew for each picture, and 0 "
        "in every other voxel of the mask, in units of each voxel's standard deviation over the "
        "training betas, go through the decoder from voxels to latents. What single pictures "
        "show is random; where they differ from the mean training stimulus, on average over many, "
        "is where the region's voxels look: for independent signs the products of different "
        "voxels average out."
    ),
}

ACTIVATION = (
    "Predicted activation is what a forward model, ridge regression from the latents of "
    "pictures to voxels, fitted on the same training images, expects the region to respond "
    "to the painted picture above the rest of the mask, in standard deviations of a voxel. "
    "Its R² is that in training images left out one by one. The model reads the latents "
    "that the picture was painted from, so it ranks pictures and is no independent test."
)

RENORM = {
    "train-norm": (
        "The deviation from the mean latent is scaled so that the norm of each kind of latents "
        "is the mean norm of its training latents; a region's picture does not depend on the "
        "other regions."
    ),
    "reference": (
        "Latents are scaled with the constants of the published code, z-scored over the regions "
        "of this call where they are like VDVAE's."
    ),
    "none": "Predicted latents are used as they are.",
}


RANDOM_SHOWN = 4
"""Pictures of random signs on the page, of each region and row; the others are files."""


@dataclass(frozen=True)
class Shown:
    """A picture on the page: its words for those who do not see it, and what is below it."""

    picture: Picture
    alt: str
    below: str


@dataclass(frozen=True)
class Line:
    """A row of a group's table: who, and the pictures of each region."""

    name: str
    cells: list[list[Shown]]


@dataclass(frozen=True)
class Group:
    """A preset: heading, names of the regions, rows of pictures, the figure's file, energies.

    Random signs have energies and no figure of pictures, ones have a figure and no energies.
    """

    title: str
    anchor: str
    source: str
    regions: list[str]
    lines: list[Line]
    figure: str
    energies: list[ShownEnergy]


def render(
    run: Run,
    folder: Path,
    question: Question,
    rows: Sequence[Row],
    made: Sequence[Made],
    notes: Sequence[str],
    drawn: Mapping[str, str],
    energies: Mapping[str, list[ShownEnergy]],
) -> str:
    """Return the page as one HTML document without script or second file."""
    about = run.dataset.about()
    return filled(
        "roi_optimal/page.html.j2",
        groups=_groups(folder, question, rows, made, drawn, energies),
        signs=question.pattern == "signs",
        painted=question.painted,
        random_shown=RANDOM_SHOWN,
        notes=notes,
        recipe=run.config.name,
        dataset=about.get("name", run.config.dataset),
        subjects=wording.joined([f"sub-{s}" for s in question.subjects]),
        methods=_methods(question, made, averaged=any(row.label == AVERAGE for row in rows)),
        regions=_table(made),
        scored=all(math.isfinite(one.activation) for one in made),
    )


def _groups(
    folder: Path,
    question: Question,
    rows: Sequence[Row],
    made: Sequence[Made],
    drawn: Mapping[str, str],
    energies: Mapping[str, list[ShownEnergy]],
) -> list[Group]:
    out = []
    for group, regions in groups(question).items():
        title, source = TITLES[group]
        most = RANDOM_SHOWN if question.pattern == "signs" else question.seeds
        lines = []
        for row in rows:
            cells = [
                [
                    _shown(folder, one, row)
                    for one in _kept(made, group, region.key, row.label)[:most]
                ]
                for region in regions
            ]
            if any(cells):
                lines.append(Line(row.name, cells))
        names = [region.name for region in regions]
        figure, parts = drawn.get(group, ""), energies.get(group, [])
        out.append(Group(title, group or "regions", source, names, lines, figure, parts))
    return out


def _kept(made: Sequence[Made], group: str, key: str, subject: str) -> list[Made]:
    those = (
        one
        for one in made
        if one.kept and (one.region.group, one.region.key, one.subject) == (group, key, subject)
    )
    return sorted(those, key=lambda one: one.rank)


def _shown(folder: Path, one: Made, row: Row) -> Shown:
    activation = wording.number(one.activation)
    return Shown(
        picture(shown_in(folder, one), LARGE),
        f"{one.region.name}, {row.name}, sample {one.sample}",
        activation if activation != "–" else f"sample {one.sample}",
    )


def _table(made: Sequence[Made]) -> list[dict[str, str]]:
    """Return a line for each region and row: voxels, mean and best predicted activation."""
    lines: dict[tuple[str, str, str], list[Made]] = {}
    for one in made:
        lines.setdefault((one.region.group, one.region.key, one.subject), []).append(one)
    return [
        {
            "region": those[0].region.name,
            "expression": those[0].expression,
            "subject": subject if subject == AVERAGE else f"sub-{subject}",
            "voxels": " + ".join(wording.count(n) for n in those[0].voxels),
            "painted": str(len(those)),
            "mean": wording.number(sum(one.activation for one in those) / len(those)),
            "best": wording.number(max(one.activation for one in those)),
            "r2": wording.number(those[0].r2),
        }
        for (_, _, subject), those in lines.items()
    ]


def _methods(question: Question, made: Sequence[Made], *, averaged: bool) -> list[str]:
    """Return how it was done, a paragraph a thought."""
    said = [
        f"{PATTERN[question.pattern]} {RENORM[question.renorm]} The recipe's generators paint the "
        "latents, each picture from a seed of its own."
    ]
    if question.pattern == "ones":
        said.append(ACTIVATION)
    if question.method == "encoder-ranked":
        said.append(
            f"Of {question.candidates} candidates that differ in their seed, the "
            f"{question.seeds} with the highest predicted activation "
            f"{'is' if question.seeds == 1 else 'are'} shown."
        )
    if averaged:
        again = " and scaled to the subjects' mean norm" if question.renorm == "train-norm" else ""
        said.append(f"For the average, the subjects' scaled latents are averaged{again}.")
    if question.display != "none":
        how = {
            "stretch": "stretched between the 2nd and the 98th percentile",
            "equalise": "equalised in histogram",
        }[question.display]
        said.append(
            f"For display each colour channel of each picture is {how}; the files without "
            "“display” in their name are raw."
        )
    return said
