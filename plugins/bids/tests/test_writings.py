"""One study written in many equivalent ways is one study: same trials, pictures and numbers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from neurodiffuse_bids.dataset import BidsDataset

from .writings import Writing, check, observe, write, writings

EXAMPLES = settings(
    max_examples=int(os.environ.get("NEURODIFFUSE_WRITINGS", "60")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def read(writing: Writing) -> None:
    with tempfile.TemporaryDirectory() as home:
        written = write(Path(home), writing)
        data = BidsDataset(**written.options)
        check(observe(data, writing.subject), writing)


def test_the_plain_writing():
    read(Writing())


@EXAMPLES
@given(writings())
def test_equivalent_writings(writing):
    read(writing)
