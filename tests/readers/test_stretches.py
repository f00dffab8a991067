"""What is told of betas that go wrong after the volumes that the plan has looked at."""

from __future__ import annotations

import numpy as np
import pytest

from neurodiffuse.readers.stretches import Stretches
from neurodiffuse.types import Trials

RUNS, PER, VOXELS = 4, 32, 300
LATE = slice(2 * PER + 20, 3 * PER)
"""The last trials of the third run."""


def trials(labels: bool = True) -> Trials:
    n = RUNS * PER
    runs = tuple(str(1 + k // PER) if labels else "" for k in range(n))
    return Trials(tuple(f"i{k % 50}" for k in range(n)), ("train",) * n, ("",) * n, runs)


def betas(voxels: int = VOXELS) -> np.ndarray:
    rng = np.random.default_rng(5)
    means = rng.normal(0, 3, voxels)
    return (means + rng.standard_normal((RUNS * PER, voxels))).astype(np.float32)


def told(values: np.ndarray, about: Trials | None = None) -> list[str]:
    about = about or trials()
    stretches = Stretches(about, values.shape[1])
    for block in np.split(values, [7, 40, 41]):
        stretches.add(block)
    found = stretches.remarks()
    assert {remark.kind for remark in found} <= {"warning"}
    return [remark.text for remark in found]


def test_nothing_is_told_of_betas_in_line():
    assert told(betas()) == []
    assert told(betas(), trials(labels=False)) == []


def test_repetitions_of_a_picture_without_noise_are_no_copies():
    values = betas()
    for k in range(50, len(values)):
        values[k] = values[k % 50]
    assert told(values) == []


@pytest.mark.parametrize("voxels", [1, 5, 19])
def test_level_and_spread_of_a_few_voxels_are_chance(voxels):
    values = betas(voxels)
    values[LATE] *= 300
    assert told(values) == []


def test_a_constant_from_the_middle_of_a_run_on():
    values = betas()
    values[LATE] += 200
    (text,) = (text for text in told(values) if "level" in text)
    assert "level of run 3 (trials 25 to 32) is +2" in text
    assert "another baseline or a constant" in text


def test_another_unit_from_the_middle_of_a_run_on():
    values = betas()
    values[LATE] *= 300
    assert any("spread of run 3 (trials" in text for text in told(values))


@pytest.mark.parametrize("labels", [True, False])
def test_trials_of_zeros_are_counted(labels):
    values = betas()
    values[LATE] = 0
    (text,) = told(values, trials(labels))
    where = "run 3 (trials 21 to 32)" if labels else "trials 85 to 96"
    assert f"are 0 in 12 of 128 trials: {where}." in text


def test_one_trial_of_zeros_is_told():
    values = betas()
    values[40] = 0
    assert "0 in 1 of 128 trials: run 2 (trials 9)" in told(values)[0]


def test_the_end_of_a_run_that_is_copied_from_another():
    values = betas()
    values[LATE] = values[PER + 20 : 2 * PER]
    (text,) = told(values)
    assert "12 trials have the very numbers" in text
    assert "those of run 2: run 3 (trials 21 to 32)" in text


def test_a_volume_that_was_written_again_and_again():
    """As a loop does that does not go on; a z-scored run of zeros looks like it too."""
    values = betas()
    values[LATE] = values[LATE][0]
    assert "11 trials have the very numbers" in told(values)[0]


def test_voxels_that_are_lost_in_the_end_of_a_run():
    values = betas()
    values[LATE, :100] = 0
    (text,) = told(values)
    assert "33% of the voxels that have values in most other runs" in text
    assert "in run 3 (trials 25 to 32)" in text


def test_memory_is_that_of_a_stretch():
    n = 3000
    about = Trials(tuple(map(str, range(n))), ("train",) * n, ("",) * n, ("",) * n)
    stretches, rng = Stretches(about, 50), np.random.default_rng(0)
    most = 0
    for _ in range(n):
        stretches.add(rng.standard_normal((1, 50), np.float32))
        most = max(most, sum(len(held) for held in stretches._held.values()))
    assert most <= 64
    assert stretches.remarks() == ()


def test_rows_of_runs_that_take_turns_are_told_apart():
    values, about = betas(), trials()
    order = np.arange(RUNS * PER).reshape(RUNS, PER).T.ravel()
    mixed = Trials(
        tuple(about.stimulus[k] for k in order),
        about.split,
        about.session,
        tuple(about.run[k] for k in order),
    )
    values[LATE] = 0
    assert "run 3 (trials 21 to 32)" in told(values[order], mixed)[0]


@pytest.mark.filterwarnings("error")
def test_voxels_that_are_nowhere_finite_are_passed_over():
    """They are left out by `mask.nonfinite=drop`, or refused."""
    values = betas()
    values[:, 3], values[5, 7], values[:, 9] = np.nan, np.inf, -np.inf
    assert told(values) == []


@pytest.mark.parametrize(("where", "labels"), [([5], True), ([5], False), ([5, 40, 70, 100], True)])
@pytest.mark.parametrize("value", [1e30, -1e30, 3e4])
def test_voxels_whose_spread_one_value_carries(value, where, labels):
    values = betas()
    values[where, 17] = value
    values[where[0], 200] = value / 2
    (text,) = told(values, trials(labels))
    assert "in 2 of 300 voxels one trial of a run has over 99%" in text
    assert f"being {value:.3g}{' in run 1' if labels else ''}: such" in text


def test_a_beta_that_is_only_large_is_no_word():
    values = betas()
    values[5, 17] += 30
    assert told(values) == []


def test_runs_of_few_trials_are_taken_together():
    values = betas(20)[:40]
    about = Trials(
        tuple(f"i{k}" for k in range(40)),
        ("train",) * 40,
        ("",) * 40,
        tuple(str(k // 5) for k in range(40)),
    )
    assert told(values, about) == []
    values[7, 3] = 1e30
    assert any("in 1 of 20 voxels" in text for text in told(values, about))
