"""What a file of regions holds and what it is called, by the file's own name."""

from __future__ import annotations

from neurodiffuse.readers.freesurfer import SEGMENTATIONS
from neurodiffuse_bids.index import BidsFile


def kind_of(file: BidsFile) -> str:
    """Return what a file holds by its name: a mask, a dseg, a map, or nothing of these."""
    suffix = file["suffix"]
    if file["extension"] == ".tsv":
        return ""
    if file.path.name in SEGMENTATIONS:
        return "dseg"
    if suffix in ("mask", "brainmask"):
        return "mask"
    if suffix == "dseg":
        return "dseg"
    if suffix == "probseg":
        return "map"
    return "map" if suffix == "statmap" and not _of_run_or_trial(file) else ""


def is_single(file: BidsFile) -> bool:
    """Return whether a file holds values of a run or of trials, and so no map of the subject."""
    if file["extension"] == ".tsv":
        return False
    betas = file["suffix"] in ("betas", "betaseries", "beta")
    return betas or (file["suffix"] == "statmap" and _of_run_or_trial(file))


def _of_run_or_trial(file: BidsFile) -> bool:
    return bool(file["run"] or file["trial"] or file["stim"])


def name_of(file: BidsFile) -> str:
    """Return what a mask or map is called by its file's name."""
    if file["suffix"] == "probseg":
        return f"prob.{file['label'] or file['desc']}".rstrip(".")
    if file["suffix"] == "statmap":
        return file["stat"] or file["desc"] or file["contrast"] or "statmap"
    default = "brain" if file["suffix"] == "brainmask" else "mask"
    return file["label"] or file["roi"] or file["desc"] or file["contrast"] or default


def family_of(file: BidsFile) -> str:
    """Return which files a region belongs with by its file's name, perhaps none."""
    if kind_of(file) == "dseg":
        plain = file.path.name.split(".mg")[0]
        own = plain if file.path.name in SEGMENTATIONS else "dseg"
        return file["segmentation"] or file["atlas"] or file["desc"] or own
    if file["suffix"] == "probseg":
        return file["segmentation"]
    further = (file["atlas"], file["segmentation"], file["desc"])
    if file["suffix"] == "statmap":
        further = (file["contrast"], file["desc"], file["model"])
    return next((text for text in further if text and text != name_of(file)), "")
