"""Trees of the public repository bids-examples, and what is expected of each.

File names, columns of tables and the form of labels are those of bids-standard/bids-examples
(https://github.com/bids-standard/bids-examples, commit ca54a02), whose data files are empty; names
are facts and nothing else is taken. The data sets are under these licences: atlas-4S CC BY-ND,
AAL GPL, Destrieux FreeSurfer's, DiFuMo BSD, HarvardOxford FSL's, HOSPA Slicer's, Talairach and
SUIT unknown, ds000001-fmriprep PDDL, ds000117 CC0, ds114 unnamed, synthetic public domain.

All images and the contents of all tables are made here, and single-trial betas with their events
are ours: the trees have none. Atlases that lie in a template's folder there (``tpl-X/anat/``) are
named as those of a subject in the space of the template, as atlas-4S does it itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse_bids.dataset import BidsDataset

from .writings import AFFINE, SHAPE, save, save_picture, write_table

REGION_FILES = re.compile(r"_(mask|dseg|probseg|statmap)\.(nii|nii\.gz|mgz)$")
FINE = (tuple(2 * n for n in SHAPE), AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))

FSL = "sub-01/anat/sub-01_space-MNI152NLin6Asym"
ROUND_4S = "sub-01/ses-2mo/{anat,func}/sub-01_ses-2mo_{task-rest_,}"
FMRIPREP = "sub-10/func/sub-10_task-balloonanalogrisktask_run-{1,2,3}"
FACES = "sub-01/ses-mri/func/sub-01_ses-mri_task-facerecognition_run-0{1,2}"
LINES = "sub-01/ses-{test,retest}/func/sub-01_ses-{test,retest}_task-linebisection"
NBACK = "sub-01/ses-0{1,2}/func/sub-01_ses-0{1,2}_task-nback_run-0{1,2}"

IN_4S = """
sub-01/ses-2mo/anat/sub-01_ses-2mo_space-{MNIInfant+1,MNIInfant+2,anat}_atlas-4S_scale-{156,256}_dseg.nii.gz
sub-01/ses-2mo/func/sub-01_ses-2mo_task-rest_space-{MNIInfant+1,MNIInfant+2,boldref}_atlas-4S_scale-{156,256}_dseg.nii.gz
"""
TABLES_4S = {
    r"scale-156": "1 LH_Vis_1 Vis 49.0;2 LH-Pulvinar n/a n/a;3 Cerebellar_Region8 n/a n/a",
    r"scale-256": "1 LH_Vis_1 Vis 49.0;2 LH_Vis_2 Vis 1.0;3 Cerebellar_Region8 n/a n/a",
}
REGIONS_4S = (
    "4S156.LH_Vis_1 LH-Pulvinar 4S156.Cerebellar_Region8 4S256.LH_Vis_1 LH_Vis_2 "
    "4S256.Cerebellar_Region8"
)
IN_FMRIPREP = """
sub-10/anat/sub-10_desc-{aparcaseg,aseg}_dseg.nii.gz
sub-10/anat/sub-10_desc-brain_mask.nii.gz
sub-10/anat/sub-10_desc-preproc_T1w.nii.gz
sub-10/anat/sub-10_dseg.nii.gz
sub-10/anat/sub-10_label-{CSF,GM,WM}_probseg.nii.gz
sub-10/anat/sub-10_space-MNI152NLin2009cAsym_res-2_desc-brain_mask.nii.gz
sub-10/anat/sub-10_space-MNI152NLin2009cAsym_res-2_dseg.nii.gz
sub-10/anat/sub-10_space-MNI152NLin2009cAsym_res-2_label-{CSF,GM,WM}_probseg.nii.gz
"""
IN_RUNS = """
sub-10/func/sub-10_task-balloonanalogrisktask_run-{1,2,3}_space-MNI152NLin2009cAsym_res-2_desc-{aparcaseg,aseg}_dseg.nii.gz
sub-10/func/sub-10_task-balloonanalogrisktask_run-{1,2,3}_space-MNI152NLin2009cAsym_res-2_desc-brain_mask.nii.gz
sub-10/func/sub-10_task-balloonanalogrisktask_run-{1,2,3}_space-MNI152NLin2009cAsym_res-2_boldref.nii.gz
"""
FREESURFER = "0 Unknown #000000;17 Left-Hippocampus #dcd814;1005 ctx-lh-cuneus #dc1464"
TISSUES = "prob.CSF prob.GM prob.WM dseg1 dseg2 dseg3"


@dataclass(frozen=True)
class Tree:
    """A tree, what we add to it, and what is expected.

    ``names`` are theirs; braces stand for all of their texts. ``tables`` gives each segmentation
    whose name matches its rows, columns as theirs begin. ``betas`` are ours: stems of func files
    and the space. ``regions`` must all be there, and no others but the built-in unions and those
    that match ``perhaps``. What is neither a region's source nor told is a fault in any tree.
    """

    names: str
    betas: str
    space: str
    regions: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    lookup: Mapping[str, str] = field(default_factory=dict)
    fine: str = "(?!)"
    several: str = "(?!)"
    options: Mapping[str, object] = field(default_factory=dict)
    perhaps: str = "(?!)"
    left_out: Mapping[str, str] = field(default_factory=dict)


SCALES = (64, 128, 256, 512, 1024)
ATLAS = "sub-01/func/sub-01_task-look"
TREES = {
    "atlas-4S in the space of the bold reference": Tree(
        IN_4S,
        "sub-01/ses-2mo/func/sub-01_ses-2mo_task-rest",
        "boldref",
        REGIONS_4S,
        TABLES_4S,
        left_out={"space-anat_atlas-4S_scale-156": "space"},
    ),
    "atlas-4S in a template's space, anat/ finer than func/": Tree(
        IN_4S,
        "sub-01/ses-2mo/func/sub-01_ses-2mo_task-rest",
        "MNIInfant+1",
        REGIONS_4S,
        TABLES_4S,
        fine="/anat/",
        left_out={"anat/sub-01_ses-2mo_space-MNIInfant+1_atlas-4S_scale-156": "grid|shape|voxels"},
    ),
    "atlas-HarvardOxford": Tree(
        f"{FSL}_atlas-HarvardOxford_seg-threshold25_res-2_dseg.nii.gz\n"
        f"{FSL}_atlas-HarvardOxford_res-2_probseg.nii.gz",
        ATLAS,
        "MNI152NLin6Asym_res-2",
        "Left~Frontal~Pole Right~Frontal~Pole Left~Insular~Cortex",
        {"threshold25": "0 Background n/a;1 Left~Frontal~Pole L;2 Right~Frontal~Pole R;"
                        "3 Left~Insular~Cortex L"},
        several="_probseg",
        left_out={"_probseg": "volumes|probseg"},
    ),
    "atlas-DiFuMo, five scales that share names": Tree(
        f"{FSL}_atlas-DiFuMo_scale-{{64,128,256,512,1024}}_res-2_dseg.nii.gz",
        ATLAS,
        "MNI152NLin6Asym_res-2",
        " ".join(f"DiFuMo{n}.Cuneus~RH Calcarine~{n}" for n in SCALES),
        {f"scale-{n}_": f"1 Cuneus~RH n/a;2 Calcarine~{n} n/a" for n in SCALES},
    ),
    "atlas-Destrieux, a volume in the space of fsaverage": Tree(
        "sub-01/anat/sub-01_space-fsaverage_atlas-Destrieux_res-1_dseg.nii.gz",
        ATLAS,
        "fsaverage_res-1",
        "G_and_S_frontomargin G_and_S_occipital_inf",
        {"Destrieux": "0 Unknown n/a;1 G_and_S_frontomargin n/a;2 G_and_S_occipital_inf n/a"},
    ),
    "atlas-AAL, numbers from 2001": Tree(
        "sub-01/anat/sub-01_space-MNIColin27_atlas-AAL_res-1_dseg.nii.gz",
        ATLAS,
        "MNIColin27_res-1",
        "Precentral_L Precentral_R",
        {"AAL": "0 Background n/a;2001 Precentral_L L;2002 Precentral_R R"},
    ),
    "atlas-HOSPA, one table for three thresholds and two resolutions": Tree(
        "sub-01/anat/sub-01_space-MNI152NLin2009cAsym_atlas-HOSPA_seg-{th0,th25,th50}_res-{01,02}_dseg.nii.gz\n"
        "sub-01/anat/sub-01_space-MNI152NLin2009cAsym_atlas-HOSPA_res-02_probseg.nii.gz",
        ATLAS,
        "MNI152NLin2009cAsym_res-02",
        " ".join(f"{t}.Left~White {t}.Left~Cortex" for t in ("th0", "th25", "th50")),
        lookup={"sub-01/anat/sub-01_space-MNI152NLin2009cAsym_atlas-HOSPA_dseg.tsv":
                "0 Background n/a;1 Left~White 58,~37,~50;2 Left~Cortex~ 70,~63,~35"},
        fine="_res-01_",
        several="_probseg",
        left_out={"th0_res-01": "res", "_probseg": "volumes|probseg"},
    ),
    "atlas-Talairach, five kinds of labels by desc": Tree(
        f"{FSL}_atlas-Talairach_res-2_desc-{{ba,lobe}}_dseg.nii.gz",
        ATLAS,
        "MNI152NLin6Asym_res-2",
        "Brodmann~area~20 Talairach.ba.Cerebellum Talairach.lobe.Cerebellum Occipital~Lobe",
        {"desc-ba": "0 Background n/a;1 Brodmann~area~20 n/a;2 Cerebellum n/a",
         "desc-lobe": "0 Background n/a;1 Occipital~Lobe n/a;2 Cerebellum n/a"},
    ),
    "atlas-suit, two atlases, one in two parcellations": Tree(
        "sub-01/anat/sub-01_space-SUIT_atlas-Buckner2011_seg-{7n,17n}_dseg.nii.gz\n"
        "sub-01/anat/sub-01_space-SUIT_atlas-Buckner2011_seg-{7n,17n}_desc-confidence_probseg.nii.gz\n"
        "sub-01/anat/sub-01_space-SUIT_atlas-Diedrichsen2009_{dseg,probseg}.nii.gz",
        ATLAS,
        "SUIT",
        "7n.Network_1 17n.Network_1 Network_17 Left_I_IV 7n.prob.confidence 17n.prob.confidence",
        {"seg-7n_dseg": "1 Network_1 #b52bd4",
         "seg-17n_dseg": "1 Network_1 #b52bd4;17 Network_17 #ff0000",
         "Diedrichsen": "1 Left_I_IV #ff0000"},
        several="Diedrichsen2009_probseg",
        left_out={"Diedrichsen2009_probseg": "volumes|probseg"},
    ),
    "ds000001-fmriprep, the template's space": Tree(
        IN_FMRIPREP + IN_RUNS,
        FMRIPREP,
        "MNI152NLin2009cAsym_res-2",
        f"brain {TISSUES}",
        lookup={"desc-aparcaseg_dseg.tsv": FREESURFER, "desc-aseg_dseg.tsv": FREESURFER},
        fine=r"anat/sub-10_(?!space)",
        perhaps="(aparcaseg|aseg).(Left-Hippocampus|ctx-lh-cuneus)",
    ),
    "ds000001-fmriprep, T1w at the betas' resolution": Tree(
        IN_FMRIPREP,
        FMRIPREP,
        "T1w",
        f"aparcaseg.Left-Hippocampus aseg.Left-Hippocampus aparcaseg.ctx-lh-cuneus "
        f"aseg.ctx-lh-cuneus brain {TISSUES}",
        lookup={"desc-aparcaseg_dseg.tsv": FREESURFER, "desc-aseg_dseg.tsv": FREESURFER},
        left_out={"space-MNI152NLin2009cAsym_res-2_desc-brain_mask": "space"},
    ),
    "ds000001-fmriprep, T1w, FreeSurfer's numbers without a table": Tree(
        "sub-10/anat/sub-10_desc-aparcaseg_dseg.nii.gz",
        FMRIPREP,
        "T1w",
        "Left-Hippocampus ctx-lh-cuneus",
        {"aparcaseg": f"no table;{FREESURFER}"},
    ),
    "ds000001-fmriprep, T1w finer than the betas": Tree(
        IN_FMRIPREP,
        FMRIPREP,
        "T1w",
        "",
        lookup={"desc-aparcaseg_dseg.tsv": FREESURFER, "desc-aseg_dseg.tsv": FREESURFER},
        fine="/anat/sub-10_(?!space)",
        left_out={"anat/sub-10_desc-aparcaseg_dseg": "grid|shape|voxels|resample"},
    ),
    "ds000001-fmriprep, T1w finer than the betas, resampled": Tree(
        "sub-10/anat/sub-10_desc-{aparcaseg,aseg}_dseg.nii.gz",
        FMRIPREP,
        "T1w",
        "aparcaseg.Left-Hippocampus aseg.Left-Hippocampus aparcaseg.ctx-lh-cuneus "
        "aseg.ctx-lh-cuneus",
        lookup={"desc-aparcaseg_dseg.tsv": FREESURFER, "desc-aseg_dseg.tsv": FREESURFER},
        fine="/anat/",
        options={"resample": True},
    ),
    "synthetic, masks of runs that are not packed": Tree(
        f"{NBACK}_space-{{T1w,MNI152NLin2009cAsym}}_label-brain_mask.nii\n"
        "sub-01/ses-0{1,2}/func/sub-01_ses-0{1,2}_task-rest_space-T1w_label-brain_mask.nii",
        NBACK,
        "T1w",
        "brain",
        left_out={"task-rest_space-T1w": "task", "space-MNI152NLin2009cAsym_label": "space"},
    ),
}  # fmt: skip


def names_of(text: str) -> Iterator[str]:
    """Yield the names that a text with braces stands for, each session with its own folder."""
    for line in text.split():
        pieces = re.split(r"\{([^}]*)\}", line)
        for some in product(*(p.split(",") if k % 2 else [p] for k, p in enumerate(pieces))):
            name = "".join(some)
            sessions = re.findall(r"ses-([a-z0-9]+)", name)
            if len(set(sessions)) <= 1:
                yield name


def rows_of(text: str, columns: str = "index name network_label more") -> list[dict[str, str]]:
    """Return the rows of a table; ``~`` is a blank inside of a field."""
    rows = [[f.replace("~", " ") for f in row.split(" ")] for row in text.split(";")]
    return [dict(zip(columns.split(), row, strict=False)) for row in rows]


class Filled:
    """A tree on the disk."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self.root, self.tree = root, tree
        self.rng = np.random.default_rng(4)
        self.images: dict[str, np.ndarray] = {}
        root.mkdir()
        (root / "dataset_description.json").write_text('{"Name": "t", "BIDSVersion": "1.10.0"}')
        for name, text in tree.lookup.items():
            write_table(root / name, rows_of(text))
        for name in names_of(tree.names):
            self.image(name)
        for stem in names_of(tree.betas):
            self.betas(stem, tree.space)

    def image(self, name: str) -> None:
        shape, affine = FINE if re.search(self.tree.fine, name) else (SHAPE, AFFINE)
        labels = [1, 2, 3]
        for pattern, text in {**self.tree.tables, **self.tree.lookup}.items():
            pattern = re.escape(pattern.removesuffix(".tsv")) if ".tsv" in pattern else pattern
            own = [p for p in Path(pattern).name.replace("\\", "").split("_") if p != "dseg"]
            if re.search(pattern, name) or (".tsv" in text or all(p in name for p in own)):
                bare = text.removeprefix("no table;")
                labels = [int(row["index"]) for row in rows_of(bare) if row["index"] != "0"]
                if pattern in self.tree.tables and bare == text:
                    write_table(self.root / f"{name.split('.nii')[0]}.tsv", rows_of(text))
        if "_dseg" in name:
            values = self.rng.choice([0, *labels], shape).astype(np.int32)
            values.flat[: len(labels)] = labels
        elif "_mask" in name:
            values = (self.rng.random(shape) < 0.7).astype(np.uint8)
        else:
            more = (3,) if re.search(self.tree.several, name) else ()
            values = self.rng.random((*shape, *more)).astype(np.float32)
        save(self.root / name, values, affine)
        self.images[name] = values

    def betas(self, stem: str, space: str) -> None:
        values = self.rng.normal(size=(*SHAPE, 4)).astype(np.float32)
        end = f"_space-{space}" if space else ""
        save(self.root / f"{stem}{end}_stat-effect_desc-singletrial_statmap.nii.gz", values)
        rows = [
            {"onset": f"{4 * k}", "duration": "2", "stim_id": f"stim-{k}", "split": side}
            for k, side in enumerate(("train", "train", "test", "train"))
        ]
        write_table(self.root / f"{stem}_events.tsv", rows)

    def dataset(self, **options: object) -> BidsDataset:
        every = {**self.tree.options, **options}
        return BidsDataset(str(self.root), cache_dir="/dev/null/none", **every)


