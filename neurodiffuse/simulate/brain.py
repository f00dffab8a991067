"""A brain with known answers: pictures in, responses of every voxel and trial out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.simulate.channels import CELLS, channels
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.simulate.tuning import FIELD, Tuning, plant

BATCH = 64
"""Pictures that are looked at together."""

COMMON = 0.2
"""Share of the noise's variance that neighbouring voxels have in common."""

GAIN, OFFSET, DRIFT = 0.06, 0.1, 0.1
"""Spread of a session's gain (log), of its offset and of a run's drift (in units of the noise)."""

_WAVES = 6


@dataclass(frozen=True)
class Moment:
    """When a picture is shown: what noise, gain and drift a trial has.

    ``picture`` and ``repetition`` choose the noise; ``position`` is the place in the run, from
    -1 (its beginning) to 1.
    """

    picture: int
    repetition: int
    session: int
    run: int
    position: float


@dataclass(frozen=True, eq=False)
class Brain:
    """One subject: geometry, what is planted in it, and the seed of its noise."""

    number: int
    geometry: Geometry
    tuning: Tuning
    seed: int

    @classmethod
    def grow(cls, geometry: Geometry, number: int, *, noise: float, seed: int) -> Brain:
        """Return the brain of subject ``number``; ``noise`` as for `tuning.plant`."""
        return cls(number, geometry, plant(geometry, number, noise=noise, seed=seed), seed)

    def signal(
        self, images: np.ndarray, labels: np.ndarray, *, reference: np.ndarray | None = None
    ) -> np.ndarray:
        """Return what each voxel would answer without noise.

        A voxel's answer is ``sqrt(1 - share) z(low) + sqrt(share) z(high)``, standardised once
        more, with ``low = sum_c w_c <G, channel_c>`` the channels seen through its receptive
        field G and ``high = labels @ w`` the categories; z standardises over the reference
        pictures. Where no picture of the reference has a label, ``low`` drives all.

        Parameters
        ----------
        images
            uint8 (n, height, width, 3).
        labels
            (n, n_labels) strength of each of ``regions.LABELS`` in each picture.
        reference
            bool (n,): the pictures that define mean and spread; all when None.

        Returns
        -------
        float64 (n, n_voxels), 0 for unresponsive voxels.
        """
        rows = np.ones(len(images), dtype=bool) if reference is None else reference
        low = _standard(self.layout(images), rows)
        high = _standard(labels @ self.tuning.labels.T, rows)
        share = self.tuning.share
        mixed = _standard(np.sqrt(1 - share) * low + np.sqrt(share) * high, rows)
        return mixed * (self.tuning.ncsnr > 0)

    def layout(self, images: np.ndarray) -> np.ndarray:
        """Return the channels summed through each voxel's receptive field, (n, n_voxels)."""
        field = receptive_fields(self.tuning)
        out = np.empty((len(images), self.geometry.n_voxels))
        for start in range(0, len(images), BATCH):
            seen = channels(images[start : start + BATCH])
            n, n_channels = seen.shape[:2]
            through = seen.reshape(n * n_channels, -1) @ field
            through = through.reshape(n, n_channels, -1)
            out[start : start + n] = np.einsum("ncv,vc->nv", through, self.tuning.channels)
        return out

    def betas(self, signal: np.ndarray, moments: Sequence[Moment]) -> np.ndarray:
        """Return single-trial responses in percent signal change.

        ``mean + noise (gain ncsnr signal + offset + drift + e)``: gain and offset belong to the
        voxel in the session, drift to the run, and e, of variance 1, to the trial.

        Parameters
        ----------
        signal
            (n_trials, n_voxels), the row of the picture of each trial.
        moments
            One a trial.

        Returns
        -------
        float64 (n_trials, n_voxels)
        """
        planted, waves = self.tuning, self._waves()
        out = np.empty_like(signal)
        states = {m.session: self._session(m.session) for m in moments}
        slopes = {(m.session, m.run): self._drift(m.session, m.run) for m in moments}
        silent = np.isinf(planted.ncsnr)
        strength = np.where(silent, 1.0, planted.ncsnr)
        for row, moment in enumerate(moments):
            gain, offset = states[moment.session]
            error = self._trial(moment, waves)
            drift = moment.position * slopes[moment.session, moment.run]
            spoilt = np.where(silent, 0.0, offset + drift + error)
            out[row] = gain * strength * signal[row] + spoilt
        return planted.mean + planted.noise * out

    def _session(self, session: int) -> tuple[np.ndarray, np.ndarray]:
        rng = stream(self.seed, Draw.SESSION, self.number, session)
        gain = np.exp(GAIN * float(rng.standard_normal()) * self.tuning.sensitivity)
        return gain, OFFSET * rng.standard_normal(self.geometry.n_voxels)

    def _drift(self, session: int, run: int) -> np.ndarray:
        rng = stream(self.seed, Draw.SESSION, self.number, session, run + 1)
        return DRIFT * rng.standard_normal(self.geometry.n_voxels)

    def _waves(self) -> np.ndarray:
        """Return smooth spatial patterns (n_waves, n_voxels), unit length in every voxel."""
        rng = stream(self.seed, Draw.WAVES, self.number)
        directions, phases = rng.normal(0, 1 / 12, (_WAVES, 3)), rng.uniform(0, 2 * np.pi, _WAVES)
        waves = np.cos(directions @ self.geometry.millimetres.T + phases[:, None])
        return waves / np.linalg.norm(waves, axis=0)

    def _trial(self, moment: Moment, waves: np.ndarray) -> np.ndarray:
        rng = stream(self.seed, Draw.NOISE, self.number, moment.picture, moment.repetition)
        common = rng.standard_normal(len(waves)) @ waves
        own = rng.standard_normal(self.geometry.n_voxels)
        return np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own


def receptive_fields(tuning: Tuning, side: int = CELLS) -> np.ndarray:
    """Return Gaussian receptive fields on the cells of a channel, float64 (side², n_voxels).

    A field sums to 1 over the whole plane, so what lies outside the picture counts as grey.
    """
    width = FIELD / side
    at = (np.arange(side) + 0.5) * width - FIELD / 2
    size = np.maximum(tuning.size, width / 2)
    across = np.exp(-((at[:, None] - tuning.x) ** 2) / (2 * size**2))
    down = np.exp(-((-at[:, None] - tuning.y) ** 2) / (2 * size**2))
    scale = width**2 / (2 * np.pi * size**2)
    return (down[:, None, :] * across[None, :, :] * scale).reshape(side * side, -1)


def _standard(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return z-scores by the mean and spread of the reference rows; 0 where nothing varies."""
    centred = values - values[rows].mean(axis=0)
    spread = values[rows].std(axis=0)
    flat = spread < 1e-9
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, spread))
