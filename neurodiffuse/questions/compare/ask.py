"""Compare runs, ablations, folders of pictures and published results in one table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from neurodiffuse import __version__
from neurodiffuse.errors import RunError
from neurodiffuse.files import write_json
from neurodiffuse.places import check_replaceable, replacing
from neurodiffuse.progress import say
from neurodiffuse.questions import sheets
from neurodiffuse.questions.arms import Arm
from neurodiffuse.questions.compare import exports
from neurodiffuse.questions.compare.columns import Column, shared
from neurodiffuse.questions.compare.published import STATUS, published
from neurodiffuse.questions.compare.rows import Row, Value, comparable, of_arms, of_published
from neurodiffuse.questions.pages import Page, Part, render
from neurodiffuse.questions.sheets import Sheet
from neurodiffuse.questions.tables import (
    BOLD,
    Head,
    Line,
    Shown,
    Table,
    difference_in_words,
    skewed,
)
from neurodiffuse.report import wording
from neurodiffuse.run import Run


def compare(
    arms: Sequence[Arm], *, with_published: bool | None = None, out: Path | None = None
) -> Path:
    """Write a table and picture sheets of what is compared with the first arm.

    Parameters
    ----------
    arms
        What is compared, of distinct names. The first is what others are tested against.
    with_published
        Also the published results that have one of the arms' metrics, True for all of them; None
        for those with the first arm's data set and number of test images only.
    out
        Folder of the answer, replaced when there is one. Default: ``compare/DIGEST`` in the
        first arm's run.

    Returns
    -------
    Path
        Its folder: ``index.html``, ``table.tsv``, ``table.tex``, ``table.md`` and sheets.

    Raises
    ------
    RunError
        If ``out`` holds something else.
    """
    first, columns = arms[0], shared(arms)
    place = out or _trunk(first).path / "compare" / _digest(arms, with_published)
    _check_foreign(place)
    rows = of_arms(arms)
    if with_published is not False:
        known = [r for r in published() if with_published or comparable(r, first)]
        rows += of_published(known, columns, first)
    notes = _notes(arms, rows)
    with replacing(place) as folder:
        exports.write(folder, rows, columns)
        parts = [Part("Scores", "scores", _table(rows, columns), tuple(_explained(rows)))]
        parts += _sheets(folder, arms)
        write_json(folder / "question.json", {"arms": [arm.name for arm in arms], "notes": notes})
        (folder / "index.html").write_text(render(_page(arms, rows, parts, notes)), "utf-8")
    for note in notes:
        say(note, quiet=first.run.quiet)
    return place


def _trunk(arm: Arm) -> Run:
    return arm.run.trunk or arm.run


def _check_foreign(place: Path) -> None:
    """Refuse to replace a folder that is no comparison."""
    check_replaceable(place)
    if place.exists() and not (place / "table.tsv").exists() and any(place.iterdir()):
        raise RunError(
            f"--out: {place} is there and is no comparison. Choose another folder; nothing was "
            "written."
        )


def _digest(arms: Sequence[Arm], with_published: bool | None) -> str:
    said = [
        __version__,
        with_published,
        [[a.name, str(a.run.path.name), a.source, a.shown, a.run.config.to_dict()] for a in arms],
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def _notes(arms: Sequence[Arm], rows: Sequence[Row]) -> list[str]:
    """Return what must be known first: which runs have other test images."""
    notes = []
    for arm in arms[1:]:
        mine = [row for row in rows if row.name == arm.name]
        if any({"data", "images"} & set(row.marks) for row in mine):
            notes.append(
                f"{arm.name}: has other test images than {arms[0].name}; its scores are marked, "
                "not tested, and not in the picture sheet."
            )
    return notes


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    heads = tuple(Head(c.label, c.higher_is_better) for c in columns)
    lines = []
    for row in rows:
        cells = tuple(_shown(row, row.values.get(c), c) for c in columns)
        lines.append(Line(row.label, _about(row), cells, row is rows[0]))
    caption = (
        "Mean over test images; below it the 95 % interval over images, or the standard error over "
        f"subjects, the difference from {rows[0].name} on the same images with its 95 % interval, "
        "and the paired test of that difference, in brackets corrected for the metrics of a row "
        f"(Holm). {BOLD} Letters say why a number may not be compared with the first run."
        f"{skewed([value.test for row in rows for value in row.values.values()])}"
    )
    return Table("Scores", "scores", caption, heads, tuple(lines))


def _about(row: Row) -> str:
    """Return a row's test set, protocol, status and source in words."""
    protocol = f"protocol {row.protocols}" if row.protocols else ""
    words = filter(None, (row.test_set, protocol, row.status, row.source.rstrip(".")))
    return f"{'; '.join(words)}."