@pytest.mark.parametrize("name", TREES)
def test_regions(tmp_path, name):
    tree = TREES[name]
    filled = Filled(tmp_path / "tree", tree)
    data = filled.dataset()
    (label,) = data.subjects()
    about = data.subject(label)
    rois = {roi.name: roi for roi in about.rois if roi.atlas != "alias"}
    wanted = {text.replace("~", " ") for text in tree.regions.split()}
    assert {n for n in rois if not re.fullmatch(tree.perhaps, n)} - wanted == set()
    assert wanted - set(rois) == set()
    told = [r.text for r in about.remarks if r.kind == "left out"]
    for file, why in tree.left_out.items():
        assert any(file in t and re.search(why, t.split(file)[1]) for t in told), (file, told)
    unsaid = {
        file
        for file in filled.images
        if REGION_FILES.search(file)
        and not any(roi.source == file for roi in rois.values())
        and not any(file in of_runs(filled, roi.source) for roi in rois.values())
        and not ("_run-" in file and file.endswith(("_mask.nii", "_mask.nii.gz")))
    }
    named = {file for file in unsaid if any(Path(file).name in text for text in told)}
    more = sum(int(n) for text in told for n in re.findall(r" and (\d+) more \(", text))
    assert len(unsaid - named) <= more, f"{sorted(unsaid - named)}: in no region, not told: {told}"
    for full, roi in rois.items():
        values = filled.images[roi.source]
        got = data.roi(label, full)
        if roi.kind == "map":
            np.testing.assert_array_equal(got, values.ravel())
        elif "_dseg" in roi.source and values.shape == SHAPE:
            runs = [filled.images[file] for file in of_runs(filled, roi.source)]
            shared = np.logical_and.reduce([part == label_of(tree, roi) for part in runs])
            np.testing.assert_array_equal(got, shared.ravel())


