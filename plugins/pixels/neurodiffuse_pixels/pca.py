"""Principal components of pixels as latents, and the picture they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from neurodiffuse.types import Encoder, Generator, Images, Latents, Shape, Stimuli

BATCH = 256


class PixelEncoder(Encoder):
    """Project an image onto the principal components of the training images.

    Parameters
    ----------
    components
        How many components are kept; images have fewer when there are fewer training images
        or pixels, and the others are then 0.
    size
        Images are squashed to ``size`` × ``size`` pixels (bicubic, antialiased).
    """

    def __init__(self, components: int = 60, size: int = 64) -> None:
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        if not 4 <= size <= 512:
            raise ValueError(f"size must be between 4 and 512 pixels, not {size}")
        self.components = components
        self.size = size
        self._state: dict[str, np.ndarray] = {}

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((components,),)``."""
        return ((self.components,),)

    def fit(self, stimuli: Stimuli) -> None:
        """Learn mean and components, batch by batch (scikit-learn's IncrementalPCA).

        Up to 1,024 images are solved at once (full SVD); more go through in batches.
        """
        from sklearn.decomposition import PCA, IncrementalPCA

        n = min(self.components, len(stimuli), 3 * self.size**2)
        if len(stimuli) <= 1024:
            pca = PCA(n, svd_solver="full").fit(np.vstack(list(self._batches(stimuli))))
        else:
            pca = IncrementalPCA(n)
            for batch in self._batches(stimuli, at_least=n):
                pca.partial_fit(batch)
        components = np.zeros((self.components, pca.mean_.size), np.float32)
        components[: len(pca.components_)] = pca.components_
        self._state = {"mean": pca.mean_.astype(np.float32), "components": components}

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the components' weights, float32 (n_images, components)."""
        if not self._state:
            raise RuntimeError("PixelEncoder.encode before fit or restore")
        mean, components = self._state["mean"], self._state["components"]
        rows = [(batch - mean) @ components.T for batch in self._batches(stimuli)]
        return Latents(stimuli.ids, np.vstack(rows).astype(np.float32), self.shapes())

    def state(self) -> dict[str, np.ndarray]:
        """Return ``mean`` (n_pixels,) and ``components`` (components, n_pixels)."""
        return dict(self._state)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what `state` returned."""
        self._state = dict(state)

    def _batches(self, stimuli: Stimuli, at_least: int = 1) -> Iterator[np.ndarray]:
        starts = list(range(0, len(stimuli), max(BATCH, at_least)))
        for k, start in enumerate(starts):
            last = k + 2 == len(starts) and len(stimuli) - starts[-1] < at_least
            stop = len(stimuli) if last else start + max(BATCH, at_least)
            yield np.stack([self._pixels(image) for image in stimuli.images[start:stop]])
            if last:
                return

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        small = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.asarray(small, np.float32).ravel() / 255


class PixelGenerator(Generator):
    """Paint the picture that the predicted components add up to.

    Parameters
    ----------
    size
        Width and height of the picture in pixels; 0 keeps the encoder's.
    """

    def __init__(self, size: int = 0) -> None:
        if size < 0 or size > 2048:
            raise ValueError(f"size must be between 0 and 2048 pixels, not {size}")
        self.size = size
        self._state: Mapping[str, np.ndarray] = {}

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take the components that the encoder of ``pixels`` has learned."""
        self._state = states["pixels"]

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return mean + weights @ components, clipped to what a pixel can be; no randomness."""
        rows = latents["pixels"]
        flat = rows.values @ self._state["components"] + self._state["mean"]
        side = round((flat.shape[1] / 3) ** 0.5)
        values = (flat.clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, side, side, 3)
        if self.size and self.size != side:
            size = (self.size, self.size)
            large = [Image.fromarray(v).resize(size, Image.Resampling.BICUBIC) for v in values]
            values = np.stack([np.asarray(image) for image in large])
        return Images(rows.ids, values)
