"""Random numbers of an image's own seed.

They are drawn by numpy on the CPU: torch's CPU generator looks at the lower 32 bits of a seed
only, and those of GPUs draw other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch


class Noise:
    """Random values for several images, each drawn from its own seed.

    What is drawn for image i depends on ``seeds[i]``, on ``stream`` and on what was drawn
    before, never on the other images.

    Parameters
    ----------
    seeds
        One whole number, 0 or more, for each image.
    stream
        Keeps apart what different stages draw from one seed.
    """

    def __init__(self, seeds: Sequence[int], *, stream: int = 0) -> None:
        self._generators = [np.random.default_rng([stream, int(seed)]) for seed in seeds]

    def __len__(self) -> int:
        return len(self._generators)

    def normal(
        self,
        shape: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Return standard normal values (n_images, *shape)."""
        return self._draw(
            lambda rng: rng.standard_normal(tuple(shape), np.float32), shape, device, dtype
        )

    def uniform(
        self,
        shape: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Return values (n_images, *shape), 0 included and 1 excluded."""
        return self._draw(lambda rng: rng.random(tuple(shape), np.float32), shape, device, dtype)

    def _draw(
        self,
        one: Callable[[np.random.Generator], np.ndarray],
        shape: Sequence[int],
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        values = np.empty((len(self), *shape), np.float32)
        for i, generator in enumerate(self._generators):
            values[i] = one(generator)
        return torch.from_numpy(values).to(device, dtype)


def noise(
    shape: Sequence[int],
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    *,
    dtype: torch.dtype = torch.float32,
    stream: int = 0,
) -> torch.Tensor:
    """Return standard normal values (n_images, *shape), image i's from ``seeds[i]`` alone."""
    return Noise(seeds, stream=stream).normal(shape, device, dtype)