def of_runs(filled: Filled, source: str) -> list[str]:
    """Return the files of a region that has one for each run, of which the first is its source."""
    like = re.sub(r"_run-\d+", r"_run-\\d+", source.replace("+", r"\+"))
    return [file for file in filled.images if re.fullmatch(like, file)]


def label_of(tree: Tree, roi) -> int:
    """Return the number of a region by the tables of its tree, or by its name where it has one."""
    name = re.sub(r"^([0-9A-Za-z]+\.)+(?=[A-Z]|ctx)", "", roi.name)
    for pattern, text in {**tree.tables, **tree.lookup}.items():
        if ".tsv" in pattern or re.search(pattern, roi.source):
            for row in rows_of(text.removeprefix("no table;")):
                if row.get("name", "").strip() == name:
                    return int(row["index"])
    return int(re.search(r"\d+$", name)[0])


def test_masks_of_runs_are_those_that_all_runs_share(tmp_path):
    filled = Filled(tmp_path / "tree", TREES["synthetic, masks of runs that are not packed"])
    of_runs = [v for n, v in filled.images.items() if "task-nback" in n and "space-T1w" in n]
    assert len(of_runs) == 4
    expected = np.logical_and.reduce([values > 0 for values in of_runs])
    np.testing.assert_array_equal(filled.dataset().roi("01", "brain"), expected.ravel())


