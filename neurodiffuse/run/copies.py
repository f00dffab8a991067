"""Pictures of the test set with the pixels of another picture, in training or in the test set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from neurodiffuse.errors import listing
from neurodiffuse.files import read_json, write_whole
from neurodiffuse.run.folder import Run
from neurodiffuse.types import Remark


def note(run: Run, label: str) -> tuple[Remark, ...]:
    """Note which test pictures have the pixels of another picture, and return what to remark.

    Compared is what `run.contents` says of the decoded pictures, so that a copy in another
    format or compression is found; one of another size is not.
    """
    trials = run.subject(label).trials
    training = {run.contents[i]: i for i in reversed(trials.images("train"))}
    first: dict[str, str] = {}
    pairs = []
    for test in trials.images("test"):
        content = run.contents[test]
        before = first.setdefault(content, test)
        pairs += [(training[content], test)] if content in training else []
        pairs += [(before, test)] if before != test else []
    path = _path(run, label)
    if pairs:
        write_whole(path, json.dumps(pairs))
    else:
        path.unlink(missing_ok=True)
    return remarks(run, label)


def remarks(run: Run, label: str) -> tuple[Remark, ...]:
    """Return what to remark on the pictures that were noted, but for what the data set says."""
    path = _path(run, label)
    if not path.exists():
        return ()
    about = run.subject(label)
    told = [set(group) for remark in about.remarks for group in remark.same]
    pairs = [(a, b) for a, b in read_json(path) if not any({a, b} <= group for group in told)]
    training = set(about.trials.images("train"))
    across = [pair for pair in pairs if pair[0] in training]
    within = [pair for pair in pairs if pair[0] not in training]
    out = []
    if across:
        are = "picture of the test set is" if len(across) == 1 else "pictures of the test set are"
        text = (
            f"{len(across)} {are} in training as well under another name, with the same pixels: "
            f"{_named(across)}. Scores are too good then; keep copies on one side of the split."
        )
        out.append(Remark(text, "warning"))
    if within:
        has = "picture of the test set has" if len(within) == 1 else "pictures of the test set have"
        text = f"{len(within)} {has} the same pixels as another one of it: {_named(within)}. "
        out.append(Remark(f"{text}Identification cannot tell these apart."))
    return tuple(out)


def _named(pairs: Sequence[Sequence[str]]) -> str:
    return listing([" and ".join(pair) for pair in pairs], most=3)


def _path(run: Run, label: str) -> Path:
    return (run.trunk or run).path / f"copies_sub-{label}.json"
