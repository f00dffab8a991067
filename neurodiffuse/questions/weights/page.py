"""One self-contained page: maps on the brain, the comparison of regions, every file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoding import words_of
from neurodiffuse.questions.weights.pictures import units_of
from neurodiffuse.questions.weights.question import Plan
from neurodiffuse.questions.weights.region_table import STATS, RegionResult, why_left_out
from neurodiffuse.questions.weights.statmaps import BrainValues
from neurodiffuse.report import wording
from neurodiffuse.report.environment import filled
from neurodiffuse.report.pictures import data_uri
from neurodiffuse.report.template import on_template, why_not
from neurodiffuse.report.viewers import POLICY, shared
from neurodiffuse.run import Run

REFERENCES = (
    "Ozcelik F, VanRullen R (2023). Natural scene reconstruction from fMRI signals using "
    "generative latent diffusion. Scientific Reports 13:15666.",
    "Haufe S et al. (2014). On the interpretation of weight vectors of linear models in "
    "multivariate neuroimaging. NeuroImage 87:96-110.",
)

CAPTIONS = {
    "l1": "L1 norm of the weights over {targets}.",
    "percentile": "L1 norm of the weights over {targets}, as a percentile of the voxels.",
    "pattern": "Haufe pattern, L1 norm over {targets}: where the decoded latents show.",
    "explained": "Share of the voxel's variance that {targets} predict in left-out images.",
}
SIGNED = {
    "l1": "Weight of this latent.",
    "percentile": "Size of the weight, as a percentile of the voxels.",
    "pattern": "Haufe pattern: what a voxel does when the decoded latent rises.",
    "explained": "Share of the voxel's variance that this latent predicts in left-out images.",
}

GLASS, SURFACE = "Glass brain", "fsaverage5, inflated and flat"
"""What template pictures are; the glass brain is drawn on white."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A map's pictures: PNG slices (empty where the map is 0), template ones, viewers."""

    made: BrainValues
    slices: bytes
    template: tuple[tuple[str, bytes], ...] = ()
    views: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plate:
    """A picture on the page."""

    uri: str
    alt: str
    caption: str
    dark: bool = True


@dataclass(frozen=True)
class FeatureView:
    """A feature, or a part of one: its pictures, and (name, of what, pieces) of its viewers."""

    title: str
    plates: list[Plate]
    views: list[tuple[str, str, str]]


@dataclass(frozen=True)
class SubjectView:
    """One subject of the page; ``remark`` says why something is not drawn."""

    label: str
    facts: str
    features: list[FeatureView]
    remark: str


@dataclass(frozen=True)
class RegionsView:
    """The comparison of regions: its figure and its table."""

    title: str
    uri: str
    alt: str
    caption: str
    head: list[str]
    rows: list[list[str]]


def render(
    run: Run,
    plan: Plan,
    rows: Sequence[Mapping[str, str]],
    shown: Sequence[Shown],
    regions: Sequence[RegionResult],
    figures: Sequence[bytes],
    linear: Mapping[str, bool],
) -> str:
    """Return the page as one HTML document that loads nothing.

    ``linear`` says of each feature whether its decoder is.
    """
    about = run.dataset.about()
    frames = shared([view for one in shown for _, view in one.views])
    return filled(
        "weights/page.html.j2",
        scripts=POLICY if frames.lists else "",
        frames=frames,
        recipe=run.config.name,
        dataset=about.get("name", run.config.dataset),
        subjects=_subjects(run, plan, shown, iter(frames.lists)),
        lead=_lead(plan),
        regions=[_regions(r, f, plan) for r, f in zip(regions, figures, strict=True)],
        rows=rows,
        methods=_methods(run, plan, regions, linear),
        references=REFERENCES,
        patterns="pattern" in plan.question.measures,
    )


def _lead(plan: Plan) -> str:
    features = wording.joined(list(plan.parts))
    people = wording.joined([f"sub-{s}" for s in plan.subjects])
    return f"Where in the brain of {people} the decoder reads {features}."


def _subjects(
    run: Run, plan: Plan, shown: Sequence[Shown], pieces: Iterator[str]
) -> list[SubjectView]:
    """Return the subjects of whom there are pictures; ``pieces`` are of the viewers, in order."""
    with_pieces = [(one, [(name, next(pieces)) for name, _ in one.views]) for one in shown]
    each = {s: [pair for pair in with_pieces if pair[0].made.subject == s] for s in plan.subjects}
    return [_subject(run, label, those) for label, those in each.items() if those]


def _subject(
    run: Run, label: str, shown: Sequence[tuple[Shown, list[tuple[str, str]]]]
) -> SubjectView:
    about = run.subject(label)
    views: dict[str, FeatureView] = {}
    for one, explored in shown:
        of = "" if one.made.part.kind == "all" else f", {one.made.part.name}"
        title = f"{one.made.feature}{of}"
        view = views.setdefault(title, FeatureView(title, [], []))
        view.plates.extend(_plates(one))
        view.views.extend((name, units_of(one.made), pieces) for name, pieces in explored)
    voxels = wording.count(max(len(one.made.values) for one, _ in shown))
    ground = "a black ground, since the data set gives no anatomy"
    if about.anatomy:
        ground = "this subject's anatomy"
    elif on_template(about.grid):
        ground = "the MNI152 template"
    facts = (
        f"{voxels} voxels, on {ground}. Nothing is drawn where the value is 0, as outside the mask."
    )
    if about.grid.is_surface:
        facts = f"{voxels} vertices of {about.grid.space}; grey is outside the mask."
    return SubjectView(label, facts, list(views.values()), why_not(about.grid))