# --- events with stimuli --------------------------------------------------------------------------

SHOWN = (
    "0 .908 FAMOUS 5 func/f013.bmp;3.273 .962 FAMOUS 6 func/f013.bmp;"
    "6.647 .825 UNFAMILIAR 13 func/u014.bmp;9.838 .9 UNFAMILIAR 14 func/u014.bmp;"
    "12.978 .9 SCRAMBLED 17 func/s002.bmp;16.2 .9 SCRAMBLED 18 func/s002.bmp;"
    "31.319 .9 n/a 999 func/i999.bmp"
)
COLUMNS = "onset duration stim_type trigger stim_file"


@pytest.fixture
def faces(tmp_path) -> dict[str, object]:
    """ds000117: events and stimuli in the raw data set, our betas in a derivative."""
    raw, own = tmp_path / "ds000117", tmp_path / "betas"
    for root in (raw, own):
        root.mkdir()
        (root / "dataset_description.json").write_text('{"Name": "t", "BIDSVersion": "1.8.0"}')
    for k, name in enumerate(("f013", "u014", "s002", "i999", "Circle")):
        path = raw / f"stimuli/func/{name}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(path, np.full((4, 4, 3), 40 * k, np.uint8))
    (raw / "sub-01/ses-meg/meg").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for stem in names_of(FACES):
        save(raw / f"{stem}_bold.nii.gz", np.ones((*SHAPE, 3), np.int16))
        write_table(raw / f"{stem}_events.tsv", rows_of(SHOWN, COLUMNS))
        values = rng.normal(size=(*SHAPE, 7)).astype(np.float32)
        save(own / f"{stem}_stat-effect_desc-singletrial_statmap.nii.gz", values)
    return {
        "root": str(own),
        "events_dir": str(raw),
        "stimuli_dir": str(raw / "stimuli"),
        "split": "fraction:0.5",
        "cache_dir": "/dev/null/none",
    }


