"""For plugin authors: check that a class keeps the promises of its role.

Each check raises `AssertionError` with what was promised and what was found. Use them in the
tests of a plugin::

    from neurodiffuse.testing import check_generator

    def test_it_keeps_the_contract():
        check_generator(MyGenerator(), latents={"vae": latents}, init=first_guess)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from neurodiffuse.options import parameters
from neurodiffuse.types import (
    Dataset,
    Encoder,
    Generator,
    Images,
    Latents,
    Metric,
    Role,
    Stimuli,
    Trials,
)


def example_stimuli(n: int = 6, *, size: int = 64, seed: int = 0) -> Stimuli:
    """Return smooth coloured pictures with captions, made up from a seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    images = []
    for _ in range(n):
        waves = rng.uniform(1, 4, (3, 2)) @ np.stack([x.ravel(), y.ravel()]) * 2 * np.pi
        picture = 127.5 + 127 * np.sin(waves + rng.uniform(0, 6, (3, 1)))
        images.append(np.ascontiguousarray(picture.T.reshape(size, size, 3)).astype(np.uint8))
    captions = tuple((f"waves of kind {k}", f"picture {k}") for k in range(n))
    return Stimuli(tuple(f"stim-{k:03d}" for k in range(n)), images, captions)


def check_encoder(encoder: Encoder, stimuli: Stimuli | None = None) -> None:
    """Check shapes, finiteness, determinism, batch invariance and the round trip of the state."""
    stimuli = stimuli or example_stimuli()
    _check_constructor(encoder, Encoder)
    encoder.fit(stimuli)
    whole = encoder.encode(stimuli)
    _that(whole.ids == stimuli.ids, "encode returns the stimuli's ids in their order")
    _that(tuple(whole.shapes) == tuple(encoder.shapes()), "encode returns the shapes of shapes()")
    targets = sum(int(np.prod(shape)) for shape in encoder.shapes())
    _that(
        whole.values.shape == (len(stimuli), targets),
        f"encode returns {(len(stimuli), targets)} values; found {whole.values.shape}",
    )
    _that(whole.values.dtype == np.float32, f"latents are float32; found {whole.values.dtype}")
    _that(bool(np.isfinite(whole.values).all()), "latents are finite")
    again = encoder.encode(stimuli).values
    _that(np.array_equal(whole.values, again), "the same stimuli give the same latents")
    alone = np.vstack([encoder.encode(stimuli.part(k, k + 1)).values for k in range(len(stimuli))])
    _close(whole.values, alone, "a row does not depend on the other rows of the call")
    other = _fresh(encoder)
    other.restore(encoder.state())
    _close(whole.values, other.encode(stimuli).values, "restore(state()) encodes alike")


def check_generator(
    generator: Generator,
    latents: Mapping[str, Latents],
    *,
    init: Images | None = None,
    states: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> None:
    """Check dtype and shape, determinism by seed, and that image i depends on row i alone."""
    _check_constructor(generator, Generator)
    generator.restore(states or {})
    n = len(next(iter(latents.values())).ids)
    seeds = tuple(range(11, 11 + n))
    made = generator.generate(latents, init=init, seeds=seeds)
    values = made.values
    _that(values.dtype == np.uint8, f"pictures are uint8; found {values.dtype}")
    _that(
        values.ndim == 4 and values.shape[0] == n and values.shape[3] == 3,
        f"pictures are ({n}, height, width, 3); found {values.shape}",
    )
    again = generator.generate(latents, init=init, seeds=seeds).values
    _that(np.array_equal(values, again), "the same latents and seeds give the same pictures")
    for k in (0, n - 1):
        row = {name: _row(part, k) for name, part in latents.items()}
        first = None if init is None else Images(init.ids[k : k + 1], init.values[k : k + 1])
        alone = generator.generate(row, init=first, seeds=seeds[k : k + 1]).values[0]
        difference = np.abs(alone.astype(int) - values[k]).max()
        _that(
            difference <= 1, f"picture {k} does not depend on the others; differs by {difference}"
        )


def check_metric(metric: Metric, seen: Images | None = None) -> None:
    """Check one finite value an image, the direction, and that the input is left alone."""
    _check_constructor(metric, Metric)
    if seen is None:
        stimuli = example_stimuli(8)
        seen = Images(stimuli.ids, np.stack(list(stimuli.images)))
    before = seen.values.copy()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, seen.values.shape, np.uint8)
    same, other = metric.compare(seen, seen), metric.compare(seen, Images(seen.ids, noise))
    _that(same.shape == (len(seen.ids),), f"one value an image; found shape {same.shape}")
    _that(bool(np.isfinite(same).all()), "values are finite")
    sign = 1 if metric.higher_is_better else -1
    _that(sign * same.mean() > sign * other.mean(), "the same picture scores better than noise")
    null = metric.null(seen, seen, np.random.default_rng(0))
    _that(null.ndim == 1 and len(null) > 0, "null returns (permutations,) means")
    _that(np.array_equal(seen.values, before), "compare leaves its input alone")