def _plates(one: Shown) -> list[Plate]:
    made = one.made
    targets = wording.counted(made.part.stop - made.part.start, "target")
    words = SIGNED if made.part.signed else CAPTIONS
    caption = words[made.measure].format(targets=targets)
    alt = f"sub-{made.subject}: {made.title}"
    if not one.slices and not one.template:
        nothing = "" if np.any(made.values) else " It is 0 everywhere."
        return [Plate("", alt, f"{caption}{nothing}")]
    plates = [Plate(data_uri(one.slices), f"{alt}, slices", caption)] if one.slices else []
    for name, picture in one.template:
        dark = name != GLASS
        name = f"{name}: {units_of(made)}" if one.slices else f"{caption} {name}"
        plates.append(Plate(data_uri(picture), f"{alt}, {name}", f"{name}.", dark=dark))
    return plates


def _regions(found: RegionResult, figure: bytes, plan: Plan) -> RegionsView:
    several = len(found.features) > 1
    against, words = found.features[found.against], STATS[found.stat]
    if several:
        caption = (
            f"Mean percentile of each feature's {words} in a region, less that of {against}, over "
            f"that of {against}."
        )
    else:
        caption = f"Mean percentile of the {words} in a region; 50 is the whole mask."
    if len(found.subjects) > 1:
        caption += " Lines: standard error over subjects; dots: subjects."
    caption += (
        " Filled: p < 0.05, corrected for all regions, by shuffling the voxels' labels "
        f"{wording.count(plan.question.permutations)} times."
    )
    if found.left_out:
        caption += f" Not compared: {why_left_out(found)}."
    head = ["Region", "Voxels", *(f"{f}: percentile" for f in found.features)]
    compared = [k for k in range(len(found.features)) if several and k != found.against]
    head += [f"{found.features[k]} against {against}" for k in compared]
    head += [] if several else ["Other than 50"]
    return RegionsView(
        f"{words[:1].upper()}{words[1:]} of regions",
        data_uri(figure),
        "Bars: " + caption,
        caption,
        head,
        [_region_row(found, r, compared) for r in range(len(found.regions))],
    )


def _region_row(found: RegionResult, r: int, compared: Sequence[int]) -> list[str]:
    cells = [found.regions[r].name, wording.count(int(found.voxels[:, r].sum()))]
    cells += [wording.number(value, 1) for value in found.all.level.mean[:, r]]
    if len(found.features) == 1:
        cells.append(wording.p_value(float(found.all.level.p[0, r])))
    for k in compared:
        share = wording.number(100 * found.all.normalised.mean[k, r], 1)
        cells.append(f"{share} %, {wording.p_value(float(found.all.normalised.p[k, r]))}")
    return cells


def _methods(
    run: Run, plan: Plan, regions: Sequence[RegionResult], linear: Mapping[str, bool]
) -> list[str]:
    decoders = "; ".join(f"{feature} by {words_of(run, feature)}" for feature in plan.parts)
    curved = [feature for feature in plan.parts if not linear[feature]]
    paragraphs = [
        f"Latents are predicted from the standardised betas of the mask: {decoders}. The map of a "
        "feature is the L1 norm, voxel by voxel, of the weights over all its latents "
        "(of a single latent: its weight). Percentiles are ranks among the voxels that the "
        "feature is read from, 100 (rank − ½) / voxels.",
        *(
            [
                f"The decoder of {wording.joined(curved)} is not linear: in the place of weights "
                "are its sensitivities, how a latent changes with a voxel (the Jacobian), averaged "
                "over the test images' responses. They say nothing of effects that have other "
                "signs for other pictures."
            ]
            if curved
            else []
        ),
        "Weights of a backward model say how a decoder combines voxels. A voxel that carries "
        "nothing can have a large weight because it cancels noise of others, and one that "
        "responds strongly can have a small weight because others say the same.",
    ]
    if "pattern" in plan.question.measures:
        paragraphs.append(
            "Haufe patterns answer the other question, what a voxel does when the decoded latent "
            "rises: cov(X) W / var(ŷ) with ŷ in units of its standard deviation on the training "
            "images. They may be read as activations."
        )
    if "explained" in plan.question.measures:
        paragraphs.append(
            "Explained variance is that of a forward model, ridge regression of each voxel on the "
            "latents of the pictures, in training images left out one by one, with the best of 17 "
            "penalties; 0 where their mean predicts better. It does not depend on other voxels."
        )
    if regions:
        paragraphs.append(
            "Regions are compared by the mean percentile of their voxels. The permutation test "
            "shuffles voxels within each subject's mask, as if neighbours were independent; where "
            "data are smooth, its p-values are too small."
        )
    return paragraphs
