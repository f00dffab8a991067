"""From scenes to latents, from betas to predicted latents, from latents to pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

from neurodiffuse.decoders import rescaling, ridge
from neurodiffuse.progress import progress
from neurodiffuse.simulate.scenes import Scene
from neurodiffuse.types import Encoder, Images, Latents, Stimuli
from neurodiffuse_demo.encoders import TextEncoder, VaeEncoder, VisionEncoder
from neurodiffuse_demo.generators import DiffusionGenerator, VaeGenerator

Given = Mapping[str, Latents]


def recipe() -> dict[str, Any]:
    """Return the shipped recipe."""
    text = files("neurodiffuse_demo").joinpath("recipes/demo.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def alphas() -> dict[str, float]:
    """Return the recipe's ridge penalties by feature."""
    return {name: float(part["alpha"]) for name, part in recipe()["features"].items()}


def encoders() -> dict[str, Encoder]:
    """Return the recipe's encoders by feature."""
    return {
        "vae": VaeEncoder(layers=recipe()["features"]["vae"]["layers"]),
        "vision": VisionEncoder(),
        "text": TextEncoder(),
    }


def stimuli(scenes: Sequence[Scene]) -> Stimuli:
    """Return scenes as stimuli, numbered."""
    return Stimuli(
        tuple(f"scene-{k:04d}" for k in range(len(scenes))),
        [s.image for s in scenes],
        tuple(s.captions for s in scenes),
    )


def encode(scenes: Sequence[Scene]) -> Given:
    """Return the true latents of scenes by feature."""
    seen = stimuli(scenes)
    return {name: one.encode(seen) for name, one in progress(encoders().items(), "encode")}


class Decoder:
    """Ridge maps from standardised betas to every feature.

    Parameters
    ----------
    betas
        Training betas (n, voxels), standardised.
    targets
        True latents of the training scenes.
    alphas
        Ridge penalty of each feature.
    """

    def __init__(self, betas: np.ndarray, targets: Given, alphas: Mapping[str, float]) -> None:
        self.targets = targets
        self.gram = ridge.gram(betas)
        self.factors = {name: ridge.factorise(self.gram, alpha) for name, alpha in alphas.items()}
        rows = ridge.held_out_rows(len(betas), 500)
        self.held_out = {k: ridge.leave_out_hat(f, rows) for k, f in self.factors.items()}

    def predict(self, betas: np.ndarray) -> Given:
        """Return predicted latents with the spread of the training latents."""
        cross, out = ridge.cross_gram(self.gram, betas), {}
        for name, target in self.targets.items():
            rows = ridge.hat(self.factors[name], cross)
            (block,) = ridge.predict_blocks(
                np.vstack([rows, self.held_out[name]]), [(slice(None), target.values)]
            )
            seen, held = np.split(block.deviation, [len(betas)])
            done = rescaling.rescale(seen, block.mean, block.sd, kind="train", held_out=held)
            out[name] = _latents(done.values, target)
        return out

    def pattern(self, voxels: np.ndarray) -> Given:
        """Return the latents of a pattern: 1 in the voxels, 0 elsewhere, scaled to real ones.

        The deviation from the mean gets the length that those of training scenes have.
        """
        x = voxels.astype(np.float32)[None]
        cross, out = ridge.cross_gram(self.gram, x), {}
        for name, target in self.targets.items():
            rows = ridge.hat(self.factors[name], cross)
            (block,) = ridge.predict_blocks(rows, [(slice(None), target.values)])
            usual = np.sqrt((block.sd**2).sum())
            length = usual / np.sqrt((block.deviation**2).sum())
            out[name] = _latents(block.deviation * length + block.mean, target)
        return out


def _latents(values: np.ndarray, like: Latents) -> Latents:
    ids = tuple(f"row-{k:04d}" for k in range(len(values)))
    return Latents(ids, values.astype(np.float32), like.shapes)


def repeated(given: Given, times: int) -> Given:
    """Return one row's latents several times, to paint it with several seeds."""
    return {
        name: _latents(np.repeat(rows.values[:1], times, axis=0), rows)
        for name, rows in given.items()
    }


@dataclass(eq=False)
class Painter:
    """The generators of the two stages; networks are loaded once, options can be changed.

    ``options`` are those of the second stage.
    """

    first_guess: VaeGenerator = field(default_factory=VaeGenerator)
    second: DiffusionGenerator = field(default_factory=DiffusionGenerator)

    def first(self, given: Given, seed: int = 0) -> Images:
        """Return the first guesses."""
        n = len(given["vae"].ids)
        return self.first_guess.generate(given, init=None, seeds=range(seed, seed + n))

    def both(self, given: Given, init: Images | None, seed: int = 0, **options: Any) -> Images:
        """Return what the second stage makes of the first guesses, or of noise without them."""
        n = len(given["vision"].ids)
        start = "noise" if init is None else "first-guess"
        generator = DiffusionGenerator(**{"start": start, **options})
        generator._denoiser, generator._vae = self.second._denoiser, self.second._vae
        made = generator.generate(given, init=init, seeds=range(seed, seed + n))
        self.second._denoiser, self.second._vae = generator._denoiser, generator._vae
        return made
