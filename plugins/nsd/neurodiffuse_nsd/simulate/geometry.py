"""A simulated brain in finer voxels and a larger volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodiffuse.errors import ConfigError
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.types import Shape


def refined(geometry: Geometry, scale: float) -> Geometry:
    """Return a geometry with ``scale`` voxels for each along every axis, of the same regions."""
    if scale == 1:
        return geometry
    shape = tuple(round(n * scale) for n in geometry.shape)
    coarse = np.full(int(np.prod(geometry.shape)), -1)
    coarse[geometry.voxels] = np.arange(geometry.n_voxels)
    axes = [
        np.minimum((np.arange(n) / scale).astype(int), m - 1)
        for n, m in zip(shape, geometry.shape, strict=True)
    ]
    fine = coarse.reshape(geometry.shape)[np.ix_(*axes)].ravel()
    voxels = np.flatnonzero(fine >= 0)
    parent = fine[voxels]
    order = _order(geometry, parent)
    affine = geometry.affine.copy()
    affine[:3, :3] /= scale
    return Geometry(
        geometry.subject,
        shape,  # type: ignore[arg-type]
        affine,
        voxels,
        tuple(geometry.region[k] for k in parent),
        geometry.hemisphere[parent],
        order,
        geometry.anatomy[np.ix_(*axes)],
    )


def _order(geometry: Geometry, parent: np.ndarray) -> np.ndarray:
    """Return each fine voxel's place in its region and hemisphere, coarse neighbours together."""
    regions = {region: k for k, region in enumerate(dict.fromkeys(geometry.region))}
    patch = np.asarray([2 * regions[region] for region in geometry.region])
    patch = (patch + (geometry.hemisphere == "L"))[parent]
    order = np.empty(len(parent), int)
    for number in np.unique(patch):
        those = np.flatnonzero(patch == number)
        rank = np.argsort(geometry.order[parent[those]], kind="stable")
        order[those[rank]] = np.arange(len(those))
    return order


def placed(geometry: Geometry, shape: Shape) -> Geometry:
    """Return a geometry in the middle of a larger volume.

    Raises
    ------
    ConfigError
        If it does not fit.
    """
    room = np.asarray(shape) - geometry.shape
    if (room < 0).any():
        raise ConfigError(
            f"--set volume=published: sub-{geometry.subject} has a volume of {shape}, and at this "
            f"scale the brain needs {geometry.shape}. Give a smaller scale."
        )
    first = room // 2
    at = np.stack(np.unravel_index(geometry.voxels, geometry.shape)) + first[:, None]
    anatomy = np.zeros(shape, geometry.anatomy.dtype)
    anatomy[tuple(slice(f, f + n) for f, n in zip(first, geometry.shape, strict=True))] = (
        geometry.anatomy
    )
    affine = geometry.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ first
    voxels = np.ravel_multi_index(tuple(at), shape)
    own: tuple[int, int, int] = (shape[0], shape[1], shape[2])
    return replace(geometry, shape=own, affine=affine, voxels=voxels, anatomy=anatomy)
