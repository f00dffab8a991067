"""Give predictions the spread of real latents.

Decoders shrink: predicted latents vary less than those of real images, and generators trained on
full-range latents produce blurry pictures from shrunken ones. Rescaling stretches each target to
the training latents' standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoders.columns import few_rows, gathered
from neurodiffuse.errors import ConfigError, DataError, listing, near
from neurodiffuse.types import Block, Moments

KINDS = ("train", "test", "none")

FLAT = 1e-12
"""A target whose predictions spread less than this part of its own standard deviation is flat."""


def in_words(kind: str, left_out: str) -> str:
    """Return a sentence on a kind of rescaling; ``left_out`` says how training rows were left out.

    Beside `rescale`, which it describes.
    """
    return {
        "train": "Predictions were shifted and scaled, target by target, so that predictions of "
        f"training rows that were {left_out}, have the mean and standard deviation of the training "
        "latents.",
        "test": "Predictions were standardised over the test set and given the mean and standard "
        "deviation of the training latents, as in the published code of Ozcelik & VanRullen "
        "(2023); a prediction then depends on the other test images.",
        "none": "Predictions were used as they are.",
    }[kind]


@dataclass(frozen=True, eq=False)
class Rescaled:
    """``values`` (m, t); ``flat`` bool (t,): targets that had no spread and became the mean."""

    values: np.ndarray
    flat: np.ndarray


def rescale(
    predicted: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    *,
    kind: str = "train",
    held_out: np.ndarray | None = None,
) -> Rescaled:
    """Return predictions rescaled target by target to the training targets' mean and spread.

    Parameters
    ----------
    predicted
        (m, t), of the test images.
    mean, sd
        (t,), of the training targets (ddof 0).
    kind
        ``"train"``: by mean and spread of ``held_out``, so that an image's latents do not
        depend on which other images are tested. ``"test"``: by those of ``predicted`` itself,
        as Ozcelik & VanRullen 2023 (their code, not their text). ``"none"``: as they are.
    held_out
        (r, t), predictions of training rows that were left out (`leave_out_hat`); only for
        ``"train"``.

    Raises
    ------
    ConfigError
        If the kind is unknown.
    DataError
        If there are fewer than two rows to take the spread from.

    Notes
    -----
    (predicted - m) / s · sd + mean, with m and s (ddof 0) of the rows named above.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"rescale: no kind is called {kind!r}.{near(kind, KINDS)} Kinds: {listing(KINDS)}."
        )
    if kind == "none":
        return Rescaled(predicted, np.zeros(predicted.shape[1], bool))
    source = predicted if kind == "test" else held_out
    if source is None or len(source) < 2:
        raise DataError(_too_few(kind, 0 if source is None else len(source)))
    centre, spread = _moments(source)
    flat = spread <= FLAT * sd
    gain = np.where(flat, 0.0, sd / np.where(flat, 1.0, spread))
    values = np.empty_like(predicted)
    for part in few_rows(len(predicted)):
        values[part] = (predicted[part] - centre) * gain + mean
    return Rescaled(values, flat)


def _moments(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's mean and standard deviation (ddof 0), float64."""
    total, square = gathered(source, source[0])
    gap = total / len(source)
    return source[0] + gap, np.sqrt(np.maximum(square / len(source) - gap**2, 0.0))


def rescale_block(
    block: Block, training: Moments | None = None, *, kind: str = "train"
) -> Rescaled:
    """Return a block of predictions rescaled to the training targets' moments; see `rescale`.

    ``training`` are the moments, if the block has none itself. Works on the deviations that the
    block has, so that nothing is lost where a mean is large.
    """
    training = training or block.training
    assert training is not None
    if kind == "none":
        return rescale(block.values, training.mean, training.sd, kind=kind)
    seen, held_out = block.deviation, block.left_out
    return rescale(seen, training.mean, training.sd, kind=kind, held_out=held_out)


def rescale_left_out(
    block: Block, training: Moments | None = None, *, kind: str = "train"
) -> np.ndarray:
    """Return a block's predictions of left-out rows, shifted and scaled as its patterns are."""
    training = training or block.training
    assert training is not None
    assert block.left_out is not None
    if kind == "none":
        whole = Block(block.columns, block.left_out, block.mean)
        return rescale(whole.values, training.mean, training.sd, kind=kind).values
    source = block.deviation if kind == "test" else block.left_out
    return rescale(block.left_out, training.mean, training.sd, kind="train", held_out=source).values


def _too_few(kind: str, rows: int) -> str:
    if kind == "test":
        return (
            f"rescale = 'test' takes the spread over the test images, and there is {rows}. Use "
            "rescale = 'train' or 'none', or test more images."
        )
    return (
        f"rescale = 'train' needs predictions of at least two held-out training images, not {rows}."
    )
