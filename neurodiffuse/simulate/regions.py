"""The visual regions that are planted: where they lie, what drives them, what files call them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from neurodiffuse.errors import DataError, listing, near

Kind = Literal["retinotopic", "object", "category", "control"]
Half = Literal["upper", "lower", "both"]

LABELS: tuple[str, ...] = (
    "face",
    "body",
    "word",
    "place",
    "food",
    "vehicle",
    "animal",
    "boat",
)
"""What can be in a picture, as far as the category-selective regions are concerned."""


@dataclass(frozen=True)
class Region:
    """A region of both hemispheres.

    ``atlas`` is the label of the lookup table it belongs to and ``index`` its number there (the
    Natural Scenes Dataset's, where it has one). ``prefers`` is one of ``LABELS``, ``field`` the
    half of the visual field. ``voxels`` counts both hemispheres of a subject of average size,
    ``centre`` is in the right hemisphere, in mm, x to the right, y to the front, z up.
    """

    name: str
    kind: Kind
    atlas: str
    index: int
    voxels: int
    centre: tuple[float, float, float]
    prefers: str = ""
    field: Half = "both"


REGIONS: tuple[Region, ...] = (
    Region("V1v", "retinotopic", "prfvisualrois", 1, 104, (6, -92, -8), field="upper"),
    Region("V1d", "retinotopic", "prfvisualrois", 2, 104, (6, -94, 8), field="lower"),
    Region("V2v", "retinotopic", "prfvisualrois", 3, 84, (12, -84, -18), field="upper"),
    Region("V2d", "retinotopic", "prfvisualrois", 4, 84, (13, -90, 20), field="lower"),
    Region("V3v", "retinotopic", "prfvisualrois", 5, 62, (20, -76, -22), field="upper"),
    Region("V3d", "retinotopic", "prfvisualrois", 6, 62, (22, -84, 24), field="lower"),
    Region("hV4", "retinotopic", "prfvisualrois", 7, 96, (28, -70, -20)),
    Region("OFA", "category", "flocfaces", 1, 36, (36, -74, -10), prefers="face"),
    Region("FFA1", "category", "flocfaces", 2, 52, (36, -56, -18), prefers="face"),
    Region("FFA2", "category", "flocfaces", 3, 44, (34, -42, -22), prefers="face"),
    Region("OWFA", "category", "flocwords", 1, 32, (33, -80, -14), prefers="word"),
    Region("VWFA1", "category", "flocwords", 2, 48, (38, -60, -12), prefers="word"),
    Region("VWFA2", "category", "flocwords", 3, 36, (38, -46, -16), prefers="word"),
    Region("OPA", "category", "flocplaces", 1, 52, (28, -76, 26), prefers="place"),
    Region("PPA", "category", "flocplaces", 2, 72, (22, -46, -24), prefers="place"),
    Region("RSC", "category", "flocplaces", 3, 44, (6, -58, 8), prefers="place"),
    Region("EBA", "category", "flocbodies", 1, 72, (38, -66, 8), prefers="body"),
    Region("FBA1", "category", "flocbodies", 2, 40, (30, -54, -24), prefers="body"),
    Region("FBA2", "category", "flocbodies", 3, 32, (28, -38, -26), prefers="body"),
    Region("LO", "object", "objects", 1, 180, (34, -82, 4)),
)
"""Every region of the built-in geometry, in the order in which they take their voxels."""

UNRESPONSIVE = Region("unresponsive", "control", "", 0, 150, (0, -60, 0))
"""Voxels of the mask that respond to nothing."""

FOREIGN: tuple[Region, ...] = (
    Region("EarlyVis", "retinotopic", "prfvisualrois", 8, 0, (0, 0, 0)),
    Region("V1", "retinotopic", "prfvisualrois", 9, 0, (0, 0, 0)),
    Region("V2", "retinotopic", "prfvisualrois", 10, 0, (0, 0, 0)),
    Region("V3", "retinotopic", "prfvisualrois", 11, 0, (0, 0, 0)),
    Region("FFA", "category", "flocfaces", 4, 0, (0, 0, 0), prefers="face"),
    Region("VWFA", "category", "flocwords", 4, 0, (0, 0, 0), prefers="word"),
    Region("FBA", "category", "flocbodies", 4, 0, (0, 0, 0), prefers="body"),
    Region("LOC", "object", "objects", 2, 0, (0, 0, 0)),
)
"""Regions that masks of other studies name and the built-in geometry has not, or has in parts."""

BY_NAME: dict[str, Region] = {r.name: r for r in (*REGIONS, *FOREIGN, UNRESPONSIVE)}

_ALIASES = {"v4": "hV4", "earlyvisual": "EarlyVis", "evc": "EarlyVis"}


def named(text: str, *, where: str) -> Region:
    """Return the region that a file calls ``text``; case, hyphens and underscores do not matter.

    Raises
    ------
    DataError
        If there is none; ``where`` is said in front.
    """
    key = re.sub(r"[-_ ]", "", text).lower()
    names = {name.lower(): region for name, region in BY_NAME.items() if region.kind != "control"}
    names |= {alias: BY_NAME[name] for alias, name in _ALIASES.items()}
    if key not in names:
        known = [region.name for region in names.values()]
        raise DataError(
            f"{where}: no region is called {text!r}.{near(text, known)} "
            f"Known: {listing(dict.fromkeys(known), most=40)}."
        )
    return names[key]


# --- words in captions -------------------------------------------------------------------------

_PERSON = (
    "man woman person people boy girl child children kid baby lady guy men women player skier "
    "surfer rider crowd pedestrian chef couple group family skateboarder snowboarder"
)
_WORDS: dict[str, dict[str, float]] = {
    "face": {"face head smile smiling portrait eyes looking hair": 1.0, _PERSON: 0.5},
    "body": {_PERSON: 1.0, "arm hand leg standing walking riding playing": 0.5},
    "word": {"word sign text letter writing book newspaper clock poster number label": 1.0},
    "place": {
        "house building street room kitchen city bathroom bedroom field beach road park bridge "
        "mountain church tower station airport restaurant office hill store market": 1.0,
        "grass snow ocean water sky window table wall night sunset": 0.3,
    },
    "food": {
        "food pizza sandwich cake fruit apple banana orange broccoli carrot donut bread meal "
        "plate vegetable salad dessert": 1.0
    },
    "vehicle": {
        "car truck bus train motorcycle bicycle bike airplane plane van taxi vehicle scooter "
        "jet engine": 1.0
    },
    "animal": {
        "cat dog horse cow elephant giraffe zebra bird sheep bear animal kitten puppy cattle "
        "duck goat": 1.0
    },
    "boat": {"boat ship sailboat canoe kayak ferry yacht": 1.0},
}
WORDS: dict[str, dict[str, float]] = {
    label: {word: weight for words, weight in table.items() for word in words.split()}
    for label, table in _WORDS.items()
}
"""For each label the words that stand for it in a caption, with how strongly they do."""


def strengths(captions: tuple[str, ...]) -> tuple[float, ...]:
    """Return how strongly captions speak of each of ``LABELS``: 0 to 1.

    A caption counts with the strongest of its words in ``WORDS`` (a plural as its singular);
    the value is the mean over the captions, 0 where there are none.
    """
    if not captions:
        return (0.0,) * len(LABELS)
    bags = [_tokens(caption) for caption in captions]
    return tuple(
        sum(max((WORDS[label].get(word, 0.0) for word in bag), default=0.0) for bag in bags)
        / len(bags)
        for label in LABELS
    )


def _tokens(caption: str) -> set[str]:
    words = set(re.findall(r"[a-z]+", caption.lower()))
    return words | {word[:-1] for word in words if word.endswith("s")}
