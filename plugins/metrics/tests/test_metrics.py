"""What the metrics promise, with a small CLIP: values, ties, kept features, memory, refusals."""

from __future__ import annotations

import os
import subprocess
import sys

import metric_checkpoints as checkpoints
import numpy as np
import pytest

from neurodiffuse import metrics as core
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError
from neurodiffuse.testing import check_metric
from neurodiffuse.types import Images
from neurodiffuse_metrics import correlation, metrics, shelf

N = 12
SEEN = checkpoints.pictures(N, 64, 64, 1)


def images(values):
    return Images(tuple(f"im{i}" for i in range(len(values))), values)


@pytest.fixture
def clip(files):
    return lambda **more: metrics.Clip(weights=str(files["clip"]), device="cpu", **more)


def test_the_contract(clip, files):
    check_metric(clip())
    check_metric(metrics.Swav(weights=str(files["resnet"]), device="cpu"))


def test_identical_is_one_ties_are_a_half_shuffled_is_chance(clip):
    metric = clip()
    np.testing.assert_array_equal(metric.compare(images(SEEN), images(SEEN.copy())), 1)
    same = np.repeat(SEEN[:1], N, axis=0)
    np.testing.assert_array_equal(metric.compare(images(same), images(SEEN)), 0.5)
    grey = np.full_like(SEEN, 128)
    np.testing.assert_array_equal(metric.compare(images(grey), images(grey)), 0.5)
    null = metric.null(images(SEEN), images(SEEN.copy()), np.random.default_rng(0))
    assert null.mean() == pytest.approx(0.5, abs=0.01)


def test_the_direction_is_along_columns_and_rows_in_takagis(clip):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 5))
    own = table.diagonal()
    columns = [np.mean(np.delete(table[:, j], j) < own[j]) for j in range(5)]
    rows = [np.mean(np.delete(table[i], i) < own[i]) for i in range(5)]
    assert columns != rows
    np.testing.assert_allclose(clip().value(table).diagonal(), columns)
    np.testing.assert_allclose(clip(dialect="takagi").value(table).diagonal(), rows)


def published_identification(seen, samples):
    """codes/utils/identification.py of yu-takagi/StableDiffusionReconstruction, transcribed."""
    n = len(seen)
    rs_all = [
        [[np.corrcoef(seen[row], made[col])[0, 1] for made in samples] for col in range(n)]
        for row in range(n)
    ]
    accuracies = []
    for own in range(n):
        r_true = np.array(rs_all[own][own])
        fakes = [np.array(rs_all[own][other]) for other in range(n) if other != own]
        accuracies.append(np.mean([r_true.mean() > fake.mean() for fake in fakes]))
    return np.array(accuracies)


