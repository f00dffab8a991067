"""A run goes on only while what it has read is the same, wherever it lies and whenever touched."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import toy
from PIL import Image

from neurodiffuse import builtin, pipeline, plan_text
from neurodiffuse.config import resolve, vary
from neurodiffuse.errors import MissingDataError, RunError
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.branches import branch, grow
from neurodiffuse.run import Run, changes, hashing, inputs, opened
from neurodiffuse_bids import hooks

SHAPE = (4, 4, 3)
STEM = "sub-01/func/sub-01_task-look_run-{}"
BETAS = STEM + "_space-T1w_desc-singletrial_statmap"
ANAT = "sub-01/anat/sub-01_space-T1w_"
TRAIN, TEST = 10, 4


class Words(toy.Words):
    """The length of a caption."""

    def encode(self, stimuli):
        rows = [[float(len(c[0]))] for c in stimuli.captions]
        return toy.Latents(stimuli.ids, np.array(rows, np.float32), self.shapes())


class More:
    @staticmethod
    @toy.hookimpl
    def register_encoders(register):
        register("lengths", f"{__name__}:Words", summary="of captions", reads=("captions",))


class Study:
    """Integers in plain .nii files: the same number of bytes, whatever they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "data"
        self.rng = np.random.default_rng(3)
        self.write("dataset_description.json", json.dumps({"Name": "x", "BIDSVersion": "1.10.0"}))
        images = [f"stim-{k:02d}" for k in range(TRAIN + TEST)]
        lines = ["stim_id\tcaption", *(f"{i}\tit is {'x' * k}" for k, i in enumerate(images, 1))]
        self.write("stimuli/captions.tsv", "\n".join(lines) + "\n")
        for image in images:
            self.picture(image)
        for run in (1, 2):
            self.betas(run)
            rows = [
                f"{4 * k}\t3\t{i}\t{'train' if k < TRAIN else 'test'}" for k, i in enumerate(images)
            ]
            self.write(
                f"{STEM.format(run)}_events.tsv",
                "\n".join(["onset\tduration\tstim_id\tsplit", *rows]) + "\n",
            )
            self.write(f"{BETAS.format(run)}.json", '{"ScaleFactor": 0.5}')
        self.image(f"{ANAT}label-visual_mask.nii", np.ones(SHAPE, np.uint8))
        self.labels = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 4
        self.image(f"{ANAT}seg-areas_dseg.nii", self.labels.astype(np.int16))
        self.write(f"{ANAT}seg-areas_dseg.tsv", "index\tname\n1\tV1\n2\tV2\n3\tFFA1\n")
        self.age()

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        self.path(name).write_text(text)

    def image(self, name: str, data: np.ndarray) -> None:
        nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])).to_filename(self.path(name))

    def betas(self, run: int) -> None:
        values = self.rng.integers(-500, 500, (*SHAPE, TRAIN + TEST))
        self.image(f"{BETAS.format(run)}.nii", values.astype(np.int16))

    def picture(self, image: str) -> None:
        pixels = self.rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(self.path(f"stimuli/{image}_image.bmp"))

    def age(self) -> None:
        """Give every file a time long past, so that nothing is hashed again for being new."""
        for path in self.root.rglob("*"):
            os.utime(path, ns=(10**18, 10**18))


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.setattr(inputs, "SETTLED", 0)
    return Study(tmp_path)


