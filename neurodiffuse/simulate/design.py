"""Which picture is shown when: sessions, runs, repetitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import ConfigError
from neurodiffuse.simulate.draws import Draw, stream

TRIAL = 4.0
"""Seconds from one picture to the next, of which it is shown ``SHOWN`` seconds."""

SHOWN = 3.0

BLANK_EVERY = 15
"""Every so many trials one trial's time passes without a picture."""


@dataclass(frozen=True)
class Trial:
    """One presentation: ``picture`` indexes the album; the rest counts from 1, onset in s."""

    picture: int
    split: str
    repetition: int
    session: int
    run: int
    onset: float


def repetitions(
    numbers: tuple[int, ...], most: int, *, unequal: bool, seed: int
) -> tuple[int, ...]:
    """Return how often pictures are shown: ``most``, or 1 to ``most`` by the picture's number."""
    if not unequal:
        return (most,) * len(numbers)
    return tuple(int(stream(seed, Draw.REPETITIONS, n).integers(1, most + 1)) for n in numbers)


def schedule(
    shows: list[tuple[int, str, int]], *, sessions: int, runs: int, subject: int, seed: int
) -> tuple[Trial, ...]:
    """Return a subject's trials in the order of presentation.

    The presentations of a picture go to one session after another; within a session the order
    is random, and its runs are as equal in length as can be.

    Parameters
    ----------
    shows
        Picture, split and number of presentations.
    sessions, runs
        Number of sessions, and of runs in each.
    subject, seed
        Choose the order.

    Raises
    ------
    ConfigError
        If a run would have fewer than two trials.
    """
    total = sum(times for _, _, times in shows)
    if total < 2 * sessions * runs:
        raise ConfigError(
            f"--sessions {sessions}, --runs {runs}: {total} trials are too few for "
            f"{sessions * runs} runs of two or more. Ask for fewer runs or more images."
        )
    bins: list[list[tuple[int, str]]] = [[] for _ in range(sessions)]
    turn = 0
    for picture, split, times in shows:
        for repetition in range(times):
            bins[(turn + repetition) % sessions].append((picture, split))
        turn += times
    trials: list[Trial] = []
    seen: dict[int, int] = {}
    for session, shown in enumerate(bins, start=1):
        order = stream(seed, Draw.DESIGN, subject, session).permutation(len(shown))
        for run, rows in enumerate(np.array_split(order, runs), start=1):
            for place, row in enumerate(rows):
                picture, split = shown[row]
                seen[picture] = seen.get(picture, 0) + 1
                onset = TRIAL * (place + 1 + place // BLANK_EVERY)
                trials.append(Trial(picture, split, seen[picture], session, run, onset))
    return tuple(trials)
