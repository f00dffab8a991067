"""What goes wrong with real data, done to any writing of the study.

Each corruption changes the files of a writing and returns what the program's line must name. It
is either refused with an error, or told in a remark and then nothing else is wrong: the numbers
are those of the study.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

from .writings import (
    AFFINE,
    BETAS,
    LABELS,
    PICTURES,
    REGIONS,
    SHAPE,
    SHOWN,
    Written,
    read_rows,
    save,
    save_picture,
    spell,
    trials,
    write_table,
)

RUN_TOO_LARGE = 300


@dataclass(frozen=True)
class Corruption:
    """Something that is wrong with files.

    Parameters
    ----------
    spoil
        Does it, and returns texts of which the line must hold one: the file or the setting.
    says
        A regular expression of what the line must say.
    ends
        Whether the program must refuse it, may go on with a remark, or may do either.
    fixed
        What the writing must be like.
    gone
        Regions that may rightly be left out.
    changed
        Regions whose voxels are rightly others.
    trusted
        Whether all numbers are those of the study when the program goes on.
    mend
        Returns options by which the program goes on and reads the study.
    without
        Trials that are rightly absent with them.
    """

    name: str
    spoil: Callable[[Written], tuple[str, ...]]
    says: str
    ends: Literal["refused", "told", "either"] = "refused"
    fixed: Mapping[str, object] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    trusted: bool = True
    mend: Callable[[Written], dict[str, object]] | None = None
    without: tuple[int, ...] = ()


ALL: dict[str, Corruption] = {}


def corruption(says: str, *, ends: str = "refused", **more: object) -> Callable:
    """Add a function to the list under its own name, with hyphens."""
    fixed = {k: more.pop(k) for k in list(more) if k not in Corruption.__dataclass_fields__}

    def add(spoil: Callable[[Written], tuple[str, ...]]) -> Callable:
        name = spoil.__name__.replace("_", "-")
        ALL[name] = Corruption(name, spoil, says, ends, fixed=fixed, **more)
        return spoil

    return add


def replace(path: Path, content: bytes) -> None:
    """Write a file anew; a link is replaced, not what it points to."""
    path.unlink()
    path.write_bytes(content)


def patch(path: Path, offset: int, content: bytes) -> None:
    """Overwrite some bytes of a NIfTI file's header."""
    packed = path.name.endswith(".gz")
    whole = path.read_bytes()
    whole = gzip.decompress(whole) if packed else whole
    whole = whole[:offset] + content + whole[offset + len(content) :]
    replace(path, gzip.compress(whole) if packed else whole)


def redo(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> tuple[str, ...]:
    """Write an image in place of another, and return its name."""
    path.unlink()
    save(path, data, affine)
    return (path.name,)


def shown_rows(rows: list[dict[str, str]]) -> list[int]:
    """Return which rows of events show a picture of the study."""
    return [k for k, row in enumerate(rows) if row["trial_type"] == "image"]


def moved(by: np.ndarray) -> np.ndarray:
    """Return the affine with the origin moved by so many voxels."""
    affine = AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, :3] @ by
    return affine


NIFTI = {"formats": (".nii.gz",)}
PLAIN = {"numbers": ("float32",), "axes": (0,), "codes": ("both",), "formats": (".nii.gz",)}
BY_RUN = {"level": "run", "joined_events": False}
BY_SEVERAL = {"level": st.sampled_from(["run", "session", "trial"])}


# --- trials ---------------------------------------------------------------------------------------


@corruption("onset", shuffled=False, order="", mend=lambda out: {"order": "onset"})
def rows_out_of_the_order_of_onsets(out):
    rows = read_rows(out.events[0])
    one, two = shown_rows(rows)[:2]
    rows[one], rows[two] = rows[two], rows[one]
    write_table(out.events[0], rows, out.writing.text)
    return (out.events[0].name,)


@corruption("onset", order="onset")
def an_onset_that_is_no_number(out):
    rows = read_rows(out.events[0])
    rows[shown_rows(rows)[1]]["onset"] = "soon"
    write_table(out.events[0], rows, out.writing.text)
    return (out.events[0].name,)


