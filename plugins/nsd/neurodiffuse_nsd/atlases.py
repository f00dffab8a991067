"""What the labels of NSD's region files are called."""

from __future__ import annotations

from pathlib import Path

from neurodiffuse.errors import DataError
from neurodiffuse.readers.freesurfer import read_colours
from neurodiffuse_nsd.tree import WrongFileError

LABELS: dict[str, tuple[str, ...]] = {
    "nsdgeneral": ("nsdgeneral",),
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "prf-eccrois": ("ecc0pt5", "ecc1", "ecc2", "ecc4", "ecc4+"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral",
                "parietal"),
    "Kastner2015": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4", "VO1", "VO2", "PHC1", "PHC2",
                    "TO2", "TO1", "LO2", "LO1", "V3B", "V3A", "IPS0", "IPS1", "IPS2", "IPS3",
                    "IPS4", "IPS5", "SPL1", "FEF"),
}  # fmt: skip
"""Names of the labels 1, 2, … of each file, for trees without a ``.ctab``.

From cvnlab's PARAMETERSnotes.m (retinotopy, faces, places, bodies) and nsdexamples (Kastner2015);
words and streams as several third parties give them.
"""

UNIONS: dict[str, tuple[str, ...]] = {
    "V1": ("V1v", "V1d"),
    "V2": ("V2v", "V2d"),
    "V3": ("V3v", "V3d"),
    "V4": ("hV4",),
    "FFA": ("FFA-1", "FFA-2"),
    "VWFA": ("VWFA-1", "VWFA-2"),
    "FBA": ("FBA-1", "FBA-2"),
    "LO": ("LO1", "LO2"),
}
"""Names for several labels of one file."""

FAMILIES: dict[str, str] = {
    "faces": "floc-faces",
    "words": "floc-words",
    "places": "floc-places",
    "bodies": "floc-bodies",
}
"""Names for all labels of a file."""

QUALIFIED = ("HCP_MMP1", "corticalsulc", "visualsulc", "MTL", "thalamus", "fVTC")
"""Files whose labels are always written ``FILE.NAME``: they are many, or named like others."""


def read_ctab(path: Path) -> dict[int, str]:
    """Return the names in a FreeSurfer colour table by number; 0 is not among them.

    A line is ``INT NAME``, then perhaps colours; NSD's end in tabs and blanks.

    Raises
    ------
    DataError
        If a line is something else.
    """
    try:
        return read_colours(path)
    except DataError as error:
        raise WrongFileError(str(error)) from error