def test_ds000117(faces):
    trials = BidsDataset(**faces).subject("01").trials
    once = ["f013"] * 2 + ["u014"] * 2 + ["s002"] * 2 + ["i999"]
    assert [Path(s).stem for s in trials.stimulus] == once * 2
    assert trials.session == ("mri",) * 14
    assert [int(r) for r in trials.run] == [1] * 7 + [2] * 7


def test_ds000117_some_kinds_of_trials(faces):
    data = BidsDataset(**faces, trials_filter={"stim_type": ["FAMOUS", "SCRAMBLED"]})
    trials = data.subject("01").trials
    assert [Path(s).stem for s in trials.stimulus] == (["f013"] * 2 + ["s002"] * 2) * 2
    got = np.vstack(list(data.betas("01", np.ones(np.prod(SHAPE), bool))))
    every = np.vstack(list(BidsDataset(**faces).betas("01", np.ones(np.prod(SHAPE), bool))))
    np.testing.assert_array_equal(got, every[[0, 1, 4, 5, 7, 8, 11, 12]])
    fewer = BidsDataset(**faces, exclude={"stim_type": ["n/a", "UNFAMILIAR"]})
    assert fewer.subject("01").trials == trials


def test_ds000117_a_kind_that_is_not_there(faces):
    with pytest.raises(NeurodiffuseError, match=r"trials_filter.*Famous.*FAMOUS"):
        BidsDataset(**faces, trials_filter={"stim_type": ["Famous"]}).subject("01")


