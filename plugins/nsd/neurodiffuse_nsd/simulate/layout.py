"""The layout `nsd` of ``neurodiffuse simulate``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np

from neurodiffuse.progress import progress
from neurodiffuse.simulate.brain import Brain
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.simulate.layout import Layout
from neurodiffuse.simulate.study import Settings
from neurodiffuse.simulate.truth import write_truth
from neurodiffuse.simulate.write import beside
from neurodiffuse_nsd.nifti import SCALE, fortran
from neurodiffuse_nsd.simulate import tables
from neurodiffuse_nsd.simulate.plan import Plan, plan, signal_of
from neurodiffuse_nsd.simulate.regions import cortex_of, write_maps, write_regions
from neurodiffuse_nsd.simulate.volumes import header, write_series, write_volume, write_voxelwise
from neurodiffuse_nsd.tree import VOXEL, Tree, Version

SPACE = "func1pt8mm"

AT_ONCE = 32
"""Volumes that are made at a time."""

NOISE = 1.5
"""Percent: spread of the responses of the brain's other voxels, which are noise."""


class NsdLayout(Layout):
    """Write a study as the Natural Scenes Dataset has it, into files of its names and types.

    Parameters
    ----------
    scale
        Voxels along an axis for one of the built-in brain of 28 x 28 x 20; with 2.17 the mask
        has as many voxels as subject 1 of NSD.
    volume
        ``brain``: just large enough. ``published``: as large as NSD's volume of that subject.
    format
        Of the betas: ``nifti``, ``hdf5`` or ``both``.
    version
        Which folder the betas go to.
    pixels
        Side of the pictures in ``nsd_stimuli.hdf5``.
    """

    def __init__(
        self,
        scale: float = 1.0,
        volume: Literal["brain", "published"] = "brain",
        format: Literal["nifti", "hdf5", "both"] = "nifti",
        version: Version = "b3",
        pixels: int = 425,
    ) -> None:
        if not 0.5 <= scale <= 4:
            raise ValueError(f"scale: {scale} given; it must be from 0.5 to 4.")
        if pixels < 16:
            raise ValueError(f"pixels: {pixels} given; it must be 16 or more.")
        self.scale = scale
        self.volume = volume
        self.format = format
        self.version = version
        self.pixels = pixels

    def write(self, out: Path, settings: Settings, *, quiet: bool = True) -> str:
        """Write a tree into a folder, which must be empty or absent; return what it holds."""
        published = self.volume == "published"
        made = plan(settings, scale=self.scale, published=published, quiet=quiet)
        study = made.study
        with beside(out) as root:
            tree = Tree(root)
            tables.write_readme(root, "neurodiffuse simulate OUT --layout nsd …")
            tables.write_design(tree, made)
            tables.write_picture_table(tree, made)
            tables.write_pictures(tree, made, self.pixels, quiet=quiet)
            tables.write_captions(tree, made)
            for subject in range(len(study.brains)):
                tables.write_responses(tree, made, subject)
                self._write_brain(tree, made, subject, quiet)
            write_truth(root / "simulated_truth", study)
        sessions = ", ".join(str(trials[-1].session) for trials in study.trials)
        voxels = ", ".join(str(brain.geometry.n_voxels) for brain in study.brains)
        return (
            f"{len(study.brains)} subjects ({voxels} voxels; {sessions} sessions), "
            f"{len(study.album.pictures)} pictures, {sum(map(len, study.trials))} trials, in NSD's "
            "layout."
        )

    def _write_brain(self, tree: Tree, made: Plan, subject: int, quiet: bool) -> None:
        brain = made.study.brains[subject]
        write_regions(tree, brain, SPACE)
        write_maps(tree, brain, SPACE, self.version)
        signal = signal_of(made.study, subject)
        label = brain.geometry.subject
        sessions = groupby(made.study.trials[subject], key=lambda trial: trial.session)
        for trials in progress(
            [tuple(group) for _, group in sessions], f"write betas of subj{label}", quiet=quiet
        ):
            betas = made.study.betas(subject, signal, trials)
            whole = np.rint(betas * SCALE).clip(-32767, 32767).astype(np.int16)
            self._write_session(tree, brain, trials[0].session, whole)

    def _write_session(self, tree: Tree, brain: Brain, number: int, betas: np.ndarray) -> None:
        """Write one session's betas, int16 (n_trials, n_voxels), as the formats have them."""
        geometry, size, session = brain.geometry, VOXEL[SPACE], f"session{number:02d}"
        inside = cortex_of(brain).brain
        valid = tree.volumes(geometry.subject, SPACE) / f"valid_{session}.nii.gz"
        write_volume(valid, inside.astype(np.int16), size)
        path = tree.betas(geometry.subject, SPACE, self.version) / f"betas_{session}"
        if self.format in ("nifti", "both"):
            about = header((*geometry.shape, len(betas)), size, "<i2")
            write_series(
                path.with_suffix(".nii.gz"), about, volumes_of(brain, inside, number, betas)
            )
        if self.format in ("hdf5", "both"):
            whole = np.concatenate(list(volumes_of(brain, inside, number, betas)))
            write_voxelwise(path.with_suffix(".hdf5"), whole)


def volumes_of(
    brain: Brain, inside: np.ndarray, number: int, betas: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield volumes int16 (k, z, y, x) of a session: betas, noise elsewhere in the brain, 0."""
    geometry = brain.geometry
    planted = fortran(_mask(geometry), geometry.shape)
    others = fortran(inside.ravel() & ~_mask(geometry), geometry.shape)
    rng = stream(brain.seed, Draw.NOISE, brain.number, number)
    for start in range(0, len(betas), AT_ONCE):
        part = betas[start : start + AT_ONCE]
        flat = np.zeros((len(part), inside.size), np.int16)
        flat[:, planted] = part
        noise = rng.standard_normal((len(part), len(others)), np.float32)
        flat[:, others] = np.rint(noise * (NOISE * SCALE))
        yield flat.reshape(len(part), *geometry.shape[::-1])


def _mask(geometry: Geometry) -> np.ndarray:
    mask = np.zeros(int(np.prod(geometry.shape)), bool)
    mask[geometry.voxels] = True
    return mask
