"""Ask what each part of a method is worth: compute what changes, compare with the whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import __version__
from neurodiffuse.errors import ConfigError
from neurodiffuse.files import write_json
from neurodiffuse.plan import plan_of
from neurodiffuse.progress import say
from neurodiffuse.questions import sheets, tables
from neurodiffuse.questions.ablate.switches import Asked
from neurodiffuse.questions.ablate.variants import (
    FULL,
    Variant,
    derived,
    first_step,
    switched,
)
from neurodiffuse.questions.arms import Arm, Cell, cells
from neurodiffuse.questions.branches import branch, check_finished, grow
from neurodiffuse.questions.pages import Page, Part, render
from neurodiffuse.report import wording
from neurodiffuse.run import Run

REFERENCES = (
    "Ozcelik F, VanRullen R (2023). Natural scene reconstruction from fMRI signals using "
    "generative latent diffusion. Scientific Reports 13:15666.",
)


def ablate(run: Run, asked: Sequence[Asked] = (), *, structure: bool = True) -> Path:
    """Write how the pictures fare when parts of the method are left out.

    Parameters
    ----------
    run
        A finished run.
    asked
        Further variants: a name and ``section.key=value`` settings each.
    structure
        Also those that the recipe's structure offers (`variants.derived`).

    Returns
    -------
    Path
        ``RUN/ablate/DIGEST`` with ``index.html``, ``scores.tsv`` and ``sheet-sub-LABEL.png``.
        The same question of the same run is the same folder and is not computed twice; variants
        are shared between questions.

    Raises
    ------
    ConfigError
        If a setting is not accepted, or nothing can be left out and nothing is asked.
    RunError
        If the run is not finished.
    """
    check_finished(run)
    variants, notes = _variants(run, asked, structure)
    place = _place(run, variants)
    if place.exists():
        say(f"{place}: is there already, from the same question.", quiet=run.quiet)
        return place
    full = Arm(FULL, f"The recipe {run.config.name} as it is.", run)
    arms = [*_arms(run, variants), full]
    found = [c for subject in run.config.subjects for c in cells(arms, full, subject)]
    with run.writing(place) as folder:
        tables.write(folder, found)
        parts = _parts(folder, found, arms, full)
        where = {"branches": ["" if a.run is run else a.run.path.name for a in arms[:-1]]}
        write_json(folder / "question.json", _said(variants, notes) | where)
        html = render(_page(run, parts, arms, notes))
        (folder / "index.html").write_text(html, encoding="utf-8")
    return place


def _variants(run: Run, asked: Sequence[Asked], structure: bool) -> tuple[list[Variant], list[str]]:
    variants, notes = derived(run.registry, run.config) if structure else ([], [])
    for name, settings in asked:
        found = switched(run.registry, run.config, name, settings)
        if found is None:
            notes.append(f"{name}: is the full method itself.")
        else:
            variants.append(found)
    names = [v.name for v in variants]
    for name in (FULL, *names):
        if [FULL, *names].count(name) > 1:
            raise ConfigError(f"--variant {name!r}: two rows have this name; choose another.")
    if not variants:
        raise ConfigError(
            " ".join(
                [
                    f"recipe {run.config.name!r}: there is no row beside the full method.",
                    *notes,
                    "Change a setting: --vary section.key=value,value.",
                ]
            )
        )
    return variants, notes


def _arms(run: Run, variants: Sequence[Variant]) -> list[Arm]:
    """Return an arm for each variant, its branch checked before any is computed."""
    branches = [
        branch(run, v.name, first_step(v), config=v.config) if v.step else run for v in variants
    ]
    for one in branches:
        if one is not run:
            plan_of(one)
    for one in branches:
        if one is not run:
            grow(one)
    return [
        Arm(v.name, v.meaning, one, stage=v.stage)
        for v, one in zip(variants, branches, strict=True)
    ]


def _said(variants: Sequence[Variant], notes: Sequence[str]) -> dict[str, object]:
    return {
        "variants": [[v.name, v.step, v.stage, v.config.to_dict()] for v in variants],
        "notes": list(notes),
    }


def _place(run: Run, variants: Sequence[Variant]) -> Path:
    said = [__version__, run.config.to_dict(), _said(variants, ())]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return run.path / "ablate" / digest[:8]


def _parts(folder: Path, found: list[Cell], arms: Sequence[Arm], full: Arm) -> list[Part]:
    parts = []
    if table := tables.over_subjects(found, full):
        parts.append(Part(table.title, "all", table))
    for subject in full.run.config.subjects:
        table = tables.of_subject(found, full, subject)
        sheet = sheets.ranked(arms, full, subject)
        file = f"sheet-sub-{subject}.png"
        (folder / file).write_bytes(sheets.png(sheet))
        mine = [cell for cell in found if cell.subject == subject]
        said = tuple(tables.verdicts(mine, full))
        parts.append(Part(f"sub-{subject}", f"sub-{subject}", table, said, sheet, file))
    return parts


def _page(run: Run, parts: Sequence[Part], arms: Sequence[Arm], notes: Sequence[str]) -> Page:
    about = run.dataset.about()
    people = wording.joined([f"sub-{s}" for s in run.config.subjects])
    return Page(
        command="ablate",
        title=f"What the parts of {run.config.name} are worth",
        lead=f"The method less one part, or with another setting, beside the whole, in {people}.",
        facts=(
            ("Recipe", run.config.name),
            ("Data", about.get("name", run.config.dataset)),
        ),
        notes=notes,
        sections=tuple(parts),
        rows=tuple((arm.name, arm.meaning) for arm in arms),
        methods=(
            "Latents are encoded once, and fitted and predicted once unless a row changes how; "
            "each row then paints and scores the same test images, each image from the same seed.",
            "A row is tested against the full method image by image: under the null hypothesis "
            "each image's difference could as well have the other sign. The p-values are two-sided "
            "and corrected for the metrics of a row (Holm), not for the number of rows.",
            tables.protocols(run),
        ),
        references=REFERENCES,
    )
