"""The check of decoders lets good ones pass and names what bad ones break."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_decoders import Nearest

from neurodiffuse.decoders.ridge.decoder import Ridge
from neurodiffuse.errors import ConfigError
from neurodiffuse.testing import check_decoder, examine_decoder, example_training
from neurodiffuse.types import Block, Decoder, FitSummary, Fitted


def broken(decoder):
    return {f.promise.split(": ")[-1] for f in examine_decoder(decoder) if not f.kept}


@pytest.mark.parametrize(
    "decoder",
    [
        Nearest(),
        Nearest(k=1, width=2),
        Ridge(alpha=20.0),
        Ridge(alpha="loo", alpha_per="target", leave_out="session"),
        Ridge(alpha="loo", bands=["V1"], leave_out="cluster:3:other"),
        Ridge(alpha="gcv"),  # which refuses repeated images
    ],
    ids=lambda d: f"{type(d).__name__}-{getattr(d, 'alpha', '')}",
)
def test_good_decoders_pass(decoder):
    check_decoder(decoder)


class FittedLinear(Fitted):
    """Least squares with a small penalty: weights, and a sensitivity that is the same."""

    def __init__(self, decoder, training, folder):
        self.decoder, self.folder, self.training = decoder, folder, training
        ((_, self.responses),) = training.subjects.items()

    def coefficients(self, feature):
        x, y = self.responses.of(feature).astype(float), self.responses.targets[feature].values()
        inverse = np.linalg.inv(x.T @ x + 30 * np.eye(x.shape[1]))
        return inverse @ x.T @ (y - y.mean(0)), y.mean(0, dtype=float)

    def predict(self, subject, feature, betas, *, seeds=None):
        weights, mean = self.coefficients(feature)
        values = (betas @ weights).astype(np.float32)
        return [Block(slice(0, len(mean)), values, mean)]


class Linear(Decoder):
    made = FittedLinear

    def fit(self, training, folder):
        (folder / "fit.json").write_text("{}")

    def open(self, training, folder):
        json.loads((folder / "fit.json").read_text())
        return self.made(self, training, folder)


def test_a_plain_decoder_passes():
    check_decoder(Linear())


def fitted(name, **methods):
    """Return a linear decoder whose fitted class has other methods."""
    return type(name, (Linear,), {"made": type(f"Fitted{name}", (FittedLinear,), methods)})()


def weights(self, subject, feature, columns):
    return self.coefficients(feature)[0][:, columns].astype(np.float32)


def test_weights_and_sensitivity_are_held_against_predictions():
    def squared(self, subject, feature, betas, *, seeds=None):
        w, mean = self.coefficients(feature)
        return [Block(slice(0, len(mean)), ((betas @ w) ** 2).astype(np.float32), mean)]

    def jacobian(self, subject, feature, columns, betas):
        w = self.coefficients(feature)[0]
        return (2 * (betas @ w).mean(0) * w)[:, columns]

    def of_the_first(self, subject, feature, columns, betas):
        return jacobian(self, subject, feature, columns, betas[:1])

    check_decoder(fitted("Weights", weights=weights))
    check_decoder(fitted("Squared", predict=squared, sensitivity=jacobian))
    assert broken(fitted("Squared", predict=squared, sensitivity=of_the_first)) == {
        "sensitivity is the mean change of predictions with each voxel"
    }
    assert broken(fitted("Squared", predict=squared, weights=weights)) == {
        "weights say how predictions change with each voxel"
    }

    def turned(self, *asked):
        return weights(self, *asked).T

    def whole(self, subject, feature, columns):
        w = self.coefficients(feature)[0]
        return w[:, : columns.stop - columns.start] if columns.start == 1 else w[:, columns]

    assert broken(fitted("Turned", weights=turned)) >= {
        "weights say how predictions change with each voxel"
    }
    assert broken(fitted("Whole", weights=whole)) == {"weights of some targets are those among all"}


def left_out_rows(self, subject, feature, most):
    return np.unique(np.linspace(0, 35, min(36, most)).round().astype(np.intp))


def by_refitting(self, subject, feature, betas, rows, *, seeds=None, also=True):
    """Predict each row from the other images (``also``), or from the other rows only."""
    (made,) = self.predict(subject, feature, betas)
    known, images = self.responses, np.array(self.responses.images)
    predicted = []
    for row in rows:
        kept = images != images[row] if also else np.arange(len(images)) != row
        part = replace(
            known,
            betas=known.betas[kept],
            images=tuple(images[kept]),
            targets={n: t.of(np.flatnonzero(kept)) for n, t in known.targets.items()},
        )
        other = type(self)(None, replace(self.training, subjects={subject: part}), None)
        (one,) = other.predict(subject, feature, known.of(feature)[[row]])
        predicted.append(one.values[0] - made.mean)
    return [replace(made, left_out=np.array(predicted, np.float32))]


def test_left_out_rows_are_held_against_their_own_latents():
    check_decoder(fitted("Honest", left_out_rows=left_out_rows, predict_with_left_out=by_refitting))

    def rows_alone(self, *asked, **more):
        return by_refitting(self, *asked, **more, also=False)

    def in_sample(self, subject, feature, betas, rows, *, seeds=None):
        (made,) = self.predict(subject, feature, betas)
        (own,) = self.predict(subject, feature, self.responses.of(feature)[rows])
        return [replace(made, left_out=own.deviation)]

    for method in (rows_alone, in_sample):
        assert broken(
            fitted("Leaky", left_out_rows=left_out_rows, predict_with_left_out=method)
        ) == {"a row is left out with all rows of its image"}

    def all_rows(self, subject, feature, most):
        return np.arange(36)

    assert broken(fitted("Many", left_out_rows=all_rows, predict_with_left_out=by_refitting)) == {
        "left-out rows are training rows, each once, no more than asked for"
    }

    def shifted(self, *asked, **more):
        (made,) = by_refitting(self, *asked, **more)
        return [replace(made, deviation=made.deviation + 1)]

    assert "predictions beside left-out rows are those without" in broken(
        fitted("Shifted", left_out_rows=left_out_rows, predict_with_left_out=shifted)
    )


class Fits(Linear):
    """Does something wrong while it fits, or says something wrong of itself."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def fit(self, training, folder):
        super().fit(training, folder)
        ((_, responses),) = training.subjects.items()
        if self.fault == "above":
            (folder.parent / "stray").write_text("x")
        if self.fault == "here":
            Path("stray").write_text("x")
        if self.fault == "betas":
            responses.betas[0] = 0
        if self.fault == "voxels":
            responses.voxels["layout"][0] = 1
        if self.fault == "global":
            np.random.seed(0)  # noqa: NPY002
        if self.fault == "kept":
            type(self).folder = folder
        if self.fault == "path":
            (folder / "fit.json").write_text(json.dumps(str(folder)))

    def open(self, training, folder):
        if self.fault == "path":
            folder = Path(json.loads((folder / "fit.json").read_text()))
        if self.fault == "self":
            return self.made(self, self.training, folder)
        return super().open(training, folder)

    def memory(self, work, sizes):
        return None if self.fault == "memory" else super().memory(work, sizes)

    def summary(self, folder, feature):
        return "good" if self.fault == "summary" else FitSummary()


