"""The decoders of a run: what they learn from, where they are kept, what they predict.

Steps and questions ask `Opened` and know no decoder by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from neurodiffuse.config.ridge import RIDGE
from neurodiffuse.decoders.columns import column_stats
from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.painting import encoded, restored_encoder
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, StoredTargets, load_betas, load_voxels, seed_of
from neurodiffuse.types import (
    Betas,
    Block,
    FitSummary,
    Fitted,
    HasLeftOut,
    Moments,
    Responses,
    Shape,
    Stimuli,
    Targets,
    Training,
    UnstoredTargets,
)


def feature_voxels(run: Run, subject: str, feature: str) -> np.ndarray:
    """Return which of the mask's voxels a feature is predicted from, as indices."""
    inside = load_voxels(run.folder("mask", subject))
    roi = run.config.features[feature].roi
    chosen = run.select(subject, roi, f"features.{feature}.roi") if roi else inside
    return np.flatnonzero(chosen[inside])


BATCH, TOGETHER = 64, 2**28
"""Images, and bytes of their latents, that are encoded at once where latents are not stored."""


def stored(run: Run, subject: str, feature: str, needs: str) -> LatentFile:
    """Return the file of a feature's training latents; ``needs`` says what needs them.

    Raises
    ------
    ConfigError
        If the recipe does not store them.
    """
    if not run.config.features[feature].store:
        raise ConfigError(
            f"features.{feature}.store = false: no training latents are kept, and {needs} needs "
            f"them. Decode into another --out with features.{feature}.store = true."
        )
    return LatentFile.open(run.latents(subject, feature) / "train.npy")


def targets_of(run: Run, subject: str, feature: str) -> Targets:
    """Return a feature's training latents, row by row as a subject's betas."""
    ids = load_betas(run.folder("mask", subject), "train").ids
    if not run.config.features[feature].store:
        return Passing(run, subject, feature, ids)
    file = LatentFile.open(run.latents(subject, feature) / "train.npy")
    return StoredTargets(file, file.places(ids))


