"""Paint latents: the generators of the recipe, one stage on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurodiffuse import painting
from neurodiffuse.run import Run
from neurodiffuse.types import Images, Latents


class Painter:
    """The stages of a run's recipe, knowing what the encoders of a subject have learned.

    Generators are made once and kept, so that networks are loaded once.
    """

    def __init__(self, run: Run, subject: str) -> None:
        self.run = run
        self.generators = {
            stage: painting.restored_generator(run, subject, stage) for stage in run.config.stages
        }

    def paint(self, latents: Mapping[str, Latents], seeds: Sequence[int]) -> dict[str, Images]:
        """Return the pictures of each stage.

        Each seed has a row of ``latents``, or all have the only one.
        """
        ids = tuple(str(seed) for seed in seeds)
        rows = {}
        for feature, one in latents.items():
            values = np.repeat(one.values, len(ids) // len(one.ids), axis=0)
            rows[feature] = Latents(ids, values, one.shapes)
        made: dict[str, Images] = {}
        for stage, generator in self.generators.items():
            part = self.run.config.stages[stage]
            given = {read: rows[f] for read, f in painting.given_to(self.run, stage).items()}
            init = made[part.init] if part.init else None
            pictures = generator.generate(given, init=init, seeds=tuple(seeds))
            made[stage] = painting.checked(part.generator, pictures, ids)
        return made
