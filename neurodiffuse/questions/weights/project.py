"""From a fitted decoder to values of voxels: norms of weights, percentiles, Haufe patterns.

The weight matrix is formed block of targets by block of targets and never as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from neurodiffuse import budget
from neurodiffuse.decoders.columns import column_mean
from neurodiffuse.decoding import Opened
from neurodiffuse.errors import ConfigError
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile
from neurodiffuse.types import HasSensitivity, HasWeights, Work
from neurodiffuse.work import Site, in_order, spread

COLUMNS = 1024
"""Voxels whose betas are centred at a time."""

WIDTH = 512
"""Targets whose weights are held at a time; wider pieces would be no faster."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A part of a feature on the voxels that it is read from, float64 (n_voxels,) each.

    ``weight``: Σ_j |W_vj| over the part's targets j, or W_vj itself for a component; None of a
    decoder that has no weights. Of one that is not linear W is its mean sensitivity.
    ``pattern``: the same of the Haufe pattern (see `haufe_pattern`), None unless asked for.
    ``explained``: share of the voxel's variance (see `explained`), None unless asked for.
    """

    weight: np.ndarray | None
    pattern: np.ndarray | None
    explained: np.ndarray | None = None


def check_memory(
    run: Run, subjects: Sequence[str], features: Sequence[str], *, patterns: bool
) -> None:
    """Refuse a budget that `project` would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    budget.check(run, {"weights": memory_needed(run, subjects, features, patterns=patterns)})


def memory_needed(
    run: Run, subjects: Sequence[str], features: Sequence[str], *, patterns: bool
) -> int:
    """Return the peak of `project`, in bytes, of the map that needs most."""
    work: Work = "patterns" if patterns else "weights"
    held = (
        budget.counts_of_feature(run, s, f).needed(work, together=WIDTH)
        for s in subjects
        for f in features
    )
    return int(budget.BASE + budget.MARGIN * max(held))


def project(
    run: Run, subject: str, feature: str, parts: Sequence[Part], *, patterns: bool = False
) -> list[Projection]:
    """Return the projection of each part of a feature, streaming its targets once.

    Blocks of targets are the tasks of the run's executor; blocks outside all parts are left out.

    Parameters
    ----------
    run, subject, feature
        Of a fitted map. Weights belong to the standardised betas: one unit is one standard
        deviation of the voxel over the training rows.
    parts
        Of `parts_of`.
    patterns
        Also compute Haufe patterns, for about three times the work.

    Notes
    -----
    Memory is what the decoder says, in each worker. What ridge forms weights with is as large as
    the betas and is made there, which is a fortieth of the work at full size.
    """
    blocks = LatentFile.open(run.latents(subject, feature) / "train.npy").columns()
    tasks = [
        (subject, feature, number)
        for number, columns in enumerate(blocks)
        if any(_reaches(part, columns) for part in parts)
    ]
    label = f"sub-{subject} {feature}"
    work = spread(run, project_block, tasks, label, shared=(tuple(parts), patterns))
    total: np.ndarray | None = None
    for found in in_order(work):
        total = found if total is None else total + found
    assert total is not None
    return [Projection(each[0], each[1] if patterns else None) for each in total]


def project_block(site: Site, subject: str, feature: str, number: int) -> np.ndarray:
    """Return a block's share of each part's projection, (n_parts, 1 or 2, n_voxels) float64."""
    parts, patterns = site.shared
    source = site.keep("source", lambda: Source(site.run, subject, feature))
    columns = LatentFile.open(site.run.latents(subject, feature) / "train.npy").columns()[number]
    total = np.zeros((len(parts), 1 + patterns, source.voxels))
    for start in range(columns.start, columns.stop, WIDTH):
        piece = slice(start, min(start + WIDTH, columns.stop))
        if not any(_reaches(part, piece) for part in parts):
            continue
        weights = source.weights(piece)
        if patterns:
            _add(total[:, 1], source.patterns(weights), piece, parts)
        _add(total[:, 0], weights, piece, parts)
    return total


