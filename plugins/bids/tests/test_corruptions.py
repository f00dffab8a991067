"""What is wrong with files is refused or told, however the rest of them is written."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse_bids.dataset import BidsDataset

from .corruptions import ALL, Corruption
from .writings import REGIONS, Writing, Written, check, observe, write, writings

NAMES = (*REGIONS, "eccentricity")


@pytest.mark.parametrize("name", ALL)
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_corruptions(name, data):
    wrong = ALL[name]
    # the first writing is the plain one, which shows what is wrong without anything else
    writing = data.draw(writings(**wrong.fixed))
    with tempfile.TemporaryDirectory() as home:
        written = write(Path(home), writing)
        culprits = wrong.spoil(written)
        refused_or_told(wrong, written, culprits)
        if wrong.mend:
            options = written.options | wrong.mend(written)
            check(observe(BidsDataset(**options), writing.subject), writing, wrong.without)


def refused_or_told(wrong: Corruption, written: Written, culprits: tuple[str, ...]) -> None:
    """Check that the line says what is wrong and where, and that nothing wrong is read."""
    writing: Writing = written.writing
    dataset = BidsDataset(**written.options)
    try:
        about = dataset.subject(writing.subject)
        left = [n for n in NAMES if n in {roi.name for roi in about.rois} or n not in wrong.gone]
        seen = observe(dataset, writing.subject, left)
    except NeurodiffuseError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert wrong.ends != "told", f"refused: {refusal}"
        assert "\n" not in refusal
        said = [refusal]
    else:
        assert wrong.ends != "refused", f"read without an error, with the remarks {seen.remarks}"
        said = seen.remarks
        if wrong.trusted:
            check(seen, writing)
    fitting = [
        line
        for line in said
        if re.search(wrong.says, line, re.IGNORECASE) and any(c in line for c in culprits)
    ]
    assert fitting, f"no line names one of {culprits} and says {wrong.says!r}: {said}"
