"""Whether a decoder keeps its promises."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from neurodiffuse.decoding import checked
from neurodiffuse.errors import ConfigError
from neurodiffuse.files import remove_folder
from neurodiffuse.options import parameters
from neurodiffuse.testing.findings import (
    Finding,
    Findings,
    constructor,
    fresh,
    left_alone,
    memory,
    moved,
    refusals,
)
from neurodiffuse.testing.reads import Interruption, Reads
from neurodiffuse.testing.training import HeldTargets, example_training
from neurodiffuse.types import (
    Block,
    Decoder,
    FitSummary,
    Fitted,
    HasLeftOut,
    HasSensitivity,
    HasWeights,
    InBlocks,
    Responses,
    Sizes,
    Training,
    Work,
)

PATTERNS = 5

SAME = 1e-3
"""Difference of two predictions, in standard deviations of the target, that rounding explains."""

LITTLE = 0.05
"""Change of an image's latents, in SD: too small for another choice of penalties or the like."""

STEP = 0.05
"""By which a voxel's response is changed to see how predictions of a non-linear decoder change."""


def examine_decoder(decoder: Decoder, training: Training | None = None) -> list[Finding]:
    """Look at the folder, shapes, determinism, independence, interruption and capabilities.

    ``training`` is of one subject. Without it `example_training` is taken, with repeated images
    unless the decoder refuses these in one line (`ConfigError`). It is fitted about ten times.
    """
    found = constructor(decoder, Decoder)
    with (
        TemporaryDirectory() as place,
        found.trying("fit, open and predict run"),
        left_alone(found),
    ):
        folder, here = Path(place), _names(Path.cwd())
        training = training or _suitable(decoder, folder / "tried")
        before = _copied(training)
        whole, reads = _first_fit(found, decoder, training, folder, here)
        told = _predictions(found, whole)
        if told:
            _again(found, decoder, whole, folder, reads, told)
        found.that(_unchanged(before, training), "fit and predict leave what they are given alone")
        if "algebra" not in _named(decoder):  # whose device is the algebra's, which refuses it
            first = next(iter(told.values()), np.zeros(0))
            refusals(found, decoder, lambda other: _used(other, training, folder / "refused"))
            moved(
                found, decoder, lambda other: _used(other, training, folder / "moved"), first, 1e-2
            )
    return found


def _suitable(decoder: Decoder, folder: Path) -> Training:
    """Return a training set of repeated images, unless the decoder refuses these."""
    (folder / "fit").mkdir(parents=True)
    single = True
    try:
        fresh(decoder).fit(example_training(), folder / "fit")
    except ConfigError:
        single = False
    except Exception:  # whatever it is, it is told of the fit that is looked at
        return example_training()
    finally:
        remove_folder(folder)
    return example_training(single=single)


def _again(
    found: Findings,
    decoder: Decoder,
    trial: _Trial,
    folder: Path,
    reads: int,
    told: dict[str, np.ndarray],
) -> None:
    """Look at whatever needs predictions of another fit, or others of the same one."""
    training = trial.training
    again = _fitted(decoder, training, folder / "again")
    found.that(
        _apart(trial, told, again.predict_all()) < SAME,
        "fit learns the same from the same training and seed",
    )
    _independence(found, trial, folder / "fit", decoder, told)
    _interruption(found, decoder, training, folder, reads, told)
    for feature in training.features:
        _capabilities(found, trial, feature)
    _left_out(found, decoder, trial, folder)
    _words(found, decoder, trial, folder / "fit")
    memory(found, lambda: trial.predict_all())


