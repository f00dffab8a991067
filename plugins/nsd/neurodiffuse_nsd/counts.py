"""How many pictures and trials the published studies have: a check, never a rule."""

from __future__ import annotations

from neurodiffuse.types import Trials

FIRST_37 = (8859, 982, 24980, 2770)
"""Images and trials of training and test in the first 37 sessions of a subject who has them:
what was public when Ozcelik & VanRullen (2023, Sci. Rep. 13:15666) wrote."""

ALL: dict[int, tuple[int, int]] = {40: (10000, 1000), 32: (9411, 930), 30: (9209, 907)}
"""Images, and shared images among them, in all of a subject's sessions (NSD Data Manual)."""

TRIALS = 750
"""Trials of every session of NSD; a design with others is a simulated one."""


def difference(trials: Trials, sessions: int) -> str:
    """Return how the counts differ from those that were published; empty where they agree."""
    if len(trials) != TRIALS * sessions:
        return ""
    found = tuple(len(trials.images(part)) for part in ("train", "test"))
    found += tuple(trials.split.count(part) for part in ("train", "test"))
    said = f"{found[0]:,} training and {found[1]:,} test images"
    if sessions == 37 and found != FIRST_37:
        return f"{said} in 37 sessions, where 8,859 and 982 were published"
    if sessions in ALL:
        images, shared = ALL[sessions]
        if (found[0] + found[1], found[1]) != (images, shared):
            published = f"{images - shared:,} and {shared:,} were published"
            return f"{said} in {sessions} sessions, where {published}"
    return ""
