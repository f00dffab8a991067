"""The mask step: averages, standardisation, and betas that several runs share."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy

from neurodiffuse import builtin, pipeline, prepared
from neurodiffuse.config import resolve
from neurodiffuse.errors import DataError
from neurodiffuse.files import read_json
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, remarks_of
from neurodiffuse.steps.mask import mask
from neurodiffuse.store import load_betas
from neurodiffuse.types import Trials

READ: list[str] = []


class Filed(toy.Toy):
    """The toy with its betas in files, which it says it reads."""

    def __init__(self, root: str, fault: str = "") -> None:
        super().__init__(root, fault=fault)
        self.root = root

    def files(self, label: str) -> tuple[Path, ...]:
        return tuple(sorted(Path(self.root).glob(f"{label}-*.npy")))

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        READ.append(label)
        for path in self.files(label):
            yield np.load(path)[:, voxels]


def registry_of() -> Registry:
    class Files:
        @staticmethod
        @toy.hookimpl
        def register_datasets(register) -> None:
            register("filed", f"{__name__}:Filed", summary="")

    return Registry([("builtin", builtin), ("toy", toy), ("files", Files)])


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Return a folder of betas, and let the cache be empty."""
    monkeypatch.setenv("NEURODIFFUSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    everything = np.ones(int(np.prod(toy.SHAPE)), bool)
    for number, block in enumerate(toy.Toy().betas("01", everything)):
        np.save(folder / f"01-{number}.npy", block)
    READ.clear()
    return folder


def run_of(root: Path, out: str, *settings: str, chosen: str = "") -> Run:
    registry = registry_of()
    config = resolve(
        registry, dataset="filed", subjects=["01"], recipe="toy", root=str(root),
        settings=settings, mask=chosen,
    )  # fmt: skip
    config, dataset = pipeline.open_subjects(config, registry)
    return Run(root.parent / out, config, registry, dataset, quiet=True)


def masked(run: Run) -> Path:
    mask(run, "01")
    return run.folder("mask", "01")


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".gz"}


