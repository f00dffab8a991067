"""Write volumes and sessions of betas as NSD has them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from isal import isal_zlib

from neurodiffuse.types import Shape
from neurodiffuse_nsd.hdf5 import NAME
from neurodiffuse_nsd.sessions import centred

SECONDS = 1.333
"""Between volumes, as NSD's headers have it."""


def header(shape: Shape, size: float, dtype: str) -> nib.Nifti1Header:
    """Return the header of a volume or series of cubic voxels of some mm."""
    made = nib.Nifti1Header()
    made.set_data_dtype(np.dtype(dtype))
    made.set_data_shape(shape)
    affine = centred(shape[:3], size)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    made.set_zooms((size,) * 3 + (SECONDS,) * (len(shape) - 3))
    made.set_xyzt_units("mm", "sec")
    return made


def write_volume(path: Path, values: np.ndarray, size: float) -> None:
    """Write (x, y, z) as ``.nii.gz``; the bytes follow from the content alone."""
    write_series(path, header(values.shape, size, values.dtype.str), [values.T])


def write_series(path: Path, about: nib.Nifti1Header, blocks: Iterable[np.ndarray]) -> None:
    """Write a ``.nii.gz`` piece by piece: arrays in the file's own order, x fastest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with path.open("wb") as file:
        image = nib.Nifti1Image(np.zeros((1, 1, 1)), None)
        head = about.copy()
        head["vox_offset"] = image.header.single_vox_offset
        head["magic"] = image.header.single_magic
        text = head.binaryblock
        file.write(packer.compress(text + bytes(image.header.single_vox_offset - len(text))))
        for block in blocks:
            file.write(packer.compress(np.ascontiguousarray(block, head.get_data_dtype()).data))
        file.write(packer.flush())


def write_voxelwise(path: Path, series: np.ndarray) -> None:
    """Write int16 (n, z, y, x) as NSD's HDF5: a chunk holds the trials of one voxel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n, *volume = series.shape
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            NAME, series.shape, np.int16, chunks=(n, *(1 for _ in volume)), track_times=False
        )
        by_voxel = np.ascontiguousarray(np.moveaxis(series, 0, -1), "<i2")
        for place in np.ndindex(*volume):
            data.id.write_direct_chunk((0, *place), by_voxel[place].tobytes())
