"""Which regions are asked for: presets of the paper's figures, and anybody's expressions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neurodiffuse import rois
from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.run import Run
from neurodiffuse.store import seed_of

EARLY = (
    "V1+V2+V3+V4",
    "V1+V2+V3+hV4",
    "V1v+V1d+V2v+V2d+V3v+V3d+hV4",
)
"""V1 to V4 as data sets name them; the first that a data set knows is taken."""


_SPELLED = {"–": "-", "|": "+", "&": "and", ">": "over", "<": "under", "~": "not", "!": "not"}


@dataclass(frozen=True)
class Region:
    """A region to ask about.

    ``name`` is for readers. ``choices`` are expressions for the same region, of which the first
    that a subject's regions allow is used. ``group`` is the preset it came from, empty for an
    expression of the user's own.
    """

    name: str
    choices: tuple[str, ...]
    group: str = ""

    @property
    def key(self) -> str:
        """The region's identity: its first expression without spaces."""
        return "".join(self.choices[0].split())

    @property
    def label(self) -> str:
        """The region's name in a path, the same whatever else is asked for."""
        text = "".join(self.name.split())
        for sign, word in _SPELLED.items():
            text = text.replace(sign, word)
        plain = re.sub(r"[^A-Za-z0-9.+-]", "", text)
        if self.group or plain == self.key:
            return plain
        return f"{plain}_{hashlib.sha256(self.key.encode()).hexdigest()[:6]}"


def _category(name: str, region: str) -> Region:
    return Region(name, (region,))


def _combination(name: str, region: str) -> Region:
    return Region(f"V1–V4 + {name}", tuple(f"{early}+{region}" for early in EARLY))


def _band(lower: str, upper: str) -> Region:
    name = f"{lower}–{upper}°" if upper else f"> {lower}°"
    band = f"ecc:{lower}-{upper}"
    return Region(name, (*(f"({early})&{band}" for early in EARLY), band))


_CATEGORIES = (("Face", "faces"), ("Word", "words"), ("Place", "places"), ("Body", "bodies"))

PRESETS: dict[str, tuple[Region, ...]] = {
    "visual": (
        Region("V1", ("V1", "V1v+V1d")),
        Region("V2", ("V2", "V2v+V2d")),
        Region("V3", ("V3", "V3v+V3d")),
        Region("V4", ("V4", "hV4")),
    ),
    "category": tuple(_category(*pair) for pair in _CATEGORIES),
    "paper-combinations": (
        Region("V1–V4", EARLY),
        *(_combination(*pair) for pair in _CATEGORIES),
    ),
    "eccentricity": tuple(
        _band(*ends) for ends in (("0", "0.5"), ("0.5", "1"), ("1", "2"), ("2", "4"), ("4", ""))
    ),
}
"""The regions of Fig 9 (visual, category), Fig 10 and Fig 11 of the paper.

Eccentricity bands are taken inside V1 to V4 where the data set has these, since a map of
receptive fields has values outside them too.
"""

ALL = "all"
"""The preset of all presets."""


RANDOM = re.compile(r"random:([1-9]\d*)(?:/(\d+))?")
"""``random:K``: K voxels of the mask, drawn at random; ``random:K/J`` is another draw."""


def wanted(words: Iterable[str]) -> tuple[Region, ...]:
    """Return the regions that the words of ``--roi`` name, each once.

    A word that is a preset's name means the preset; write the region of such a name in
    parentheses. ``random:K`` means K voxels of the mask drawn at random, the null to compare with,
    and ``random:K/J`` another draw of as many.

    Raises
    ------
    ConfigError
        If there is no word, or a word cannot be read as an expression.
    """
    found: dict[tuple[str, str], Region] = {}
    for word in words:
        if word == ALL:
            chosen = [(name, region) for name, part in PRESETS.items() for region in part]
        elif word in PRESETS:
            chosen = [(word, region) for region in PRESETS[word]]
        else:
            if not RANDOM.fullmatch(word):
                rois.parse(word)  # told before anything is fitted
            chosen = [("", Region(word.strip(), (word.strip(),)))]
        for group, region in chosen:
            found.setdefault((group, region.key), Region(region.name, region.choices, group))
    if not found:
        raise ConfigError(
            "--roi: name a region, such as 'FFA1' or 'V1+V2', or a preset: "
            f"{listing((*PRESETS, ALL))}."
        )
    return tuple(found.values())


def hidden(run: Run, subjects: Iterable[str], regions: Iterable[Region]) -> list[str]:
    """Return a sentence for each preset asked for whose name is a region's of a subject too."""
    asked = {region.group for region in regions if region.group}
    words = [ALL] if asked == set(PRESETS) else [name for name in PRESETS if name in asked]
    known = {roi.name for subject in subjects for roi in run.subject(subject).rois}
    what = {name: listing(region.name for region in part) for name, part in PRESETS.items()}
    what[ALL] = "all presets"
    return [
        f"{word!r} is taken as the preset ({what[word]}), not as the data set's region of this "
        f"name; that is written --roi '({word})'."
        for word in words
        if word in known
    ]


@dataclass(frozen=True, eq=False)
class Selection:
    """A region in one subject: the expression that was used, bool (n_voxels,) over the mask."""

    expression: str
    voxels: np.ndarray


def in_mask(run: Run, subject: str, inside: np.ndarray, region: Region) -> Selection:
    """Return which voxels of the mask are in a region, possibly none.

    ``inside`` is the mask over the grid, bool (grid.size,).

    Raises
    ------
    ConfigError
        If the subject has no such region, by the first of its expressions.
    """
    if drawn := RANDOM.fullmatch(region.key):
        return Selection(region.key, _random(run, subject, int(inside.sum()), drawn))
    known = [roi.name for roi in run.subject(subject).rois]
    first: ConfigError | None = None
    for expression in region.choices:
        try:
            parsed = rois.parse(expression, known=known)
        except ConfigError as error:
            first = first or error
            continue
        found = rois.evaluate(parsed, lambda name: run.dataset.roi(subject, name), inside.size)
        return Selection(expression, found[inside])
    raise first or ConfigError(f"--roi {region.name}: has no expression.")


def _random(run: Run, subject: str, voxels: int, drawn: re.Match[str]) -> np.ndarray:
    """Return voxels drawn from the run's seed, the subject, their number and the draw's."""
    count, draw = int(drawn[1]), int(drawn[2] or 0)
    if count > voxels:
        raise ConfigError(
            f"--roi {drawn[0]}: the mask of sub-{subject} has {voxels} voxels; draw fewer."
        )
    rng = np.random.default_rng([seed_of(run.config.seed, subject), count, draw])
    out = np.zeros(voxels, bool)
    out[rng.choice(voxels, count, replace=False)] = True
    return out