@dataclass(frozen=True, eq=False)
class _Trial:
    """A fit, opened by a new object of the class in a folder that was moved since."""

    training: Training
    fitted: Fitted

    @property
    def subject(self) -> str:
        return next(iter(self.training.subjects))

    @property
    def responses(self) -> Responses:
        return self.training.subjects[self.subject]

    def patterns(self, feature: str, n: int = PATTERNS, seed: int = 1) -> np.ndarray:
        """Return patterns of responses that are not in the training."""
        size = self.responses.betas.shape[1]
        betas = np.random.default_rng(seed).standard_normal((n, size)).astype(np.float32)
        return self.responses.part(betas, feature)

    def made(
        self, feature: str, betas: np.ndarray, seeds: Sequence[int] | None = None
    ) -> Iterable[Block]:
        return self.fitted.predict(self.subject, feature, betas, seeds=seeds)

    def predict(
        self, feature: str, betas: np.ndarray, seeds: Sequence[int] | None = None
    ) -> np.ndarray:
        """Return the predictions of patterns, float64 (n_patterns, n_targets), checked."""
        return self.joined(feature, self.made(feature, betas, seeds), len(betas))

    def predict_all(self) -> dict[str, np.ndarray]:
        """Return the predictions of all features, of patterns that have seeds."""
        return {
            feature: self.predict(feature, self.patterns(feature), range(PATTERNS))
            for feature in self.training.features
        }

    def joined(self, feature: str, blocks: Iterable[Block], patterns: int) -> np.ndarray:
        size = self.responses.targets[feature].size
        return np.hstack([_values(block) for block in checked(feature, blocks, size, patterns)])

    def sd(self, feature: str) -> np.ndarray:
        """Return the standard deviation of each target, 1 of those that are constant."""
        spread = self.responses.targets[feature].values().astype(float).std(axis=0)
        return np.where(spread > 0, spread, 1.0)


def _values(block: Block) -> np.ndarray:
    mean = 0.0 if block.mean is None else block.mean
    return np.asarray(block.deviation, np.float64) + mean


