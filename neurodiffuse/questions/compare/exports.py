"""The table as TSV (a row a number), LaTeX and Markdown (as it is read)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from neurodiffuse.questions.compare.columns import Column
from neurodiffuse.questions.compare.published import STATUS
from neurodiffuse.questions.compare.rows import LETTERS, MARKS, Row, Value

FIELDS = {
    "name": "Run, ablation, folder of pictures or published method",
    "subject": "Subject, or the mean of several",
    "metric": "Metric, as the recipe calls it",
    "protocol": "The number's own dialect, variant and size; n/a where its metric names none",
    "value": "Mean over test images; shares are fractions of 1",
    "low": "Lower end of the 95 % interval over images",
    "high": "Upper end of that interval",
    "sem": "Standard error over subjects",
    "difference": "Mean difference from the first run on the same images",
    "difference_low": "Lower end of the 95 % interval of that difference",
    "difference_high": "Upper end of that interval",
    "p": "Paired sign-flip test against the first run on the same images, two-sided, uncorrected",
    "p_holm": "That p-value corrected for the metrics of the row (Holm)",
    "images": "Number of test images",
    "dataset": "Data set",
    "differs": "Why the number may not be compared with the first run",
    "status": "How the number is known",
    "source": "Where it is from",
}

TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
TEX |= {c: f"\\{c}" for c in "&%$#_{}"}
TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--"}


ABOUT = ("test set", "protocol", "status", "source")
"""Columns of a table to read that are no scores."""


def write(folder: Path, rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """Write ``table.tsv`` with its sidecar, ``table.tex`` and ``table.md``."""
    lines = ["\t".join(FIELDS)]
    for row in rows:
        for column in columns:
            if column in row.values:
                lines.append("\t".join(_fields(row, column, row.values[column])))
    (folder / "table.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {name: {"Description": text} for name, text in FIELDS.items()}
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "table.json").write_text(text + "\n", encoding="utf-8")
    (folder / "table.md").write_text(markdown(rows, columns), encoding="utf-8")
    (folder / "table.tex").write_text(latex(rows, columns), encoding="utf-8")


def markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return the table in Markdown, marks explained below it."""
    heads = ["", *(c.label for c in columns), *ABOUT]
    lines = [_md(heads), _md(["---", *["---:"] * len(columns), *["---"] * len(ABOUT)])]
    for row in rows:
        cells = [_cell(row, c, lambda letters: f"<sup>{letters}</sup>") for c in columns]
        about = (row.test_set, row.protocols or "–", row.status, row.source)
        lines.append(_md([_md_text(row.label), *cells, *map(_md_text, about)]))
    notes = [f"<sup>{letter}</sup> {text}" for letter, text in notes_of(rows)]
    return "\n".join([*lines, "", *(f"{note}  " for note in notes)]).rstrip() + "\n"


def latex(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return the table in LaTeX (booktabs), marks and sources explained below it."""
    heads = ["", *(_tex(c.label) for c in columns), "Test set", "Protocol"]
    body = [f"{' & '.join(heads)} \\\\", r"\midrule"]
    for row in rows:
        cells = [_cell(row, c, lambda letters: f"$^{{{letters}}}$") for c in columns]
        cells = [cell.replace("–", "--") for cell in cells]
        about = (_tex(row.test_set), _tex(row.protocols or "–"))
        body.append(f"{' & '.join([_tex(row.label), *cells, *about])} \\\\")
    notes = [f"$^{{{letter}}}$ {_tex(text)}." for letter, text in notes_of(rows)]
    notes += [f"{_tex(text)}." for text in _sources(rows)]
    return "\n".join(
        [
            f"\\begin{{tabular}}{{l{'r' * len(columns)}ll}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {note}" for note in notes),
            "",
        ]
    )


def _sources(rows: Sequence[Row]) -> list[str]:
    """Return which published rows are from where, and how they are known."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.status in STATUS.values():
            names.setdefault(f"{row.source.rstrip('.')} ({row.status})", []).append(row.label)
    said = [f"{'; '.join(those)}: {source}" for source, those in names.items()]
    return [*said, "All others are computed here"] if said else []


def notes_of(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the marks that occur, as letter and meaning."""
    used = {m for row in rows for m in row.marks}
    used |= {m for row in rows for value in row.values.values() for m in value.marks}
    return [(LETTERS[mark], text) for mark, text in MARKS.items() if mark in used]


def letters_of(row: Row, value: Value) -> str:
    """Return the letters of a number: those of its row and its own."""
    return "".join(sorted(LETTERS[m] for m in {*row.marks, *value.marks}))


def _cell(row: Row, column: Column, raised: Callable[[str], str]) -> str:
    value = row.values.get(column)
    if value is None:
        return "–"
    letters = letters_of(row, value)
    return f"{value.mean:.3f}" + (raised(letters) if letters else "")


def _fields(row: Row, column: Column, value: Value) -> list[str]:
    differs = "; ".join(MARKS[m] for m in MARKS if m in (*row.marks, *value.marks))
    inside = value.test.interval if value.test else None
    said = {
        "name": row.name,
        "subject": row.subject or row.people or "n/a",
        "metric": column.name,
        "protocol": value.protocol or "n/a",
        "value": f"{value.mean:.6g}",
        "low": _number(value.low),
        "high": _number(value.high),
        "sem": _number(value.sem),
        "difference": _number(value.test.difference if value.test else math.nan),
        "difference_low": _number(inside.low if inside else math.nan),
        "difference_high": _number(inside.high if inside else math.nan),
        "p": _number(value.test.p if value.test and value.test.p is not None else math.nan),
        "p_holm": _number(math.nan if value.corrected is None else value.corrected),
        "images": str(row.images or "n/a"),
        "dataset": row.dataset,
        "differs": differs or "n/a",
        "status": row.status,
        "source": row.source,
    }
    return [" ".join(said[name].split()) for name in FIELDS]


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "n/a"


def _md(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _tex(text: str) -> str:
    return "".join(TEX.get(letter, letter) for letter in " ".join(text.split()))
