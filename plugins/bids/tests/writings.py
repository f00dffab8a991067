"""One small study, and the many ways in which a BIDS derivative can write it.

`Writing` says how the study is written, `write` writes it and `observe` reads it back in terms of
the study: which picture each trial showed, and which value each place in millimetres had. Nothing
here uses the code under test.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from PIL import Image

SHAPE = (6, 5, 4)
AFFINE = np.array([[2.0, 0, 0, -5.5], [0, 2.0, 0, -4.0], [0, 0, 2.5, 3.0], [0, 0, 0, 1]])
SLOPE = np.float32(1 / 300)
RUNS = 2

_rng = np.random.default_rng(16)
PICTURES = _rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
TEST = frozenset(range(16, 20))
SHOWN = tuple(int(k) for k in _rng.permutation([*range(20), *TEST]))
"""The picture of each trial: four of the test set twice, the others once."""

STORED = _rng.integers(-3000, 3000, (len(SHOWN), *SHAPE), dtype=np.int16)
BETAS = STORED.astype(np.float32) * SLOPE
"""The response of each trial at each voxel of the canonical grid (RAS, `AFFINE`)."""

LABELS = _rng.integers(0, 3, SHAPE)
"""1 is V1, 2 is hV4."""

VISUAL = _rng.random(SHAPE) < 0.7
ECCENTRICITY = (_rng.random(SHAPE) * 8).astype(np.float32)
LEFT = np.indices(SHAPE)[0] < SHAPE[0] // 2
REGIONS = {"V1": LABELS == 1, "hV4": LABELS == 2, "visual": VISUAL}

AXES = tuple(
    (axes, flips) for axes in permutations(range(3)) for flips in product((1, -1), repeat=3)
)
"""The 48 orders and directions of three axes; the first is RAS."""

LAS, PSR = AXES.index(((0, 1, 2), (-1, 1, 1))), AXES.index(((1, 2, 0), (-1, 1, 1)))


def trials(session: int, run: int) -> range:
    """Return the trials of a run by their numbers."""
    per = len(SHOWN) // (2 * RUNS)
    start = (session * RUNS + run) * per
    return range(start, start + per)


@dataclass(frozen=True)
class Writing:
    """How the study is written; lists are gone through file by file or row by row."""

    subject: str = "01"
    sessions: tuple[str, str] = ("01", "02")
    times: str = ""
    first_run: int = 1
    padded: tuple[bool, bool] = (True, True)
    level: str = "run"
    joined_events: bool = False
    raw_events: bool = False
    space: str = "T1w"
    ending: str = "_stat-effect_desc-singletrial_statmap"
    formats: tuple[str, ...] = (".nii.gz",)
    numbers: tuple[str, ...] = ("float32",)
    axes: tuple[int, ...] = (0,)
    codes: tuple[str, ...] = ("both",)
    naming: str = "both"
    folder: str = ""
    accent: str = ""
    spellings: tuple[str, ...] = ("",)
    picture: str = ".png"
    raw_stimuli: bool = False
    links: frozenset[str] = frozenset()
    split: str = "column"
    shuffled: bool = False
    order: str = ""
    blanks: str = ""
    text: str = "unix"
    regions: str = "mask"
    region_numbers: tuple[str, ...] = ("uint8",)
    table: str = "own"
    beside: frozenset[str] = frozenset()


@dataclass
class Written:
    """The files of a writing, by what they are."""

    home: Path
    root: Path
    writing: Writing
    options: dict[str, object] = field(default_factory=dict)
    betas: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    regions: dict[str, Path] = field(default_factory=dict)

    @property
    def stimuli(self) -> Path:
        return (self.home / "raw" if self.writing.raw_stimuli else self.root) / "stimuli"


@st.composite
def writings(draw: st.DrawFn, **fixed: object) -> Writing:
    """Draw a writing; what is fixed stays as it is said, or is drawn as it is said."""

    def pick(name: str, strategy: st.SearchStrategy) -> object:
        given = fixed.get(name, strategy)
        return draw(given, label=name) if isinstance(given, st.SearchStrategy) else given

    def some(*values: object) -> st.SearchStrategy:
        return st.sampled_from(values)

    def several(*values: object) -> st.SearchStrategy:
        return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)

    say: dict[str, object] = {}
    say["subject"] = pick("subject", some("01", "1", "s7", "Ann"))
    say["sessions"] = pick(
        "sessions", some(("01", "02"), ("1", "2"), ("9", "10"), ("pre", "post"), ("wake", "nap"))
    )
    words = not str(say["sessions"][0]).isdigit()
    say["times"] = pick("times", some("sessions.tsv", "scans.tsv", "option") if words else some(""))
    say["first_run"] = pick("first_run", some(1, 9))
    say["padded"] = pick("padded", st.tuples(st.booleans(), st.booleans()))
    say["level"] = pick("level", some("run", "session", "subject", "trial"))
    joined = say["level"] in ("session", "subject")
    say["joined_events"] = pick("joined_events", st.booleans() if joined else some(False))
    say["raw_events"] = pick("raw_events", st.booleans())
    say["space"] = pick("space", some("T1w", "MNI152NLin2009cAsym", "MNI152NLin2009cAsym_res-2"))
    endings = some("_stat-effect_desc-singletrial_statmap", "_betas", "_desc-glm_betaseries")
    by_trial = some("_contrast-trial{}_stat-effect_statmap", "_trial-{}_statmap")
    say["ending"] = pick("ending", by_trial if say["level"] == "trial" else endings)
    say["formats"] = pick("formats", several(".nii.gz", ".nii", ".mgz"))
    kinds = ("float32", "int16 scaled", "float64", "int16 and ScaleFactor", "big-endian float32")
    say["numbers"] = pick("numbers", several(*kinds))
    turned = st.lists(
        some(0, LAS, PSR) | st.integers(0, len(AXES) - 1), min_size=1, max_size=3
    ).map(tuple)
    say["axes"] = pick("axes", turned)
    say["codes"] = pick("codes", several("both", "sform", "qform"))
    say["naming"] = pick(
        "naming", some("both", "id", "file", "numbers", "numbers only", "table", "case")
    )
    say["folder"] = pick("folder", some("", "faces", "faces/of men"))
    by_file = say["naming"] in ("both", "file", "numbers", "table")
    plain_name = by_file or say["naming"] == "case"
    say["accent"] = pick("accent", some("", "NFC", "NFD") if by_file else some(""))
    spelt = several("", "./", "stimuli/", "extra/../", "//", "NFC", "NFD")
    say["spellings"] = pick("spellings", spelt if plain_name else some(("",)))
    say["picture"] = pick("picture", some(".png", ".bmp", ".tif", ".webp", "turned .png"))
    say["raw_stimuli"] = pick("raw_stimuli", st.booleans())
    say["links"] = pick("links", st.frozensets(some("stimuli", "betas", "regions", "root")))
    say["split"] = pick("split", some("column", "repeats>=2", "file", "stimuli.tsv"))
    say["shuffled"] = pick("shuffled", st.booleans())
    order = some("onset") if say["shuffled"] else some("", "file", "onset")
    say["order"] = pick("order", order)
    say["blanks"] = pick(
        "blanks", some("", "with volumes", "without volumes", "filtered", "excluded")
    )
    say["text"] = pick("text", some("unix", "windows", "mark", "no end"))
    say["regions"] = pick("regions", some("mask", "dseg", "hemi"))
    say["region_numbers"] = pick(
        "region_numbers", several("uint8", "int16", "float32", "float64", "scaled")
    )
    say["table"] = pick("table", some("own", "inherited", "floats"))
    beside = some("subject without betas", "atlas that leads nowhere", "AppleDouble", "figures")
    say["beside"] = pick("beside", st.frozensets(beside))
    return Writing(**say)


# --- writing --------------------------------------------------------------------------------------


def write(home: Path, writing: Writing) -> Written:
    """Write the study below a folder and return where everything is and which options it needs."""
    w, out = writing, Written(home, home / "study", writing)
    for root in (out.root, home / "raw"):
        root.mkdir(parents=True)
        text = json.dumps({"Name": root.name, "BIDSVersion": "1.10.0"})
        (root / "dataset_description.json").write_text(text)
    out.options["cache_dir"] = "/dev/null/none"
    _write_pictures(out)
    _write_betas(out)
    _write_events(out)
    _write_regions(out)
    _write_beside(out)
    if w.order:
        out.options["order"] = w.order
    if w.blanks == "filtered":
        out.options["trials_filter"] = {"trial_type": ["image"]}
    elif w.blanks == "excluded":
        out.options["exclude"] = {"trial_type": ["catch"]}
    for what, files in (("betas", out.betas), ("regions", out.regions.values())):
        if what in w.links:
            for path in files:
                to_annex(path, out.root)
    if "root" in w.links:
        (home / "link").symlink_to(out.root, target_is_directory=True)
        out.options["root"] = str(home / "link")
    else:
        out.options["root"] = str(out.root)
    return out


def to_annex(path: Path, root: Path) -> None:
    """Move a file to where git-annex keeps contents, and leave a link as git-annex does."""
    content = path.read_bytes()
    key = f"MD5E-s{len(content)}--{hashlib.md5(content).hexdigest()}"
    key += "".join(path.suffixes[-2:])
    kept = root / ".git/annex/objects" / key[-9:-7] / key / key
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    path.unlink()
    path.symlink_to(os.path.relpath(kept, path.parent))


def turn(data: np.ndarray, affine: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values and affine with axes permuted and flipped, every value at its place."""
    order, flips = AXES[axes]
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        to_old[old, new] = flip
        to_old[old, 3] = data.shape[old] - 1 if flip < 0 else 0
    turned = data.transpose(*order, *range(3, data.ndim))
    turned = np.flip(turned, [k for k in range(3) if flips[k] < 0])
    return np.ascontiguousarray(turned), affine @ to_old