@corruption("rows|volumes|many")
def one_row_too_few(out):
    rows = read_rows(out.events[0])
    del rows[shown_rows(rows)[-1]]
    write_table(out.events[0], rows, out.writing.text)
    return (out.events[0].name,)


@corruption("volumes|files|rows", **BY_RUN)
def one_volume_too_many(out):
    path = out.betas[1]
    data, affine = np.asarray(nib.load(path).dataobj, np.float32), nib.load(path).affine
    return redo(path, np.concatenate([data, data[..., -1:]], -1), affine)


def _other_padding(path: Path, number: int) -> Path:
    """Return the path of a run with one more zero before its number."""
    old = f"_run-0{number}_" if f"_run-0{number}_" in path.name else f"_run-{number}_"
    new = f"_run-{number}_" if old == f"_run-0{number}_" else f"_run-0{number}_"
    return path.with_name(path.name.replace(old, new))


@corruption("run", **BY_RUN)
def betas_of_a_run_twice_under_other_padding(out):
    other = _other_padding(out.betas[0], out.writing.first_run)
    other.write_bytes(out.betas[0].read_bytes())
    return out.betas[0].name, other.name


@corruption("run", **BY_RUN)
def a_run_twice_under_other_padding(out):
    for path in (out.betas[0], out.events[0]):
        other = _other_padding(path, out.writing.first_run)
        other.write_bytes(path.read_bytes())
    return out.betas[0].name, _other_padding(out.betas[0], out.writing.first_run).name


@corruption("run|table|events", **BY_RUN)
def two_tables_of_a_run(out):
    other = _other_padding(out.events[0], out.writing.first_run)
    write_table(other, read_rows(out.events[0])[::-1])
    return out.events[0].name, other.name


@corruption("session|run|twice", blanks="", **BY_RUN)
def a_file_of_the_session_beside_those_of_its_runs(out):
    w = out.writing
    some = [k for run in range(2) for k in trials(0, run)]
    number = f"{w.first_run:02d}" if w.padded[0] else str(w.first_run)
    name = out.betas[0].name.replace(f"_run-{number}", "").split(".")[0] + ".nii.gz"
    save(out.betas[0].with_name(name), np.stack([BETAS[k] for k in some], -1))
    return name, out.betas[0].name


@corruption(
    "betas|run|missing",
    mend=lambda out: {"missing": "skip"},
    without=tuple(trials(0, 1)),
    **BY_RUN,
)
def betas_of_a_run_missing(out):
    out.betas[1].unlink()
    return out.events[1].name, out.betas[1].name


@corruption("trial|files|rows|volumes", level="trial")
def the_file_of_one_trial_missing(out):
    out.betas[1].unlink()
    return out.events[0].name, out.betas[0].name, out.betas[2].name, out.betas[1].name


@corruption("trial|same|twice", level="trial")
def the_file_of_a_trial_twice(out):
    path = out.betas[0]
    old, new = ("trial", "trial0") if "trial{}" in out.writing.ending else ("trial-", "trial-0")
    other = path.with_name(path.name.replace(old, new))
    other.write_bytes(path.read_bytes())
    return path.name, other.name


@corruption("table|events", **BY_RUN)
def no_table_of_a_run(out):
    out.events[0].unlink()
    return out.events[0].name, out.betas[0].name


@corruption(
    "session",
    ends="either",
    trusted=False,
    sessions=("pre", "post"),
    times="",
    mend=lambda out: {"sessions": ["pre", "post"]},
)
def sessions_called_by_words_without_times(out):
    return "sessions", "ses-post", "ses-pre"


@corruption("columns|tab|fields")
def a_table_with_commas(out):
    path = out.events[0]
    replace(path, path.read_bytes().replace(b"\t", b","))
    return (path.name,)


@corruption("UTF-8")
def a_table_in_another_encoding(out):
    path = out.events[0]
    replace(path, path.read_bytes().decode("utf-8-sig").encode("utf-16"))
    return (path.name,)


