"""What refits and neighbours hold at most, told before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from neurodiffuse import budget
from neurodiffuse.files import read_json
from neurodiffuse.questions.controls.plan import KINDS
from neurodiffuse.run import Run

REFITTED = {"hold-out", "floor"}
"""Kinds of controls that fit maps again, to other betas."""

NEAREST = {"hold-out", "retrieval"}
"""Kinds that look for images that are near one another."""


def check_memory(run: Run, wanted: Sequence[str]) -> None:
    """Refuse a budget that controls of these kinds would not stay within; none means all.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    if run.machine.memory is not None:
        budget.check(run, memory_needed(run, wanted))


def memory_needed(run: Run, wanted: Sequence[str]) -> dict[str, int]:
    """Return the peaks in bytes, of the subject that needs most."""
    kinds = set(wanted or KINDS)
    most = {"fit": 0, "controls": 0}
    for subject in run.config.subjects:
        voxels = read_json(run.folder("mask", subject) / "about.json")["voxels"]
        counts = budget.counts_of(run, subject, voxels)
        held = 0
        if kinds & REFITTED:
            most["fit"] = max(most["fit"], budget.peaks(counts)["fit"])
            held = budget.refitted(counts)
        if kinds & NEAREST:
            images = len(run.subject(subject).trials.images("train"))
            held = max(held, budget.neighbours(counts, images))
        most["controls"] = max(most["controls"], int(budget.BASE + budget.MARGIN * held))
    return most