def save(
    path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, code: str = "both", slope: float = 1
) -> Path:
    """Write an image of the type of the data, NIfTI or MGH by the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".mgz"):
        nib.MGHImage(data, affine).to_filename(path)
        return path
    image = nib.Nifti1Image(data, affine, nib.Nifti1Header(endianness=_endian(data)))
    image.set_data_dtype(data.dtype)
    image.set_sform(affine, code=0 if code == "qform" else 2)
    image.set_qform(affine, code=0 if code == "sform" else 1)
    if slope != 1:
        image.header.set_slope_inter(slope, 0)
    image.to_filename(path)
    return path


def _endian(data: np.ndarray) -> str:
    return ">" if data.dtype.byteorder == ">" else "<"


def _write_betas(out: Written) -> None:
    w = out.writing
    for count, (stem, some) in enumerate(_places(w)):
        parts = [[k] for k in some] if w.level == "trial" else [list(some)]
        for place, part in enumerate(parts):
            turned = count + place
            name = w.ending.format(f"{place + 1:0{2 if w.padded[0] else 1}d}")
            kind = w.formats[turned % len(w.formats)]
            path = out.root / f"{stem}_space-{w.space}{name}{kind}"
            numbers = w.numbers[turned % len(w.numbers)]
            if kind == ".mgz" and "int16" not in numbers:
                numbers = "float32"  # there are no others in this format
            elif kind == ".mgz":
                numbers = "int16 and ScaleFactor"
            stored = np.stack([_volume(k) for k in part], -1)
            if w.level == "trial":
                stored = stored[..., 0]
            data, affine = turn(stored, AFFINE, w.axes[turned % len(w.axes)])
            code = w.codes[turned % len(w.codes)]
            if "int16" in numbers:
                scaled = numbers == "int16 scaled"
                save(path, data, affine, code, SLOPE if scaled else 1)
                if not scaled:
                    said = json.dumps({"ScaleFactor": float(SLOPE)})
                    path.with_name(path.name.removesuffix(kind) + ".json").write_text(said)
            else:
                values = data.astype(np.float32) * SLOPE
                kinds = {"float64": "<f8", "big-endian float32": ">f4"}
                save(path, values.astype(kinds.get(numbers, "<f4")), affine, code)
            out.betas.append(path)


def _volume(trial: int) -> np.ndarray:
    return STORED[trial] if trial >= 0 else np.full(SHAPE, 17, np.int16)


def _rows(w: Writing, session: int, run: int) -> list[int]:
    """Return the trials of a run in order of time, -1 for a row without a picture."""
    some = list(trials(session, run))
    return [some[0], -1, *some[1:3], -1, *some[3:]] if w.blanks else some


def _places(w: Writing) -> list[tuple[str, list[int]]]:
    """Return the stem of each file of betas and the trials that it holds."""
    cells = [(s, r) for s in range(2) for r in range(RUNS)]
    volumes = {
        cell: [k for k in _rows(w, *cell) if k >= 0 or w.blanks != "without volumes"]
        for cell in cells
    }
    if w.level == "subject":
        return [(_stem(w), [k for some in volumes.values() for k in some])]
    if w.level == "session":
        return [(_stem(w, s), volumes[s, 0] + volumes[s, 1]) for s in range(2)]
    return [(_stem(w, s, r, w.padded[0]), volumes[s, r]) for s, r in cells]


def _stem(w: Writing, session: int | None = None, run: int = -1, padded: bool = True) -> str:
    who = f"sub-{w.subject}"
    if session is None:
        return f"{who}/func/{who}_task-look"
    ses = f"ses-{w.sessions[session]}"
    number = w.first_run + run
    label = "" if run < 0 else f"_run-{number:02d}" if padded else f"_run-{number}"
    return f"{who}/{ses}/func/{who}_{ses}_task-look{label}"


def write_table(path: Path, rows: Sequence[Mapping[str, str]], text: str = "unix") -> None:
    """Write rows as a table, with the ends of lines and the mark that a system writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    end = "\r\n" if text == "windows" else "\n"
    content = end.join(lines) + ("" if text == "no end" else end)
    path.write_bytes((b"\xef\xbb\xbf" if text == "mark" else b"") + content.encode())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table that `write_table` wrote."""
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def _write_events(out: Written) -> None:
    w = out.writing
    home = out.home / "raw" if w.raw_events else out.root
    if w.raw_events:
        out.options["events_dir"] = str(home)
    tables: dict[str, list[dict[str, str]]] = {}
    rng = np.random.default_rng(3)
    for s, r in product(range(2), range(RUNS)):
        rows = [_row(w, trial, k, s, r) for k, trial in enumerate(_rows(w, s, r))]
        if w.shuffled:
            rows = [rows[k] for k in rng.permutation(len(rows))]
        stem = _stem(w, s, r, w.padded[1])
        if w.joined_events:
            stem = _stem(w, s) if w.level == "session" else _stem(w)
        tables.setdefault(stem, []).extend(rows)
    for stem, rows in tables.items():
        out.events.append(home / f"{stem}_events.tsv")
        write_table(out.events[-1], rows, w.text)
    days = [f"2024-0{month}-11T09:30:00" for month in (3, 4)]
    who = home / f"sub-{w.subject}"
    if w.times == "sessions.tsv":
        rows = [
            {"session_id": f"ses-{ses}", "acq_time": day}
            for ses, day in sorted(zip(w.sessions, days, strict=True))
        ]
        write_table(who / f"sub-{w.subject}_sessions.tsv", rows)
    elif w.times == "scans.tsv":
        for s, (ses, day) in enumerate(zip(w.sessions, days, strict=True)):
            rows = [
                {"filename": f"func/{Path(_stem(w, s, r)).name}_bold.nii.gz", "acq_time": day}
                for r in range(RUNS)
            ]
            write_table(who / f"ses-{ses}/sub-{w.subject}_ses-{ses}_scans.tsv", rows)
    elif w.times == "option":
        out.options["sessions"] = list(w.sessions)


def _row(w: Writing, trial: int, place: int, session: int, run: int) -> dict[str, str]:
    """Return a row of events; onsets sort otherwise as texts than as numbers."""
    row = {"onset": f"{3.5 * place + 2:.2f}", "duration": "3", "trial_type": "image"}
    if w.joined_events:
        number = w.first_run + run
        row |= {"run": f"{number:02d}" if w.padded[1] else str(number)}
        row |= {"session": w.sessions[session]} if w.level == "subject" else {}
    if trial < 0:  # a blank, or a picture that was only shown to keep the subject awake
        catch = w.blanks in ("filtered", "excluded")
        row["trial_type"] = "catch" if catch else "blank"
        row |= {"stim_id": "99" if catch else "n/a"} if _has_id(w) else {}
        row |= {"stim_file": "catch/9.png" if catch else "n/a"} if _has_file(w) else {}
        return row | ({"split": "n/a"} if w.split == "column" else {})
    shown = SHOWN[trial]
    if _has_id(w):
        row["stim_id"] = stim_id(w, shown, as_float=run % 2 > 0)
    if _has_file(w):
        row["stim_file"] = spell(file_of(w, shown), w.spellings[trial % len(w.spellings)])
    if w.split == "column":
        row["split"] = _side(shown)
    return row


def _has_id(w: Writing) -> bool:
    return w.naming not in ("file", "case")


def _has_file(w: Writing) -> bool:
    return w.naming in ("both", "file", "numbers", "case")


def stim_id(w: Writing, picture: int, as_float: bool = False) -> str:
    """Return the id of a picture; an empty one is named by its file alone."""
    if not _has_id(w):
        return file_of(w, picture)
    if w.naming.startswith("numbers"):
        return f"{picture + 1}.0" if as_float else f"{picture + 1}"
    return f"stim-{picture + 1:04d}"


def file_of(w: Writing, picture: int) -> str:
    """Return the file of a picture below ``stimuli/``, as it is on the disk."""
    ending = w.picture.split()[-1]
    if w.naming == "id":
        name = f"stim-{picture + 1:04d}_image{ending}"
    elif w.naming == "numbers only":
        name = f"{picture + 1}{ending}"
    elif w.naming == "case":  # names that differ by case alone are two pictures
        name = f"{'pP'[picture % 2]}{picture // 2:03d}{ending}"
    else:
        name = f"{'café_' if w.accent else 'p'}{picture + 1:03d}{ending}"
    name = unicodedata.normalize(w.accent, name) if w.accent else name
    return f"{w.folder}/{name}" if w.folder else name


def spell(name: str, spelling: str) -> str:
    """Return another spelling of a path."""
    if spelling in ("NFC", "NFD"):
        return unicodedata.normalize(spelling, name)
    return name.replace("/", "//") if spelling == "//" else spelling + name


def _write_pictures(out: Written) -> None:
    w = out.writing
    (out.stimuli / "extra").mkdir(parents=True)
    if w.raw_stimuli:
        out.options["stimuli_dir"] = str(out.stimuli)
    for k, values in enumerate(PICTURES):
        path = out.stimuli / file_of(w, k)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(path, values, turned=w.picture.startswith("turned") and k % 2 > 0)
        if "stimuli" in w.links:
            to_annex(path, out.stimuli.parent)
        out.pictures.append(path)
    rows = []
    for k in range(len(PICTURES)):
        row = {"stim_id": stim_id(w, k), "type": "image"}
        if w.naming == "table":
            row["stim_file"] = spell(file_of(w, k), w.spellings[k % len(w.spellings)])
        if w.split == "stimuli.tsv":
            row["split"] = "test" if k in TEST else "train"
        rows.append(row)
    if w.naming == "table" or w.split == "stimuli.tsv":
        write_table(out.stimuli / "stimuli.tsv", rows, w.text)
    if w.split == "file":
        sides = [{"stim_id": r["stim_id"], "split": _side(k)} for k, r in enumerate(rows)]
        write_table(out.home / "split.tsv", sides, w.text)
        out.options["split_file"] = str(out.home / "split.tsv")
    elif w.split == "repeats>=2":
        out.options["split"] = w.split
    said = [{"stim_id": r["stim_id"], "caption": f"picture {k}"} for k, r in enumerate(rows)]
    write_table(out.stimuli / "captions.tsv", said, w.text)


def _side(picture: int) -> str:
    return "test" if picture in TEST else "train"


def save_picture(path: Path, values: np.ndarray, turned: bool = False) -> None:
    """Write a picture without loss; a turned one lies on its side and EXIF says so."""
    image = Image.fromarray(values)
    if turned:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    elif path.suffix == ".webp":
        image.save(path, lossless=True)
    else:
        image.save(path)


def _write_regions(out: Written) -> None:
    w = out.writing
    anat = f"sub-{w.subject}/anat/sub-{w.subject}"
    done = 0

    def put(name: str, values: np.ndarray, what: str, hemi: str = "") -> None:
        nonlocal done
        numbers = w.region_numbers[done % len(w.region_numbers)]
        kind = w.formats[done % len(w.formats)]
        if kind == ".mgz" and numbers in ("float64", "scaled"):
            numbers = "float32"
        if what.endswith("statmap"):
            numbers = "float32"
        slope = 1.0000075 if numbers == "scaled" else 1
        data, affine = turn(values, AFFINE, w.axes[(done + 1) % len(w.axes)])
        data = data.astype("int16" if numbers == "scaled" else numbers)
        path = out.root / f"{anat}{hemi}_space-{w.space}_{what}{kind}"
        save(path, data, affine, w.codes[done % len(w.codes)], slope)
        out.regions[name] = path
        done += 1

    put("visual", VISUAL, "label-visual_mask")
    if w.regions == "dseg":
        put("dseg", LABELS, "seg-areas_dseg")
        index = "{}.0" if w.table == "floats" else "{}"
        names = ("Background", "V1", "hV4")
        rows = [
            {"index": index.format(k), "name": n, "color": "#a0b0c0"} for k, n in enumerate(names)
        ]
        where = out.root / f"{anat}_space-{w.space}_seg-areas_dseg.tsv"
        write_table(out.root / "seg-areas_dseg.tsv" if w.table == "inherited" else where, rows)
    else:
        for name in ("V1", "hV4"):
            if w.regions == "hemi":
                put(name, REGIONS[name] & LEFT, f"label-{name}_mask", "_hemi-L")
                put(name, REGIONS[name] & ~LEFT, f"label-{name}_mask", "_hemi-R")
            else:
                put(name, REGIONS[name], f"label-{name}_mask")
    put("eccentricity", ECCENTRICITY, "stat-eccentricity_desc-prf_statmap")


def _write_beside(out: Written) -> None:
    """Write what lies in real folders beside what is needed."""
    w = out.writing
    anat = out.root / f"sub-{w.subject}/anat"
    if "subject without betas" in w.beside:
        save(out.root / "sub-excluded/anat/sub-excluded_T1w.nii.gz", np.ones(SHAPE, np.int16))
    if "atlas that leads nowhere" in w.beside:
        link = anat / f"sub-{w.subject}_space-{w.space}_seg-aparc_dseg.nii.gz"
        link.symlink_to("../../.git/annex/objects/XX/MD5E-s1--0.nii.gz")
    if "AppleDouble" in w.beside:  # what a Mac leaves on disks of another system
        for path in (*out.betas, *out.events, *out.regions.values(), out.pictures[0]):
            path.with_name(f"._{path.name}").write_bytes(
                b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"
            )
    if "figures" in w.beside:
        figures = out.root / f"sub-{w.subject}/figures"
        figures.mkdir()
        (figures / f"{Path(_stem(w)).name}_space-{w.space}_betas.nii.gz").write_bytes(b"")


# --- reading --------------------------------------------------------------------------------------


@dataclass
class Observed:
    """What a data set says of the study, in the study's terms."""

    pictures: list[int]
    sides: list[str]
    sessions: list[str]
    runs: list[int]
    ids: dict[int, set[str]]
    captions: dict[int, tuple[str, ...]]
    betas: np.ndarray
    regions: dict[str, np.ndarray]
    remarks: list[str]


