"""Networks at work: what a stage of the recipe is given, what its encoders have learned.

The generate step and every question that paints or encodes again take their networks from here.
"""

from __future__ import annotations

import numpy as np

from neurodiffuse.errors import PluginError
from neurodiffuse.run import Run
from neurodiffuse.store import load_arrays
from neurodiffuse.types import Encoder, Generator, Images, Stimuli


def given_to(run: Run, stage: str) -> dict[str, str]:
    """Return, for each name that a stage's generator is given, the recipe's feature of it.

    These are the names it reads less those that the recipe withholds (``without``).
    """
    part = run.config.stages[stage]
    reads = run.registry.card("generator", part.generator).reads
    return {read: part.features.get(read, read) for read in reads if read not in part.without}


def restored_generator(run: Run, subject: str, stage: str) -> Generator:
    """Return a generator that knows what the encoders of its features have learned."""
    generator = run.generator(stage)
    states = {read: _state(run, subject, f) for read, f in given_to(run, stage).items()}
    generator.restore(states)
    return generator


def restored_encoder(run: Run, subject: str, feature: str) -> Encoder:
    """Return an encoder that knows what it has learned from a subject's training images."""
    encoder = run.encoder(feature)
    encoder.restore(_state(run, subject, feature))
    return encoder


def encoded(encoder: Encoder, stimuli: Stimuli, size: int) -> np.ndarray:
    """Return the latents of some stimuli, (n_stimuli, size).

    Raises
    ------
    PluginError
        If they have another shape or are not finite.
    """
    values = np.asarray(encoder.encode(stimuli).values)
    if values.shape != (len(stimuli), size):
        raise PluginError(
            f"encoder {type(encoder).__name__}: returned latents of shape {values.shape} for "
            f"{len(stimuli)} stimuli; its shapes() promise {(len(stimuli), size)}."
        )
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise PluginError(
            f"encoder {type(encoder).__name__}: latents of {stimuli.ids[row]} are not finite."
        )
    return values


def checked(name: str, made: Images, ids: tuple[str, ...]) -> Images:
    """Return what a generator made for these images, under their ids.

    Raises
    ------
    PluginError
        If they are not as many pictures of uint8 (height, width, 3).
    """
    values = np.asarray(made.values)
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[::3] != (len(ids), 3):
        raise PluginError(
            f"generator {name!r}: returned {values.dtype} of shape {values.shape}; {len(ids)} "
            "pictures of uint8 (height, width, 3) are needed."
        )
    return Images(ids, values)


def _state(run: Run, subject: str, feature: str) -> dict[str, np.ndarray]:
    return load_arrays(run.latents(subject, feature) / "state.npz")
