"""Where weights are and in which layout. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.models import folder_of, locate
from neurodiffuse_versatile_diffusion.models import IMAGE_UNET, VERSATILE_DIFFUSION

COMPACT = "neurodiffuse-compact-fp16.safetensors"
"""Name of the file with all that is needed, in half precision."""

Layout = Literal["hub", "original", "compact"]

FOUR_FLOW = "vd-four-flow*.pth"
KL = "kl-f8.pth"


@dataclass(frozen=True)
class Source:
    """Weights on this machine.

    ``folder`` is where a compact file may lie, or is the compact file; ``files`` are what one is
    made of: none where it is all there is.
    """

    folder: Path
    layout: Layout
    files: tuple[Path, ...] = ()


def find(given: str = "") -> Source:
    """Return the weights that a user gave, or the fetched ones.

    ``given`` is a folder in the layout of the hub (``image_unet/``, ``text_unet/``, ``vae/``),
    a folder with the original ``vd-four-flow….pth`` and ``kl-f8.pth``, the former file itself,
    or a compact file.

    Raises
    ------
    MissingDataError
        If a file lacks; it is named.
    """
    if not given:
        return _fetched()
    place = Path(given).expanduser()
    if place.is_file() and place.suffix == ".safetensors":
        return Source(place, "compact")
    if place.is_file():
        return _original(place)
    if not place.is_dir():
        raise MissingDataError(
            f"weights {VERSATILE_DIFFUSION.name!r}: {place} does not exist. Give a folder of "
            "shi-labs/versatile-diffusion, the original .pth file, or nothing to use fetched "
            f"weights (neurodiffuse models fetch {VERSATILE_DIFFUSION.name})."
        )
    if (place / IMAGE_UNET).parent.is_dir():
        return _hub(locate(VERSATILE_DIFFUSION, place))
    if checkpoints := sorted(place.rglob(FOUR_FLOW)):
        return _original(_chosen(checkpoints))
    if (place / COMPACT).is_file():
        return Source(place, "compact")
    raise MissingDataError(
        f"weights {VERSATILE_DIFFUSION.name!r}: {place} has neither {IMAGE_UNET} nor "
        f"{FOUR_FLOW} nor {COMPACT}."
    )


def _fetched() -> Source:
    """Return the fetched weights, or the compact file where the others were deleted."""
    folder = folder_of(VERSATILE_DIFFUSION)
    try:
        return _hub(locate(VERSATILE_DIFFUSION))
    except MissingDataError:
        if (folder / COMPACT).is_file():
            return Source(folder, "compact")
        raise


def _hub(folder: Path) -> Source:
    files = tuple(folder / file.path for file in VERSATILE_DIFFUSION.files)
    return Source(folder, "hub", files)


def _original(checkpoint: Path) -> Source:
    kl = checkpoint.with_name(KL)
    if not kl.is_file():
        raise MissingDataError(
            f"weights {VERSATILE_DIFFUSION.name!r}: {kl} is not there; the autoencoder belongs "
            f"beside {checkpoint.name}."
        )
    return Source(checkpoint.parent, "original", (checkpoint, kl))


def _chosen(checkpoints: list[Path]) -> Path:
    """Return the one checkpoint, or of several the one that Brain-Diffuser used."""
    published = [path for path in checkpoints if path.stem.endswith("fp16-deprecated")]
    if len(checkpoints) == 1 or len(published) == 1:
        return (published or checkpoints)[0]
    raise DataError(
        f"weights {VERSATILE_DIFFUSION.name!r}: {len(checkpoints)} files {FOUR_FLOW} under "
        f"{checkpoints[0].parent}; give the one to use."
    )
