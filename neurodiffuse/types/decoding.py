"""The role of a decoder: from brain responses to latents.

What only some decoders can do is a protocol: predictions of training rows that were left out
(`HasLeftOut`), weights (`HasWeights`), sensitivities (`HasSensitivity`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from neurodiffuse.types.cards import Section
from neurodiffuse.types.nouns import Grid, Remark, Shape, Stimuli
from neurodiffuse.types.roles import Role

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation (ddof 0) of targets over the training rows, float64 (width,).

    ``constant`` bool (width,) marks targets without variance; their ``sd`` is 0. ``squares``
    float64 (n_rows,) is what each training row's squares over these targets sum up to, where known.
    """

    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray
    squares: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """Predictions of a stretch of a feature's targets, one row per pattern.

    Parameters
    ----------
    columns
        Which targets.
    deviation
        float32 (n_patterns, width): the predictions less ``mean``. A decoder that knows no mean
        puts the predictions here.
    mean
        float64 (width,), or None for 0. Kept apart because float32 cannot hold a small deviation
        on top of a large mean.
    left_out
        float32 (n_rows, width), less ``mean`` too: predictions of training rows, each made without
        it; see `HasLeftOut`.
    training
        Moments of the training targets, from a decoder that has them already.
    """

    columns: slice
    deviation: np.ndarray
    mean: np.ndarray | None = None
    left_out: np.ndarray | None = None
    training: Moments | None = None

    @cached_property
    def values(self) -> np.ndarray:
        """The predictions, float32 (n_patterns, width)."""
        import numpy as np

        if self.mean is None:
            return self.deviation
        out = np.empty_like(self.deviation)
        return np.add(self.deviation, self.mean, out=out, casting="same_kind")


