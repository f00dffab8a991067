"""Stretches of runs: what the betas of a subject say of themselves while all of them are read.

The plan looks at the first volumes of each run (`neurodiffuse.readers.spread`); what goes wrong
after these is seen here, by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from neurodiffuse.errors import listing
from neurodiffuse.readers.carried import Carried
from neurodiffuse.readers.samples import Sample, remark_on_stretches, sample_of
from neurodiffuse.readers.spread import remark_on_spreads
from neurodiffuse.types import Remark, Trials

VOXELS = 500
"""Voxels that are looked at, evenly taken."""

FEWEST = 20
"""Voxels of which a level and a spread can be told: the betas of fewer vary by chance."""

LENGTH, LONGEST = 8, 64
"""Trials of a stretch: a run has up to four, of `LENGTH` or more, and none is longer."""

REMEDY = "Look at how the betas of that run were written."


class Stretches:
    """Stretches of every run of a subject, told by all betas in the order of the trials.

    Parameters
    ----------
    trials
        The trials of the subject.
    voxels
        How many voxels each row of betas has.
    """

    def __init__(self, trials: Trials, voxels: int) -> None:
        self._trials = trials
        self._some = np.linspace(0, voxels - 1, min(voxels, VOXELS)).astype(int)
        runs: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(zip(trials.session, trials.run, strict=True)):
            runs.setdefault(key, []).append(row)
        self._place: list[tuple[str, int]] = [("", 0)] * len(trials)
        self._last: list[int] = []
        self._names: list[str] = []
        self._part = [0] * len(trials)
        for key, rows in runs.items():
            self._cut(_name(*key), rows)
        self._carried = Carried([self._place[row][0] for row in range(len(trials))], voxels)
        self._done = 0
        self._held: dict[int, list[np.ndarray]] = {}
        self._samples: dict[str, Sample] = {}
        self._seen: dict[int, int] = {}
        self._empty: list[int] = []
        self._same: list[tuple[int, int]] = []

    def _cut(self, run: str, rows: Sequence[int]) -> None:
        """Cut a run into stretches of about the same length."""
        count = max(1, min(4, len(rows) // LENGTH), -(-len(rows) // LONGEST))
        for number, row in enumerate(rows):
            self._place[row] = (run, number + 1)
        for part in np.array_split(rows, count):
            said = f"trials {self._place[part[0]][1]} to {self._place[part[-1]][1]}"
            whole = f"{run} ({said})" if run else said
            self._names.append(run if run and count == 1 else whole)
            for row in part:
                self._part[row] = len(self._last)
            self._last.append(int(part[-1]))

    def add(self, block: np.ndarray) -> None:
        """Note the betas (n_trials, n_voxels) of the next trials; more than there are are ignored.

        A stretch that is complete is summed up.
        """
        start, self._done = self._done, min(self._done + len(block), len(self._trials))
        for first in range(start, self._done, LONGEST):
            stop = min(first + LONGEST, self._done)
            self._carried.add(first, block[first - start : stop - start])
            values = block[first - start : stop - start][:, self._some]
            self._note(first, values, np.asarray(values.any(axis=1)))

    def _note(self, start: int, values: np.ndarray, filled: np.ndarray) -> None:
        stimulus, width = self._trials.stimulus, values.shape[1] * values.itemsize
        content = values.tobytes()
        for k, (row, is_filled) in enumerate(enumerate(filled, start)):
            part = self._part[row]
            held = self._held.setdefault(part, [])
            if is_filled:
                held.append(values[k])
                first = self._seen.setdefault(hash(content[k * width : (k + 1) * width]), row)
                if first != row and stimulus[first] != stimulus[row]:
                    self._same.append((first, row))
            else:
                self._empty.append(row)
            if row == self._last[part]:
                if held:
                    self._samples[self._names[part]] = sample_of(np.stack(held))
                del self._held[part]

    def remarks(self) -> tuple[Remark, ...]:
        """Return warnings: trials without values, of the same numbers, stretches out of line."""
        told = self._about_empty() + self._about_same() + self._carried.told()
        found = tuple(Remark(text, "warning") for text in told)
        if len(self._some) < FEWEST:
            return found
        spreads = {name: sample.spread for name, sample in self._samples.items()}
        return (
            *found,
            *remark_on_spreads(spreads, REMEDY, what="stretches of runs"),
            *remark_on_stretches(self._samples, REMEDY),
        )

    def _about_empty(self) -> list[str]:
        if not self._empty:
            return []
        which = self._by_run(self._empty)
        return [
            f"betas: all that were looked at are 0 in {len(self._empty)} of {len(self._trials)} "
            f"trials: {listing(which, most=3)}. Was their export complete?"
        ]

    def _about_same(self) -> list[str]:
        if not self._same:
            return []
        which = self._by_run([row for _, row in self._same])
        runs = Counter(self._place[first][0] for first, _ in self._same)
        where = f", mostly those of {runs.most_common(1)[0][0]}" if "" not in runs else ""
        return [
            f"betas: {len(self._same)} trials have the very numbers of trials that show another "
            f"picture{where}: {listing(which, most=3)}. They are probably copies; write the betas "
            "of each run again."
        ]

    def _by_run(self, rows: Sequence[int]) -> list[str]:
        """Return each run of some trials with the numbers that these have in it."""
        runs: dict[str, list[int]] = {}
        for row in rows:
            run, number = self._place[row]
            runs.setdefault(run, []).append(number)
        named = {run: _in_words(numbers) for run, numbers in runs.items()}
        return [f"{run} (trials {n})" if run else f"trials {n}" for run, n in named.items()]


def _in_words(numbers: Sequence[int]) -> str:
    """Return ascending numbers, those that follow one another as ``17 to 32``."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return listing((f"{a} to {b}" if a < b else str(a) for a, b in ends), most=3)


def _name(session: str, run: str) -> str:
    """Return what a run is called, empty where it has no label."""
    said = (f"session {session}" if session else "", f"run {run}" if run else "")
    return " ".join(part for part in said if part)
