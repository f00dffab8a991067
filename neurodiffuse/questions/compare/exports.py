"""The table as TSV (a row a number), LaTeX and Markdown (as it is read)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from neurodiffuse.questions.compare.columns import Column
from neurodiffuse.questions.compare.rows import LETTERS, MARKS, Row, Value

FIELDS = {
    "name": "Run, ablation, folder of pictures or published method",
    "subject": "Subject, or the mean of several; n/a where the row says it",
    "metric": "Metric, as the recipe calls it",
    "protocol": "Dialect or variant of the metric",
    "value": "Mean over test images; shares are fractions of 1",
    "low": "Lower end of the 95 % bootstrap interval over images",
    "high": "Upper end of that interval",
    "sem": "Standard error over subjects",
    "p": "Paired sign-flip test against the first row on the same images, two-sided, uncorrected",
    "images": "Number of test images",
    "dataset": "Data set",
    "differs": "Why the number may not be compared with the first row",
    "status": "How the number is known",
    "source": "Where it is from",
}

TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
TEX |= {c: f"\\{c}" for c in "&%$#_{}"}


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
    heads = ["", *(c.label for c in columns), "images", "source"]
    lines = [_md(heads), _md(["---", *["---:"] * (len(columns) + 1), "---"])]
    for row in rows:
        cells = [_cell(row, c, lambda letters: f"<sup>{letters}</sup>") for c in columns]
        lines.append(
            _md([_md_text(row.label), *cells, str(row.images or "–"), _md_text(row.source)])
        )
    notes = [f"<sup>{letter}</sup> {text}" for letter, text in notes_of(rows)]
    return "\n".join([*lines, "", *(f"{note}  " for note in notes)]).rstrip() + "\n"


def latex(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return the table in LaTeX (booktabs), marks explained below it."""
    heads = ["", *(_tex(c.label) for c in columns), "Images"]
    body = [f"{' & '.join(heads)} \\\\", r"\midrule"]
    for row in rows:
        cells = [_cell(row, c, lambda letters: f"$^{{{letters}}}$") for c in columns]
        images = str(row.images or "--")
        body.append(f"{' & '.join([_tex(row.label), *cells, images])} \\\\".replace("–", "--"))
    notes = [f"$^{{{letter}}}$ {_tex(text)}." for letter, text in notes_of(rows)]
    sources = [f"% {row.label}: {row.source}" for row in rows]
    spec = "l" + "r" * (len(columns) + 1)
    return "\n".join(
        [
            *sources,
            f"\\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *([r"\par\footnotesize " + " ".join(notes)] if notes else []),
            "",
        ]
    )


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
    said = {
        "name": row.name,
        "subject": row.subject or "n/a",
        "metric": column.name,
        "protocol": ", ".join(filter(None, column.protocol)) or "n/a",
        "value": f"{value.mean:.6g}",
        "low": _number(value.low),
        "high": _number(value.high),
        "sem": _number(value.sem),
        "p": _number(value.test.p if value.test and value.test.p is not None else math.nan),
        "images": str(row.images or "n/a"),
        "dataset": row.dataset,
        "differs": differs or "n/a",
        "status": row.status,
        "source": row.source,
    }
    return [said[name].replace("\t", " ") for name in FIELDS]


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "n/a"


def _md(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_text(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _tex(text: str) -> str:
    return "".join(TEX.get(letter, letter) for letter in text)
