"""Which files of the bucket a recipe needs, and how large they are where that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from neurodiffuse.downloads import in_bytes
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse_nsd.atlases import LABELS, QUALIFIED
from neurodiffuse_nsd.sessions import PUBLISHED
from neurodiffuse_nsd.tree import HEMISPHERES, VERSIONS, Space, Tree, Version

Part = Literal["design", "betas", "rois", "anatomy", "stimuli", "captions"]
Form = Literal["nifti", "hdf5"]

PAPER = 37
"""Sessions that Ozcelik & VanRullen (2023) used: those that were public then."""

SHAPES: dict[str, dict[str, tuple[int, int, int]]] = {
    "func1pt8mm": {
        "01": (81, 104, 83), "02": (82, 106, 84), "03": (81, 106, 82), "04": (85, 99, 80),
        "05": (79, 97, 78), "06": (85, 113, 83), "07": (78, 95, 81), "08": (80, 103, 78),
    },
    "func1mm": {
        "01": (145, 186, 148), "02": (146, 190, 150), "03": (145, 190, 146), "04": (152, 177, 143),
        "05": (141, 173, 139), "06": (152, 202, 148), "07": (139, 170, 145), "08": (143, 184, 139),
    },
}  # fmt: skip
"""Voxels of each subject's volumes (NSD Data Manual, technical notes)."""

TRIALS = 750
FSAVERAGE = 163_842
PICTURES = 73_000 * 425 * 425 * 3
MAPS = ("angle", "eccentricity", "size", "R2", "exponent", "gain", "meanvol")


@dataclass(frozen=True)
class Request:
    """What is asked for; ``sessions`` are the first ones, of a subject with fewer all."""

    subjects: tuple[str, ...]
    sessions: int = PAPER
    version: Version = "b3"
    space: Space = "func1pt8mm"
    form: Form = "nifti"
    parts: tuple[Part, ...] = get_args(Part)

    def sessions_of(self, subject: str) -> int:
        """Return how many sessions of a subject are fetched."""
        return min(self.sessions, PUBLISHED[subject])


@dataclass(frozen=True)
class Need:
    """A file of the bucket by its key, which is also its path below the root.

    ``size`` in bytes is what is known without asking; ``bound`` says how: ``about`` or
    ``at most`` (of compressed files what they hold). ``optional`` files are left out where a
    subject has none.
    """

    key: str
    part: Part
    size: int | None = None
    bound: str = ""
    optional: bool = False

    @property
    def said(self) -> str:
        """The size as it is said."""
        return f"{self.bound} {in_bytes(self.size)}".strip()


def subject_of(text: str) -> str:
    """Return ``01`` for 1, 01, sub-01 and subj01.

    Raises
    ------
    ConfigError
        If NSD has no such subject.
    """
    label = text.removeprefix("sub-").removeprefix("subj").zfill(2)
    if label not in PUBLISHED:
        raise ConfigError(f"--sub: NSD has no subject {text!r}. Subjects: 1 to 8.")
    return label


def needs(request: Request) -> tuple[Need, ...]:
    """Return the bucket's files in the order in which they are most useful.

    Captions are not among them: they are COCO's.
    """
    found: list[Need] = []
    if "design" in request.parts:
        found += _design(request)
    for subject in request.subjects:
        if "rois" in request.parts:
            found += _rois(request, subject)
        if "anatomy" in request.parts:
            found += _anatomy(request, subject)
        if "betas" in request.parts:
            found += _betas(request, subject)
    if "stimuli" in request.parts:
        found.append(Need(_key(Tree(Path()).pictures), "stimuli", PICTURES, "about"))
    return tuple(dict.fromkeys(found))


def _design(request: Request) -> Iterator[Need]:
    tree = Tree(Path())
    yield Need(_key(tree.design), "design")
    yield Need(_key(tree.picture_table), "design", 11_000_000, "about")
    for subject in request.subjects:
        yield Need(_key(tree.responses(subject)), "design", optional=True)


