"""A generator in ten lines: every picture in its mean colour."""

import numpy as np

from neurodiffuse.testing import check_generator, example_stimuli
from neurodiffuse.types import Generator, Images
from neurodiffuse_pixels.pca import PixelEncoder


class Flat(Generator):
    def restore(self, states):
        self.state = states["pixels"]

    def generate(self, latents, *, init, seeds):
        rows = latents["pixels"]
        flat = rows.values @ self.state["components"] + self.state["mean"]
        colours = (255 * flat.reshape(len(flat), -1, 3).mean(axis=1)).clip(0, 255)
        values = np.tile(colours.round().astype(np.uint8)[:, None, None], (1, 64, 64, 1))
        return Images(rows.ids, values)


stimuli = example_stimuli(12)
encoder = PixelEncoder(components=5, size=32)
encoder.fit(stimuli)
latents = {"pixels": encoder.encode(stimuli)}

check_generator(Flat(), latents, states={"pixels": encoder.state()})
print("Flat keeps its promises.")
