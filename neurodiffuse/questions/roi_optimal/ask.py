"""Ask what regions stand for: patterns, latents, pictures, scores, figures and a page."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from neurodiffuse.errors import RunError
from neurodiffuse.files import read_json, write_json
from neurodiffuse.progress import say
from neurodiffuse.questions.roi_optimal import energy, figures, page, studio
from neurodiffuse.questions.roi_optimal.encoding import check_features, image_features
from neurodiffuse.questions.roi_optimal.energy_figure import draw_energies
from neurodiffuse.questions.roi_optimal.energy_page import Shown, shown, unsure
from neurodiffuse.questions.roi_optimal.energy_table import write_energies
from neurodiffuse.questions.roi_optimal.memory import check_memory
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.results import write_table
from neurodiffuse.questions.roi_optimal.rings import stated_width
from neurodiffuse.questions.roi_optimal.rows import Found, Row, found_of, rows_of
from neurodiffuse.run import Run

VOXELS = "voxels.json"
"""Digests of the regions as they were when they were asked about."""


def roi_optimal(run: Run, question: Question) -> Path:
    """Write the pictures that regions stand for, and return their folder.

    Parameters
    ----------
    run
        A run whose subjects are fitted.
    question
        What is asked. The same question of the same fit is the same folder: it is not painted
        twice.

    Returns
    -------
    Path
        ``RUN/roi-optimal/NAME-DIGEST`` with ``index.html``, ``images.tsv``, a figure for each
        preset and ``sub-LABEL/PRESET/REGION/sample-K_stage-NAME.png``; of random signs also
        ``energy.tsv``, and energy maps beside the pictures and as figures.

    Raises
    ------
    RunError
        If a subject is not fitted yet, or memory is short (`memory.check_memory`).
    ConfigError, DataError
        As `rows.found_of` says; and if pictures are to be ranked and no feature of the recipe is
        encoded from pictures.
    """
    _check_fitted(run, question)
    if question.pattern == "signs":
        question = replace(question, width=stated_width(run, question.width))
    notes = _cautions(run, question)
    found = found_of(run, question, notes)
    voxels = _voxels(found)
    place = _place(run, question, voxels)
    if place.exists():
        say(f"{place}: is there already, from the same question.", quiet=run.quiet)
        return place
    if question.method == "encoder-ranked":
        check_features(run)
    check_memory(run, question)
    with run.writing(place, resume=True) as folder, _for_a_while(folder / "latents") as latents:
        write_json(folder / VOXELS, voxels)
        rows = rows_of(run, question, found, latents, notes)
        made = studio.paint(run, question, rows, folder, notes)
        write_table(folder, made)
        if question.pattern == "signs":
            drawn, energies = {}, _energies(run, question, rows, folder, notes)
        else:
            drawn, energies = figures.draw(folder, question, rows, made), {}
        write_json(folder / "question.json", {**question.to_dict(), "notes": notes})
        html = page.render(run, folder, question, rows, made, notes, drawn, energies)
        (folder / "index.html").write_text(html, encoding="utf-8")
    for note in notes:
        say(note, quiet=run.quiet)
    return place


def _voxels(found: Found) -> dict[str, dict[str, str]]:
    """Return a digest of every region's voxels, by subject and region."""
    return {
        subject: {key: hashlib.sha256(one.voxels.tobytes()).hexdigest() for key, one in own.items()}
        for subject, own in found.items()
    }


def _place(run: Run, question: Question, voxels: dict[str, dict[str, str]]) -> Path:
    """Return the folder of the answer: another one if a region had other voxels before."""
    place = question.place(run)
    for made in (place, place.with_name(f"{place.name}.partial")):
        if (made / VOXELS).exists() and read_json(made / VOXELS) != voxels:
            text = json.dumps(voxels, sort_keys=True)
            return place.with_name(f"{place.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}")
    return place


@contextmanager
def _for_a_while(folder: Path) -> Iterator[Path]:
    """Make a folder and remove it again with what is in it."""
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _energies(
    run: Run, question: Question, rows: Sequence[Row], folder: Path, notes: list[str]
) -> dict[str, list[Shown]]:
    """Write where random signs differ from the mean stimulus; return what the page shows of it."""
    energies = energy.measure(run, question, rows, folder)
    write_energies(folder, energies)
    notes += unsure(energies, next(iter(run.config.stages)))
    if question.width is None:
        notes.append(
            "Nobody said how many degrees wide the pictures were: rings are in half widths of the "
            "picture. Say it with --width."
        )
    return shown(folder, energies, draw_energies(folder, energies))


def _check_fitted(run: Run, question: Question) -> None:
    for subject in question.subjects:
        if not run.folder("fit", subject).exists():
            raise RunError(
                f"{run.path}: sub-{subject} is not fitted yet. Finish the run with the decode "
                "command that began it."
            )


def _cautions(run: Run, question: Question) -> list[str]:
    """Return what must be said of the question itself."""
    notes = []
    if question.renorm == "reference":
        kinds = ", ".join(f"{f} as {kind}" for f, kind in question.kinds.items())
        notes.append(
            f"Scaled with the published constants ({kinds}), which were chosen for VDVAE and CLIP. "
            "VDVAE-like latents are z-scored over the regions of this call: each picture depends "
            "on the other regions asked for."
        )
    if not image_features(run):
        notes.append("No feature is encoded from pictures: no predicted activation.")
    return notes
