"""What is wrong with files is refused or told, however the rest of them is written."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse_bids.dataset import BidsDataset

from .corruptions import ALL, Corruption
from .writings import REGIONS, Written, check, observe, write, writings

NAMES = (*REGIONS, "eccentricity")


@pytest.mark.usefixtures("indexed_once")
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
    """Check that a line says what is wrong and where, and that nothing wrong is read."""
    label = written.writing.subject
    dataset = BidsDataset(**written.options)
    said: list[str] = []
    seen = None
    try:
        about = dataset.subject(label)
        said = [remark.words for remark in about.remarks]
        offered = {roi.name for roi in about.rois}
        names = [name for name in NAMES if name in offered or name not in wrong.gone]
        if wrong.trusted:
            seen = observe(dataset, label, names)
        else:
            read_all(dataset, label, names)
    except NeurodiffuseError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert wrong.ends != "told", f"refused: {refusal}"
        assert "\n" not in refusal
        said = [refusal]
    else:
        assert wrong.ends != "refused", f"read without an error, with the remarks {said}"
    if seen:
        for name in wrong.changed:
            seen.regions.pop(name, None)
        check(seen, written.writing)
    fitting = [
        line
        for line in said
        if re.search(wrong.says, line, re.IGNORECASE) and any(c in line for c in culprits)
    ]
    assert fitting, f"no line names one of {culprits} and says {wrong.says!r}: {said}"


def read_all(dataset: BidsDataset, label: str, names: list[str]) -> None:
    """Read all there is of a subject without comparing it."""
    about = dataset.subject(label)
    for _ in dataset.betas(label, np.ones(about.grid.size, bool)):
        pass
    for name in names:
        dataset.roi(label, name)
    for _ in dataset.stimuli(tuple(dict.fromkeys(about.trials.stimulus))).images:
        pass
