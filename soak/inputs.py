"""Small files of every format that is read, made here, with the reader of each."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def _picture(form: str, mode: str = "RGB") -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA").convert(mode)
    made = io.BytesIO()
    image.save(made, form)
    return made.getvalue()


def _nifti(dtype: Any = np.int16, *, packed: bool = False) -> bytes:
    import nibabel

    values = np.arange(4 * 4 * 3 * 2).reshape(4, 4, 3, 2).astype(dtype)
    image = nibabel.nifti1.Nifti1Image(values, np.diag([2.0, 2, 2, 1]))
    raw = image.to_bytes()
    if packed:
        import gzip

        return gzip.compress(raw, mtime=0)
    return bytes(raw)


def _npy(version: Any = None) -> bytes:
    made = io.BytesIO()
    np.lib.format.write_array(made, np.arange(24, dtype="f4").reshape(4, 6), version)
    return made.getvalue()


def _pickle() -> bytes:
    return pickle.dumps({"a": np.arange(6.0), "b": {"c": np.int64(3), "d": ["x", None, 2.5]}}, 4)


def _design() -> dict[str, np.ndarray]:
    shown = np.zeros((2, 3, 4))
    shown[:, :, :2] = 1
    return {
        "masterordering": np.arange(1, 13)[None] % 5 + 1,
        "subjectim": np.arange(1, 41).reshape(8, 5),
        "stimpattern": shown,
    }


def _mat() -> bytes:
    from scipy.io import savemat

    made = io.BytesIO()
    savemat(made, _design())
    return made.getvalue()


def _hdf5(kind: str) -> bytes:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.hdf5"
        with h5py.File(path, "w") as file:
            if kind == "mat":
                for name, value in _design().items():
                    file[name] = value.T
            elif kind == "betas":
                file.create_dataset("betas", data=np.arange(48, dtype="i2").reshape(2, 4, 3, 2))
            elif kind == "chunks":
                data = np.arange(48, dtype="i2").reshape(2, 4, 3, 2)
                file.create_dataset("betas", data=data, chunks=(1, 2, 3, 2), compression="gzip")
            elif kind == "link":
                file["betas"] = h5py.ExternalLink("/etc/hostname", "betas")
            elif kind == "external":
                file.create_dataset(
                    "betas", (2, 4, 3, 2), "i2", external=[("/etc/hostname", 0, 96)]
                )
            else:
                file["betas"] = h5py.SoftLink("/betas")
        return path.read_bytes()


def _safetensors() -> bytes:
    from safetensors.numpy import save

    return save({"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.zeros(0, "f2")}, {"k": "v"})


def _torch() -> bytes:
    import torch

    made = io.BytesIO()
    torch.save({"state_dict": {"a": torch.arange(6.0).reshape(2, 3)}}, made)
    return made.getvalue()


def _read_volume(path: Path) -> Any:
    from neurodiffuse.readers import volumes

    grid, count = volumes.grid_of(path)
    if grid.size * count > 10**6:  # as the plan would say from the header
        return grid.shape, count
    return grid.shape, count, volumes.values(path, volumes.Target(grid))


def _read_picture(path: Path) -> Any:
    from neurodiffuse.readers.pictures import read_picture

    return read_picture(path)


def _read_table(path: Path) -> Any:
    from neurodiffuse.readers.tables import read_table

    return read_table(path)


def _read_npy(path: Path) -> Any:
    from neurodiffuse.readers.pickles import load_npy

    return load_npy(path)


def _read_pickle(path: Path) -> Any:
    from neurodiffuse.readers.pickles import read_plain_pickle

    return read_plain_pickle(path)


def _read_design(path: Path) -> Any:
    from neurodiffuse_nsd.design import read_design

    return read_design(path)


def _read_betas(path: Path) -> Any:
    from neurodiffuse_nsd.hdf5 import masked, shape_of

    shape, count = shape_of(path)
    if np.prod(shape, dtype=float) * count > 10**6:
        return shape, count
    return [block.copy() for block in masked(path, np.ones(int(np.prod(shape)), bool))]


def _read_weights(path: Path) -> Any:
    from neurodiffuse_torch.checkpoint import read_checkpoint

    return read_checkpoint(path)


_TABLE = b"onset\tduration\tstim_id\n0\t1\ta\n1\t1\tb\n2.5\tn/a\t\xc3\xa9\n"

FILES: dict[str, tuple[str, Callable[[], bytes], Callable[[Path], Any]]] = {
    "png": ("x.png", lambda: _picture("PNG"), _read_picture),
    "png with alpha": ("x.png", lambda: _picture("PNG", "RGBA"), _read_picture),
    "jpeg": ("x.jpg", lambda: _picture("JPEG"), _read_picture),
    "gif": ("x.gif", lambda: _picture("GIF", "P"), _read_picture),
    "tiff": ("x.tiff", lambda: _picture("TIFF"), _read_picture),
    "bmp": ("x.bmp", lambda: _picture("BMP"), _read_picture),
    "nifti": ("x.nii", _nifti, _read_volume),
    "nifti of floats": ("x.nii", lambda: _nifti(np.float32), _read_volume),
    "nifti.gz": ("x.nii.gz", lambda: _nifti(packed=True), _read_volume),
    "tsv": ("x.tsv", lambda: _TABLE, _read_table),
    "npy": ("x.npy", _npy, _read_npy),
    "npy 2.0": ("x.npy", lambda: _npy((2, 0)), _read_npy),
    "pickle": ("x.pkl", _pickle, _read_pickle),
    "mat 5": ("x.mat", _mat, _read_design),
    "mat 7.3": ("x.mat", lambda: _hdf5("mat"), _read_design),
    "hdf5": ("x.hdf5", lambda: _hdf5("betas"), _read_betas),
    "hdf5 in chunks": ("x.hdf5", lambda: _hdf5("chunks"), _read_betas),
    "hdf5 link out": ("x.hdf5", lambda: _hdf5("link"), _read_betas),
    "hdf5 data out": ("x.hdf5", lambda: _hdf5("external"), _read_betas),
    "hdf5 loop": ("x.hdf5", lambda: _hdf5("loop"), _read_betas),
    "safetensors": ("x.safetensors", _safetensors, _read_weights),
    "torch": ("x.pt", _torch, _read_weights),
}
"""Format: file name, maker of a valid file, reader."""