@pytest.fixture
def decode(study):
    """Return a function that decodes and returns the run."""
    registry = Registry([("builtin", builtin), ("toy", toy), ("bids", hooks), ("more", More())])

    def do(*settings, out="run", start_from="", until="fit", mask="", root=""):
        recipe = study.folder / "recipe.toml"
        recipe.write_text(
            (Path(toy.__file__).parent / "toy_recipes/toy.toml").read_text()
            + '[features.length]\nencoder = "lengths"\nalpha = 1.0\n'
        )
        config = resolve(
            registry, dataset="bids", subjects=["01"], recipe=str(recipe), mask=mask,
            root=root or str(study.root), settings=settings,
        )  # fmt: skip
        config, dataset = pipeline.open_subjects(config, registry)
        run = Run(study.folder / out, config, registry, dataset, quiet=True)
        plan_of(run)
        with opened(run, start_from=start_from):
            pipeline.execute(run, until=until)
        return run

    return do


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Return the names of the files that are hashed because they are in doubt."""
    names: list[str] = []

    def noted(path):
        names.append(path.name)
        return hashing.sha256_of(path)

    monkeypatch.setattr(changes, "sha256_of", noted)
    return names


def refused(decode, *words: str, **options) -> None:
    with pytest.raises(RunError) as caught:
        decode(**options)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


# --- what has changed is named, with the step ------------------------------------------------


def test_betas_that_were_made_again_with_the_same_size_are_noticed(study, decode):
    decode()
    path = study.path(f"{BETAS.format(2)}.nii")
    before = path.stat()
    study.betas(2)
    assert path.stat().st_size == before.st_size
    refused(decode, f"{path} has changed", "--from mask")
    refused(decode, path.name, "--from mask", start_from="encode")
    refused(decode, path.name, "--from mask", start_from="fit")
    decode(start_from="mask")
    decode()


def test_other_betas_with_the_old_time_are_noticed(study, decode):
    """As `rsync -t` and `cp -p` leave them."""
    decode()
    path = study.path(f"{BETAS.format(1)}.nii")
    before = path.stat()
    study.betas(1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    refused(decode, path.name, "--from mask")


def test_pictures_that_were_turned_are_noticed(study, decode):
    run = decode()
    for k in (3, 11):
        path = study.path(f"stimuli/stim-{k:02d}_image.bmp")
        with Image.open(path) as image:
            turned = image.rotate(90)
        turned.save(path)
    refused(decode, "stim-03_image.bmp has changed (and 1 more file)", "--from encode")
    kept = (run.folder("mask", "01") / "train.npy").stat().st_mtime_ns
    decode(start_from="encode")
    assert (run.folder("mask", "01") / "train.npy").stat().st_mtime_ns == kept


def test_a_mask_that_was_cut_is_noticed_and_the_dry_run_tells_what_the_run_has(study, decode):
    run = decode()
    name = f"{ANAT}label-visual_mask.nii"
    cut = np.zeros(SHAPE, np.uint8)
    cut[0] = 1
    study.image(name, cut)
    refused(decode, f"{study.path(name)} has changed", "--from mask")
    today = Run(run.path, run.config, run.registry, type(run.dataset)(str(study.root)), quiet=True)
    text = plan_text.describe(today, plan_of(today))
    assert f"{np.prod(SHAPE)} voxels of 'visual'" in text
    assert f"changed    {study.path(name)} has changed; needs --from mask" in text
    again = plan_text.describe(today, plan_of(today), "mask")
    assert "12 voxels of 'visual'" in again
    assert "changed  " not in again


def described(study, run, start_from="", mask="") -> str:
    """Return the plan of a run in its folder as a new process has it."""
    config = dataclasses.replace(run.config, mask=dataclasses.replace(run.config.mask, select=mask))
    dataset = type(run.dataset)(str(study.root))
    today = Run(run.path, config, run.registry, dataset, quiet=True)
    return plan_text.describe(today, plan_of(today), start_from)


@pytest.fixture
def preferred(study, decode):
    """Return a run, after which a mask has come that is preferred to the one it has."""
    run = decode(until="report")
    path = study.path(f"{ANAT}label-nsdgeneral_mask.nii")
    data = np.zeros(SHAPE, np.uint8)
    data[1] = 1
    study.image(f"{ANAT}label-nsdgeneral_mask.nii", data)
    return run, path


def test_a_new_mask_that_would_be_the_default_is_named(study, decode, preferred, capsys):
    run, path = preferred
    said = f"{path} is new and would now be the default mask: 'nsdgeneral'"
    refused(decode, said, "computed with 'visual'", "--mask visual", "--from mask")
    text = described(study, run)
    assert f"changed    {said}; --mask visual keeps 'visual', else --from mask" in text
    assert "48 voxels of 'visual'; train 10 images (20 trials), test 4 (8) (the run" in text
    assert "now        the data set has 12 voxels of 'nsdgeneral'; train 10" in text
    assert "done  " not in text
    assert "outdated   sub-01 mask, sub-01 encode" in text
    again = described(study, run, "mask")
    assert f"changed    {said}; --mask visual keeps 'visual'" in again
    assert "12 voxels of 'nsdgeneral'" in again.split("before  ")[0]
    assert "before     the run that is there had 48 voxels of 'visual'" in again
    capsys.readouterr()
    decode(start_from="mask")
    assert f"warning: {said}; the run had 'visual'" in capsys.readouterr().err
    assert "changed  " not in described(study, run)


def test_a_run_keeps_its_mask_when_it_is_named(study, decode, preferred):
    run, _ = preferred
    before = {p: p.stat().st_mtime_ns for p in (run.path / "steps").rglob("*")}
    assert "changed  " not in described(study, run, mask="visual")
    decode(mask="visual")
    assert {p: p.stat().st_mtime_ns for p in before} == before
    again = pipeline.reopen(run.path, run.registry, quiet=True)
    with opened(again):  # as every question does
        pass
    refused(decode, "mask.select", "--from mask", mask="V1")


def test_a_default_mask_that_is_gone_is_told_when_another_one_is_taken(study, decode, capsys):
    run = decode()
    study.path(f"{ANAT}label-visual_mask.nii").unlink()
    decode()
    assert "would now be the default" not in described(study, run)
    said = "'visual', the default mask so far, is not there any more, and 'all' would now be"
    assert said in described(study, run, "mask")
    decode(start_from="mask")
    assert said in capsys.readouterr().err


def test_counts_of_a_plan_say_whose_they_are(study, decode):
    run = decode()
    study.betas(3)
    study.write(f"{BETAS.format(3)}.json", '{"ScaleFactor": 0.5}')
    text = study.path(f"{STEM.format(1)}_events.tsv").read_text()
    study.write(f"{STEM.format(3)}_events.tsv", text)
    said = described(study, run)
    assert "train 10 images (20 trials), test 4 (8) (the run that is there)" in said
    assert "now        the data set has 48 voxels of 'visual'; train 10 images (30 trials)" in said
    assert "is new (and 2 more files); needs --from mask" in said


def edit(study: Study, name: str, old: str, new: str) -> None:
    path = study.path(name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "step"),
    [
        (f"{STEM.format(1)}_events.tsv", "4\t3\tstim-01", "4\t3\tstim-02", "mask"),
        (f"{BETAS.format(2)}.json", "0.5", "0.7", "mask"),
        ("stimuli/captions.tsv", "it is", "it was", "encode"),
        (f"{ANAT}seg-areas_dseg.tsv", "1\tV1\n2\tV2", "2\tV1\n1\tV2", "mask"),
    ],
)
def test_a_changed_table_is_named_with_its_step(study, decode, name, old, new, step):
    decode(mask="V1+FFA1")
    edit(study, name, old, new)
    refused(decode, f"{study.path(name)} has changed", f"--from {step}", mask="V1+FFA1")


def test_changed_files_of_options_are_named(study, decode):
    alias, split = study.folder / "mine.toml", study.folder / "split.tsv"
    alias.write_text('mine = ["V1", "V2"]\n')
    rows = [f"stim-{k:02d}\t{'train' if k < TRAIN else 'test'}" for k in range(TRAIN + TEST)]
    split.write_text("\n".join(["stim_id\tsplit", *rows]) + "\n")
    given = (f"datasets.bids.alias_file={alias}", f"datasets.bids.split_file={split}")
    decode(*given, mask="mine")

    def again():
        return decode(*given, mask="mine")

    alias.write_text('mine = ["V1", "V2"]\nother = ["FFA1"]\n')
    again()  # what the run took from it is the same
    alias.write_text('mine = ["V1", "FFA1"]\n')
    refused(again, f"{alias} has changed", "--from mask")
    alias.write_text('mine = ["V1", "V2"]\n')
    split.write_text(split.read_text() + "stim-99\ttest\n")
    again()
    split.write_text(split.read_text().replace("stim-05\ttrain", "stim-05\ttest"))
    refused(again, f"{split} has changed", "--from mask")


def test_a_region_of_one_feature_is_the_fits(study, decode):
    settings = ("features.colour.roi=V2",)
    decode(*settings)
    edit(study, f"{ANAT}seg-areas_dseg.tsv", "2\tV2\n3\tFFA1", "3\tV2\n2\tFFA1")
    refused(lambda: decode(*settings), "seg-areas_dseg.tsv", "--from fit")


def test_a_new_file_that_would_be_read_is_named(study, decode):
    (study.path(f"{BETAS.format(2)}.json")).unlink()
    decode()
    study.write(f"{BETAS.format(2)}.json", '{"ScaleFactor": 3}')
    refused(decode, "run-2_space-T1w_desc-singletrial_statmap.json is new", "--from mask")


def test_betas_that_are_gone_are_named(study, decode):
    decode()
    gone = study.path(f"{BETAS.format(2)}.nii")
    gone.unlink()
    events = study.path(f"{STEM.format(2)}_events.tsv")
    with pytest.raises(MissingDataError, match=f"{events}: there are no betas of these events"):
        decode()
    events.unlink()  # then the whole run is gone
    refused(decode, "have changed since", "(gone: ", str(gone), str(events), "--from mask")


# --- what does not matter goes on ------------------------------------------------------------


def test_untouched_files_are_not_read_again(study, decode, hashed):
    run = decode()
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.name != ".lock"}
    decode()
    assert hashed == []
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_another_time_is_hashed_once(study, decode, hashed):
    decode()
    for path in study.root.rglob("*"):
        os.utime(path)
    decode()
    assert len([n for n in hashed if n.endswith("statmap.nii")]) == 2
    assert len([n for n in hashed if n.endswith(".bmp")]) == TRAIN + TEST
    hashed.clear()
    decode()
    assert hashed == []


def test_without_its_logs_everything_is_hashed(study, decode, hashed):
    run = decode()
    shutil.rmtree(run.path / "logs")
    decode()
    assert len([n for n in hashed if n.endswith("statmap.nii")]) == 2


def test_a_file_changed_within_the_same_moment_is_hashed_again(study, decode, hashed, monkeypatch):
    monkeypatch.setattr(inputs, "SETTLED", 10**18)
    decode()
    decode()
    assert "sub-01_task-look_run-1_events.tsv" in hashed


def test_a_moved_data_set_goes_on(study, decode):
    run = decode(until="score")
    moved = study.folder / "elsewhere" / "study"
    shutil.copytree(study.root, moved)
    shutil.rmtree(study.root)
    with pytest.raises(RunError, match=r"data set of this run is not in .*--root"):
        pipeline.reopen(run.path, run.registry)
    before = {p: p.stat().st_mtime_ns for p in (run.path / "steps").rglob("*")}
    decode(until="score", root=str(moved))
    assert {p: p.stat().st_mtime_ns for p in before} == before
    again = pipeline.reopen(run.path, run.registry, quiet=True)
    assert again.config.dataset_options["root"] == str(moved)
    with opened(again):
        pass


def test_a_moved_data_set_that_changed_is_refused_and_its_place_not_taken(study, decode):
    run = decode()
    moved = study.folder / "elsewhere"
    shutil.copytree(study.root, moved)
    study.root = moved
    study.picture("stim-07")
    refused(decode, f"{moved / 'stimuli/stim-07_image.bmp'} has changed", "--from encode")
    assert str(moved) not in (run.path / "config.toml").read_text()


def test_another_study_of_the_same_names_is_refused(study, decode):
    decode()
    other = Study(study.folder / "other")
    for run in (1, 2):
        other.betas(run)
    refused(decode, "run-1", "has changed", root=str(other.root))


def test_a_moved_run_goes_on(study, decode):
    run = decode()
    run.path.rename(study.folder / "moved")
    decode(out="moved", until="score")
    again = pipeline.reopen(study.folder / "moved", run.registry, quiet=True)
    with opened(again):
        pass


def test_files_that_nobody_reads_do_not_matter(study, decode):
    decode(mask="V1", until="report")
    study.image(f"{ANAT}label-new_mask.nii", np.ones(SHAPE, np.uint8))
    study.write("stimuli/notes.tsv", "a\tb\n")
    study.image(
        f"{ANAT}label-visual_mask.nii", np.eye(4, 3, dtype=np.uint8)[:, None, :].repeat(4, 1)
    )
    decode(mask="V1")


def test_captions_of_other_pictures_may_change(study, decode):
    decode()
    path = study.path("stimuli/captions.tsv")
    path.write_text(path.read_text() + "stim-99\tsomething else\n")
    decode()


def test_the_report_is_made_again_when_what_it_alone_shows_changed(study, decode):
    run = decode(until="report")
    assert "input" in (page := (run.path / "report.html").read_text())
    assert f"{TRAIN + TEST + 8} files and pictures" in page.replace(",", "")
    edit(study, "dataset_description.json", '"x"', '"renamed"')
    decode()  # which the steps do not read
    assert (run.path / "report.html").read_text() == page
    decode(until="report")
    assert "renamed" in (run.path / "report.html").read_text()


def test_a_run_from_before_notes_goes_on_and_is_checked_as_it_was(study, decode):
    run = decode()
    for path in run.path.rglob(inputs.NOTE):
        path.unlink()
    study.picture("stim-07")
    decode()
    study.image(f"{BETAS.format(2)}.nii", np.zeros((*SHAPE, TRAIN + TEST), np.float64))
    refused(decode, "betas or events of sub-01 have changed since", "--from mask")
    moved = study.folder / "elsewhere"
    shutil.copytree(study.root, moved)
    refused(decode, "datasets.bids.root", "--from mask", root=str(moved))


def with_blank(study, place: int) -> None:
    """Let the first run have a blank with a volume of its own."""
    values = np.random.default_rng(9).integers(-500, 500, (*SHAPE, TRAIN + TEST + 1))
    study.image(f"{BETAS.format(1)}.nii", values.astype(np.int16))
    images = [f"stim-{k:02d}\t{'train' if k < TRAIN else 'test'}" for k in range(TRAIN + TEST)]
    images.insert(place, "n/a\tn/a")
    rows = [f"{4 * k}\t3\t{said}" for k, said in enumerate(images)]
    study.write(
        f"{STEM.format(1)}_events.tsv", "\n".join(["onset\tduration\tstim_id\tsplit", *rows]) + "\n"
    )


def test_trials_that_moved_to_other_volumes_are_noticed(study, decode):
    with_blank(study, 3)
    run = decode()
    with_blank(study, 6)
    refused(decode, f"{STEM.format(1)}_events.tsv has changed", "--from mask")
    for path in run.path.rglob(inputs.NOTE):
        path.unlink()
    refused(decode, "betas or events of sub-01 have changed since", "--from mask")


def test_a_run_from_before_volumes_were_told_goes_on(study, decode):
    with_blank(study, 3)
    run = decode()
    place = run.folder("mask", "01") / "input.txt"
    place.write_text(place.read_text().split()[0] + "\n")
    decode()


def test_a_branch_is_computed_again_when_its_own_region_changed(study, decode):
    run = decode(until="score")

    def voxels() -> int:
        config = vary(run.registry, run.config, ["mask.select=V1"])
        fresh = pipeline.reopen(run.path, run.registry, quiet=True)
        own = branch(
            fresh, "narrow", ("mask", "fit", "predict", "generate", "score"), config=config
        )
        grow(own)
        return len(np.load(own.folder("fit", "01") / "voxels0.npy"))

    assert voxels() == (study.labels == 1).sum()
    study.labels[0] = 1
    study.image(f"{ANAT}seg-areas_dseg.nii", study.labels.astype(np.int16))
    assert voxels() == (study.labels == 1).sum() > np.prod(SHAPE) // 4
    decode(until="score")  # the run itself does not read it


# --- while it computes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"{BETAS.format(2)}.nii", "stimuli/stim-12_image.bmp"])
def test_a_file_that_changes_while_a_step_reads_is_noticed(study, decode, monkeypatch, name):
    from neurodiffuse.steps import mask

    real = mask._prepare

    def slow(*args):
        real(*args)
        path = study.path(name)
        path.write_bytes(path.read_bytes()[:-1] + b"\1")

    monkeypatch.setattr(mask, "_prepare", slow)
    refused(decode, f"{study.path(name)}: has changed while this run was reading")
    assert not list(study.folder.glob("run/steps/*/encode"))
    monkeypatch.undo()
    decode()


def test_a_file_that_changes_between_steps_is_noticed(study, decode, monkeypatch):
    from neurodiffuse.steps import encode

    real = encode.encode

    def slow(*args):
        real(*args)
        study.betas(1)

    monkeypatch.setattr(encode, "encode", slow)
    refused(decode, "run-1", "has changed", "--from mask")
    assert not (study.folder / "run/steps/sub-01/fit").exists()


def test_a_run_that_was_killed_while_hashing_has_no_note(study, decode, monkeypatch):
    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hashing.Hasher, "digests", killed)
        with pytest.raises(KeyboardInterrupt):
            decode()
    assert not list(study.folder.rglob(inputs.NOTE))
    decode()
    assert (study.folder / "run/steps/sub-01/mask" / inputs.NOTE).exists()
    assert not (study.folder / "run/steps/sub-01/mask/hashed.json").exists()


# --- much data -------------------------------------------------------------------------------


def test_much_that_no_step_reads_again_is_compared_in_samples(
    study, decode, monkeypatch, hashed, capsys
):
    monkeypatch.setattr(inputs, "SAMPLED", 1000)
    monkeypatch.setattr(changes, "LARGE", 1000)
    run = decode()
    for path in study.root.rglob("*.nii"):
        os.utime(path)
    loud = pipeline.reopen(run.path, run.registry)
    with opened(loud):
        pass
    assert "comparing samples of 2 files" in capsys.readouterr().err
    assert not [n for n in hashed if n.endswith("statmap.nii")]
    study.betas(2)
    refused(decode, "run-2", "has changed", "--from mask")


def test_hashes_are_those_of_sha256sum(study, decode):
    import hashlib

    run = decode()
    said = json.loads((run.folder("mask", "01") / inputs.NOTE).read_text())["groups"]
    files = said["responses"]["files"]
    assert sorted(files) == sorted(
        f"{stem.format(k)}{end}" for k in (1, 2)
        for stem, end in ((BETAS, ".nii"), (BETAS, ".json"), (STEM, "_events.tsv"))
    )  # fmt: skip
    for name, one in files.items():
        held = study.path(name).read_bytes()
        assert one == {"size": len(held), "sha256": hashlib.sha256(held).hexdigest()}


def test_hashing_waits_for_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "AHEAD", 10)
    monkeypatch.setattr(hashing, "CHUNK", 5)
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"x" * 50)
    with hashing.Hasher(paths) as hasher:
        hasher._thread.join(0.2)
        assert hasher._done <= 15
        hasher.reached(0.5)
        hasher._thread.join(0.2)
        assert paths[0] in hasher._found
        assert paths[1] not in hasher._found
        found = hasher.digests()
    assert found == {path: hashing.sha256_of(path) for path in paths}
