"""A made-up study to try a decoder on: responses that latents can be predicted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from neurodiffuse.testing.stimuli import example_stimuli
from neurodiffuse.types import Grid, Responses, Shape, Stimuli, Targets, Training

SUBJECT = "01"
IMAGES = 24
VOXELS = 40
WIDTH = 5


@dataclass(frozen=True, eq=False)
class HeldTargets(Targets):
    """Latents in memory, float32 (n_rows, size), handed out in blocks of ``width``."""

    latents: np.ndarray
    latent_shapes: tuple[Shape, ...]
    width: int = WIDTH

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents of one image."""
        return self.latent_shapes

    def columns(self) -> list[slice]:
        """Return the stretch of targets of each block."""
        size = self.latents.shape[1]
        return [slice(k, min(k + self.width, size)) for k in range(0, size, self.width)]

    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Return one block: its targets and a copy of their values."""
        columns = self.columns()[number]
        return columns, self.latents[:, columns].copy()

    def of(self, rows: np.ndarray) -> HeldTargets:
        """Return the targets of some rows."""
        return replace(self, latents=self.latents[rows])


def example_training(seed: int = 0, *, single: bool = True) -> Training:
    """Return a made-up training set of one subject, betas read-only as if mapped from disk.

    36 trials of 24 images, half of which were shown twice, in two sessions; 40 voxels, all of
    which predict ``layout`` (12 targets in three blocks, one constant and one far from 0), and a
    third of which predict ``meaning`` (3 targets). Another decoder predicts ``other``. Unless
    ``single``, there is one row for each image.
    """
    rng = np.random.default_rng(seed)
    names = [f"stim-{k:03d}" for k in range(IMAGES)]
    shown = [*range(IMAGES), *(range(0, IMAGES, 2) if single else ())]
    latents = {
        "layout": rng.standard_normal((IMAGES, 12)),
        "meaning": rng.standard_normal((IMAGES, 3)),
        "other": rng.standard_normal((IMAGES, 2)),
    }
    latents["layout"][:, 7] = 1.0
    latents["layout"][:, 2] += 1000
    cause = np.hstack([v - v.mean(0) for v in latents.values()])
    betas = cause[shown] @ rng.standard_normal((cause.shape[1], VOXELS))
    betas += 2 * rng.standard_normal(betas.shape)
    betas = ((betas - betas.mean(0)) / betas.std(0)).astype(np.float32)
    betas.flags.writeable = False
    shapes = {"layout": ((3, 3), (3,)), "meaning": ((3,),), "other": ((2,),)}
    targets = {
        name: HeldTargets(values[shown].astype(np.float32), shapes[name])
        for name, values in latents.items()
    }
    responses = Responses(
        betas=betas,
        images=tuple(names[k] for k in shown),
        sessions=tuple(("1",) if row < len(shown) // 2 else ("2",) for row in range(len(shown))),
        grid=Grid((5, 4, 4), np.diag([2.0, 2, 2, 1]), "made up"),
        places=np.arange(0, 2 * VOXELS, 2),
        voxels={
            "layout": np.arange(VOXELS),
            "meaning": np.arange(1, VOXELS, 3),
            "other": np.arange(VOXELS),
        },
        targets=targets,
        stimuli=_stimuli,
        region=_region,
    )
    return Training({SUBJECT: responses}, ("layout", "meaning"), seed)


def _stimuli(images: Sequence[str]) -> Stimuli:
    every = example_stimuli(IMAGES)
    at = [every.ids.index(image) for image in images]
    return Stimuli(
        tuple(images), [every.images[k] for k in at], tuple(every.captions[k] for k in at)
    )


def _region(expression: str, option: str) -> np.ndarray:
    """Return half of the voxels, others for another expression."""
    return np.random.default_rng(crc32(expression.encode())).permutation(VOXELS) < VOXELS // 2