class Source:
    """Where weights of a feature come from: a decoder that has some, or how it is sensitive."""

    def __init__(self, run: Run, subject: str, feature: str) -> None:
        self._opened, self._subject, self._feature = Opened(run, subject), subject, feature
        self._fitted = self._opened.fitted(feature)
        self._responses = self._opened.responses(feature)
        self.voxels = len(self._responses.voxels[feature])

    @property
    def linear(self) -> bool:
        """Whether the decoder is linear, so that its weights are the same for every pattern."""
        return isinstance(self._fitted, HasWeights)

    def check(self, measures: Sequence[str]) -> None:
        """Refuse measures that the decoder has nothing to make of.

        Raises
        ------
        ConfigError
            Naming the decoder and what can be asked of it.
        """
        if self.linear:
            return
        known = isinstance(self._fitted, HasSensitivity)
        possible = ("l1", "percentile", "explained") if known else ("explained",)
        if wrong := [name for name in measures if name not in possible]:
            what = "is not linear" if known else "has neither weights nor a sensitivity"
            raise ConfigError(
                f"--measure {wrong[0]}: the decoder of {self._feature!r} "
                f"({type(self._fitted).__name__}) {what}. Possible: "
                f"{' '.join(f'--measure {name}' for name in possible)}; or ask roi-optimal."
            )

    def weights(self, columns: slice) -> np.ndarray:
        """Return weights, or mean sensitivities at the test images, (n_voxels, width)."""
        if isinstance(self._fitted, HasWeights):
            return self._fitted.weights(self._subject, self._feature, columns)
        assert isinstance(self._fitted, HasSensitivity)
        test = self._responses.part(self._opened.test.values, self._feature)
        return self._fitted.sensitivity(self._subject, self._feature, columns, test)

    def patterns(self, weights: np.ndarray) -> np.ndarray:
        """Return the Haufe patterns of weights."""
        return haufe_pattern(self._betas, weights)

    @cached_property
    def _betas(self) -> Centred:
        return Centred(self._responses.of(self._feature))


class Centred:
    """Betas (n, n_voxels) less the mean of each voxel, in the type of the weights, part by part."""

    def __init__(self, betas: np.ndarray) -> None:
        self._betas, self._mean = betas, column_mean(betas)
        self.shape = betas.shape

    def part(self, voxels: slice) -> np.ndarray:
        """Return the rows of some voxels, float32 (n, width)."""
        values = self._betas[:, voxels]
        out = np.empty(values.shape, np.float32)
        # subtracted in float64 and rounded once
        return np.subtract(values, self._mean[voxels], out=out, casting="same_kind")


def haufe_pattern(betas: Centred, weights: np.ndarray) -> np.ndarray:
    """Return the activation pattern of each target's weights, (n_voxels, n_targets).

    What a voxel does when the decoded latent rises: A = cov(X) W / var(ŷ) with the decoded
    latent ŷ = X W of the training rows in units of its standard deviation, target by target,
    so A_vj = cov(x_v, ŷ_j) / sd(ŷ_j), in standard deviations of the voxel. A target that is
    predicted by its mean has the pattern 0.

    Parameters
    ----------
    betas
        Of the training rows.
    weights
        (n_voxels, n_targets).

    Notes
    -----
    Haufe et al. 2014, NeuroImage 87:96-110, eqs. 6 and 8, each target a backward model of its
    own. A latent's scale is arbitrary; without dividing by it, latents that are hardly decoded
    (small var(ŷ)) would outweigh all others in a sum over targets.
    """
    n, p = betas.shape
    stretches = [slice(s, min(s + COLUMNS, p)) for s in range(0, p, COLUMNS)]
    predicted = np.zeros((n, weights.shape[1]), weights.dtype)
    for voxels in stretches:
        predicted += betas.part(voxels) @ weights[voxels]
    spread = predicted.std(axis=0, ddof=1, dtype=np.float64)
    gain = np.divide(1.0, (n - 1) * spread, out=np.zeros_like(spread), where=spread > 0)
    out = np.empty_like(weights)
    for voxels in stretches:
        out[voxels] = betas.part(voxels).T @ predicted
    out *= gain.astype(out.dtype)
    return out


def percentile(values: np.ndarray) -> np.ndarray:
    """Return each value's percentile among all, by size without sign, float64 (n,).

    100 (rank - ½) / n with rank 1 for the smallest and the mean rank for equal values: their
    mean is 50 exactly, and none is 0, which stands for "outside the mask" in a volume.
    """
    return 100.0 * (rankdata(np.abs(values)) - 0.5) / len(values)


def _reaches(part: Part, columns: slice) -> bool:
    return part.start < columns.stop and columns.start < part.stop


def _add(total: np.ndarray, block: np.ndarray, columns: slice, parts: Sequence[Part]) -> None:
    for k, part in enumerate(parts):
        inside = block[:, part.within(columns)]
        if inside.shape[1]:
            values = inside if part.signed else np.abs(inside)
            total[k] += values.sum(axis=1, dtype=np.float64)