RUN = "fit, open and predict run"


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("", None),
        ("above", "fit writes into its folder and nowhere else"),
        ("here", "fit writes into its folder and nowhere else"),
        ("betas", RUN),  # they are read-only
        ("voxels", "fit and predict leave what they are given alone"),
        ("global", "numpy's global random state is left alone"),
        ("path", RUN),  # the folder has moved
        ("self", RUN),
        ("memory", "memory() says for any work how many bytes it needs"),
        ("summary", "words(), where() and summary() return what is to be read"),
    ],
)
def test_each_broken_promise_of_a_fit_is_told_and_no_other(fault, promise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert broken(Fits(fault)) == ({promise} if promise else set())


EVERY = "every target of every feature is predicted once, in order, by finite numbers"


@pytest.mark.parametrize(
    ("fault", "promises"),
    [
        ("infinite", {EVERY}),
        ("short", {EVERY}),
        ("shape", {EVERY}),
        ("twice", {EVERY}),
        ("elsewhere", {"fit writes into its folder and nowhere else"}),
        (
            "together",
            {
                "a pattern's prediction does not depend on the others of the call",
                "predict_each predicts what predict does",
            },
        ),
    ],
)
def test_each_fault_of_the_toy_is_told(fault, promises):
    assert broken(Nearest(fault=fault, width=2)) == promises


def test_predictions_are_float32_and_random_by_their_seeds_alone():
    def double(self, *asked, **more):
        (made,) = FittedLinear.predict(self, *asked, **more)
        return [replace(made, deviation=made.deviation.astype(float))]

    def noisy(self, subject, feature, betas, *, seeds=None):
        (made,) = FittedLinear.predict(self, subject, feature, betas)
        noise = [np.random.default_rng(s).normal(size=len(made.mean)) for s in seeds or ()]
        return [replace(made, deviation=made.deviation + np.float32(noise or 0))]

    def unseeded(self, subject, feature, betas, *, seeds=None):
        return noisy(self, subject, feature, betas, seeds=[None] * len(betas))

    assert broken(fitted("Double", predict=double)) == {"predictions are float32"}
    check_decoder(fitted("Noisy", predict=noisy))
    assert broken(fitted("Unseeded", predict=unseeded)) >= {
        "the same seeds give the same predictions",
        "without seeds nothing is random",
    }


def test_what_was_predicted_before_must_not_matter():
    def adapts(self, subject, feature, betas, *, seeds=None):
        """Centre by all patterns ever seen: a test set that is looked at."""
        seen = self.__dict__.setdefault("seen", {}).setdefault(feature, betas.mean(0))
        return FittedLinear.predict(self, subject, feature, betas - seen)

    assert "predictions do not depend on what was predicted before" in broken(
        fitted("Adapts", predict=adapts)
    )


class Hasty(Decoder):
    """Begins a file, then reads, then fills it; takes a file that is there as done."""

    def fit(self, training, folder):
        ((_, responses),) = training.subjects.items()
        for feature in training.features:
            path = folder / f"{feature}.npy"
            if path.exists():
                continue
            np.save(path, np.zeros(responses.targets[feature].size))
            np.save(path, responses.targets[feature].values().mean(0))

    def open(self, training, folder):
        return FittedMean(folder)


class FittedMean(Fitted):
    def __init__(self, folder):
        self.folder = folder

    def predict(self, subject, feature, betas, *, seeds=None):
        mean = np.load(self.folder / f"{feature}.npy").astype(np.float32)
        return [Block(slice(0, len(mean)), np.tile(mean, (len(betas), 1)))]


def test_an_interrupted_fit_that_is_taken_for_done_is_told():
    assert broken(Hasty()) == {"an interrupted fit that is begun again in its folder ends the same"}


class Restless(Hasty):
    def fit(self, training, folder):
        for feature in training.features:
            size = training.subjects["01"].targets[feature].size
            np.save(folder / f"{feature}.npy", np.random.default_rng().normal(size=size))


def test_a_fit_that_is_random_is_told():
    assert "fit learns the same from the same training and seed" in broken(Restless())


class Numbered(list):
    """Blocks that are also had by number, of the targets' own blocks."""

    def __init__(self, whole, faulty=False):
        super().__init__([whole])
        self.faulty = faulty

    def block(self, number):
        columns = slice(5 * number, min(5 * number + 5, self[0].columns.stop))
        values = self[0].deviation[:, columns] + np.float32(self.faulty)
        return Block(columns, values, self[0].mean[columns])


class Unsendable(Numbered):
    def __reduce__(self):
        raise TypeError("cannot be pickled")


def test_blocks_by_number_are_those_in_order_and_can_be_sent():
    promise = {"blocks by number, of pickled predictions, are those in order"}

    def numbered(kind, **more):
        def predict(self, *asked, **given):
            return kind(*FittedLinear.predict(self, *asked, **given), **more)

        return fitted(kind.__name__, predict=predict)

    check_decoder(numbered(Numbered))
    assert broken(numbered(Numbered, faulty=True)) == promise
    assert broken(numbered(Unsendable)) == promise


def test_patterns_each_are_those_together():
    def predict_each(self, subject, feature, patterns):
        return self.predict(subject, feature, np.array(list(patterns))[::-1])

    assert broken(fitted("Reversed", predict_each=predict_each)) == {
        "predict_each predicts what predict does"
    }


class Elsewhere(Linear):
    def __init__(self, weights: str = "", device: str = "cpu") -> None:
        self.weights, self.device = weights, device


def test_weights_and_devices_that_are_not_there_are_to_be_refused():
    assert broken(Elsewhere()) == {
        "weights that are not there are refused in one line that names them",
        "a device that is not there is refused",
    }


class Strict(Linear):
    def fit(self, training, folder):
        ((_, responses),) = training.subjects.items()
        if len(set(responses.images)) < len(responses.images):
            raise ConfigError("single trials are not for this decoder")
        super().fit(training, folder)


def test_repeated_images_may_be_refused():
    check_decoder(Strict())


def test_the_made_up_training_is_what_it_says():
    one, two = example_training(), example_training(single=False)
    for training, rows in ((one, 36), (two, 24)):
        part = training.subjects["01"]
        assert len(part.images) == len(part.sessions) == len(part.betas) == rows
        assert len(set(part.images)) == 24
        np.testing.assert_allclose(part.betas.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(part.betas.std(0), 1, atol=1e-5)
        for targets in part.targets.values():
            values = targets.values()
            same = np.array(part.images)[:, None] == np.array(part.images)
            for row, other in zip(*np.nonzero(same), strict=True):
                np.testing.assert_array_equal(values[row], values[other])
    part = one.subjects["01"]
    assert part.stimuli(part.images[3:5]).ids == part.images[3:5]
    assert 0 < part.region("V1", "bands").sum() < 40
    assert (part.region("V1", "bands") != part.region("V2", "bands")).any()
