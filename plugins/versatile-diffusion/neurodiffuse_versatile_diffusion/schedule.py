"""Which noise levels are visited, from where, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Convention = Literal["reference", "diffusers"]

TRAINED = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
"""The noise that Versatile Diffusion was trained on (configs/model/vd.yaml)."""


def _rule(name: str) -> Any:
    """Return diffusers' scheduler of this name.

    DDIM visits 981, 961 … 1 of 50 steps, as the reference does. The solvers of higher order take
    few steps, and those start from the very last level.
    """
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler

    if name == "ddim":
        return DDIMScheduler(
            **TRAINED,
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            timestep_spacing="leading",
        )
    if name == "dpm++":
        return DPMSolverMultistepScheduler(
            **TRAINED, algorithm_type="dpmsolver++", timestep_spacing="trailing"
        )
    if name == "unipc":
        return UniPCMultistepScheduler(**TRAINED, timestep_spacing="trailing")
    raise ValueError(f"scheduler must be 'ddim', 'dpm++' or 'unipc', not {name!r}")


@dataclass
class Schedule:
    """The steps of one way from noise, or from a noised picture, to a picture.

    Parameters
    ----------
    scheduler
        ``"ddim"`` (deterministic, eta 0), ``"dpm++"`` or ``"unipc"``.
    steps
        Steps of the whole way from pure noise.
    strength
        Share of them that is taken, ``int(strength * steps)``: 0.75 of 50 are 37.
    convention
        How noisy a first guess is made. ``"reference"``: like the level *before* the first one
        that is denoised (Brain-Diffuser's code: noise of t = 741, denoised from t = 721);
        ``"diffusers"``: like the first one.
    """

    scheduler: str = "ddim"
    steps: int = 50
    strength: float = 1.0
    convention: Convention = "reference"

    def __post_init__(self) -> None:
        self._rule = _rule(self.scheduler)
        self._rule.set_timesteps(self.steps)
        self._times = [int(t) for t in self._rule.timesteps]

    @property
    def taken(self) -> int:
        """How many steps are taken."""
        # as the published script has it, which cuts off what floating point leaves below a
        # whole number too: 0.58 of 50 are 28
        return min(int(self.strength * self.steps), len(self._times))

    @property
    def times(self) -> list[int]:
        """The noise levels that the network is asked at, falling."""
        return self._times[len(self._times) - self.taken :]

    def noised(self, z: Tensor, noise: Tensor) -> Tensor:
        """Return latents at the level where this way begins: ``sqrt(a) z + sqrt(1 - a) noise``.

        At strength 1 nothing of ``z`` is left: the noise alone. Without any step nothing is
        added.
        """
        if not self.taken:
            return z
        first = len(self._times) - self.taken
        if first == 0:
            return noise
        at = self._times[first - 1 if self.convention == "reference" else first]
        kept = float(self._rule.alphas_cumprod[at])
        return kept**0.5 * z + (1 - kept) ** 0.5 * noise

    def walk(self) -> Iterator[Step]:
        """Yield the steps, beginning afresh each time (solvers remember the steps before)."""
        self._rule.set_timesteps(self.steps)
        if self.scheduler != "ddim":
            self._rule.set_begin_index(len(self._times) - self.taken)
        for time in self.times:
            yield Step(self._rule, time)


@dataclass(frozen=True)
class Step:
    """One step: the noise level it is taken at."""

    rule: Any
    time: int

    def __call__(self, noise: Tensor, z: Tensor) -> Tensor:
        """Return the latents one step nearer to the picture, given the noise found in them."""
        moved: Tensor = self.rule.step(noise, torch.tensor(self.time), z, return_dict=False)[0]
        return moved
