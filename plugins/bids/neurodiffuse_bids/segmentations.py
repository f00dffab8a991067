"""What the labels of a segmentation are called, and whether its table fits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.readers import freesurfer
from neurodiffuse.readers.tables import read_table
from neurodiffuse_bids.index import BidsFile

FREESURFER = ("aseg", "aparcaseg", "aparcDKTatlasaseg", "aparca2009saseg", "aparc", "wmparc")
"""What ``desc-``, ``seg-`` or ``atlas-`` says of a segmentation with FreeSurfer's numbers."""

BACKGROUND = ("background", "unknown", "outside", "none", "unlabeled", "unlabelled", "clear label",
              "empty", "void", "???", "0", "nan", "no label", "not a region")  # fmt: skip
"""What tables call the voxels that are in no region, in lower case."""


@dataclass(frozen=True)
class Lookup:
    """Names by label; ``source`` is the table, None where names are built in or numbers."""

    names: Mapping[int, str]
    source: Path | None


def lookup_of(file: BidsFile, files: Sequence[BidsFile], root: Path, given: Path | None) -> Lookup:
    """Return the names of a segmentation's labels, empty where no table names any.

    The table is the ``_dseg.tsv`` with the most entities of the file's name, else the one that
    the user gave, else FreeSurfer's where the file says that its numbers are FreeSurfer's: a
    ``FreeSurferColorLUT.txt`` of the data set, or the names that are built in.

    Raises
    ------
    MissingDataError
        If the table that the user gave is not there.
    DataError
        If the table cannot be read.
    """
    table = _table(file, files)
    if table is not None:
        return Lookup(_names(table.path), table.path)
    if given is not None:
        return Lookup(_names(given), given)
    if is_freesurfer(file):
        for folder in (file.path.parent, root, root / "sourcedata" / "freesurfer"):
            if (folder / freesurfer.TABLE).is_file():
                path = folder / freesurfer.TABLE
                return Lookup(freesurfer.read_colours(path), path)
        return Lookup(freesurfer.NAMES, None)
    return Lookup({}, None)


def is_freesurfer(file: BidsFile) -> bool:
    """Return whether a file says that its labels are FreeSurfer's numbers."""
    said = {file[entity] for entity in ("desc", "segmentation", "atlas")}
    return file.path.name in freesurfer.SEGMENTATIONS or bool(said & set(FREESURFER))


def by_name(lookup: Lookup, family: str, counts: Mapping[int, int]) -> dict[str, list[int]]:
    """Return the labels of each name; with a table of the atlas, also those without a voxel.

    Parameters
    ----------
    lookup
        As `lookup_of` returned it.
    family
        What labels without a name are called after.
    counts
        How many voxels each label of the image has.
    """
    out: dict[str, list[int]] = {}
    whole = lookup.source is not None and lookup.source.suffix == ".tsv"
    for label, name in lookup.names.items():
        if label > 0 and name and (whole or label in counts):
            out.setdefault(name, []).append(label)
    if not whole:
        for label in counts:
            if not lookup.names.get(label):
                out[f"{family}{label}"] = [label]
    return out


def misfit(lookup: Lookup, counts: Mapping[int, int]) -> tuple[str, Literal["note", "warning"]]:
    """Return what does not fit between a table and an image, perhaps nothing.

    It is a warning where each has labels that the other lacks: their numbers may be shifted.

    Raises
    ------
    DataError
        If the two count from different numbers, or share no label.
    """
    if lookup.source is None or not counts:
        return "", "note"
    if lookup.source.suffix != ".tsv":  # a table of all numbers that FreeSurfer has
        return _nameless(lookup, counts, "called by their numbers"), "note"
    names = {label: name for label, name in lookup.names.items() if name}
    regions = {label for label in names if label > 0}
    zero = names.get(0, "")
    table = lookup.source.name
    if zero and zero.lower() not in BACKGROUND:
        raise DataError(
            f"its table {table} calls 0 {zero!r}, and 0 is what lies outside of all regions: the "
            f"table seems to count from 0 and the image from 1 (labels {_labels(counts)}). Add 1 "
            "to each index, or call 0 Background"
        )
    first = min(regions, default=0)
    if first == 1 and names[1].lower() in BACKGROUND and max(counts) < max(regions):
        raise DataError(
            f"its table {table} calls 1 {names[1]!r}, and the image's labels are "
            f"{_labels(counts)}: the table seems to count the background as 1, and the image as "
            "0. Subtract 1 from each index"
        )
    shifted = {label - 1 for label in counts}
    if len(counts) > 1 and shifted <= regions and not set(counts) <= regions:
        raise DataError(
            f"its table {table} names {_labels(regions)}, and the image holds {_labels(counts)}: "
            "the table seems to count from one less. Add 1 to each index"
        )
    if not regions & set(counts):
        raise DataError(
            f"its table {table} names {_labels(regions)}, and the image holds {_labels(counts)}: "
            "they have no label in common. Give the table of this image"
        )
    nameless = _nameless(lookup, counts, "in no region")
    told = [nameless] if nameless else []
    if absent := sorted(regions - set(counts)):
        told.append(
            f"no voxel of {len(absent)} of {len(regions)} regions: "
            f"{listing([names[label] for label in absent], most=4)}"
        )
    if nameless and absent:
        return "; ".join([*told, "is it the table of this image?"]), "warning"
    return "; ".join(told), "note"


