"""Put a run to its controls: compute them, compare with what was decoded, say what holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import __version__
from neurodiffuse.errors import ConfigError
from neurodiffuse.files import write_json
from neurodiffuse.progress import say
from neurodiffuse.questions import sheets, tables
from neurodiffuse.questions.arms import Arm, Cell, cells
from neurodiffuse.questions.branches import branch, check_finished, grow
from neurodiffuse.questions.controls.memory import check_memory
from neurodiffuse.questions.controls.plan import Control, check_feature, plan
from neurodiffuse.questions.pages import Page, Part, render
from neurodiffuse.report import wording
from neurodiffuse.run import Run
from neurodiffuse.store import load_arrays

REFERENCES = (
    "Shirakawa K, Nagano Y, Tanaka M, et al. (2024). Spurious reconstruction from brain activity. "
    "arXiv:2405.10078.",
    "Ozcelik F, VanRullen R (2023). Natural scene reconstruction from fMRI signals using "
    "generative latent diffusion. Scientific Reports 13:15666.",
)


def controls(
    run: Run, *, feature: str = "", neighbours: int = 3, wanted: Sequence[str] = ()
) -> Path:
    """Write what the run's pictures are worth beside ceilings, floors and competitors.

    Parameters
    ----------
    run
        A finished run.
    feature
        In whose latents images are near one another. Default: `plan.default_feature`.
    neighbours
        Training images held out for each test image.
    wanted
        Kinds of controls (`plan.KINDS`); empty for all.

    Returns
    -------
    Path
        ``RUN/controls/DIGEST`` with ``index.html``, ``scores.tsv`` and ``sheet-sub-LABEL.png``.
        The same question of the same run is the same folder and is not computed twice.

    Raises
    ------
    ConfigError
        If a feature or a kind is unknown, or ``neighbours`` is not 1 or more.
    DataError
        If hardly a training image would be left.
    RunError
        If the run is not finished, or memory is short.
    """
    check_finished(run)
    if neighbours < 1:
        raise ConfigError(f"--neighbours: {neighbours} of each test image; give 1 or more.")
    feature = check_feature(run, feature)
    check_memory(run, wanted)
    planned = plan(run, feature=feature, neighbours=neighbours, wanted=wanted)
    place = _place(run, planned)
    if place.exists():
        say(f"{place}: is there already, from the same question.", quiet=run.quiet)
        return place
    arms = [_arm(run, control) for control in planned]
    kinds = {id(a): c.kind for a, c in zip(arms, planned, strict=True)}
    decoded = next(a for a in arms if kinds[id(a)] == "decoded")
    found = [c for subject in run.config.subjects for c in cells(arms, decoded, subject)]
    with run.writing(place) as folder:
        tables.write(folder, found)
        parts = _parts(folder, found, arms, decoded, kinds)
        said = {"feature": feature, "neighbours": neighbours, "controls": _said(planned)}
        write_json(folder / "question.json", said)
        html = render(_page(run, parts, arms, _notes(run, planned, wanted)))
        (folder / "index.html").write_text(html, encoding="utf-8")
    return place


def order_of(found: Sequence[Cell], kinds: dict[int, str], subject: str) -> list[str]:
    """Return where decoded is clearly above every floor, and a sentence for what fails.

    Clearly: the paired test of each floor, corrected for the metrics of its row, says so.
    """
    mine = [c for c in found if c.subject == subject]
    out, held = [], []
    for head in tables.heads_of(mine):
        sign = 1 if head.higher_is_better else -1
        those = [c for c in mine if c.score.metric == head.name]
        decoded = next(c for c in those if kinds[id(c.arm)] == "decoded").score.mean
        ceilings = [c for c in those if kinds[id(c.arm)] == "ceiling"]
        floors = [c for c in those if kinds[id(c.arm)] == "floor"]
        exceeded = [c for c in ceilings if sign * c.score.mean < sign * decoded]
        unclear = [c for c in floors if c.better is not False]
        label = wording.metric_label(head.name)
        if exceeded:
            out.append(
                f"{label}: decoded is above the ceiling (true latents): the score prefers "
                "predictions, which are nearer to the mean image, to exact latents."
            )
        if unclear:
            names = wording.joined([c.arm.name for c in unclear]).lower()
            out.append(f"{label}: decoded is not clearly above {names} (p ≥ 0.05, Holm).")
        if not exceeded and not unclear:
            held.append(label)
    if held and {"ceiling", "floor"} <= set(kinds.values()):
        out.insert(
            0,
            f"Ceiling ≥ decoded > every floor in {wording.joined(held)}. By the paired tests every "
            "floor is worse, p < 0.05 (Holm); the ceiling (true latents) is compared by its mean.",
        )
    return out


def _arm(run: Run, control: Control) -> Arm:
    if not control.own:
        return Arm(control.name, control.meaning, run, source=control.source)
    one = branch(run, control.name, control.own, config=control.config, said=control.said)
    grow(one, control.instead)
    return Arm(control.name, control.meaning, one)


def _said(planned: Sequence[Control]) -> list[object]:
    return [
        [c.name, c.kind, c.own, c.said, c.config.to_dict() if c.config else None] for c in planned
    ]


def _place(run: Run, planned: Sequence[Control]) -> Path:
    said = [__version__, run.config.to_dict(), _said(planned)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return run.path / "controls" / digest[:8]


def _parts(
    folder: Path,
    found: list[Cell],
    arms: Sequence[Arm],
    decoded: Arm,
    kinds: dict[int, str],
) -> list[Part]:
    parts = []
    if table := tables.over_subjects(found, decoded):
        parts.append(Part(table.title, "all", table))
    for subject in decoded.run.config.subjects:
        table = tables.of_subject(found, decoded, subject)
        sheet = sheets.ranked(arms, decoded, subject)
        file = f"sheet-sub-{subject}.png"
        (folder / file).write_bytes(sheets.png(sheet))
        said = tuple(order_of(found, kinds, subject))
        parts.append(Part(f"sub-{subject}", f"sub-{subject}", table, said, sheet, file))
    return parts


def _notes(run: Run, planned: Sequence[Control], wanted: Sequence[str]) -> list[str]:
    notes = []
    if not any(c.kind == "text-only" for c in planned) and (not wanted or "text-only" in wanted):
        notes.append(
            "Text only: not offered. The recipe has no feature of captions, or its last stage "
            "cannot paint from captions alone."
        )
    learned = [f for f in run.config.features if _has_state(run, f)]
    if learned and any(c.kind == "hold-out" for c in planned):
        notes.append(
            f"Held-out images: the maps are refitted, but the encoder of {wording.joined(learned)} "
            "has learned from all training images."
        )
    return notes


def _has_state(run: Run, feature: str) -> bool:
    """Return whether an encoder has learned something from the training images."""
    return bool(load_arrays(run.latents(run.config.subjects[0], feature) / "state.npz"))


def _page(run: Run, parts: Sequence[Part], arms: Sequence[Arm], notes: Sequence[str]) -> Page:
    about = run.dataset.about()
    people = wording.joined([f"sub-{s}" for s in run.config.subjects])
    return Page(
        command="controls",
        title=f"Controls of {run.config.name}",
        lead=f"What was decoded beside ceilings, floors and competitors, in {people}.",
        facts=(("Recipe", run.config.name), ("Data", about.get("name", run.config.dataset))),
        notes=notes,
        sections=tuple(parts),
        rows=tuple((arm.name, arm.meaning) for arm in arms),
        methods=(
            "Every row paints and scores the same test images, each image from the same seed, and "
            "is tested against the decoded pictures image by image: under the null hypothesis each "
            "image's difference could as well have the other sign. The p-values are two-sided and "
            "corrected for the metrics of a row (Holm), not for the number of rows.",
            "Refitted rows leave training images out of the responses, standardise the voxels "
            "anew and fit the decoder again as the recipe says; latents are those of the run.",
            tables.protocols(run),
        ),
        references=REFERENCES,
    )