# --- pictures and split ---------------------------------------------------------------------------


@corruption("outside|climbs out", naming="both")
def a_picture_outside_the_data_set(out):
    save_picture(out.home / "secret.png", PICTURES[0])
    for path in out.events:
        name = "../../secret.png"
        rows = read_rows(path)
        for row in rows:
            if row["stim_id"] == "stim-0001":
                row["stim_file"] = name
        write_table(path, rows, out.writing.text)
    return ("secret.png",)


@corruption("no image|no such|missing|not there", naming="both")
def a_picture_missing(out):
    out.pictures[3].unlink()
    return (out.pictures[3].name,)


@corruption("leads nowhere|no image|no such|datalad get", naming="both")
def a_picture_whose_link_leads_nowhere(out):
    out.pictures[3].unlink()
    out.pictures[3].symlink_to("../.git/annex/objects/XX/MD5E-s1--0.png")
    return (out.pictures[3].name,)


@corruption("cut off|damaged")
def a_picture_cut_off(out):
    path = out.pictures[3]
    replace(path, path.read_bytes()[: path.stat().st_size // 3])
    return path.name, "/annex/"


@corruption("two images|two files|several", naming="id", picture=".png")
def two_files_for_one_id(out):
    other = out.pictures[3].with_suffix(".bmp")
    save_picture(other, PICTURES[4])
    return other.name, "stim-0004"


@corruption("stim-Aa", naming="id", split="column", picture=".png")
def an_id_that_fits_two_files_but_for_case(out):
    folder = out.pictures[0].parent
    for name in ("aa", "AA"):
        save_picture(folder / f"stim-{name}_image.png", PICTURES[0])
    out.pictures[0].unlink()
    for path in out.events:
        rows = read_rows(path)
        for row in rows:
            row["stim_id"] = row["stim_id"].replace("stim-0001", "stim-Aa")
        write_table(path, rows, out.writing.text)
    return ("stim-Aa",)


@corruption("training and|train and|both", split="column")
def a_picture_in_training_and_test(out):
    done = False
    for path in out.events:
        rows = read_rows(path)
        for row in rows:
            if row["split"] == "test" and not done:
                row["split"], done = "train", True
        write_table(path, rows, out.writing.text)
    return ("both",)


@corruption("training and|train and|both", naming="both", split="column", raw_stimuli=False)
def one_file_under_two_ids_on_both_sides(out):
    done = False
    for path in out.events:
        rows = read_rows(path)
        for row in rows:
            if row["split"] == "test" and not done:
                row |= {"split": "train", "stim_id": "stim-other"}
                done = True
        write_table(path, rows, out.writing.text)
    return "stim-other", out.pictures[SHOWN[0]].name, "both"


@corruption("both|training and|two sides", naming="file", split="file")
def one_file_spelt_twice_in_the_split_file(out):
    path = out.home / "split.tsv"
    rows = read_rows(path)
    other = {"stim_id": spell(rows[0]["stim_id"], "./"), "split": "test"}
    write_table(path, [*rows, other])
    return (path.name,)


@corruption("same content|same pixels|identical|same picture|alike", ends="told", trusted=False)
def one_picture_under_two_names_on_both_sides(out):
    replace(out.pictures[0], out.pictures[19].read_bytes())
    w = out.writing
    return out.pictures[0].name, out.pictures[19].name, "stim-0001", "stim-0020", "1", w.naming


@corruption("split", split="column")
def a_side_that_is_none(out):
    path = out.events[0]
    rows = read_rows(path)
    rows[shown_rows(rows)[0]]["split"] = "valid"
    write_table(path, rows, out.writing.text)
    return ("valid",)


# --- numbers of the betas -------------------------------------------------------------------------


@corruption("complex", **NIFTI)
def complex_betas(out):
    path = out.betas[0]
    image = nib.load(path)
    return redo(path, (np.asarray(image.dataobj) * 1j).astype(np.complex64), image.affine)


@corruption("times|spread|larger|scale", ends="told", trusted=False, numbers=("float32",), **BY_RUN)
def a_run_on_another_scale(out):
    path = out.betas[1]
    image = nib.load(path)
    data = np.asarray(image.dataobj, np.float32) * RUN_TOO_LARGE
    redo(path, data, image.affine)
    number = f"{out.writing.first_run + 1}"
    return path.name, f"run-{number}", f"run-0{number}", f"run {number}", f"run 0{number}"


@corruption("ScaleFactor", numbers=("int16 and ScaleFactor",))
def a_scale_factor_that_is_no_number(out):
    path = next(iter(sorted(out.betas[0].parent.glob("*.json"))))
    path.write_text('{"ScaleFactor": "1/300"}')
    return (path.name.split(".")[0],)


@corruption("cut off|damaged", **NIFTI)
def betas_cut_off(out):
    path = out.betas[0]
    replace(path, path.read_bytes()[:-100])
    return path.name, "/annex/"


@corruption("cut off|damaged", formats=(".nii",))
def unpacked_betas_cut_off(out):
    path = out.betas[0]
    replace(path, path.read_bytes()[:-100])
    return path.name, "/annex/"


@corruption("link|leads nowhere|datalad get")
def betas_whose_link_leads_nowhere(out):
    path = out.betas[0]
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/XX/MD5E-s1--0.nii.gz")
    return (path.name,)


@corruption("CIFTI", **NIFTI)
def betas_in_cifti(out):
    for path in out.betas:
        path.rename(path.with_name(path.name.replace(".nii.gz", ".dscalar.nii")))
    return (".dscalar.nii",)


@corruption("GIFTI", **NIFTI)
def betas_in_gifti(out):
    for path in out.betas:
        path.rename(path.with_name(path.name.replace(".nii.gz", ".func.gii")))
    return (".func.gii",)


# --- place ----------------------------------------------------------------------------------------


@corruption("affine|place|finite|nan", codes=("sform",), **NIFTI)
def an_affine_that_is_no_number(out):
    patch(out.betas[0], 280, struct.pack("<f", float("nan")))
    return (out.betas[0].name,)


@corruption("affine|place|singular", codes=("sform",), numbers=("float32",), **NIFTI)
def an_affine_without_extent(out):
    patch(out.betas[0], 280, struct.pack("<4f", 0, 0, 0, 0))
    return (out.betas[0].name,)


def _mask_as_place(out):
    return {"affine_from": str(out.regions["visual"])}


@corruption("place|affine_from", ends="either", trusted=False, mend=_mask_as_place, **PLAIN)
def betas_without_a_place(out):
    for path in out.betas:
        patch(path, 252, struct.pack("<2h", 0, 0))
    return (*(path.name for path in out.betas), "affine_from")


@corruption("place|affine_from", ends="either", trusted=False, mend=_mask_as_place, **PLAIN)
def betas_with_the_identity_as_affine(out):
    for path in out.betas:
        redo(path, np.asarray(nib.load(path).dataobj, np.float32), np.eye(4))
    return (*(path.name for path in out.betas), "affine_from")


def _alone(out: Written) -> list[str]:
    """Return the regions, which are on another grid than a single file of betas that was moved."""
    return [path.name for path in out.regions.values()] if len(out.betas) == 1 else []


@corruption("mm|grid|place|turned|oblique|resample", **NIFTI, **BY_SEVERAL)
def a_run_on_a_turned_grid(out):
    path = out.betas[-1]
    image = nib.load(path)
    c, s = np.cos(0.05), np.sin(0.05)
    turned = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ image.affine
    return (*redo(path, np.asarray(image.dataobj, np.float32), turned), *_alone(out))


@corruption("shape|grid", **NIFTI, **BY_SEVERAL)
def a_run_of_another_shape(out):
    path = out.betas[-1]
    image = nib.load(path)
    return (*redo(path, np.asarray(image.dataobj, np.float32)[:-1], image.affine), *_alone(out))


@corruption("mm|grid|place", **NIFTI, **BY_SEVERAL)
def a_run_moved_by_a_voxel(out):
    path = out.betas[-1]
    image = nib.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 0]
    return (*redo(path, np.asarray(image.dataobj, np.float32), affine), *_alone(out))


# --- regions --------------------------------------------------------------------------------------

MASKS = {"regions": "mask", "gone": ("hV4",)}
LABELLED = {"regions": "dseg", "gone": ("V1", "hV4")}


def _mask(out: Written) -> np.ndarray:
    return REGIONS["hV4"].astype(np.uint8)


@corruption("mm|grid|place|shifted", ends="either", **MASKS)
def a_mask_moved_by_a_voxel(out):
    return redo(out.regions["hV4"], _mask(out), moved(np.array([1, 0, 0])))


@corruption("mm|grid|place|shape|resolution", ends="either", **MASKS)
def a_mask_with_other_voxels(out):
    return redo(out.regions["hV4"], np.ones((3, 2, 2), np.uint8), AFFINE * [2, 2, 2, 1])


@corruption("mm", ends="told", **{**MASKS, "gone": ()})
def a_mask_with_a_rounded_affine(out):
    affine = AFFINE.copy()
    affine[:3, 3] += 0.005
    return redo(out.regions["hV4"], _mask(out), affine)


@corruption("no voxel", ends="either", changed=("hV4",), **MASKS)
def a_mask_without_voxels(out):
    return redo(out.regions["hV4"], np.zeros(SHAPE, np.uint8))


@corruption(r"0?\.5|two", ends="either", **MASKS)
def a_mask_resampled_linearly(out):
    ringing = np.random.default_rng(0).uniform(-0.02, 0.02, SHAPE)
    return redo(out.regions["hV4"], (REGIONS["hV4"] * 0.93 + ringing).astype(np.float32))


@corruption("volumes", ends="either", **MASKS)
def a_mask_of_several_volumes(out):
    return redo(out.regions["hV4"], np.ones((*SHAPE, 3), np.uint8))


@corruption("link|leads nowhere|datalad get", ends="either", **MASKS)
def a_mask_whose_link_leads_nowhere(out):
    path = out.regions["hV4"]
    path.unlink()
    path.symlink_to("../../.git/annex/objects/XX/MD5E-s1--0.nii.gz")
    return (path.name,)


@corruption("damaged|cut off|not an image", ends="either", **MASKS)
def a_mask_that_is_no_image(out):
    replace(out.regions["hV4"], b"not a volume")
    return out.regions["hV4"].name, "/annex/"


def _lookup(out: Written, *rows: str) -> tuple[str, ...]:
    path = out.regions["dseg"]
    table = path.with_name(path.name.split(".")[0] + ".tsv")
    write_table(table, [dict(zip(("index", "name"), row.split(), strict=True)) for row in rows])
    return table.name, path.name


@corruption("label|index", ends="either", table="own", **LABELLED)
def a_lookup_table_that_counts_from_0(out):
    return _lookup(out, "0 V1", "1 hV4")


@corruption("twice|two|several|1", ends="either", table="own", **LABELLED)
def a_lookup_table_with_one_label_for_two_names(out):
    return _lookup(out, "1 V1", "1 hV4", "2 V3")


@corruption("no number|index", ends="either", table="own", **LABELLED)
def a_lookup_table_whose_index_is_no_number(out):
    return _lookup(out, "1 V1", "two hV4")


@corruption(r"2\.4|whole", ends="either", **LABELLED)
def a_label_that_is_no_whole_number(out):
    labels = LABELS.astype(np.float32)
    labels[labels == 2] = 2.4
    return redo(out.regions["dseg"], labels)


# --- the data set ---------------------------------------------------------------------------------


@corruption("not a BIDS data set|dataset_description")
def the_folder_above_the_data_set(out):
    out.options["root"] = str(out.home)
    return (str(out.home),)


@corruption("no subject|sub-|subjects")
def the_folder_of_the_subject(out):
    out.options["root"] = str(out.root / f"sub-{out.writing.subject}")
    return (f"sub-{out.writing.subject}",)
