"""The scores as a table on the terminal, as files and as a page."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from neurodiffuse import __version__
from neurodiffuse.errors import RunError
from neurodiffuse.files import read_json
from neurodiffuse.metrics import METHODS, holm
from neurodiffuse.metrics.sizes import in_words
from neurodiffuse.places import check_replaceable, replacing
from neurodiffuse.questions.score.ask import Row, Scored, Settings
from neurodiffuse.questions.score.choice import to_fetch
from neurodiffuse.report import charts, wording
from neurodiffuse.report.environment import filled
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.report.pictures import CONTACT_SHEET_MOST, LARGE, THUMBNAIL, Picture, picture
from neurodiffuse.report.ranking import grid_rows

FILES = ("scores.tsv", "images.tsv", "scores.json", "index.html")
COLUMNS = ("metric", "mean", "low", "high", "sem", "chance", "chance_from", "p", "n", "direction")


@dataclass(frozen=True)
class Pair:
    """A pair on the page, with its place in the ranking and its values in words."""

    name: str
    place: str
    seen: Picture
    made: Picture
    values: tuple[str, ...]


def table(found: Scored) -> str:
    """Return the scores as lines of a terminal."""
    head = ("metric", "mean", "95 % interval", "chance", "p", "p (Holm)", "")
    lines = [head]
    for row, p in zip(found.rows, holm([row.summary.p for row in found.rows]), strict=True):
        s = row.summary
        low, high = s.interval or (float("nan"), float("nan"))
        lines.append(
            (
                row.name,
                wording.number(s.mean, 3),
                wording.interval(low, high, 3),
                wording.number(s.chance, 3) + (" shuffled" if s.chance_from == "null" else ""),
                wording.p_value(s.p).removeprefix("p ").removeprefix("= "),
                wording.p_value(p).removeprefix("p ").removeprefix("= "),
                "higher is better" if row.higher_is_better else "lower is better",
            )
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    text = ["  ".join(c.ljust(w) for c, w in zip(x, widths, strict=True)).rstrip() for x in lines]
    text.insert(0, heading(found))
    return "\n".join([*text, *notes(found)])


def notes(found: Scored) -> list[str]:
    """Return what a reader must know beside the numbers."""
    return [text for text in (to_fetch(found.skipped), *found.remarks) if text]


def heading(found: Scored) -> str:
    """Return which pictures were scored, how many, and in whose dialect."""
    n, dialect = len(found.names), found.settings.dialect
    sizes = dict.fromkeys(in_words(row.size) for row in found.rows if row.size)
    return ", ".join(
        [
            f"{wording.counted(n, 'pair')}: {found.settings.recon} against {found.settings.seen}",
            f"dialect {dialect}",
            *(f"scored at {size}" for size in sizes),
        ]
    )


def write(found: Scored, out: Path) -> Path:
    """Write tables and page into a folder, as a whole or not at all; return the page.

    Raises
    ------
    RunError
        If the folder holds what this command did not make.
    """
    check_free(out, found.settings)
    with replacing(out) as folder:
        for name, text in zip(FILES, _texts(found), strict=True):
            (folder / name).write_text(text, encoding="utf-8")
    return out / "index.html"


def default_place(settings: Settings) -> Path:
    """Return ``scores/RECON``, or ``scores/RECON-2`` … where that has scores of other settings."""
    first = Path("scores") / settings.recon.resolve().name
    place, k = first, 1
    while _other_settings(place / FILES[2], settings):
        k += 1
        place = first.with_name(f"{first.name}-{k}")
    return place


def check_free(out: Path, settings: Settings) -> None:
    """Raise `RunError` if the folder holds other scores, or what this command did not make."""
    check_replaceable(out)
    strange = [p.name for p in out.iterdir() if p.name not in FILES] if out.exists() else []
    if strange:
        raise RunError(
            f"--out: {out} holds {strange[0]}, which this command did not make. Choose another "
            "folder; nothing was written."
        )
    if other := _other_settings(out / FILES[2], settings):
        raise RunError(
            f"--out: {out} holds scores with other settings ({'; '.join(other)}). Choose another "
            "--out to keep both; nothing was written."
        )


def _other_settings(file: Path, settings: Settings) -> list[str]:
    """Return in which settings stored scores differ, none where there are no scores."""
    if not file.is_file():
        return []
    stored = read_json(file).get("settings", {})
    here = _plain(settings)
    return [
        f"{key} {stored[key]}, now {value}"
        for key, value in here.items()
        if key in stored and not _same(stored[key], value, path=key in ("recon", "seen"))
    ]


def _same(one: Any, other: Any, *, path: bool) -> bool:
    return bool(Path(one).resolve() == Path(other).resolve() if path else one == other)


def _plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON holds them."""
    values = dataclasses.asdict(settings).items()
    return {
        k: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v
        for k, v in values
    }