def _betas(request: Request, subject: str) -> Iterator[Need]:
    folder = Tree(Path()).betas(subject, request.space, request.version)
    numbers = range(1, request.sessions_of(subject) + 1)
    if request.space == "fsaverage":
        for side in HEMISPHERES:
            yield Need(_key(folder / f"{side}.ncsnr.mgh"), "betas", optional=True)
        size = FSAVERAGE * TRIALS * 4
        names = [f"{side}.betas_session{n:02d}.mgh" for n in numbers for side in HEMISPHERES]
        yield from (Need(_key(folder / name), "betas", size, "about") for name in names)
        return
    yield Need(_key(folder / "ncsnr.nii.gz"), "betas", optional=True)
    x, y, z = SHAPES[request.space][subject]
    size = x * y * z * TRIALS * 2
    suffix, bound = (".hdf5", "about") if request.form == "hdf5" else (".nii.gz", "at most")
    for n in numbers:
        yield Need(_key(folder / f"betas_session{n:02d}{suffix}"), "betas", size, bound)


def _rois(request: Request, subject: str) -> Iterator[Need]:
    tree, names = Tree(Path()), (*LABELS, *QUALIFIED)
    for name in names:
        yield Need(_key(tree.surface_labels(subject) / f"{name}.mgz.ctab"), "rois", optional=True)
    if request.space == "fsaverage":
        yield from _surface_rois(tree, subject, names)
        return
    volumes = tree.volumes(subject, request.space)
    for name in names:
        needed = name == "nsdgeneral"  # what is decoded from unless another mask is named
        yield Need(_key(volumes / "roi" / f"{name}.nii.gz"), "rois", optional=not needed)
        for side in HEMISPHERES:
            path = volumes / "roi" / f"{side}.{name}.nii.gz"
            yield Need(_key(path), "rois", optional=True)
    for name in MAPS:
        yield Need(_key(volumes / f"prf_{name}.nii.gz"), "rois", optional=True)


def _surface_rois(tree: Tree, subject: str, names: tuple[str, ...]) -> Iterator[Need]:
    """Yield regions of fsaverage, and the subject's own with the way to fsaverage."""
    own = (*names, *(f"prf{name}" for name in MAPS))
    for place, wanted in (("fsaverage", names), (subject, own)):
        for name in wanted:
            for side in HEMISPHERES:
                path = tree.surface_labels(place) / f"{side}.{name}.mgz"
                needed = name == "nsdgeneral" and place == "fsaverage"
                yield Need(_key(path), "rois", optional=not needed)
    for side in HEMISPHERES:
        path = tree.transforms(subject) / f"{side}.white-to-fsaverage.mgz"
        yield Need(_key(path), "rois", optional=True)


def _anatomy(request: Request, subject: str) -> Iterator[Need]:
    if request.space == "fsaverage":
        return
    volumes = Tree(Path()).volumes(subject, request.space)
    for name in (f"T1_to_{request.space}", "mean", "brainmask"):
        yield Need(_key(volumes / f"{name}.nii.gz"), "anatomy", optional=True)


def _key(path: Path) -> str:
    return path.as_posix()


def of_recipe(table: Mapping[str, Any], reads: set[str]) -> dict[str, Any]:
    """Return what a recipe says of NSD as fields of `Request`.

    Parameters
    ----------
    table
        The recipe; ``[datasets.nsd]`` holds the options of the data set.
    reads
        What the encoders of its features read: without ``captions`` none are fetched.

    Raises
    ------
    ConfigError
        If it asks for what NSD has not.
    """
    options = dict(table.get("datasets", {}).get("nsd", {}))
    parts = tuple(p for p in get_args(Part) if p != "captions" or "captions" in reads)
    found: dict[str, Any] = {"parts": parts}
    if sessions := options.get("n_sessions"):
        found["sessions"] = int(sessions)
    for option, field, known in (
        ("version", "version", VERSIONS),
        ("space", "space", get_args(Space)),
        ("format", "form", (*get_args(Form), "auto")),
    ):
        value = options.get(option)
        if value is not None and value not in known:
            raise ConfigError(
                f"recipe: datasets.nsd.{option}: {value!r} given.{near(str(value), known)} "
                f"Possible: {listing(known)}."
            )
        if value not in (None, "auto"):
            found[field] = value
    return found
