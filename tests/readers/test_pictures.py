"""Every command makes the same of a picture file: what its builder put in, as viewers show it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.questions.score import folders
from neurodiffuse.readers.pictures import PICTURES, ImageFiles, read_picture
from neurodiffuse.simulate.pictures import from_folder

SIDE = 12


def colours() -> np.ndarray:
    """A picture without any symmetry."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([20 * x, 10 * y + x, 255 - 9 * x - 11 * y], -1).astype(np.uint8)


SEEN = colours()
GREY = np.repeat(np.asarray(Image.fromarray(SEEN).convert("L"))[..., None], 3, -1)


def png16(values: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """Write uint16 (height, width, channels) as a PNG by hand."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16) * 257


def on_white(clear: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return np.where(clear[..., None], 255, pixels).astype(np.uint8)


CLEAR = np.add.outer(np.arange(SIDE), np.arange(SIDE)) > 14
ALPHA = np.where(CLEAR, 0, 255).astype(np.uint8)
OTHER = Image.fromarray(255 - SEEN)
IMAGE = Image.fromarray(SEEN)


def palette(path: Path, **options: object) -> None:
    image = Image.fromarray((SEEN[..., 0] // 60).astype(np.uint8), "P")
    image.putpalette([9, 8, 7, 200, 10, 20, 30, 90, 250, 1, 2, 3, 77, 66, 55])
    image.save(path, **options)


TABLE = np.array([[9, 8, 7], [200, 10, 20], [30, 90, 250], [1, 2, 3], [77, 66, 55]], np.uint8)
INDEX = SEEN[..., 0] // 60
GIVEN: dict[str, tuple[Callable[[Path], object], np.ndarray]] = {
    "rgb.png": (IMAGE.save, SEEN),
    "rgb.bmp": (IMAGE.save, SEEN),
    "rgb.tiff": (IMAGE.save, SEEN),
    "grey.png": (lambda p: IMAGE.convert("L").save(p), GREY),
    "bits.png": (
        lambda p: Image.fromarray(CLEAR).save(p),
        np.repeat(CLEAR[..., None], 3, -1).astype(np.uint8) * 255,
    ),
    "palette.png": (palette, TABLE[INDEX]),
    "clear_palette.png": (lambda p: palette(p, transparency=2), on_white(INDEX == 2, TABLE[INDEX])),
    "alpha.png": (Image.fromarray(np.dstack([SEEN, ALPHA])).save, on_white(CLEAR, SEEN)),
    "grey_alpha.png": (
        lambda p: Image.fromarray(np.dstack([GREY[..., 0], ALPHA]), "LA").save(p),
        on_white(CLEAR, GREY),
    ),
    "grey16.png": (lambda p: p.write_bytes(png16(deep(GREY[..., :1]))), GREY),
    "grey16_as_shifted.png": (
        lambda p: p.write_bytes(png16(GREY[..., :1].astype(np.uint16) << 8)),
        GREY,
    ),
    "grey16.tif": (lambda p: Image.fromarray(deep(GREY[..., 0])).save(p), GREY),
    "grey16_clear.png": (
        lambda p: p.write_bytes(
            png16(deep(GREY[..., :1]), (b"tRNS", struct.pack(">H", int(GREY[3, 4, 0]) * 257)))
        ),
        on_white(GREY[..., 0] == GREY[3, 4, 0], GREY),
    ),
    "rgb16.png": (lambda p: p.write_bytes(png16(deep(SEEN))), SEEN),
    "rgb16_clear.png": (
        lambda p: p.write_bytes(
            png16(deep(SEEN), (b"tRNS", struct.pack(">HHH", *(int(v) * 257 for v in SEEN[3, 4]))))
        ),
        on_white((SEEN[3, 4] == SEEN).all(-1), SEEN),
    ),
    "rgba16.png": (
        lambda p: p.write_bytes(png16(deep(np.dstack([SEEN, ALPHA])))),
        on_white(CLEAR, SEEN),
    ),
    "animated.gif": (
        lambda p: Image.fromarray(TABLE[INDEX]).save(p, save_all=True, append_images=[OTHER]),
        TABLE[INDEX],
    ),
    "animated.webp": (
        lambda p: IMAGE.save(p, save_all=True, append_images=[OTHER], lossless=True),
        SEEN,
    ),
    "pages.tif": (lambda p: IMAGE.save(p, save_all=True, append_images=[OTHER]), SEEN),
    "cmyk.tif": (
        lambda p: Image.merge(
            "CMYK", [*Image.fromarray(255 - SEEN).split(), Image.new("L", (SIDE, SIDE))]
        ).save(p),
        SEEN,
    ),
}  # fmt: skip


def agree(path: Path, expected: np.ndarray) -> None:
    """Check what decode, score and simulate read, the last with a second picture beside it."""
    np.testing.assert_array_equal(ImageFiles([path])[0], expected)
    images = folders.read([path])
    np.testing.assert_array_equal(images[0], expected)
    folder = path.parent / "shown"
    folder.mkdir()
    for k in range(4):
        (folder / f"{k}{path.suffix}").write_bytes(path.read_bytes())
    album = from_folder(
        folder, None, 1, train=2, test=1, own_train=False, size=expected.shape[0], seed=0
    )
    for picture in album.pictures:
        np.testing.assert_array_equal(picture.image, expected)


@pytest.mark.parametrize("name", GIVEN)
def test_every_command_reads_what_was_written(tmp_path, name):
    write, expected = GIVEN[name]
    write(tmp_path / name)
    agree(tmp_path / name, expected)


def held(orientation: int) -> np.ndarray:
    """The pixels that a camera stores when it is held so, by the words of the EXIF standard.

    The words say where the stored row 0 and column 0 belong.
    """
    row, column = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    stored = SEEN
    if row in ("left", "right"):
        stored = stored.transpose(1, 0, 2)
    if row in ("bottom", "right"):
        stored = stored[::-1]
    if column in ("bottom", "right"):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"held.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(held(orientation)).save(path, exif=exif, **options)
    agree(path, SEEN)


def test_a_photograph_on_its_side(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(held(6)).save(path, quality=98, subsampling=0, exif=exif)
    assert np.abs(read_picture(path).astype(int) - SEEN).mean() < 4


def test_orientation_that_cannot_be_read_is_none(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(SEEN).save(path, exif=b"Exif\0\0garbage")
    np.testing.assert_array_equal(read_picture(path), SEEN)


REFUSED = {
    "float.tif": lambda p: Image.fromarray(GREY[..., 0].astype(np.float32) / 255).save(p),
    "integers.tif": lambda p: Image.fromarray(GREY[..., 0].astype(np.int32) * 2**20).save(p),
    "lab.tif": lambda p: Image.new("LAB", (4, 4)).save(p),
    "text.png": lambda p: p.write_bytes(b"hello"),
    "empty.jpg": lambda p: p.write_bytes(b""),
    "pointer.png": lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
    "annexed.png": lambda p: p.write_text("/annex/objects/MD5E-s12--abc.png\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_command_refuses_the_same(tmp_path, name):
    path = tmp_path / name
    REFUSED[name](path)
    for i in range(3):
        (tmp_path / f"more{i}{path.suffix}").write_bytes(path.read_bytes())
    for read in (
        lambda: ImageFiles([path])[0],
        lambda: folders.read([path]),
        lambda: from_folder(tmp_path, None, 1, train=2, test=1, own_train=False, size=9, seed=0),
    ):
        with pytest.raises((DataError, MissingDataError)) as told:
            read()
        assert str(tmp_path) in str(told.value)
        assert "\n" not in str(told.value)


def test_what_a_link_that_leads_nowhere_needs(tmp_path):
    path = tmp_path / "a.png"
    path.symlink_to("../.git/annex/objects/X/y.png")
    with pytest.raises(MissingDataError, match=r"a\.png: the link leads nowhere .*datalad get"):
        read_picture(path)


def test_pictures_by_their_endings_are_found_by_every_command(tmp_path):
    for k, ending in enumerate(PICTURES):
        IMAGE.save(tmp_path / f"{k}{ending}")
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert len(folders.listed(tmp_path)) == len(PICTURES)
    album = from_folder(tmp_path, None, 1, train=None, test=1, own_train=False, size=SIDE, seed=0)
    assert len(album.pictures) == len(PICTURES)
