"""The three kinds of latents: autoencoder layers, picture tokens, caption tokens.

Every image goes through a network on its own, so that a row never depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.types import Encoder, Latents, Shape, Stimuli
from neurodiffuse_demo import shapes
from neurodiffuse_demo.inference import inference
from neurodiffuse_demo.pictures import network_input


class VaeEncoder(Encoder):
    """Encode images into the layers of the hierarchical autoencoder.

    Posterior means, top down: two layers at 1 x 1, three at 4 x 4, three at 8 x 8, two at 16 x 16.

    Parameters
    ----------
    layers
        How many of the ten layers, from the top, are latents; the generator samples the others.
        The last two hold where things are to a sixteenth of the picture.
    """

    def __init__(self, layers: int = shapes.REGRESSED) -> None:
        if not 1 <= layers <= len(shapes.VAE):
            raise ValueError(f"layers must be between 1 and {len(shapes.VAE)}, not {layers}")
        self.layers = layers
        self._network: Any = None

    def shapes(self) -> tuple[Shape, ...]:
        """Return (channels, resolution, resolution) of each layer."""
        return shapes.VAE[: self.layers]

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the layers' means, float32 (n, 2336) when there are eight, (n, 4384) when ten."""
        self._network = self._network or _network("vae")

        def row(i: int) -> np.ndarray:
            means = self._network.latents(network_input(stimuli.images[i]), self.layers)
            return np.concatenate([z.flatten().numpy() for z in means])

        return _latents(stimuli, self.shapes(), row)


class VisionEncoder(Encoder):
    """Encode images into the tokens of the picture tower: the pooled one, then 4 x 4 places."""

    def __init__(self) -> None:
        self._network: Any = None

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((17, 96),)``."""
        return (shapes.VISION,)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the tokens divided by the length of the pooled one, float32 (n, 1632)."""
        self._network = self._network or _network("vision")
        return _latents(
            stimuli,
            self.shapes(),
            lambda i: self._network(network_input(stimuli.images[i])).flatten().numpy(),
        )


class TextEncoder(Encoder):
    """Encode captions into the tokens of the caption tower, averaged over an image's captions."""

    def __init__(self) -> None:
        self._network: Any = None
        self._words: tuple[str, ...] = ()

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((18, 96),)``."""
        return (shapes.TEXT,)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the mean tokens, float32 (n, 1728).

        Raises
        ------
        DataError
            If an image has no caption.
        """
        if self._network is None:
            from neurodiffuse_demo.weights import network

            self._network, notes = network("text")
            self._words = tuple(notes["words"].split())
        return _latents(stimuli, self.shapes(), lambda i: self._row(stimuli, i))

    def _row(self, stimuli: Stimuli, i: int) -> np.ndarray:
        from neurodiffuse_demo.nets.clip import tokens

        captions = [caption for caption in stimuli.captions[i] if caption.strip()]
        if not captions:
            raise DataError(
                f"demo-text: image {stimuli.ids[i]} has no caption. Add captions to the data "
                "set, or leave the text feature out of the recipe."
            )
        rows = [self._network(tokens([caption], self._words)) for caption in captions]
        mean: np.ndarray = np.mean([row.flatten().numpy() for row in rows], axis=0)
        return mean


def _network(name: str) -> Any:
    from neurodiffuse_demo.weights import network

    return network(name)[0]


def _latents(
    stimuli: Stimuli, sizes: tuple[Shape, ...], row: Callable[[int], np.ndarray]
) -> Latents:
    """Return latents of one image after the other."""
    with inference():
        values = np.stack([row(i) for i in range(len(stimuli))]).astype(np.float32)
    return Latents(stimuli.ids, values, sizes)