def _shown(row: Row, value: Value | None, column: Column) -> Shown | None:
    if value is None:
        return None
    below = wording.interval(value.low, value.high, 3)
    if value.sem == value.sem:  # not NaN
        below = f"± {wording.number(value.sem, 3)}"
    against, mark = "", ""
    if value.test is not None:
        against = difference_in_words(value.test, value.corrected)
        if wording.passes(value.test.p, value.corrected):
            up = (value.test.difference > 0) == (column.higher_is_better)
            mark = "better" if up else "worse"
    letters = exports.letters_of(row, value)
    return Shown(value.mean, below, against, mark, raised=letters)


def _explained(rows: Sequence[Row]) -> list[str]:
    return [f"{letter}: {text}." for letter, text in exports.notes_of(rows)]


def _sheets(folder: Path, arms: Sequence[Arm]) -> list[Part]:
    """Return a sheet of methods for each subject, and one of subjects for the first arm."""
    parts, first = [], arms[0]
    for subject in first.run.config.subjects:
        same = [
            arm
            for arm in arms
            if subject in arm.run.config.subjects and arm.ids(subject) == first.ids(subject)
        ]
        sheet = sheets.ranked(same, first, subject)
        parts.append(_part(folder, f"sub-{subject}", sheet))
    if both := _of_subjects(first):
        parts.append(_part(folder, f"Subjects of {first.name}", both))
    return parts


def _of_subjects(arm: Arm) -> Sheet | None:
    """Return a sheet with a column a subject, where all saw the same test images."""
    subjects = arm.run.config.subjects
    if len(subjects) < 2 or len({frozenset(arm.ids(s)) for s in subjects}) > 1:
        return None
    return sheets.across_subjects(arm)


def _part(folder: Path, title: str, sheet: Sheet) -> Part:
    anchor = wording.anchor(title)
    file = f"sheet-{anchor}.png"
    (folder / file).write_bytes(sheets.png(sheet))
    return Part(title, anchor, sheet=sheet, file=file)


def _page(
    arms: Sequence[Arm], rows: Sequence[Row], parts: Sequence[Part], notes: Sequence[str]
) -> Page:
    first = arms[0]
    others = len(rows) - len([r for r in rows if r.status == "computed here"])
    also = f" and {wording.counted(others, 'published result')}" if others else ""
    about = {arm.name: arm.meaning for arm in arms if arm.meaning}
    about |= {row.name: _about(row) for row in rows if row.status in STATUS.values()}
    return Page(
        command="compare",
        title="Reconstructions compared",
        lead=f"{wording.joined([arm.name for arm in arms])}{also}, against {first.name}.",
        facts=(("First", first.name), ("Test images", str(rows[0].images))),
        notes=notes,
        sections=tuple(parts),
        rows=tuple(about.items()),
        methods=(
            "Scores are those of the runs' own metrics. Two runs are tested image by image where "
            "they have the same test images and the same metric with the same options, on pictures "
            "of the same size: under the "
            "null hypothesis each image's difference could as well have the other sign. The "
            "p-values are two-sided and corrected for the metrics of a row (Holm), not for the "
            "number of rows.",
            "Each published number says how it is known: read in a paper, printed by its authors' "
            "published code, or quoted by others. Networks, sizes, SSIM's variant, test "
            "images and selection among samples differ between papers, which alone moves scores.",
        ),
    )