def test_ds000117_catch_trials_whose_picture_is_missing(faces):
    (Path(faces["stimuli_dir"]) / "func/i999.bmp").unlink()
    data = BidsDataset(**faces, missing="skip")
    about = data.subject("01")
    assert "i999" not in {Path(s).stem for s in about.trials.stimulus}
    assert any("i999" in remark.text for remark in about.remarks)


def test_ds000117_as_it_is(faces):
    with pytest.raises(NeurodiffuseError, match="no single-trial betas"):
        BidsDataset(faces["events_dir"], cache_dir="/dev/null/none").subject("01")


def test_ds114_names_no_stimulus(tmp_path):
    filled = Filled(tmp_path / "tree", Tree("", LINES, ""))
    for path in filled.root.rglob("*_events.tsv"):
        text = "24.3065 1 1.0 Incorrect_Task;25.9465 1 1.0 Correct_Task;27 1 1.0 a;28 1 1.0 a"
        write_table(path, rows_of(text, "onset duration weight trial_type"))
    with pytest.raises(NeurodiffuseError, match=r"_events\.tsv: no column names the stimulus"):
        filled.dataset().subject("01")


def test_ds114_sessions_are_words(tmp_path):
    filled = Filled(tmp_path / "tree", Tree("", LINES, ""))
    trials = filled.dataset(sessions=["test", "retest"]).subject("01").trials
    assert trials.session == ("test",) * 4 + ("retest",) * 4
    try:  # without times or the option the order is asked for, or told
        said = [r.text for r in filled.dataset().subject("01").remarks]
    except NeurodiffuseError as error:
        said = [str(error)]
    assert any("session" in text and "retest" in text for text in said), said


