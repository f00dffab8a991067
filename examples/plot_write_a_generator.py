"""
Write a generator
=================

A generator turns latents into pictures. This one paints a mosaic: it adds up the predicted
principal components, as the ``pixels`` backend does, and gives every tile its mean colour. It is
small and complete: options that are checked, what the encoder has learned, a picture for each row,
the contract's own check, a recipe, a run. The tutorial :doc:`/tutorial/generator` makes a
distribution of it.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from neurodiffuse import cards, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import ConfigError
from neurodiffuse.plan import plan_of
from neurodiffuse.plan_text import results
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.testing import check_generator, example_stimuli
from neurodiffuse.types import Generator, Images, Latents
from neurodiffuse_pixels.pca import PixelEncoder

# %%
# The class
# ---------
# The constructor only stores, and its arguments are the options of the recipe's section.


class Mosaic(Generator):
    """Paint the picture of the components in square tiles of one colour.

    Parameters
    ----------
    tiles
        Tiles along a side; it must divide the side of the picture.
    """

    def __init__(self, tiles: int = 16) -> None:
        if tiles < 1:
            raise ValueError(f"tiles must be 1 or more, not {tiles}")
        self.tiles = tiles
        self._state: Mapping[str, np.ndarray] = {}

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take the components that the encoder of ``pixels`` has learned."""
        self._state = states["pixels"]

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one mosaic for each row of the latents; nothing is random here."""
        rows = latents["pixels"]
        flat = rows.values @ self._state["components"] + self._state["mean"]
        side = round((flat.shape[1] / 3) ** 0.5)
        if side % self.tiles:
            raise ConfigError(f"mosaic: {self.tiles} tiles do not divide {side} pixels.")
        tile = side // self.tiles
        pictures = flat.reshape(-1, self.tiles, tile, self.tiles, tile, 3)
        means = pictures.mean(axis=(2, 4)).clip(0, 1)
        values = np.repeat(np.repeat(means, tile, axis=1), tile, axis=2)
        return Images(rows.ids, (255 * values).round().astype(np.uint8))


# %%
# The hook
# --------
# It names the class, which is imported only when a recipe uses it. ``reads`` lists the features
# whose predicted latents ``generate`` is given.


CARDS = [
    cards.Generator(
        "mosaic",
        f"{__name__}:Mosaic",
        summary="Tiles in the mean colours of the predicted picture",
        reads=("pixels",),
        licence="BSD-3-Clause",
    )
]


# %%
# The check
# ---------
# It raises ``AssertionError`` with the promise that is broken: pictures that are not ``uint8``,
# that change from call to call, or that depend on the other pictures of the call.

stimuli = example_stimuli(12)
encoder = PixelEncoder(components=5, size=32)
encoder.fit(stimuli)
latents = {"pixels": encoder.encode(stimuli)}
check_generator(Mosaic(tiles=8), latents, states={"pixels": encoder.state()})
print("Mosaic keeps the contract.")

# %%
# A recipe that uses it
# ---------------------
# The recipe ``pixels`` and one stage more. Every key of a section that recipes do not know
# themselves, such as ``tiles``, is an argument of the class.

recipe = Path(tempfile.mkdtemp()) / "mosaic.toml"
recipe.write_text("""
name = "mosaic"
summary = "Principal components of the pixels, painted in tiles"
extends = "pixels"

[stages.tiles]
generator = "mosaic"
tiles = 8
""")

# %%
# Run it
# ------
# An installed plugin is found by its entry point, and the command ``decode`` would do the rest.
# Here the module registers itself and then does what that command does.

registry = Registry.installed()
registry.add("mosaic", sys.modules[__name__])

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
config = resolve(registry, dataset="bids", subjects=["01"], recipe=str(recipe), root=str(root))
config, dataset = pipeline.open_subjects(config, registry)
run = Run(recipe.parent / "run", config, registry, dataset, quiet=True)
plan_of(run)
with opened(run):
    pipeline.execute(run)
    print(results(run))

# %%
# What it painted
# ---------------
# The first eight test images. Beside the stage before, ``recon``, the mosaic loses its edges, and
# identification by gradient histograms falls to near chance. Yet by PixCorr and SSIM it is the
# better picture: the mean over a tile takes out noise that these two scores punish. No single
# score says what looks right, which is why a recipe has several.

names = run.subject("01").trials.images("test")[:8]
painted = run.folder("generate", "01") / "decoded"
fig, axes = plt.subplots(3, len(names), figsize=(9, 3.5), layout="constrained")
for column, name in enumerate(names):
    label = name.removeprefix("stim-")
    files = {
        "seen": root / "stimuli" / f"{name}_image.png",
        "recon": painted / "recon" / f"{label}.png",
        "tiles": painted / "tiles" / f"{label}.png",
    }
    for axis, (title, file) in zip(axes[:, column], files.items(), strict=True):
        axis.imshow(np.asarray(Image.open(file)))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if column == 0:
            axis.set_ylabel(title, rotation=0, ha="right", va="center")
