"""One loop for all four networks: fixed steps, resumable, the same bytes on the same machine."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor, nn

WARM = 100
EVERY = 50
"""Steps of the learning rate's rise, and between two lines of the log."""


@dataclass(frozen=True, eq=False)
class Course:
    """What is trained and how.

    ``loss(step)`` draws the step's batch from the step number alone, so that a resumed training
    sees what an uninterrupted one sees. The learning rate is constant from the warm-up until
    ``decay`` of the steps are left, then falls in a line to a hundredth.
    """

    name: str
    model: nn.Module
    loss: Callable[[int], tuple[Tensor, dict[str, float]]]
    optimisers: Sequence[torch.optim.Optimizer]
    steps: int
    decay: float = 0.45
    average: float = 0.998


def device() -> torch.device:
    """Return the accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def rate(step: int, steps: int, decay: float) -> float:
    """Return the learning rate of a step as a share of the highest."""
    rise = min(1.0, (step + 1) / min(WARM, max(1, steps // 10)))
    left = (steps - step) / (decay * steps)
    return rise * min(1.0, max(0.01, left))


def train(course: Course, folder: Path, *, pause: float = 60.0) -> nn.Module:
    """Run a course to its end and return the running average of its model.

    Parameters
    ----------
    course
        What to train.
    folder
        Where the checkpoint is written every ``pause`` seconds and where it is resumed from.
    pause
        Seconds between two checkpoints.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{course.name}.pt"
    mean = copy.deepcopy(course.model).eval().requires_grad_(False)
    step = _resume(course, mean, path)
    saved = time.monotonic()
    course.model.train()
    with (folder / f"{course.name}.log").open("a") as log:
        diary = Diary(course, step, log)
        while step < course.steps:
            _set_rate(course, rate(step, course.steps, course.decay))
            torch.manual_seed(step)
            loss, parts = course.loss(step)
            _update(course, loss)
            _average(mean, course.model, min(course.average, (1 + step) / (10 + step)))
            step += 1
            diary.note(step, {"loss": loss.item(), **parts})
            if time.monotonic() - saved > pause or step == course.steps:
                _save(course, mean, step, path)
                saved = time.monotonic()
    return mean


class Diary:
    """Means of what was measured since the last line, and the time left."""

    def __init__(self, course: Course, step: int, log: TextIO) -> None:
        self.course, self.log = course, log
        self.first, self.begun = step, time.monotonic()
        self.seen: dict[str, list[float]] = {}

    def note(self, step: int, parts: dict[str, float]) -> None:
        """Remember a step; every so often write a line."""
        for key, value in parts.items():
            self.seen.setdefault(key, []).append(value)
        if step % EVERY and step != self.course.steps:
            return
        done = step - self.first
        left = (time.monotonic() - self.begun) / done * (self.course.steps - step)
        means = "  ".join(f"{k} {sum(v) / len(v):.4f}" for k, v in self.seen.items())
        line = f"{self.course.name} {step}/{self.course.steps}  {means}  {left / 60:.1f} min left"
        print(line, flush=True)
        self.log.write(line + "\n")
        self.log.flush()
        self.seen = {}


def _set_rate(course: Course, share: float) -> None:
    for optimiser in course.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("highest", group["lr"]) * share


def _update(course: Course, loss: Tensor) -> None:
    for optimiser in course.optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(course.model.parameters(), 1.0)
    for optimiser in course.optimisers:
        optimiser.step()


@torch.no_grad()
def _average(mean: nn.Module, model: nn.Module, keep: float) -> None:
    for old, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new.to(old.dtype), 1 - keep)
        else:
            old.copy_(new)


def _save(course: Course, mean: nn.Module, step: int, path: Path) -> None:
    state = {
        "step": step,
        "model": course.model.state_dict(),
        "mean": mean.state_dict(),
        "optimisers": [o.state_dict() for o in course.optimisers],
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _resume(course: Course, mean: nn.Module, path: Path) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location=device())
    course.model.load_state_dict(state["model"])
    mean.load_state_dict(state["mean"])
    for optimiser, kept in zip(course.optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(kept)
    return int(state["step"])