def _texts(found: Scored) -> tuple[str, str, str, str]:
    scores = ["\t".join(COLUMNS), *("\t".join(_cells(row)) for row in found.rows)]
    images = ["\t".join(("name", *(row.name for row in found.rows)))]
    for k, name in enumerate(found.names):
        images.append("\t".join((name, *(f"{row.values[k]:.6f}" for row in found.rows))))
    facts = json.dumps(_facts(found), indent=2, sort_keys=True) + "\n"
    return "\n".join(scores) + "\n", "\n".join(images) + "\n", facts, _page(found)


def _cells(row: Row) -> list[str]:
    s = row.summary
    low, high = s.interval or (None, None)
    numbers = (s.mean, low, high, s.sem, s.chance)
    written = ["n/a" if v is None else f"{v:.6g}" for v in (*numbers, s.p)]
    direction = "higher" if row.higher_is_better else "lower"
    return [row.name, *written[:5], s.chance_from or "n/a", written[5], str(s.n), direction]


def _facts(found: Scored) -> dict[str, Any]:
    return {
        "settings": _plain(found.settings),
        "version": __version__,
        "n": len(found.names),
        "scores": [
            dataclasses.asdict(row.summary)
            | {
                "metric": row.name,
                "what": row.note,
                "higher_is_better": row.higher_is_better,
                "size": row.size,
            }
            for row in found.rows
        ],
        "not_computed": {one.name: f"weights {one.model} not here" for one in found.skipped},
        "remarks": list(found.remarks),
    }


def _page(found: Scored) -> str:
    rows = score_rows(found)
    n = len(found.names)
    best, _ = grid_rows(rows, n)
    shown = min(n, CONTACT_SHEET_MOST)
    return filled(
        "score/page.html.j2",
        found=found,
        heading=heading(found),
        metrics=list(zip(found.rows, rows, [_chart(row) for row in rows], strict=True)),
        groups=[
            (group.title, [_pair(found, k, best.rank, LARGE) for k in group.rows])
            for group in best.groups
        ],
        rule=best.rule,
        notes=notes(found),
        pairs=[_pair(found, k, best.rank, THUMBNAIL) for k in range(shown)],
        n=n,
        corrected=sum(row.corrected is not None for row in rows) > 1,
        clear=lambda row: wording.beats_chance(row) is True,
        p_value=wording.p_value,
        intervals=intervals(found),
    )


def score_rows(found: Scored) -> list[ScoreRow]:
    """Return the scores for a reader, p-values corrected for the metrics (Holm)."""
    corrected = holm([row.summary.p for row in found.rows])
    return [
        dataclasses.replace(_score_row(row), corrected=p)
        for row, p in zip(found.rows, corrected, strict=True)
    ]


def intervals(found: Scored) -> str:
    """Return how the intervals were computed, in words."""
    used = {row.summary.interval_method for row in found.rows}
    ways = [text for name, text in METHODS.items() if name in used]
    return f"Intervals: {'; '.join(ways)}." if ways else ""


def _score_row(row: Row) -> ScoreRow:
    s = row.summary
    low, high = s.interval or (float("nan"), float("nan"))
    theory = s.chance if s.chance_from == "theory" else None
    null = s.chance if s.chance_from == "null" else None
    higher = row.higher_is_better
    return ScoreRow(
        row.name, "made", s.mean, low, high, s.n, s.p, theory, null, higher, row.note, row.values
    )


def _chart(row: ScoreRow) -> Markup:
    return charts.strips([row], ["Made"], ["final"]) if row.n > 1 else Markup("")


def _pair(found: Scored, k: int, rank: Any, side: int) -> Pair:
    values = tuple(wording.number(float(row.values[k]), 3) for row in found.rows)
    place = f"{rank[k]} of {len(rank)}" if len(rank) else ""
    seen, made = (found.seen[k], found.made[k])
    return Pair(found.names[k], place, picture(seen, side), picture(made, side), values)
