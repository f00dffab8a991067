"""Which trials train and which test: a column, a file, or a rule."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from neurodiffuse.errors import DataError, listing
from neurodiffuse.readers.tables import read_table
from neurodiffuse.types import Remark
from neurodiffuse_bids.identity import bare
from neurodiffuse_bids.stimuli import Pictures

RULES = '"column", "file" (with split_file), "repeats>=N", "shared", "fraction:0.1"'

_SIDES = {"train": "train", "training": "train", "test": "test", "testing": "test", "": ""}
_REPEATS = re.compile(r"repeats\s*>=\s*([1-9]\d*)")
_FRACTION = re.compile(r"fraction:\s*(0?\.\d+)")


def check_rule(rule: str, split_file: str) -> None:
    """Raise ValueError when a rule cannot be read."""
    named = rule in ("", "column", "file", "shared")
    fraction = _FRACTION.fullmatch(rule)
    if not (named or _REPEATS.fullmatch(rule) or (fraction and 0 < float(fraction[1]) < 1)):
        raise ValueError(
            f"split {rule!r} is not a rule; possible: {RULES} (a number between 0 and 1)"
        )
    if rule == "file" and not split_file:
        raise ValueError('split = "file" needs split_file, a table with stim_id and split')
    if split_file and rule not in ("", "file"):
        raise ValueError(f"split_file and split = {rule!r} say two things; give one of them")


def side(text: str, where: str) -> str:
    """Return ``train``, ``test`` or, for a trial to leave out, an empty text."""
    if text.lower() not in _SIDES:
        raise DataError(f"{where}: split is {text!r}; possible: train, test, n/a (left out).")
    return _SIDES[text.lower()]


def from_file(
    path: Path, stimuli: Sequence[str], pictures: Pictures, who: str
) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    """Return each trial's side as a table with the columns stim_id and split has it.

    Ids in it that are of no picture are remarked on.
    """
    table = read_table(path)
    known: dict[str, str] = {}
    for stimulus, text in zip(table["stim_id"], table["split"], strict=True):
        where = side(text, f"{path}: {stimulus}")
        if known.setdefault(pictures.key(stimulus), where) != where:
            raise DataError(f"{path}: the image {stimulus} is both in training and in test.")
    unknown = dict.fromkeys(s for s in stimuli if pictures.key(s) not in known)
    if unknown:
        raise DataError(
            f"{path}: says nothing of {len(unknown)} images of {who}, such as "
            f"{next(iter(unknown))}; write n/a for those to leave out."
        )
    shown = {pictures.key(s) for s in stimuli}
    strange = [
        i for i in table["stim_id"] if not pictures.knows(i) and pictures.key(i) not in shown
    ]
    return tuple(known[pictures.key(s)] for s in stimuli), _strange(path, strange, who)


def _strange(path: Path, ids: Sequence[str], who: str) -> tuple[Remark, ...]:
    """Return a note on ids of a table that are of no picture, if there are any."""
    if not ids:
        return ()
    are = "1 image is" if len(ids) == 1 else f"{len(ids)} images are"
    text = f"{path}: {are} neither in the folder of stimuli nor in the events of {who}: "
    return (Remark(f"{text}{listing(ids, most=3)}. Are the names right?"),)


def contradictions(
    stimuli: Sequence[str], followed: Sequence[str], other: Sequence[str]
) -> tuple[Remark, ...]:
    """Return a note on stimuli of which two tables say different sides, if there are any."""
    known = {
        s: (one, two)
        for s, one, two in zip(stimuli, followed, other, strict=True)
        if one and two and _SIDES.get(one.lower()) != _SIDES.get(two.lower())
    }
    if not known:
        return ()
    stimulus, (one, two) = next(iter(known.items()))
    pictures = "1 picture" if len(known) == 1 else f"{len(known)} pictures"
    text = (
        f"split: the events and stimuli.tsv say different sides of {pictures}, such as {stimulus} "
        f"({one}, and {two} in stimuli.tsv). The events are followed."
    )
    return (Remark(text),)


def by_rule(
    rule: str,
    stimuli: Sequence[str],
    pictures: Mapping[str, str],
    shared: Callable[[], Mapping[str, int]],
) -> tuple[str, ...]:
    """Return each trial's side by a rule over pictures.

    ``repeats>=N``: pictures that this subject saw N times or more test. ``shared``: pictures
    that every subject saw test; ``shared()`` counts the subjects of a picture and, under an
    empty name, of the data set. ``fraction:F``: an image tests when the SHA-256 of its id, as a
    number between 0 and 1, is below F, so that it does so for every subject and machine.

    ``pictures`` says which picture a stimulus is: two stimuli that are one count together.
    """
    if repeats := _REPEATS.fullmatch(rule):
        times = Counter(pictures[s] for s in stimuli)
        tests = {s for s in stimuli if times[pictures[s]] >= int(repeats[1])}
    elif fraction := _FRACTION.fullmatch(rule):
        tests = {s for s in stimuli if _number(s) < float(fraction[1])}
    else:
        counts = shared()
        tests = {s for s in stimuli if counts[pictures[s]] == counts[""]}
    return tuple("test" if s in tests else "train" for s in stimuli)


def check_repeats(rule: str, pictures: Sequence[str], where: str) -> None:
    """Refuse a number of repeats that no picture reaches."""
    most = max(Counter(pictures).values(), default=0)
    if (repeats := _REPEATS.fullmatch(rule)) and most < int(repeats[1]):
        raise DataError(
            f"{where}: split {rule!r} leaves no test images: no picture was seen more than "
            f"{most} times. Give a smaller number."
        )


def sharing(seen: Mapping[str, Iterable[str]], picture: Mapping[str, str]) -> dict[str, int]:
    """Return how many subjects saw each picture and, under an empty name, how many there are."""
    counts = Counter(one for ids in seen.values() for one in {picture[i] for i in ids})
    return {**counts, "": len(seen)}


def check_sides(stimuli: Sequence[str], sides: Sequence[str], where: str) -> None:
    """Refuse an image of which trials are on both sides."""
    seen: dict[str, str] = {}
    for stimulus, split in zip(stimuli, sides, strict=True):
        if split and seen.setdefault(stimulus, split) != split:
            raise DataError(
                f"{where}: the image {stimulus} is both in training and in test; all trials of "
                "an image belong to one side."
            )


def without_side(stimuli: Sequence[str], sides: Sequence[str], rule: str) -> tuple[Remark, ...]:
    """Return a note on the trials that are on no side and are left out, if there are any."""
    lost = [s for s, own in zip(stimuli, sides, strict=True) if not own]
    if not lost:
        return ()
    pictures = len(set(lost))
    return (
        Remark(
            f"split: {len(lost)} of {len(sides)} trials, of {pictures} "
            f"picture{'s' if pictures > 1 else ''} such as {lost[0]}, have no side (empty or n/a "
            f"in {rule}) and are left out."
        ),
    )


def apart(
    stimuli: Sequence[str],
    sides: Sequence[str],
    copies: Mapping[str, str],
    duplicates: str,
    where: str,
) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    """Return the sides with copies of one picture treated as the user wants, and remarks.

    Parameters
    ----------
    stimuli, sides
        Of each trial.
    copies
        What stimuli show, of those that show the same as another.
    duplicates
        ``warn`` remarks on pictures of which copies are on both sides, ``together`` moves all
        copies of a test picture to the test side, ``refuse`` refuses them.
    where
        For messages.
    """
    across = {c: some for c, some in _sides_of(stimuli, sides, copies).items() if all(some)}
    moved, out = tuple(sides), []
    if across:
        pairs = [f"{train[0]} and {test[0]}" for train, test in across.values()]
        are = "picture is" if len(pairs) == 1 else "pictures are"
        said = (
            f"{len(pairs)} {are} in training and in test under other names: "
            f"{listing(pairs, most=3)} have the same pixels"
        )
        if duplicates == "refuse":
            raise DataError(
                f"{where}: {said}. Correct the split, or move all copies to the test set: --set "
                "datasets.bids.duplicates=together."
            )
        same = tuple((*train, *test) for train, test in across.values())
        if duplicates == "warn":
            how = "Keep them out of training with --set datasets.bids.duplicates=together."
            out.append(Remark(f"split: {said}. {how}", "warning", same))
        else:
            out.append(Remark(f"split: {said}; all trials of them are in the test set.", same=same))
            moved = tuple(
                "test" if own and copies.get(s) in across else own
                for s, own in zip(stimuli, sides, strict=True)
            )
    return moved, (*out, *_twins(stimuli, moved, copies))


def _twins(
    stimuli: Sequence[str], sides: Sequence[str], copies: Mapping[str, str]
) -> tuple[Remark, ...]:
    """Return a note on pictures of the test set that show the same, if there are any."""
    tests = [test for _, test in _sides_of(stimuli, sides, copies).values() if len(test) > 1]
    if not tests:
        return ()
    some = listing([" and ".join(test[:2]) for test in tests], most=3)
    text = (
        f"split: {sum(map(len, tests))} pictures of the test set have the same pixels as another "
        f"one of it: {some}. Identification cannot tell these apart."
    )
    return (Remark(text, same=tuple(tests)),)


def _sides_of(
    stimuli: Sequence[str], sides: Sequence[str], copies: Mapping[str, str]
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return which stimuli show a picture in training and in test, of those that have copies."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for stimulus, own in zip(stimuli, sides, strict=True):
        if own and stimulus in copies:
            found.setdefault(copies[stimulus], ({}, {}))[own == "test"][stimulus] = None
    return {shown: (tuple(train), tuple(test)) for shown, (train, test) in found.items()}


def _number(stimulus: str) -> float:
    digest = hashlib.sha256(bare(stimulus).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