def test_synthetic_sessions_have_times(tmp_path):
    """Its scans.tsv puts session 01 first; if it were the other way round, session 02 would be."""
    tree = TREES["synthetic, masks of runs that are not packed"]
    filled = Filled(tmp_path / "tree", tree)
    for session, day in (("01", "1880-01-10"), ("02", "1880-01-20")):
        rows = [
            {"filename": f"func/sub-01_ses-{session}_task-nback_run-0{r}_bold.nii",
             "acq_time": f"{day}T05:22:54"}
            for r in (1, 2)
        ]  # fmt: skip
        write_table(filled.root / f"sub-01/ses-{session}/sub-01_ses-{session}_scans.tsv", rows)
    assert filled.dataset().subject("01").trials.session == ("01",) * 8 + ("02",) * 8


@pytest.mark.parametrize("name", ["atlas-AAL", "ds000117"])
def test_a_tree_without_subjects_or_betas_is_refused(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    (root / "dataset_description.json").write_text('{"Name": "t", "BIDSVersion": "1.11.0"}')
    if name == "atlas-AAL":  # a template's atlas alone
        stem = "tpl-MNIColin27/anat/tpl-MNIColin27_atlas-AAL_res-1_dseg"
        save(root / f"{stem}.nii.gz", np.ones(SHAPE, np.int32))
        wanted = "no subjects"
    else:
        save(root / "sub-01/ses-mri/anat/sub-01_ses-mri_T1w.nii.gz", np.ones(SHAPE, np.int16))
        wanted = "no single-trial betas"
    with pytest.raises(NeurodiffuseError, match=wanted):
        data = BidsDataset(str(root), cache_dir="/dev/null/none")
        data.subject(data.subjects()[0])
