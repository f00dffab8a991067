"""One study written in many equivalent ways is one study: same trials, pictures and numbers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from neurodiffuse_bids.dataset import BidsDataset

from .writings import Writing, check, observe, read_rows, write, write_table, writings

MORE = os.environ.get("NEURODIFFUSE_WRITINGS", "")
"""How many writings are tried when somebody looks for faults: other ones each time, and shrunk."""

EXAMPLES = settings(
    max_examples=int(MORE or 60),
    deadline=None,
    derandomize=not MORE,
    phases=[Phase.generate, Phase.shrink] if MORE else [Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


def read(writing: Writing) -> None:
    with tempfile.TemporaryDirectory() as home:
        written = write(Path(home), writing)
        data = BidsDataset(**written.options)
        check(observe(data, writing.subject), writing)


@pytest.mark.usefixtures("indexed_once")
def test_the_plain_writing():
    read(Writing())


ONE_TABLE = {"level": "subject", "joined_events": True, "sessions": ("pre", "post")}
READ_WRONGLY = {
    "one table, sorted by onset": {**ONE_TABLE, "times": "sessions.tsv", "order": "onset"},
    "one table, shuffled": {
        **ONE_TABLE, "times": "scans.tsv", "order": "onset", "shuffled": True,
    },
    "one table in its own order": {**ONE_TABLE, "times": "scans.tsv"},
    "one table, sessions by the option": {**ONE_TABLE, "times": "option"},
}  # fmt: skip
"""Writings that were once refused or read out of order, each found by the test below."""


@pytest.mark.usefixtures("indexed_once")
@pytest.mark.parametrize("name", READ_WRONGLY)
def test_writings_that_were_read_wrongly(name):
    read(Writing(**READ_WRONGLY[name]))


@pytest.mark.usefixtures("indexed_once")
@EXAMPLES
@given(writings())
def test_equivalent_writings(writing):
    read(writing)


@pytest.mark.usefixtures("indexed_once")
@pytest.mark.parametrize("level", ["run", "session", "trial"])
@pytest.mark.parametrize("blanks", ["with volumes", "filtered"])
def test_trials_that_move_to_other_volumes_have_another_fingerprint(tmp_path, level, blanks):
    """The same pictures in the same order and as many volumes: a blank has moved by two trials."""
    ending = {"ending": "_trial-{}_statmap"} if level == "trial" else {}
    written = write(tmp_path, Writing(blanks=blanks, level=level, **ending))
    data = BidsDataset(**written.options)
    before, trials = data.fingerprint("01"), data.subject("01").trials
    assert BidsDataset(**written.options).fingerprint("01") == before
    rows = read_rows(written.events[0])
    onsets = [row["onset"] for row in rows]
    rows.insert(3, rows.pop(1))
    rows = [row | {"onset": onset} for row, onset in zip(rows, onsets, strict=True)]
    write_table(written.events[0], rows)
    data = BidsDataset(**written.options)
    assert data.subject("01").trials == trials
    assert data.fingerprint("01") != before


@pytest.mark.usefixtures("indexed_once")
def test_volumes_that_are_the_rows_leave_the_fingerprint_as_it_was(tmp_path):
    written = write(tmp_path, Writing())
    assert " " not in BidsDataset(**written.options).fingerprint("01")
