"""Every question that computes has the same answer, byte for byte, on any executor."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from executor_case import files_of
from PIL import Image

from neurodiffuse import work
from neurodiffuse.executor import InProcess, Processes
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.ablate.ask import ablate
from neurodiffuse.questions.average.ask import average
from neurodiffuse.questions.controls.ask import controls
from neurodiffuse.questions.roi_optimal import studio
from neurodiffuse.questions.roi_optimal.ask import roi_optimal
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import wanted
from neurodiffuse.questions.score import ask as scoring
from neurodiffuse.questions.weights import explained
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import MEASURES
from neurodiffuse.questions.weights.question import Question as WeightsQuestion
from neurodiffuse.run import opened


@pytest.fixture(scope="module")
def pool(installed_toy):
    """Two processes that serve all tests: starting them takes longer than what they do."""
    with Processes(2) as executor:
        yield executor


@pytest.fixture
def two(pool, monkeypatch):
    """The processes, and how many tasks they were given for this test."""
    real, given = pool.run, []

    def run(work, tasks, *, quiet=False):
        given.extend(tasks)
        return real(work, tasks, quiet=quiet)

    monkeypatch.setattr(pool, "run", run)
    yield pool
    assert len(given) > 2


@pytest.fixture
def both(decode, two, tmp_path, monkeypatch):
    """Return a function that asks a decoded run in this process and in two, and compares."""

    def both(ask, *settings: str) -> dict[str, bytes]:
        run = decode(InProcess(), *settings, where="here", subjects=("01", "02"))
        before = files_of(run)
        shutil.copytree(run.path, tmp_path / "there" / "run")
        found = []
        for executor, where in ((InProcess(), "here"), (two, "there")):
            monkeypatch.chdir(tmp_path / where)
            asked = replace(run, path=Path("run"), machine=Machine(executor=executor))
            with opened(asked):
                ask(asked)
            found.append(files_of(replace(asked, path=asked.path.resolve())))
        here, there = ({n: b for n, b in each.items() if n not in before} for each in found)
        assert here.keys() == there.keys()
        assert [name for name in here if here[name] != there[name]] == []
        return here

    return both


def test_roi_optimal(both, monkeypatch):
    monkeypatch.setattr(studio, "BATCH", 2)
    question = Question(
        subjects=("01", "02"),
        regions=wanted(["V1", "FFA1"]),
        method="encoder-ranked",
        seeds=2,
        candidates=5,
        display="stretch",
    )
    found = both(lambda run: roi_optimal(run, question), "stages.first.grain=0.2")
    kept = [n for n in found if n.endswith("stage-recon.png")]
    assert len(kept) == 2 * 2 * 3  # pictures, regions, rows with that of the average


def test_weights(both, monkeypatch):
    monkeypatch.setattr(explained, "VOXELS", 16)
    question = WeightsQuestion(measures=MEASURES, pictures=False)
    settings = ("features.colour.copies=1500", "mask.repetitions=single", "encode.dtype=float16")
    chosen = ("features.colour.alpha='loo'", "features.colour.alpha_per='target'")
    found = both(lambda run: weights(run, question), *settings, *chosen)
    assert sum(n.endswith("_statmap.nii.gz") for n in found) == 2 * 4


def test_ablate_controls_and_average(both):
    def ask(run):
        ablate(run)
        controls(run, neighbours=1)
        average(run)

    found = both(ask, "datasets.toy.test=12")
    for part in ("ablate/", "controls/", "steps/sub-average/score", "branches/"):
        assert any(name.startswith(part) for name in found)


def test_score(two, tmp_path):
    for name in ("seen", "made"):
        (tmp_path / name).mkdir()
        for k in range(12):
            shade = (20 * k + (7 if name == "made" else 0)) % 256
            Image.effect_noise((32, 32), 10 + k).point(lambda v, s=shade: (v + s) // 2).convert(
                "RGB"
            ).save(tmp_path / name / f"{k}.png")
    names = ("pixcorr", "ssim")
    settings = scoring.Settings(
        tmp_path / "made", tmp_path / "seen", names, bootstrap=50, permutations=20
    )
    registry = Registry.installed()
    here = scoring.score(settings, registry, Machine(), quiet=True)
    there = scoring.score(settings, registry, Machine(executor=two), quiet=True)
    assert [row.name for row in here.rows] == [row.name for row in there.rows]
    assert len(here.rows) >= 3
    for one, other in zip(here.rows, there.rows, strict=True):
        assert one.summary == other.summary
        assert one.values.tobytes() == other.values.tobytes()


def test_a_killed_question_keeps_the_pictures_that_were_painted(decode, monkeypatch):
    run = decode(InProcess(), "stages.first.grain=0.2", where="here", until="fit")
    question = Question(subjects=("01",), regions=wanted(["V1", "FFA1"]), seeds=6)
    painted, real = [], studio.paint_batch

    def counted(site, number, place, start, stop):
        if len(painted) == 3:
            painted.append("the end")
            raise KeyboardInterrupt
        painted.append((number, start))
        real(site, number, place, start, stop)

    monkeypatch.setattr(studio, "paint_batch", counted)
    with opened(run):
        with pytest.raises(KeyboardInterrupt):
            roi_optimal(run, question)
        place = roi_optimal(run, question)
    assert painted == [(0, 0), (0, 4), (1, 0), "the end", (1, 4)]
    assert len(list(place.rglob("sample-*_stage-recon.png"))) == 12


def test_results_in_order_do_not_wait_longer_than_they_must():
    done = iter([(1, "b"), (0, "a"), (3, "d")])
    found = work.in_order(done)
    assert [next(found), next(found)] == ["a", "b"]
    assert next(done, None) == (3, "d")