def check_dataset(dataset: Dataset) -> None:
    """Check that trials, betas, regions and stimuli of every subject fit together."""
    _check_constructor(dataset, Dataset)
    labels = dataset.subjects()
    _that(len(labels) > 0, "a data set has subjects")
    _that(list(labels) == sorted(labels), "subjects are sorted")
    for label in labels:
        _that(not label.startswith("sub-"), "labels come without 'sub-'")
        about = dataset.subject(label)
        _check_trials(about.trials, label)
        size = about.grid.size
        voxels = np.zeros(size, bool)
        voxels[:: max(1, size // 50)] = True
        blocks = list(dataset.betas(label, voxels))
        rows = sum(len(block) for block in blocks)
        _that(rows == len(about.trials), f"sub-{label}: as many betas as trials; found {rows}")
        for block in blocks:
            _that(block.dtype == np.float32, f"betas are float32; found {block.dtype}")
            _that(block.shape[1] == voxels.sum(), "betas have the voxels that were asked for")
        for roi in about.rois:
            found = dataset.roi(label, roi.name)
            kind = bool if roi.kind == "mask" else np.float32
            _that(found.shape == (size,), f"{roi.name}: a flat array over the grid")
            _that(found.dtype == kind, f"{roi.name}: a {roi.kind} is {np.dtype(kind)}")
        ids = about.trials.images("test")[::-1]
        stimuli = dataset.stimuli(ids)
        _that(stimuli.ids == tuple(ids), "stimuli come in the order they were asked for")
        image = stimuli.images[0]
        _that(image.dtype == np.uint8 and image.ndim == 3, "an image is uint8 (height, width, 3)")


def _check_trials(trials: Trials, label: str) -> None:
    n = len(trials)
    same = len(trials.split) == len(trials.session) == len(trials.run) == n
    _that(same, f"sub-{label}: every column of the trials is equally long")
    _that(set(trials.split) <= {"train", "test"}, "a split is 'train' or 'test'")
    both = set(trials.images("train")) & set(trials.images("test"))
    _that(not both, f"no image is in training and test at once; found {sorted(both)[:3]}")


def _check_constructor(part: Role, role: type) -> None:
    _that(isinstance(part, role), f"the class derives from neurodiffuse.types.{role.__name__}")
    parameters(type(part))  # raises where **kwargs would hide a misspelt option


def _fresh(encoder: Encoder) -> Encoder:
    """Return a new encoder with the same options, which the constructor has stored by name."""
    make: Callable[..., Encoder] = type(encoder)
    return make(**{name: getattr(encoder, name) for name in parameters(type(encoder))})


def _row(latents: Latents, k: int) -> Latents:
    return Latents(latents.ids[k : k + 1], latents.values[k : k + 1], latents.shapes)


def _close(one: np.ndarray, two: np.ndarray, promise: str) -> None:
    scale = max(float(np.abs(one).max()), 1e-6)
    difference = float(np.abs(one - two).max()) / scale
    _that(difference < 1e-4, f"{promise}; differs by {difference:.1e} of the largest value")


def _that(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(promise)