class Passing(UnstoredTargets):
    """Training latents that the recipe does not store: encoded in each pass over the images."""

    def __init__(self, run: Run, subject: str, feature: str, ids: Sequence[str]) -> None:
        self._run, self._subject, self._feature = run, subject, feature
        self._rows: dict[str, list[int]] = {}
        for row, image in enumerate(ids):
            self._rows.setdefault(image, []).append(row)
        self._shapes = tuple(run.encoder(feature).shapes())

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents of one image."""
        return self._shapes

    @property
    def size(self) -> int:
        """Number of targets."""
        return sum(int(np.prod(shape)) for shape in self._shapes)

    def columns(self) -> list[slice]:
        """Return the blocks that latents of this size are stored in."""
        return LatentFile(Path(), (), self._shapes).columns()

    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Refuse: latents that pass image by image have no block of columns."""
        stored(self._run, self._subject, self._feature, "what was asked for")
        raise AssertionError

    def of(self, rows: np.ndarray) -> Targets:
        """Refuse as `block` does."""
        self.block(0)
        raise AssertionError

    def batches(self) -> Iterator[tuple[Sequence[np.ndarray], np.ndarray]]:
        """Yield all images once, some at a time, in the order of their ids."""
        run, images = self._run, tuple(sorted(self._rows))
        encoder = restored_encoder(run, self._subject, self._feature)
        stimuli = run.dataset.stimuli(images)
        size = max(1, min(BATCH, TOGETHER // (4 * self.size)))
        starts = range(0, len(images), size)
        label = f"{self._feature}, in passing"
        for start in progress(starts, label, total=len(starts), quiet=run.quiet):
            part = stimuli.part(start, min(start + size, len(images)))
            rows = [np.array(self._rows[image], np.intp) for image in part.ids]
            # a copy, since an encoder may keep what it returns
            yield rows, np.array(encoded(encoder, part, self.size), np.float32)


def responses_of(run: Run, subject: str) -> Responses:
    """Return the training responses of a subject."""
    folder = run.folder("mask", subject)
    betas, inside = load_betas(folder, "train"), load_voxels(folder)
    features = run.config.features
    known = set(betas.ids)

    def stimuli(images: Sequence[str]) -> Stimuli:
        if other := [image for image in images if image not in known]:
            raise PluginError(f"{other[0]!r} is no training image of sub-{subject}.")
        return run.dataset.stimuli(images)

    def region(expression: str, option: str) -> np.ndarray:
        return run.select(subject, expression, option)[inside]

    return Responses(
        betas=betas.values,
        images=betas.ids,
        sessions=_sessions(run, subject, betas.ids),
        grid=run.subject(subject).grid,
        places=np.flatnonzero(inside),
        voxels={feature: feature_voxels(run, subject, feature) for feature in features},
        targets={feature: targets_of(run, subject, feature) for feature in features},
        stimuli=stimuli,
        region=region,
    )


def _sessions(run: Run, subject: str, rows: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the sessions of each training row's trials.

    Rows are trials, or images in the order of their first one; a control may have left some out,
    or have exchanged their names.
    """
    trials, kept = run.subject(subject).trials, set(rows)
    train = [
        (image, session)
        for image, session, split in zip(trials.stimulus, trials.session, trials.split, strict=True)
        if split == "train" and image in kept
    ]
    if len(train) == len(rows):
        return tuple((session,) if session else () for _, session in train)
    of_image: dict[str, dict[str, None]] = {}
    for image, session in train:
        of_image.setdefault(image, {})[session] = None
    return tuple(tuple(s for s in sessions if s) for sessions in of_image.values())


def training_of(run: Run, subject: str, features: Sequence[str]) -> Training:
    """Return all that a decoder learns to predict some features from."""
    responses = responses_of(run, subject)
    return Training({subject: responses}, tuple(features), run.config.seed, run.quiet)


def folder_of(run: Run, subject: str, decoder: str) -> Path:
    """Return where a decoder's fit is; that of `OWN_DECODER` is the step's own folder."""
    return run.folder("fit", subject) / decoder


@dataclass(frozen=True, eq=False)
class Fold:
    """Training without a fold of the images, and the rows of it that are to be predicted."""

    training: Training
    rows: np.ndarray


def needs_folds(run: Run, fitted: Fitted, features: Sequence[str]) -> bool:
    """Return whether left-out rows are wanted of a decoder that cannot predict them by itself."""
    wanted = run.config.predict.rescale == "train" or any(
        feature in run.config.refined_by() for feature in features
    )
    return wanted and not isinstance(fitted, HasLeftOut)


def folds_of(run: Run, training: Training) -> list[Fold]:
    """Return the folds that are left out of a decoder's training in turn.

    The images, in their order, are dealt out among ``predict.folds`` folds; all rows of an image
    are left out together. Of the rows, ``predict.calibration`` evenly spaced ones are predicted.
    The betas stay standardised over all rows.
    """
    ((subject, responses),) = training.subjects.items()
    of_row = np.unique(responses.images, return_inverse=True)[1]
    count = min(run.config.predict.folds, int(of_row.max()) + 1)
    most = min(run.config.predict.calibration, len(of_row))
    wanted = np.unique(np.linspace(0, len(of_row) - 1, most).round().astype(np.intp))
    out = []
    for k in range(count):
        gone = of_row % count == k
        kept = np.flatnonzero(~gone)
        part = replace(training, subjects={subject: _rows_of(responses, kept)})
        out.append(Fold(part, wanted[gone[wanted]]))
    return [fold for fold in out if len(fold.rows)]


def _rows_of(responses: Responses, rows: np.ndarray) -> Responses:
    """Return the responses of some rows."""
    return replace(
        responses,
        betas=responses.betas[rows],
        images=tuple(responses.images[row] for row in rows),
        sessions=tuple(responses.sessions[row] for row in rows),
        targets={name: one.of(rows) for name, one in responses.targets.items()},
    )


class Opened:
    """The fitted decoders of one subject, each opened when it is first asked."""

    def __init__(self, run: Run, subject: str) -> None:
        self._run, self._subject = run, subject
        self._fitted: dict[str, tuple[Fitted, Training]] = {}
        self._decoder_of = {f: n for n, fs in run.config.predicted_by().items() for f in fs}
        self._parts: dict[tuple[int, bytes], tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def test(self) -> Betas:
        """The betas of the test images over the mask."""
        return load_betas(self._run.folder("mask", self._subject), "test")

    def responses(self, feature: str) -> Responses:
        """Return what a feature's decoder has learned from."""
        return self._opened(feature)[1].subjects[self._subject]

    def targets(self, feature: str) -> Targets:
        """Return a feature's training latents."""
        return self.responses(feature).targets[feature]

    def fitted(self, feature: str) -> Fitted:
        """Return the decoder that predicts a feature."""
        return self._opened(feature)[0]

    def predict(
        self,
        feature: str,
        betas: np.ndarray,
        *,
        seeds: Sequence[int] | None = None,
        left_out: int = 0,
    ) -> Iterable[Block]:
        """Return the predictions of patterns over the mask, (n_patterns, n_voxels).

        Some of it may be made when it is asked for; hand it to `blocks`. With ``left_out`` also
        so many training rows, or fewer, are predicted from others (`Block.left_out`): by the
        decoder itself, or by those that were fitted without a fold.
        """
        fitted, part = self.fitted(feature), self._part(feature, betas)
        if left_out and isinstance(fitted, HasLeftOut):
            rows = fitted.left_out_rows(self._subject, feature, left_out)
            return fitted.predict_with_left_out(self._subject, feature, part, rows, seeds=seeds)
        made = fitted.predict(self._subject, feature, part, seeds=seeds)
        return self._beside_folds(feature, made, len(betas)) if left_out else made

    def left_out_rows(self, feature: str, most: int) -> np.ndarray:
        """Return which training rows `predict` predicts from others, in the order of its blocks."""
        fitted = self.fitted(feature)
        if isinstance(fitted, HasLeftOut):
            return fitted.left_out_rows(self._subject, feature, most)
        folds = folds_of(self._run, self._opened(feature)[1])
        return np.concatenate([fold.rows for fold in folds])

    def _beside_folds(self, feature: str, made: Iterable[Block], patterns: int) -> Iterator[Block]:
        """Yield predictions, each block with those of the folds that were left out."""
        name = self._decoder_of[feature]
        training = self._opened(feature)[1]
        whole, seed = self.responses(feature).of(feature), self._run.config.seed
        each = []
        for k, fold in enumerate(folds_of(self._run, training)):
            place = folder_of(self._run, self._subject, f"{name}.fold-{k}")
            fitted = self._run.decoder(name).open(fold.training, place)
            images = [self.responses(feature).images[row] for row in fold.rows]
            seeds = [seed_of(seed, image) for image in images]
            left = fitted.predict(self._subject, feature, whole[fold.rows], seeds=seeds)
            each.append(self.blocks(feature, left, len(fold.rows)))
        for block, *left_out in zip(self.blocks(feature, made, patterns), *each, strict=True):
            values = np.concatenate([one.values for one in left_out])
            yield Block(block.columns, block.values, None, values, block.training)

    def predict_each(self, feature: str, patterns: Iterable[np.ndarray]) -> Iterable[Block]:
        """Return the predictions of patterns (n_voxels of the feature,), each made on its own."""
        made = self.fitted(feature).predict_each(self._subject, feature, patterns)
        blocks = iter(made)
        first = next(blocks, None)  # so that all patterns have been taken
        return () if first is None else chain([first], blocks)

    def blocks(self, feature: str, predictions: Iterable[Block], patterns: int) -> Iterator[Block]:
        """Yield predictions in the blocks of the training targets, checked.

        Raises
        ------
        PluginError
            If the decoder has returned something else than its role promises.
        """
        name = self._decoder_of[feature]
        part = self._run.config.decoders.get(name)
        who = f"decoders.{name} ({part.decoder!r})" if part else "decoder 'ridge'"
        columns = self.targets(feature).columns()
        return aligned(
            checked(f"{who}: {feature}", predictions, columns[-1].stop, patterns), columns
        )

    def moments(self, feature: str, block: Block) -> Moments:
        """Return the moments of the training targets of one of `blocks`."""
        if block.training is not None:
            return block.training
        targets = self.targets(feature)
        return moments_of(targets.block(targets.columns().index(block.columns))[1])

    def _part(self, feature: str, betas: np.ndarray) -> np.ndarray:
        """Return what a feature is predicted from; features of the same voxels get one array."""
        responses = self.responses(feature)
        key = (id(betas), responses.voxels[feature].tobytes())
        if key not in self._parts:
            self._parts = {k: v for k, v in self._parts.items() if v[0] is betas}
            self._parts[key] = (betas, responses.part(betas, feature))
        return self._parts[key][1]

    def _opened(self, feature: str) -> tuple[Fitted, Training]:
        name = self._decoder_of[feature]
        if name not in self._fitted:
            training = training_of(self._run, self._subject, self._run.config.predicted_by()[name])
            place = folder_of(self._run, self._subject, name)
            self._fitted[name] = (self._run.decoder(name).open(training, place), training)
        return self._fitted[name]


def moments_of(values: np.ndarray) -> Moments:
    """Return the moments of targets over the training rows, (n_rows, width)."""
    stats = column_stats(values, ddof=0)
    squares = np.einsum("ij,ij->i", values, values, dtype=np.float64)
    return Moments(stats.mean, stats.sd, stats.constant, squares)


def checked(who: str, blocks: Iterable[Block], size: int, patterns: int) -> Iterator[Block]:
    """Yield blocks that are what `Fitted.predict` promises; ``who`` begins a message.

    Raises
    ------
    PluginError
        With the first that is not, or where targets are missing.
    """
    reached = 0
    left_out: int | None = None
    for block in blocks:
        start, stop = block.columns.start, block.columns.stop
        if start != reached or not start < stop <= size:
            raise PluginError(
                f"{who}: predicted targets {start} to {stop} where those from {reached} of {size} "
                "follow; blocks are in order and leave nothing out."
            )
        rows = None if block.left_out is None else len(block.left_out)
        if reached and rows != left_out:
            raise PluginError(f"{who}: other left-out rows from target {start} on than before.")
        left_out, reached = rows, stop
        for values, n in ((block.deviation, patterns), (block.left_out, rows)):
            if values is not None and values.shape != (n, stop - start):
                raise PluginError(
                    f"{who}: predictions of shape {values.shape} for {n} rows and targets {start} "
                    f"to {stop}."
                )
            if values is not None and not np.isfinite(values).all():
                raise PluginError(
                    f"{who}: predictions of targets {start} to {stop} are not finite."
                )
        yield block
    if reached != size:
        raise PluginError(f"{who}: predicted {reached} of {size} targets.")


def aligned(blocks: Iterable[Block], columns: Sequence[slice]) -> Iterator[Block]:
    """Yield blocks that follow one another anew, as ``columns`` cut the same targets."""
    wanted = iter(columns)
    following = next(wanted)
    rest: Block | None = None
    for block in blocks:
        rest = block if rest is None else _joined(rest, block)
        while rest is not None and following.stop <= rest.columns.stop:
            yield (rest if rest.columns == following else _cut(rest, following))
            done = following.stop
            after = slice(done, rest.columns.stop)
            rest = _cut(rest, after) if done < rest.columns.stop else None
            following = next(wanted, slice(done, done + 1))


def _cut(block: Block, columns: slice) -> Block:
    """Return some columns of a block."""
    inside = slice(columns.start - block.columns.start, columns.stop - block.columns.start)
    return Block(
        columns,
        block.deviation[:, inside],
        None if block.mean is None else block.mean[inside],
        None if block.left_out is None else block.left_out[:, inside],
    )


def _joined(one: Block, other: Block) -> Block:
    """Return two blocks that follow one another as one, its means added."""
    left = None
    if one.left_out is not None and other.left_out is not None:
        left = np.concatenate([_whole(one, one.left_out), _whole(other, other.left_out)], axis=1)
    values = np.concatenate([one.values, other.values], axis=1)
    return Block(slice(one.columns.start, other.columns.stop), values, None, left)


def _whole(block: Block, deviation: np.ndarray) -> np.ndarray:
    return deviation if block.mean is None else (deviation + block.mean).astype(deviation.dtype)


def words_of(run: Run, feature: str) -> str:
    """Return what predicts a feature, in words."""
    for name, (decoder, features) in run.decoders().items():
        if feature in features:
            part = run.config.decoders.get(name)
            plain = run.registry.card("decoder", part.decoder if part else RIDGE).summary
            return decoder.words(feature) or plain[:1].lower() + plain[1:]
    raise KeyError(feature)


def summary_of(run: Run, subject: str, feature: str) -> FitSummary:
    """Return what the decoder of a feature says of its fit."""
    for name, (decoder, features) in run.decoders().items():
        if feature in features:
            return decoder.summary(folder_of(run, subject, name), feature)
    raise KeyError(feature)
