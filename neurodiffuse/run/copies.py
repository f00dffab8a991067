"""Pictures of the test set that are in training as well, under another name."""

from __future__ import annotations

import json
from pathlib import Path

from neurodiffuse.errors import listing
from neurodiffuse.files import read_json, write_whole
from neurodiffuse.run.folder import Run
from neurodiffuse.types import Remark


def note(run: Run, label: str) -> tuple[Remark, ...]:
    """Note which pictures of both sides have the same pixels, and return the remark on them.

    Compared is what `run.contents` says of the decoded pictures, so that a copy in another
    format or compression is found; one of another size is not.
    """
    trials = run.subject(label).trials
    training = {run.contents[i]: i for i in reversed(trials.images("train"))}
    tests = trials.images("test")
    pairs = [(training[c], i) for i in tests if (c := run.contents[i]) in training]
    path = _path(run, label)
    if pairs:
        write_whole(path, json.dumps(pairs))
    else:
        path.unlink(missing_ok=True)
    return remarks(run, label)


def remarks(run: Run, label: str) -> tuple[Remark, ...]:
    """Return a warning on the pictures that were noted, if there are any."""
    path = _path(run, label)
    if not path.exists():
        return ()
    pairs = read_json(path)
    are = "picture of the test set is" if len(pairs) == 1 else "pictures of the test set are"
    some = listing([f"{one} and {other}" for one, other in pairs], most=3)
    text = (
        f"{len(pairs)} {are} in training as well under another name, with the same pixels: "
        f"{some}. Scores are too good then; keep copies on one side of the split."
    )
    return (Remark(text, "warning"),)


def _path(run: Run, label: str) -> Path:
    return (run.trunk or run).path / f"copies_sub-{label}.json"
