"""Names for unions of regions: built in, and from a file of the user."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.files import toml_of
from neurodiffuse.readers.reach import check_file
from neurodiffuse.readers.tables import read_table
from neurodiffuse.types import Roi
from neurodiffuse_bids.regions import Region

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "V1": ("V1v", "V1d"),
    "V2": ("V2v", "V2d"),
    "V3": ("V3v", "V3d"),
    "V4": ("hV4",),
    "LO": ("LO1", "LO2"),
    "FFA": ("FFA1", "FFA2"),
    "FBA": ("FBA1", "FBA2"),
    "VWFA": ("VWFA1", "VWFA2"),
    "eccentricity": ("eccen",),
}
"""Short names; those whose members a subject has, and that it has no region of, are offered."""

FAMILIES: Mapping[str, str] = {
    "faces": "flocfaces",
    "words": "flocwords",
    "places": "flocplaces",
    "bodies": "flocbodies",
}
"""Names for all regions of an atlas (a ``seg-`` or ``atlas-`` label)."""


def read_aliases(path: Path) -> dict[str, tuple[str, ...]]:
    """Return a user's names: TOML ``FFA = ["FFA1", "FFA2"]``, or TSV with ``name`` and ``rois``.

    In the table regions are joined by ``+``. A member that ends in ``?`` may be missing.
    """
    if not path.is_file():
        raise MissingDataError(f"datasets.bids.alias_file: there is no file {path}.")
    if path.suffix == ".tsv":
        table = read_table(path)
        pairs = zip(table["name"], table["rois"], strict=True)
        return {name: _split(text, name, path) for name, text in pairs}
    check_file(path)
    try:
        content = toml_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as TOML ({error}).") from error
    out = {}
    for name, value in content.items():
        if isinstance(value, str):
            out[name] = _split(value, name, path)
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            out[name] = tuple(value)
        else:
            raise DataError(
                f"{path}: {name} = {value!r}; regions are needed: {name} = "
                '["FFA1", "FFA2"] or "FFA1+FFA2".'
            )
    return out


def lost_unions(lost: Mapping[str, str]) -> dict[str, str]:
    """Return the built-in names that have a lost member, with the reason why it was left out."""
    out: dict[str, str] = {}
    for member, why in lost.items():
        plain = _loose(member)
        names = [n for n, wanted in BUILT_IN.items() if plain in map(_loose, wanted)]
        names += [n for n, family in FAMILIES.items() if plain.startswith(f"{_loose(family)}.")]
        out |= dict.fromkeys(names, why)
    return out


def with_aliases(
    regions: Mapping[str, Region],
    own: Mapping[str, Sequence[str]],
    source: Path | None,
    lost: Collection[str] = (),
) -> dict[str, Region]:
    """Return the regions with the user's names, which go first, and the built-in ones.

    Those in ``lost`` are not made of the members that are left.

    Raises
    ------
    DataError
        If a user's name has a member that is no region, or leads back to itself.
    """
    named = dict(regions)
    made: dict[str, Region] = {}
    for name in own:
        made[name] = _own(name, regions, own, source, ())
    named.update(made)
    for name, family in FAMILIES.items():
        members = [r for r in regions.values() if _of(r, family)]
        if members and name not in lost and not _find(name, named):
            named[name] = _union(name, members, f"all of {family}")
    for name, wanted in BUILT_IN.items():
        members = [r for r in (_find(w, named) for w in wanted) if r]
        if members and name not in lost and not _find(name, named):
            named[name] = _union(name, members, "+".join(m.roi.name for m in members))
    return named


def _own(
    name: str,
    regions: Mapping[str, Region],
    own: Mapping[str, Sequence[str]],
    source: Path | None,
    through: tuple[str, ...],
) -> Region:
    """Return the union that a user's name stands for; its members may be such names too."""
    if name in through:
        raise DataError(f"{source}: {' → '.join((*through, name))} leads back to itself.")
    members = []
    for text in own[name]:
        member = text.removesuffix("?").strip()
        if member in own and member != name:
            members.append(_own(member, regions, own, source, (*through, name)))
        elif (found := _find(member, regions)) or (found := _built_in(member, regions)):
            members.append(found)
        elif not text.endswith("?"):
            raise DataError(
                f"{source}: {name} is made of {member}, which is no region here."
                f"{near(member, regions)} Regions: {listing(regions)}. Write {member}? where a "
                "subject may lack it."
            )
    if not members:
        raise DataError(f"{source}: {name}: this subject has none of {listing(own[name])}.")
    return _union(name, members, str(source))


def _built_in(name: str, regions: Mapping[str, Region]) -> Region | None:
    return _find(name, with_aliases(regions, {}, None))


def _union(name: str, members: Sequence[Region], source: str) -> Region:
    maps = [m for m in members if m.roi.kind == "map"]
    if maps:
        if len(members) > 1:
            raise DataError(
                f"{source}: {name} joins {listing(m.roi.name for m in members)}; only "
                "masks can be joined, and a map can have one other name."
            )
        roi = Roi(name, "map", maps[0].roi.atlas, maps[0].roi.units, maps[0].roi.source)
        return Region(roi, maps[0].parts, together="value")
    return Region(Roi(name, "mask", "alias", "", source), members=tuple(members))


def _find(name: str, regions: Mapping[str, Region]) -> Region | None:
    """Return a region by its name; hyphens and case may differ where only one then fits."""
    if name in regions:
        return regions[name]
    same = [key for key in regions if _loose(key) == _loose(name)]
    if not same:
        same = [key for key in regions if _loose(key) == _loose(f"prfvisualrois.{name}")]
    return regions[same[0]] if len(same) == 1 else None


def _of(region: Region, family: str) -> bool:
    whole = region.roi.kind == "mask" and not region.roi.name.startswith(("lh.", "rh."))
    return whole and _loose(region.roi.atlas) == _loose(family)


def _loose(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


def _split(text: str, name: str, path: Path) -> tuple[str, ...]:
    members = tuple(part.strip() for part in text.split("+") if part.strip())
    if not name or not members:
        raise DataError(f"{path}: {name or 'a row'} has no regions; write them as FFA1+FFA2.")
    return members
