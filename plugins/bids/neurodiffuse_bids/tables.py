"""Which tables of trials belong to an image of betas."""

from __future__ import annotations

from collections.abc import Sequence

from neurodiffuse.errors import DataError
from neurodiffuse_bids.identity import INDEXED, index, same
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.order import Sessions

TABLES = ("trials", "events", "conditions")
"""The suffixes of tables of trials; where several fit a file equally, the first one counts."""

_APART = ("subject", "session", "task", "run", "acquisition", "direction", "echo", "part")


def tables_of(
    image: BidsFile, files: Sequence[BidsFile], sessions: Sessions | None = None
) -> list[BidsFile]:
    """Return the tables of an image's trials.

    It is the one with the most entities of the image's name among those that have no other
    entity; else, for an image of a whole session or subject, those of all its runs in order.

    Raises
    ------
    DataError
        If two tables fit equally, or are of the same run.
    """
    tables = [f for f in files if f["suffix"] in TABLES and f["extension"] == ".tsv"]
    own = []
    for table in tables:
        if any(table[e] and not same(e, table[e], image[e]) for e in ("run", "session")):
            continue
        entities = {k: v for k, v in table.entities.items() if k not in ("suffix", "extension")}
        if image.fits(entities):
            own.append(((-len(entities), TABLES.index(table["suffix"])), table))
    if own:
        best = min(rank for rank, _ in own)
        tied = sorted((t for rank, t in own if rank == best), key=lambda t: str(t.path))
        return _distinct([t for t in tied if t.entities.keys() == tied[0].entities.keys()], image)
    fitting = [
        t
        for t in tables
        if same("subject", t["subject"], image["subject"])
        and all(same(e, t[e], image[e]) for e in _APART if t[e] and image[e])
        and all(t[e] for e in ("session", "run") if image[e])
        and (sessions is None or sessions.holds(t["session"]))
    ]
    kind = min((TABLES.index(t["suffix"]) for t in fitting), default=0)
    of_runs = [t for t in fitting if t["suffix"] == TABLES[kind]]
    of_runs.sort(key=sessions.order if sessions else BidsFile.order)
    runs: dict[tuple[str, ...], list[BidsFile]] = {}
    for table in of_runs:
        place = {k: v for k, v in table.entities.items() if k not in ("suffix", "extension")}
        key = tuple(f"{k}-{index(v) if k in INDEXED else v}" for k, v in sorted(place.items()))
        runs.setdefault(key, []).append(table)
    for some in runs.values():
        _distinct(some, image)
    return of_runs


def _distinct(tables: list[BidsFile], image: BidsFile) -> list[BidsFile]:
    if len(tables) > 1:
        raise DataError(
            f"{tables[0].path} and {tables[1].path}: both are the table of {image.path.name}; "
            "run-1 and run-01 are one run. Move the one that does not belong to the betas out of "
            "the data set."
        )
    return tables


def holds(image: BidsFile, table: BidsFile) -> bool:
    """Return whether an image holds the betas of a table's session and run, or of some of it."""
    return all(
        not table[e] or not image[e] or same(e, image[e], table[e]) for e in ("session", "run")
    )