def places(shape: Iterable[int], affine: np.ndarray) -> np.ndarray:
    """Return for each voxel, in C order, the voxel of the canonical grid at its place."""
    index = np.indices(tuple(shape)).reshape(3, -1)
    mm = affine @ np.vstack([index, np.ones(index.shape[1])])
    own = np.linalg.solve(AFFINE, mm)[:3]
    whole = np.rint(own).astype(int)
    assert np.abs(own - whole).max() < 0.01, "voxels lie between those of the study"
    return np.ravel_multi_index(tuple(whole), SHAPE)


def observe(data, label: str, names: Sequence[str] = (*REGIONS, "eccentricity")) -> Observed:
    """Read everything of a subject by the interface of data sets."""
    about = data.subject(label)
    rows = about.trials
    at = places(about.grid.shape, about.grid.affine)
    everywhere = np.ones(about.grid.size, bool)
    betas = np.vstack(list(data.betas(label, everywhere)))
    back = np.empty_like(at)
    back[at] = np.arange(at.size)
    regions = {name: data.roi(label, name)[back].reshape(SHAPE) for name in names}
    for name in names[:1]:  # part of the voxels are the same part of all
        inside = data.roi(label, name)
        if inside.dtype == bool:
            some = np.vstack(list(data.betas(label, inside)))
            np.testing.assert_array_equal(some, betas[:, inside])
    known = {values.tobytes(): k for k, values in enumerate(PICTURES)}
    ids = tuple(dict.fromkeys(rows.stimulus))
    seen = data.stimuli(ids)
    which = {
        i: known.get(np.asarray(p).tobytes(), -1) for i, p in zip(ids, seen.images, strict=True)
    }
    named: dict[int, set[str]] = {}
    for i in ids:
        named.setdefault(which[i], set()).add(i)
    return Observed(
        [which[i] for i in rows.stimulus],
        list(rows.split),
        list(rows.session),
        [int(run) for run in rows.run],
        named,
        {which[i]: said for i, said in zip(ids, seen.captions, strict=True)},
        betas[:, back].reshape(len(betas), *SHAPE),
        regions,
        [remark.words for remark in about.remarks],
    )


def check(seen: Observed, writing: Writing, without: Sequence[int] = ()) -> None:
    """Compare with the study, to the bit; ``without`` are the trials that are rightly absent."""
    kept = [k for k in range(len(SHOWN)) if k not in without]
    where = {k: (s, r) for s in range(2) for r in range(RUNS) for k in trials(s, r)}
    assert seen.pictures == [SHOWN[k] for k in kept]
    assert seen.sides == [_side(SHOWN[k]) for k in kept]
    assert seen.sessions == [writing.sessions[where[k][0]] for k in kept]
    assert seen.runs == [writing.first_run + where[k][1] for k in kept]
    assert all(len(names) == 1 for names in seen.ids.values()), seen.ids
    assert seen.captions == {SHOWN[k]: (f"picture {SHOWN[k]}",) for k in kept}
    assert seen.betas.dtype == np.float32
    np.testing.assert_array_equal(seen.betas, BETAS[kept])
    for name, values in seen.regions.items():
        expected = {**REGIONS, "eccentricity": ECCENTRICITY}[name]
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected, err_msg=name)
