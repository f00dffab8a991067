"""Paint latents: the generators of the recipe, one stage on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurodiffuse.errors import PluginError
from neurodiffuse.run import Run
from neurodiffuse.types import Generator, Images, Latents


class Painter:
    """The stages of a run's recipe, knowing what the encoders of a subject have learned.

    Generators are made once and kept, so that networks are loaded once.
    """

    def __init__(self, run: Run, subject: str) -> None:
        self.run = run
        self.generators = {stage: self._restored(stage, subject) for stage in run.config.stages}

    def _restored(self, stage: str, subject: str) -> Generator:
        run, part = self.run, self.run.config.stages[stage]
        generator, states = run.generator(stage), {}
        for read in run.registry.card("generator", part.generator).reads:
            place = run.latents(subject, part.features.get(read, read))
            with np.load(place / "state.npz") as stored:
                states[read] = dict(stored)
        generator.restore(states)
        return generator

    def paint(self, latents: Mapping[str, Latents], seeds: Sequence[int]) -> dict[str, Images]:
        """Return the pictures of each stage: one set of latents (a row each), many seeds."""
        ids = tuple(str(seed) for seed in seeds)
        rows = {
            feature: Latents(ids, np.repeat(one.values[:1], len(ids), axis=0), one.shapes)
            for feature, one in latents.items()
        }
        made: dict[str, Images] = {}
        for stage, generator in self.generators.items():
            part = self.run.config.stages[stage]
            reads = self.run.registry.card("generator", part.generator).reads
            given = {read: rows[part.features.get(read, read)] for read in reads}
            init = made[part.init] if part.init else None
            pictures = generator.generate(given, init=init, seeds=tuple(seeds))
            made[stage] = _checked(part.generator, pictures, ids)
        return made


def _checked(name: str, made: Images, ids: tuple[str, ...]) -> Images:
    values = np.asarray(made.values)
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[::3] != (len(ids), 3):
        raise PluginError(
            f"generator {name!r}: returned {values.dtype} of shape {values.shape}; {len(ids)} "
            "pictures of uint8 (height, width, 3) are needed."
        )
    return Images(ids, values)
