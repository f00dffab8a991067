"""How the network is built, in the notation of its authors. Importing this imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from neurodiffuse.errors import listing, near

LARGEST = 256
"""Pictures larger than this are refused: it is surely a slip."""


@dataclass(frozen=True)
class Block:
    """A residual block at ``resolution``; ``change`` is the other resolution or rate of it."""

    resolution: int
    change: int | None = None


@dataclass(frozen=True)
class Architecture:
    """Blocks and sizes of a very deep VAE.

    ``encoder`` is the way down: a block with a ``change`` pools by that rate when it is done.
    ``decoder`` is the way up, a layer of latents each: a block with a ``change`` first adds the
    picture of that lower resolution. ``width`` channels run through, ``bottleneck`` of them
    inside a block; a layer has ``zdim`` channels; pixels are mixtures of ``mixtures`` logistics.
    """

    encoder: tuple[Block, ...]
    decoder: tuple[Block, ...]
    width: int = 512
    bottleneck: int = 128
    zdim: int = 16
    mixtures: int = 10

    @property
    def size(self) -> int:
        """Width and height of the pictures in pixels."""
        return self.decoder[-1].resolution

    def shapes(self, layers: int) -> tuple[tuple[int, int, int], ...]:
        """Return (channels, height, width) of the first layers of latents."""
        return tuple((self.zdim, b.resolution, b.resolution) for b in self.decoder[:layers])


NAMED = {
    "imagenet64": "encoder=64x11,64d2,32x20,32d2,16x9,16d2,8x8,8d2,4x7,4d4,1x5 "
    "decoder=1x2,4m1,4x3,8m4,8x7,16m8,16x15,32m16,32x31,64m32,64x12",
}
"""The published configurations; sizes that are not named are `Architecture`'s own."""


def architecture(config: str) -> Architecture:
    """Return the architecture of a published name or of a text such as ``NAMED`` holds.

    The text has ``encoder`` and ``decoder``, and ``width``, ``bottleneck``, ``zdim`` and
    ``mixtures`` where they differ. In ``encoder``, ``8x3`` are three blocks at 8 x 8 and
    ``8d2`` one that then pools by 2; in ``decoder``, ``8m4`` is one at 8 x 8 that adds the
    4 x 4 picture.

    Raises
    ------
    ValueError
        If the text cannot be read or its blocks do not fit together.
    """
    words = NAMED.get(config, config).split()
    pairs = dict(word.split("=", 1) for word in words if "=" in word)
    known = [field.name for field in fields(Architecture)]
    if len(pairs) != len(words) or not {"encoder", "decoder"} <= pairs.keys():
        raise ValueError(
            f"config: {config!r} is neither a name nor an architecture.{near(config, NAMED)} "
            f"Possible: {listing(NAMED)}, or 'encoder=8x1,8d2,4x1 decoder=4x1,8m4 width=16'."
        )
    for key in pairs:
        if key not in known:
            raise ValueError(f"config: no such key {key!r}. Possible: {listing(known)}.")
    sizes = {key: _size(key, pairs[key]) for key in known[2:] if key in pairs}
    found = Architecture(_blocks(pairs["encoder"], "d"), _blocks(pairs["decoder"], "m"), **sizes)
    _check(found)
    return found


def _size(key: str, text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise ValueError(f"config: {key}={text} is not a whole number of 1 or more.")
    return int(text)


def _blocks(text: str, letter: str) -> tuple[Block, ...]:
    """Return the blocks of ``8x3,8d2`` (letter d) or ``4x1,8m4`` (letter m)."""
    blocks: list[Block] = []
    for word in text.split(","):
        found = re.fullmatch(rf"([1-9]\d{{0,3}})(?:([x{letter}])([1-9]\d{{0,2}}))?", word)
        if not found:
            raise ValueError(f"config: {word!r} in {text!r} is not like 8x3 or 8{letter}2.")
        resolution, kind, number = int(found[1]), found[2], int(found[3] or 1)
        if kind == letter:
            blocks.append(Block(resolution, number))
        else:
            blocks += [Block(resolution)] * number
    return tuple(blocks)


def _check(made: Architecture) -> None:
    """Refuse blocks whose resolutions do not follow from one another."""
    here = made.encoder[0].resolution
    if here != made.size or here > LARGEST:
        raise ValueError(
            f"config: the encoder begins at {here} and the decoder ends at {made.size} pixels; "
            f"both must be the same and at most {LARGEST}."
        )
    down = {here}
    for block in made.encoder:
        if block.resolution != here or (block.change and here % block.change):
            raise ValueError(f"config: an encoder block at {block.resolution} follows {here}.")
        here //= block.change or 1
        down.add(here)
    up = {made.decoder[0].resolution}
    for block in made.decoder:
        if block.change is None and block.resolution in up:
            continue
        if block.change not in up or block.resolution % block.change:
            raise ValueError(
                f"config: a decoder block at {block.resolution} has nothing below it to begin "
                f"from; write {block.resolution}m{max(up)} before it."
            )
        up.add(block.resolution)
    if lacking := sorted(up - down):
        raise ValueError(f"config: the encoder never is at {listing(map(str, lacking))}.")