def expected(root: Path, voxels: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Average and standardise with dictionaries and float64."""
    trials = toy.Toy().subject("01").trials
    betas = np.vstack([np.load(p) for p in sorted(root.glob("*.npy"))]).astype(float)[:, voxels]
    rows: dict[str, dict[str, list[np.ndarray]]] = {"train": {}, "test": {}}
    for beta, image, split in zip(betas, trials.stimulus, trials.split, strict=True):
        rows[split].setdefault(image, []).append(beta)
    train, test = (np.stack([np.mean(b, axis=0) for b in rows[s].values()]) for s in rows)
    sd = train.std(axis=0, ddof=1)
    sd[sd < 1e-9] = np.inf
    return list(rows["train"]), (train - train.mean(axis=0)) / sd, (test - train.mean(axis=0)) / sd


def test_betas_are_averaged_and_standardised_on_training_images(root):
    folder = masked(run_of(root, "run"))
    ids, train, test = expected(root, np.arange(120) < 60)
    assert np.allclose(np.load(folder / "train.npy"), train, atol=1e-5)
    assert np.allclose(np.load(folder / "test.npy"), test, atol=1e-5)
    assert (folder / "train.json").read_text() == f'{{"ids": {ids!r}}}'.replace("'", '"')


def test_another_run_reads_no_betas_and_gets_the_same_bytes(root):
    first = masked(run_of(root, "one"))
    second = masked(run_of(root, "two", "features.colour.alpha=7"))
    assert READ == ["01"]
    assert content(first) == content(second)
    assert (first / "train.npy").samefile(second / "train.npy")


def test_what_was_kept_equals_what_is_made_without(root, monkeypatch):
    masked(run_of(root, "one"))
    kept = content(masked(run_of(root, "two")))
    monkeypatch.setenv("NEURODIFFUSE_CACHE", "off")
    assert content(masked(run_of(root, "three"))) == kept
    assert READ == ["01", "01"]


def test_betas_that_go_wrong_late_are_told_and_kept_with_what_was_prepared(root):
    plain = masked(run_of(root, "plain"))
    assert "remarks" not in read_json(plain / "about.json")
    values = np.load(root / "01-1.npy")
    values[-10:] = 0
    np.save(root / "01-1.npy", values)
    for out in ("one", "two"):
        run = run_of(root, out)
        folder = masked(run)
        (text,) = read_json(folder / "about.json")["remarks"]
        assert "are 0 in 10 of 72 trials: session 2 run 2 (trials 27 to 36)" in text
        assert [r.text for r in remarks_of(run, "01") if r.text.startswith("betas")] == [text]
        assert not [r for r in remarks_of(run, "01", redo=True) if r.text.startswith("betas")]
        assert sorted(content(folder)) == sorted(content(plain))
    assert len(READ) == 2


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (["mask.repetitions=single"], ""),
        (["mask.nonfinite=drop"], ""),
        ([], "V1"),
        ([], "left+V1+FFA1"),
    ],
)
def test_only_the_same_question_is_answered(root, settings, chosen):
    masked(run_of(root, "one"))
    masked(run_of(root, "two", *settings, chosen=chosen))
    assert len(READ) == (1 if chosen == "left+V1+FFA1" else 2)  # the same voxels


def test_other_trials_of_the_same_files_are_averaged_anew(root, monkeypatch):
    """What an event is of may change while the files of betas do not."""
    first = content(masked(run_of(root, "one")))
    before = Filed.subject

    def swapped(self, label):
        about = before(self, label)
        names = {"i0": "i1", "i1": "i0"}
        stimulus = tuple(names.get(image, image) for image in about.trials.stimulus)
        return replace(about, trials=replace(about.trials, stimulus=stimulus))

    monkeypatch.setattr(Filed, "subject", swapped)
    second = content(masked(run_of(root, "two")))
    assert len(READ) == 2
    assert second["train.json"] != first["train.json"]


def test_another_version_of_the_data_set_s_plugin_reads_anew(root):
    for out, version in (("one", "1.0"), ("two", "1.0"), ("three", "1.1")):
        run = run_of(root, out)
        card = run.registry.card
        run.registry.card = lambda *names, card=card, v=version: replace(card(*names), version=v)
        masked(run)
    assert len(READ) == 2


def test_a_changed_file_is_read_again(root):
    masked(run_of(root, "one"))
    path = root / "01-0.npy"
    values = np.load(path)
    np.save(path, values + 1)
    os.utime(path, ns=(1, 1))
    folder = masked(run_of(root, "two"))
    assert len(READ) == 2
    assert np.allclose(
        np.load(folder / "train.npy"), expected(root, np.arange(120) < 60)[1], atol=1e-5
    )


def test_another_table_beside_the_betas_is_heeded(root, monkeypatch):
    """It may say that trials are of other volumes, or how numbers are scaled."""
    table = root / "events.tsv"

    def inputs_of(self, label):
        return {"responses": (*self.files(label), table)}

    monkeypatch.setattr(Filed, "inputs", inputs_of)
    table.write_text("a")
    masked(run_of(root, "one"))
    masked(run_of(root, "two"))
    assert len(READ) == 1
    table.write_text("b")
    masked(run_of(root, "three"))
    assert len(READ) == 2


def test_a_file_that_was_written_again_with_its_old_time_is_read_again(root):
    masked(run_of(root, "one"))
    path = root / "01-0.npy"
    before = path.stat()
    np.save(path, np.load(path) + 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    masked(run_of(root, "two"))
    assert len(READ) == 2


def test_what_a_killed_process_left_is_not_used(root, tmp_path):
    run = run_of(root, "one")
    key = prepared.key_of(run, run.subject("01"), run.select("01", "left"))
    left = tmp_path / "cache" / "betas" / f"{key}.partial"
    left.mkdir(parents=True)
    (left / "train.npy").write_bytes(b"half")
    folder = masked(run)
    assert np.load(folder / "train.npy").shape == (40, 60)
    assert not left.exists()


def test_a_failure_leaves_nothing_in_the_cache(root, tmp_path):
    (root / "01-1.npy").unlink()
    with pytest.raises(Exception, match="must be as many"):
        masked(run_of(root, "one"))
    assert [p.name for p in (tmp_path / "cache/betas").iterdir() if p.is_dir()] == []
    assert not (tmp_path / "one/steps/sub-01/mask.partial").exists()


def test_a_cache_that_cannot_be_written_is_no_obstacle(root, tmp_path, capsys):
    (tmp_path / "cache").write_text("a file")
    run = run_of(root, "one")
    object.__setattr__(run, "quiet", False)
    folder = masked(run)
    assert np.load(folder / "train.npy").shape == (40, 60)
    assert "cannot be kept" in capsys.readouterr().err


def test_two_processes_prepare_once(root, tmp_path):
    context = multiprocessing.get_context("fork")
    runs = [run_of(root, f"run{k}") for k in range(2)]
    counts = context.Queue()

    def work(run: Run) -> None:
        masked(run)
        counts.put(len(READ))

    processes = [context.Process(target=work, args=(run,)) for run in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sorted(counts.get(timeout=5) for _ in runs) == [0, 1]
    one, two = (content(run.folder("mask", "01")) for run in runs)
    assert one == two


def test_voxels_that_are_not_finite_are_left_out_of_both_sides(root):
    path = root / "01-0.npy"
    values = np.load(path)
    values[1, 7] = np.nan
    np.save(path, values)
    folder = masked(run_of(root, "run", "mask.nonfinite=drop"))
    wanted = (np.arange(120) < 60) & (np.arange(120) != 7)
    assert np.array_equal(np.load(folder / "voxels.npz")["voxels"], wanted)
    _, train, test = expected(root, wanted)
    assert np.allclose(np.load(folder / "train.npy"), train, atol=1e-5)
    assert np.allclose(np.load(folder / "test.npy"), test, atol=1e-5)


@pytest.mark.parametrize("settings", [(), ("mask.nonfinite=drop",), ("mask.repetitions=single",)])
def test_a_trial_without_any_value_is_named(root, settings):
    path = root / "01-0.npy"
    values = np.load(path)
    values[1] = np.nan
    np.save(path, values)
    image = toy.Toy().subject("01").trials.stimulus[1]
    with pytest.raises(DataError, match=rf"1 of \d+ images \({image}\)\. Leave such trials out"):
        masked(run_of(root, "run", *settings))


def test_betas_that_are_all_one_number_are_refused(root):
    for path in root.glob("01-*.npy"):
        np.save(path, np.full_like(np.load(path), 3))
    run = run_of(root, "run")
    with pytest.raises(DataError, match="no voxel of the mask varies over the training images"):
        masked(run)
    assert not run.folder("mask", "01").exists()


def test_single_trials_keep_their_order(root):
    folder = masked(run_of(root, "run", "mask.repetitions=single"))
    trials = toy.Toy().subject("01").trials
    betas = np.vstack([np.load(p) for p in sorted(root.glob("*.npy"))]).astype(float)[:, :60]
    train = betas[[split == "train" for split in trials.split]]
    sd = train.std(axis=0, ddof=1)
    sd[sd < 1e-9] = np.inf
    assert np.allclose(np.load(folder / "train.npy"), (train - train.mean(axis=0)) / sd, atol=1e-5)


class Averaged(toy.Toy):
    """The toy with rows 0 and 1 of each session replaced by rows that are averages."""

    def subject(self, label):
        about = super().subject(label)
        trials = about.trials
        shown = ("i0", "i0", "i0", "i1", *trials.stimulus[4:])
        split = ("train",) * 4 + trials.split[4:]
        single = dataclasses.replace(trials, stimulus=shown, split=split)
        if not self.fault:
            return dataclasses.replace(about, trials=single)
        kept = [0, *range(2, len(trials))]  # row 0 is the average of rows 0 and 1
        columns = (single.stimulus, single.split, single.session, single.run)
        some = (tuple(column[k] for k in kept) for column in columns)
        return dataclasses.replace(about, trials=Trials(*some, (2, *(1,) * (len(kept) - 1))))

    def betas(self, label, voxels):
        plain = toy.Toy()
        every = np.vstack(list(plain.betas(label, voxels)))
        if self.fault:
            every[1] = every[:2].mean(axis=0)
            every = every[1:]
        yield every


def test_rows_that_are_averages_count_as_often_as_they_average(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_CACHE", "off")

    class Hooks:
        @staticmethod
        @toy.hookimpl
        def register_datasets(register) -> None:
            register("averaged", f"{__name__}:Averaged", summary="")

    registry = Registry([("builtin", builtin), ("toy", toy), ("averaged", Hooks)])
    made = {}
    for fault in ("", "averaged"):
        settings = [f"datasets.averaged.fault={fault}"] if fault else []
        config = resolve(
            registry, dataset="averaged", subjects=["01"], recipe="toy", settings=settings
        )
        run = Run(tmp_path / f"run{fault}", config, registry, Averaged(fault=fault), quiet=True)
        mask(run, "01")
        folder = run.folder("mask", "01")
        made[fault] = (load_betas(folder, "train"), read_json(folder / "about.json"))
    (plain, about), (averaged, also) = made[""], made["averaged"]
    assert plain.ids == averaged.ids
    np.testing.assert_allclose(averaged.values, plain.values, rtol=1e-4, atol=1e-5)
    assert also["train_trials"] == about["train_trials"]