def joined(lookup: Lookup, counts: Mapping[int, int]) -> str:
    """Return which labels of an image have one name, and so are one region; perhaps none."""
    several: dict[str, list[str]] = {}
    for label in sorted(counts):
        if name := lookup.names.get(label, ""):
            several.setdefault(name, []).append(str(label))
    said = [f"{n} ({listing(labels, most=5)})" for n, labels in several.items() if len(labels) > 1]
    if not said:
        return ""
    source = lookup.source.name if lookup.source else "FreeSurfer's table"
    return f"{source} gives several labels one name, and one region: {listing(said, most=4)}"


def dropped(lookup: Lookup, negatives: Mapping[int, int]) -> str:
    """Return which labels below 0 are in no region, perhaps none.

    -1 without a name of its own is what lies outside, as in the files of NSD.

    Parameters
    ----------
    lookup
        As `lookup_of` returned it.
    negatives
        How many voxels each label below 0 has, by its number without the sign.
    """
    said = []
    for number, count in negatives.items():
        name = lookup.names.get(-number, "")
        name = "" if name.lower() in BACKGROUND else name
        if name or (number != 1 and -number not in lookup.names):
            said.append(f"-{number}{f' {name!r}' if name else ''} ({count:,} voxels)")
    return f"labels below 0 are in no region: {listing(said, most=4)}" if said else ""


def _nameless(lookup: Lookup, counts: Mapping[int, int], how: str) -> str:
    """Return which labels of an image have no name, perhaps none; ``how`` they are taken."""
    found = [label for label in counts if not lookup.names.get(label)]
    if not found or lookup.source is None:
        return ""
    voxels = sum(counts[label] for label in found)
    return f"{lookup.source.name} has no name for {_labels(found)} ({voxels:,} voxels, {how})"


def _labels(labels: Mapping[int, int] | Sequence[int] | set[int]) -> str:
    return listing([str(label) for label in sorted(labels)], most=5)


def _names(path: Path) -> dict[int, str]:
    """Return the names in a table of labels: columns ``index`` and ``name``, or a colour table."""
    if path.suffix != ".tsv":
        return freesurfer.read_colours(path)
    if not path.exists():
        raise MissingDataError(f"{path}: there is no such table of labels.")
    names: dict[int, str] = {}
    content = read_table(path)
    for text, name in zip(content["index"], content["name"], strict=True):
        try:
            value = float(text)
            if value != int(value):
                raise ValueError
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: the index {text!r} is no whole number.") from error
        if names.get(int(value), name) != name:
            raise DataError(
                f"{path}: calls {int(value)} {names[int(value)]!r} and {name!r}; a label has one "
                "name."
            )
        names[int(value)] = name
    return names


def _table(file: BidsFile, files: Sequence[BidsFile]) -> BidsFile | None:
    """Return the lookup table of a segmentation: that with the most entities of its name."""
    tables = [f for f in files if f["suffix"] == "dseg" and f["extension"] == ".tsv"]
    fitting = []
    for table in tables:
        own = {k: v for k, v in table.entities.items() if k != "extension"}
        if file.fits(own):
            fitting.append((len(own), table.path.as_posix(), table))
    return max(fitting, key=lambda item: item[:2])[2] if fitting else None