def _apart(trial: _Trial, one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> float:
    """Return the largest difference of predictions, in standard deviations of the targets."""
    return max(float((np.abs(one[f] - two[f]) / trial.sd(f)).max()) for f in one)


def _used(decoder: Decoder, training: Training, folder: Path) -> np.ndarray:
    """Return the predictions of the first feature after a fit in a folder that is removed."""
    try:
        trial = _fitted(decoder, training, folder)
        return next(iter(trial.predict_all().values()))
    finally:
        remove_folder(folder)
        remove_folder(folder.with_name(folder.name + ".partial"))


def _fitted(decoder: Decoder, training: Training, folder: Path) -> _Trial:
    """Fit a new object in a folder as the fit step does, which moves it when it is done."""
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(exist_ok=True)
    fresh(decoder).fit(training, partial)
    partial.rename(folder)
    return _Trial(training, fresh(decoder).open(training, folder))


def _first_fit(
    found: Findings, decoder: Decoder, training: Training, folder: Path, here: set[str]
) -> tuple[_Trial, int]:
    """Return a fit, and how often it has read what it learns from.

    ``here`` is what was in the current folder before.
    """
    around = _names(folder)
    counter = Reads()
    trial = _fitted(decoder, counter.of(training), folder / "fit")
    stray = (_names(folder) - around - {"fit"}) | (_names(Path.cwd()) - here)
    found.that(not stray, "fit writes into its folder and nowhere else", sorted(stray))
    return replace(trial, training=training), counter.done


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _predictions(found: Findings, trial: _Trial) -> dict[str, np.ndarray]:
    """Look at the blocks of every feature and return the predictions."""
    promise = "every target of every feature is predicted once, in order, by finite numbers"
    with found.trying(promise):
        told = trial.predict_all()
        found.that(True, promise)
        types = {
            str(block.deviation.dtype)
            for feature in trial.training.features
            for block in trial.made(feature, trial.patterns(feature), range(PATTERNS))
        }
        found.that(types == {"float32"}, "predictions are float32", ", ".join(sorted(types)))
        return told
    return {}


def _independence(
    found: Findings, trial: _Trial, folder: Path, decoder: Decoder, told: dict[str, np.ndarray]
) -> None:
    """Look at whether anything but the pattern and its seed matters to a prediction."""
    features = trial.training.features
    found.that(
        _apart(trial, told, trial.predict_all()) < SAME, "the same seeds give the same predictions"
    )
    unseeded = {f: trial.predict(f, trial.patterns(f)) for f in features}
    again = {f: trial.predict(f, trial.patterns(f)) for f in features}
    found.that(_apart(trial, unseeded, again) < SAME, "without seeds nothing is random")
    alone = {
        f: np.vstack([trial.predict(f, p[None], [k]) for k, p in enumerate(trial.patterns(f))])
        for f in features
    }
    found.that(
        _apart(trial, told, alone) < SAME,
        "a pattern's prediction does not depend on the others of the call",
    )
    other = replace(trial, fitted=fresh(decoder).open(trial.training, folder))
    for feature in features:
        other.predict(feature, 5 * other.patterns(feature, n=PATTERNS + 2, seed=2) + 3)
    found.that(
        _apart(trial, told, other.predict_all()) < SAME,
        "predictions do not depend on what was predicted before",
    )
    with found.trying("predict_each predicts what predict does"):
        each = {
            f: trial.joined(
                f, trial.fitted.predict_each(trial.subject, f, iter(trial.patterns(f))), PATTERNS
            )
            for f in features
        }
        found.that(_apart(trial, unseeded, each) < SAME, "predict_each predicts what predict does")


def _interruption(
    found: Findings,
    decoder: Decoder,
    training: Training,
    folder: Path,
    reads: int,
    told: dict[str, np.ndarray],
) -> None:
    """Look at fits that end before one of their reads and are begun again in the same folder."""
    promise = "an interrupted fit that is begun again in its folder ends the same"
    with found.trying(promise):
        apart = 0.0
        for last in sorted({1, (reads + 1) // 2, reads} - {0}):
            place = folder / f"interrupted-{last}"
            partial = place.with_name(place.name + ".partial")
            partial.mkdir()
            with contextlib.suppress(Interruption):
                fresh(decoder).fit(Reads(last).of(training), partial)
            trial = _fitted(decoder, training, place)
            apart = max(apart, _apart(trial, told, trial.predict_all()))
        found.that(apart < SAME, promise, f"predictions differ by up to {apart:.2g} SD")


def _capabilities(found: Findings, trial: _Trial, feature: str) -> None:
    """Look at blocks by number, weights and sensitivity, where the decoder has them."""
    columns = trial.responses.targets[feature].columns()
    betas = trial.patterns(feature)
    made = trial.made(feature, betas)
    if isinstance(made, InBlocks):
        promise = f"{feature}: blocks by number, of pickled predictions, are those in order"
        with found.trying(promise):
            sent = pickle.loads(pickle.dumps(made))
            blocks = [sent.block(number) for number in range(len(columns))]
            values = {feature: trial.joined(feature, blocks, len(betas))}
            whole = {feature: trial.joined(feature, made, len(betas))}
            same = [block.columns for block in blocks] == columns
            found.that(same and _apart(trial, whole, values) < SAME, promise)
    fitted = trial.fitted
    if isinstance(fitted, HasWeights):
        promise = f"{feature}: weights say how predictions change with each voxel"
        with found.trying(promise):
            told = [fitted.weights(trial.subject, feature, part) for part in columns]
            changed = _changes(trial, feature, betas[:1], 1.0)
            _agree(found, promise, np.hstack(told), changed, 0.02)
            some = slice(columns[0].start + 1, columns[0].stop)
            part = fitted.weights(trial.subject, feature, some)
            promise = f"{feature}: weights of some targets are those among all"
            _agree(found, promise, part, told[0][:, 1:], 0.001)
    if isinstance(fitted, HasSensitivity):
        promise = f"{feature}: sensitivity is the mean change of predictions with each voxel"
        with found.trying(promise):
            told = [
                fitted.sensitivity(trial.subject, feature, part, betas.copy()) for part in columns
            ]
            _agree(found, promise, np.hstack(told), _changes(trial, feature, betas, STEP), 0.1)


def _changes(trial: _Trial, feature: str, betas: np.ndarray, step: float) -> np.ndarray:
    """Return the mean change of predictions with each voxel, (n_voxels, n_targets)."""
    rows = []
    for one in np.eye(betas.shape[1], dtype=np.float32) * np.float32(step):
        up, down = (trial.predict(feature, betas + sign * one) for sign in (1, -1))
        rows.append((up - down).mean(axis=0) / (2 * step))
    return np.array(rows)


def _agree(
    found: Findings, promise: str, told: np.ndarray, expected: np.ndarray, most: float
) -> None:
    """Note whether two arrays agree to a part of the largest value."""
    if told.shape != expected.shape:
        found.that(False, promise, f"shape {told.shape}, not {expected.shape}")
        return
    far = float(np.abs(told - expected).max()) / max(float(np.abs(expected).max()), 1e-6)
    found.that(far < most, promise, f"differs by {far:.0%} of the largest")


def _left_out(found: Findings, decoder: Decoder, trial: _Trial, folder: Path) -> None:
    """Look at predictions of left-out rows, and whether their own latents play a part in them."""
    if not isinstance(trial.fitted, HasLeftOut):
        return
    images = np.array(trial.responses.images)
    image = images[0]
    for feature in trial.training.features:
        promise = f"{feature}: left-out rows are training rows, each once, no more than asked for"
        with found.trying(promise):
            few = np.asarray(trial.fitted.left_out_rows(trial.subject, feature, 4))
            kept = len(set(few.tolist())) == len(few) <= 4 and 0 <= few.min() <= few.max()
            found.that(kept and few.max() < len(images), promise, few)
        promise = f"{feature}: predictions beside left-out rows are those without"
        with found.trying(promise):
            rows, beside, left = _with_left_out(trial, feature)
            alone = {feature: trial.predict(feature, trial.patterns(feature))}
            found.that(_apart(trial, alone, {feature: beside}) < SAME, promise)
        promise = f"{feature}: a row is left out with all rows of its image"
        with found.trying(promise):
            other = _fitted(decoder, _changed(trial.training, image), folder / f"other-{feature}")
            of_image = images[rows] == image
            moved_by = np.abs(_with_left_out(other, feature)[2] - left)[of_image]
            share = float((moved_by / trial.sd(feature)).max()) / LITTLE
            found.that(share < 0.02, promise, f"{share:.0%} of a change of its latents is in it")


def _with_left_out(trial: _Trial, feature: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, predictions of patterns, and those of the rows made without them."""
    fitted, betas = trial.fitted, trial.patterns(feature)
    if not isinstance(fitted, HasLeftOut):
        raise TypeError(f"{type(fitted).__name__} leaves nothing out")
    rows = np.asarray(fitted.left_out_rows(trial.subject, feature, len(trial.responses.images)))
    made = fitted.predict_with_left_out(trial.subject, feature, betas, rows)
    size = trial.responses.targets[feature].size
    blocks = list(checked(feature, made, size, len(betas)))
    left = [replace(b, deviation=b.left_out) for b in blocks if b.left_out is not None]
    if sum(len(block.deviation) == len(rows) for block in left) < len(blocks):
        raise ValueError(f"not every block has predictions of the {len(rows)} rows")
    return rows, np.hstack([_values(b) for b in blocks]), np.hstack([_values(b) for b in left])


def _changed(training: Training, image: str) -> Training:
    """Return a training set in which the latents of an image are a little larger."""
    ((label, part),) = training.subjects.items()
    rows, targets = np.array(part.images) == image, {}
    for name, given in part.targets.items():
        values = given.values().copy()
        values[rows] += np.float32(LITTLE) * values.std(axis=0)
        targets[name] = HeldTargets(values, given.shapes)
    return replace(training, subjects={label: replace(part, targets=targets)})


def _words(found: Findings, decoder: Decoder, trial: _Trial, folder: Path) -> None:
    """Look at what the decoder says of itself: memory, place, words, summary."""
    targets = trial.responses.targets
    features = trial.training.features
    n = len(trial.responses.images)
    sizes = Sizes(n, PATTERNS, 40, {f: targets[f].size for f in features}, left_out=n, width=5)
    promise = "memory() says for any work how many bytes it needs"
    with found.trying(promise):
        told = {work: decoder.memory(work, sizes) for work in get_args(Work)}
        wrong = [work for work, size in told.items() if not (isinstance(size, int) and size > 0)]
        found.that(not wrong, promise, f"not for {', '.join(wrong)}")
    promise = "words(), where() and summary() return what is to be read"
    with found.trying(promise):
        texts = [decoder.where(sizes), decoder.words(), *map(decoder.words, features)]
        summaries = [decoder.summary(folder, feature) for feature in features]
        kept = all(isinstance(t, str) for t in texts)
        found.that(kept and all(isinstance(s, FitSummary) for s in summaries), promise)


def _copied(training: Training) -> list[np.ndarray]:
    """Return a copy of all arrays that a decoder is given."""
    return [array.copy() for array in _arrays(training)]


def _arrays(training: Training) -> list[np.ndarray]:
    found = []
    for part in training.subjects.values():
        found += [part.betas, part.places, *part.voxels.values()]
        found += [targets.values() for targets in part.targets.values()]
    return found


def _unchanged(before: list[np.ndarray], training: Training) -> bool:
    return all(map(np.array_equal, before, _arrays(training)))


def _named(decoder: Decoder) -> tuple[str, ...]:
    try:
        return tuple(parameters(type(decoder)))
    except TypeError:  # which `constructor` has told
        return ()