class Targets(ABC):
    """The training latents of one feature and subject, row by row as the betas; never all read.

    ``shapes`` are those of one image's latents, ``size`` the number of targets.
    """

    @property
    @abstractmethod
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents of one image."""

    @property
    def size(self) -> int:
        """Number of targets."""
        return self.columns()[-1].stop

    @abstractmethod
    def columns(self) -> list[slice]:
        """Return the stretch of targets of each block."""

    @abstractmethod
    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Return one block: its targets and their values, float32 (n_rows, width)."""

    @abstractmethod
    def of(self, rows: np.ndarray) -> Targets:
        """Return the targets of some rows, as for a decoder that sets some aside."""

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield every block once, in order."""
        for number in range(len(self.columns())):
            yield self.block(number)

    def values(self) -> np.ndarray:
        """Return all targets at once, float32 (n_rows, size); for features that fit in memory."""
        import numpy as np

        return np.concatenate([values for _, values in self.blocks()], axis=1)


class UnstoredTargets(Targets):
    """Training latents that are made anew in each pass over the images and never kept.

    A decoder that is linear in the targets needs no more: it accumulates what each image adds.
    """

    @abstractmethod
    def batches(self) -> Iterator[tuple[Sequence[np.ndarray], np.ndarray]]:
        """Yield all images once, some at a time: each one's training rows, and their latents.

        The latents are float32 (n_images, size) and the caller's to change.
        """


@dataclass(frozen=True, eq=False)
class Responses:
    """The training responses of one subject; a row is an image, or one of its trials.

    Parameters
    ----------
    betas
        float32 (n_rows, n_voxels) of the mask, standardised for each voxel over these rows; may be
        mapped from disk.
    images
        The image of each row.
    sessions
        The sessions in which each row's trials were measured; empty where there are none.
    grid, places
        The subject's grid, and where in it (flat, C order) each voxel of the mask is, intp
        (n_voxels,).
    voxels
        For each feature which voxels of the mask it is predicted from, intp.
    targets
        The training latents of every feature of the recipe, also of those that another decoder
        predicts.
    stimuli
        ``stimuli(images)`` returns what was seen, of some of the training images, unread.
    region
        ``region(expression, option)`` returns the voxels of the mask that are in a region, bool
        (n_voxels,); ``option`` is the key that it was given by, for messages.
    """

    betas: np.ndarray
    images: tuple[str, ...]
    sessions: tuple[tuple[str, ...], ...]
    grid: Grid
    places: np.ndarray
    voxels: Mapping[str, np.ndarray]
    targets: Mapping[str, Targets]
    stimuli: Callable[[Sequence[str]], Stimuli]
    region: Callable[[str, str], np.ndarray]

    def of(self, feature: str) -> np.ndarray:
        """Return the betas that a feature is predicted from, (n_rows, n_voxels of the feature)."""
        return self.part(self.betas, feature)

    def part(self, betas: np.ndarray, feature: str) -> np.ndarray:
        """Return what a feature is predicted from of betas over the mask, (n, n_voxels)."""
        import numpy as np

        voxels = self.voxels[feature]
        whole = len(voxels) == betas.shape[1]
        return betas if whole else np.take(np.asarray(betas), voxels, axis=1)


@dataclass(frozen=True, eq=False)
class Training:
    """All that a decoder learns from; nothing of the test set is in it.

    Parameters
    ----------
    subjects
        Responses by the subject's label.
    features
        What this decoder predicts.
    seed
        The run's; the only source of randomness.
    quiet
        Whether to do without progress bars.
    """

    subjects: Mapping[str, Responses]
    features: tuple[str, ...]
    seed: int = 0
    quiet: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Sizes:
    """Sizes of one subject's decoding, from which a decoder says what memory it needs.

    Parameters
    ----------
    rows, patterns
        Training rows, and patterns that are predicted.
    voxels
        In the mask.
    targets
        Targets of each feature that the decoder predicts.
    value
        Bytes of a stored latent.
    width
        Targets of a stored block.
    repeated
        Whether training rows share latents, being trials of one image.
    left_out
        Training rows that are predicted from the others.
    together
        Patterns of one region, or targets whose weights are held at once.
    unstored
        Features whose training latents are `UnstoredTargets`.
    """

    rows: int
    patterns: int
    voxels: int
    targets: Mapping[str, int]
    value: int = 4
    width: int = 2048
    repeated: bool = False
    left_out: int = 0
    together: int = 1
    unstored: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitSummary:
    """What a reader of the results should know of the fit of one feature.

    ``cell`` is a few words for a table (ridge: the penalty), ``remarks`` stand with those on the
    input, ``sections`` are drawn in the report.
    """

    cell: str = ""
    remarks: Sequence[Remark] = ()
    sections: Sequence[Section] = ()


Work = Literal["fit", "predict", "answer", "weights", "patterns"]
"""What a decoder is asked to do: fit, predict the test images, predict synthetic patterns, weights,
weights and what is made of them and the betas."""


class Fitted(ABC):
    """A decoder that has learned."""

    @abstractmethod
    def predict(
        self, subject: str, feature: str, betas: np.ndarray, *, seeds: Sequence[int] | None = None
    ) -> Iterable[Block]:
        """Return the predicted latents of patterns, block by block of columns, in order.

        Parameters
        ----------
        subject, feature
            Whose patterns, and what to predict.
        betas
            (n_patterns, n_voxels) of the voxels that the feature is predicted from, in the units of
            the training betas. A pattern's prediction must not depend on the others.
        seeds
            The only source of randomness, one per pattern; None for none.

        Notes
        -----
        What is returned may also offer ``block(number)`` for each of the targets' own blocks and
        be pickled (`InBlocks`); blocks are then predicted by several processes at once.
        """

    def predict_each(
        self, subject: str, feature: str, patterns: Iterable[np.ndarray]
    ) -> Iterable[Block]:
        """Return what ``predict`` does of patterns (n_voxels,), each predicted on its own.

        A pattern's prediction is the same to the last bit whatever else is asked for. Override it
        where one pass over the training targets serves them all.
        """
        import numpy as np

        each = [self.predict(subject, feature, pattern[None]) for pattern in patterns]
        for blocks in zip(*each, strict=True):
            yield Block(blocks[0].columns, np.concatenate([block.values for block in blocks]))


@runtime_checkable
class InBlocks(Protocol):
    """Predictions that can be pickled, and of which any process can make any block."""

    def block(self, number: int) -> Block:
        """Return one of the blocks of the training targets."""


@runtime_checkable
class HasLeftOut(Protocol):
    """A fitted decoder that predicts training rows from the others without being fitted again."""

    def left_out_rows(self, subject: str, feature: str, most: int) -> np.ndarray:
        """Return which training rows to predict, ``most`` of them or fewer, intp."""

    def predict_with_left_out(
        self,
        subject: str,
        feature: str,
        betas: np.ndarray,
        rows: np.ndarray,
        *,
        seeds: Sequence[int] | None = None,
    ) -> Iterable[Block]:
        """Return what ``predict`` does, each block with the training ``rows`` as `Block.left_out`.

        No row's own response, nor another one of its image, is used to predict it.
        """


@runtime_checkable
class HasWeights(Protocol):
    """A fitted decoder that is linear in the responses."""

    def weights(self, subject: str, feature: str, columns: slice) -> np.ndarray:
        """Return the weights of some targets, float32 (n_voxels of the feature, width).

        One unit of response more in voxel v changes the prediction of target j by ``[v, j]``.
        """


@runtime_checkable
class HasSensitivity(Protocol):
    """A fitted decoder that is not linear and can say how predictions change with responses."""

    def sensitivity(
        self, subject: str, feature: str, columns: slice, betas: np.ndarray
    ) -> np.ndarray:
        """Return the Jacobian of some targets averaged over patterns, float32 (n_voxels, width).

        ``betas`` (n_patterns, n_voxels) as in `Fitted.predict`.
        """


class Decoder(Role):
    """Learns to predict latents from brain responses."""

    @abstractmethod
    def fit(self, training: Training, folder: Path) -> None:
        """Learn, and write what was learned into ``folder`` and nowhere else.

        The folder may hold what an earlier process left that was killed while it fitted the same:
        a decoder that writes checkpoints goes on from them. It must learn the same again from the
        same training and seed.
        """

    @abstractmethod
    def open(self, training: Training, folder: Path) -> Fitted:
        """Return what `fit` left in a folder, ready to predict."""

    def words(self, feature: str = "") -> str:
        """Return what the decoder with these options is, for plan and methods text.

        Of one feature, if the options differ between features; empty: the card's summary says it.
        """
        return ""

    def memory(self, work: Work, sizes: Sizes) -> int:
        """Return the bytes that some work needs at its fullest moment, beside the libraries.

        What is overridden should be held against a measured peak. By default betas twice, a stored
        block of targets and what is predicted of it: a decoder that streams needs no more.
        """
        block = (sizes.value + 8) * (sizes.rows + sizes.patterns + sizes.left_out) * sizes.width
        return 8 * sizes.voxels * (sizes.rows + sizes.patterns) + block

    def where(self, sizes: Sizes) -> str:
        """Return where the work is done and what it needs there, in a phrase; empty: on the CPU."""
        return ""

    def summary(self, folder: Path, feature: str) -> FitSummary:
        """Return what report and terminal say of the fit of a feature."""
        return FitSummary()