def several_samples():
    """Return samples that are like what was seen by chance only, so that few are identified."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 90, (5, *SEEN.shape))
    return [images(np.clip(SEEN + part, 0, 255).astype(np.uint8)) for part in noise]


def test_takagis_identification_averages_correlations_over_samples_first(clip):
    samples, metric = several_samples(), clip(dialect="takagi")
    features = [np.concatenate(list(metric.features(x.values))) for x in (images(SEEN), *samples)]
    expected = published_identification(features[0], features[1:])
    found = metric.compare_samples(images(SEEN), samples)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    means = np.mean([metric.compare(images(SEEN), made) for made in samples], axis=0)
    assert np.abs(found - means).max() > 0.05  # it is not the mean over samples
    assert 0 < found.mean() < 1
    null = metric.null_samples(images(SEEN), samples, np.random.default_rng(0))
    assert null.shape == (metric.permutations,)
    assert null.mean() == pytest.approx(0.5, abs=0.02)


def test_in_other_dialects_a_value_is_the_mean_over_samples(clip):
    samples, metric, seen = several_samples(), clip(), images(SEEN)
    means = np.mean([metric.compare(seen, made) for made in samples], axis=0)
    np.testing.assert_allclose(metric.compare_samples(seen, samples), means, atol=1e-12)
    nulls = [metric.null(seen, made, np.random.default_rng(0)) for made in samples]
    found = metric.null_samples(seen, samples, np.random.default_rng(0))
    np.testing.assert_allclose(found, np.mean(nulls, axis=0), atol=1e-12)


def test_retrieval_by_clip(clip):
    made = images(np.clip(SEEN + 20.0, 0, 255).astype(np.uint8))
    metric = clip(top=1, among=4)
    assert metric.chance == 0.25
    features = [np.concatenate(list(metric.features(x))) for x in (SEEN, made.values)]
    expected = core.retrieval(core.correlation_table(*features), 1, 4)
    np.testing.assert_allclose(metric.compare(images(SEEN), made), expected, atol=1e-9)
    assert clip(top=2).chance is None
    for wrong in ({"top": 0, "among": 5}, {"top": 5, "among": 5}, {"top": -1}):
        with pytest.raises(ConfigError, match="among"):
            clip(**wrong)


def test_features_of_what_was_seen_are_computed_once_by_content(clip, monkeypatch):
    counted = []
    features = metrics.NetworkMetric.features

    def counting(self, pictures):
        counted.append(len(pictures))
        return features(self, pictures)

    monkeypatch.setattr(metrics.NetworkMetric, "features", counting)
    made = images(SEEN[::-1].copy())
    first = clip().compare(images(SEEN), made)
    assert counted == [N, N]
    again = clip().compare(images(SEEN.copy()), made)
    assert counted == [N, N, N]  # only what was made
    np.testing.assert_array_equal(first, again)
    changed = SEEN.copy()
    changed[3, 5, 5, 0] ^= 1
    clip().compare(images(changed), made)
    clip(dialect="mindeye").compare(images(SEEN), made)
    assert counted == [N, N, N, N, N, N, N]


def test_kept_features_that_are_damaged_are_computed_again(clip):
    made = images(SEEN[::-1].copy())
    first = clip().compare(images(SEEN), made)
    (path,) = shelf.folder().glob("*.npy")
    path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(clip().compare(images(SEEN), made), first)
    assert [p.suffix for p in shelf.folder().iterdir()] == [".npy"]


def test_what_was_not_used_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(shelf, "MOST", 3000)
    for k in range(4):
        shelf.kept(f"k{k}", 2, lambda: iter([np.ones((2, 100), np.float32)]))
        os.utime(shelf.folder() / f"k{k}.npy", (k, k))
    assert sorted(p.stem for p in shelf.folder().iterdir()) == ["k1", "k2", "k3"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURODIFFUSE_FEATURES", str(tmp_path / "file" / "inside"))
    with pytest.raises(RunError, match="NEURODIFFUSE_FEATURES"):
        shelf.kept("k", 1, lambda: iter([np.ones((1, 2), np.float32)]))


def test_batches_do_not_matter(clip, monkeypatch):
    whole = np.concatenate(list(clip().features(SEEN)))
    monkeypatch.setattr(metrics, "BATCH", 5)
    parts = list(clip().features(SEEN))
    assert [len(part) for part in parts] == [5, 5, 2]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_the_table_agrees_with_double_precision_and_is_bounded():
    rng = np.random.default_rng(0)
    seen = rng.gamma(0.3, 1, (20, 40_000)).astype(np.float32)
    made = (seen + rng.gamma(0.3, 1, seen.shape)).astype(np.float32)
    made[3] = 7.0
    units = correlation.unit_rows(seen)
    found = correlation.table(units, (correlation.unit_rows(made[k : k + 7]) for k in (0, 7, 14)))
    np.testing.assert_allclose(found, core.correlation_table(seen, made), atol=3e-7)
    assert not found[:, 3].any()
    with pytest.raises(DataError, match="not finite"):
        correlation.unit_rows(np.full((1, 4), np.nan, np.float32))


def test_missing_weights_name_the_line_that_fetches_them():
    metric = metrics.Inception()
    (download,) = metric.downloads()
    assert download.address.endswith("inception_v3_google-0cc3c7bd.pth")
    with pytest.raises(MissingDataError, match="models fetch inception-v3-imagenet1k-v1"):
        metric.compare(images(SEEN), images(SEEN))


def test_effnets_weights_follow_the_dialect():
    assert metrics.EffNetB1().model.name.endswith("v1")
    assert metrics.EffNetB1("mindeye").model.name.endswith("v2")


def test_impossible_dialects_and_pairs_are_refused(clip):
    with pytest.raises(ConfigError, match="Possible: brain-diffuser, mindeye"):
        metrics.Swav("takagi")
    other = Images(tuple("abcdefghijkl"), SEEN)
    with pytest.raises(DataError, match="ids differ"):
        clip().compare(images(SEEN), other)
    with pytest.raises(DataError, match="two or more"):
        clip().compare(images(SEEN[:1]), images(SEEN[:1]))
    with pytest.raises(ConfigError, match="memory"):
        clip(memory=1000).compare(images(SEEN), images(SEEN))


def test_naming_a_metric_imports_no_torch():
    code = (
        "import sys; from neurodiffuse.plugins import Registry; r = Registry.installed();"
        "r.load(r.card('metric', 'alexnet-2'))().downloads(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
