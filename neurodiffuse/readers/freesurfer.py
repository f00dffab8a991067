"""The numbers of FreeSurfer's segmentations and what they are called.

Numbers and names are those of ``FreeSurferColorLUT.txt`` as FreeSurfer 7 has them
(https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/AnatomicalROI/FreeSurferColorLUT); the
cortex is parcellated after Desikan et al. 2006, in the order of its ``aparc.annot``.
"""

from __future__ import annotations

from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.reach import check_file

TABLE = "FreeSurferColorLUT.txt"
"""The name of FreeSurfer's own table."""

SEGMENTATIONS = ("aseg.mgz", "aparc+aseg.mgz", "aparc.DKTatlas+aseg.mgz", "aparc.a2009s+aseg.mgz",
                 "wmparc.mgz")  # fmt: skip
"""What FreeSurfer calls the segmentations in a subject's folder ``mri``."""

_SIDED = {
    2: "Cerebral-White-Matter", 3: "Cerebral-Cortex", 4: "Lateral-Ventricle", 5: "Inf-Lat-Vent",
    7: "Cerebellum-White-Matter", 8: "Cerebellum-Cortex", 10: "Thalamus", 11: "Caudate",
    12: "Putamen", 13: "Pallidum", 17: "Hippocampus", 18: "Amygdala", 19: "Insula",
    26: "Accumbens-area", 28: "VentralDC", 30: "vessel", 31: "choroid-plexus",
}  # fmt: skip
_RIGHT = {
    2: 41, 3: 42, 4: 43, 5: 44, 7: 46, 8: 47, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53, 18: 54,
    19: 55, 26: 58, 28: 60, 30: 62, 31: 63,
}  # fmt: skip
_MIDDLE = {
    14: "3rd-Ventricle", 15: "4th-Ventricle", 16: "Brain-Stem", 24: "CSF", 72: "5th-Ventricle",
    77: "WM-hypointensities", 78: "Left-WM-hypointensities", 79: "Right-WM-hypointensities",
    80: "non-WM-hypointensities", 81: "Left-non-WM-hypointensities",
    82: "Right-non-WM-hypointensities", 85: "Optic-Chiasm", 192: "Corpus_Callosum",
    250: "Fornix", 251: "CC_Posterior", 252: "CC_Mid_Posterior", 253: "CC_Central",
    254: "CC_Mid_Anterior", 255: "CC_Anterior",
}  # fmt: skip
_DESIKAN = (
    "unknown", "bankssts", "caudalanteriorcingulate", "caudalmiddlefrontal", "corpuscallosum",
    "cuneus", "entorhinal", "fusiform", "inferiorparietal", "inferiortemporal",
    "isthmuscingulate", "lateraloccipital", "lateralorbitofrontal", "lingual",
    "medialorbitofrontal", "middletemporal", "parahippocampal", "paracentral", "parsopercularis",
    "parsorbitalis", "parstriangularis", "pericalcarine", "postcentral", "posteriorcingulate",
    "precentral", "precuneus", "rostralanteriorcingulate", "rostralmiddlefrontal",
    "superiorfrontal", "superiorparietal", "superiortemporal", "supramarginal", "frontalpole",
    "temporalpole", "transversetemporal", "insula",
)  # fmt: skip

NAMES: dict[int, str] = {
    **_MIDDLE,
    **{k: f"Left-{name}" for k, name in _SIDED.items()},
    **{_RIGHT[k]: f"Right-{name}" for k, name in _SIDED.items()},
    **{1000 + k: f"ctx-lh-{name}" for k, name in enumerate(_DESIKAN)},
    **{2000 + k: f"ctx-rh-{name}" for k, name in enumerate(_DESIKAN)},
    **{3000 + k: f"wm-lh-{name}" for k, name in enumerate(_DESIKAN)},
    **{4000 + k: f"wm-rh-{name}" for k, name in enumerate(_DESIKAN)},
    5001: "Left-UnsegmentedWhiteMatter",
    5002: "Right-UnsegmentedWhiteMatter",
}
"""Names of the labels of ``aseg``, ``aparc+aseg`` and ``wmparc``."""


def read_colours(path: Path) -> dict[int, str]:
    """Return the names in a FreeSurfer colour table by number; 0 is not among them.

    A line is ``INT NAME``, then perhaps colours.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is no text, or a line is something else.
    """
    names: dict[int, str] = {}
    check_file(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: there is no such table of labels.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table of labels ({error}).") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2 or not words[0].isdigit():
            raise DataError(
                f"{path}: line {number} is {line.strip()!r}; a number and a name are needed."
            )
        if int(words[0]) > 0:
            names[int(words[0])] = words[1]
    return names
