"""A data set, an encoder, generators and a metric that live in memory, for tests of the core."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.types import (
    Dataset,
    Encoder,
    Generator,
    Grid,
    Images,
    Latents,
    Metric,
    Roi,
    Stimuli,
    Subject,
    Trials,
)

SHAPE = (6, 5, 4)


class Toy(Dataset):
    """Images of one colour each; every voxel of the left half follows one channel, noisily."""

    def __init__(
        self, root: str = "", train: int = 40, test: int = 6, fault: str = "", noise: float = 0.1
    ) -> None:
        self.root, self.fault, self.noise = root, fault, noise
        self.train, self.test = train, test

    def subjects(self) -> tuple[str, ...]:
        return ("01", "02", "10")

    def _colour(self, image: str) -> np.ndarray:
        return np.random.default_rng([7, int(image[1:])]).uniform(0, 1, 3)

    def subject(self, label: str) -> Subject:
        train = [f"i{k}" for k in range(self.train)]
        test = [f"i{1000 + 12 * (k // 12) + 7 * k % 12}" for k in range(self.test)]
        if self.fault == "overlap":
            test[0] = train[0]
        order = [*train, *test, *test, *train[::2]]
        split = ["train"] * len(train) + ["test"] * 2 * len(test) + ["train"] * len(train[::2])
        session = tuple("1" if k < len(order) // 2 else "2" for k in range(len(order)))
        trials = Trials(tuple(order), tuple(split), session, session)
        rois = (
            Roi("left"),
            Roi("V1"),
            Roi("FFA1"),
            Roi("nothing"),
            Roi("ecc", "map", units="degree"),
        )
        return Subject(label, Grid(SHAPE, np.diag([2.0, 2, 2, 1]), "toy"), trials, rois, "left")

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        about = self.subject(label)
        if self.fault == "killed" and label == "02":
            end_once(Path(self.root))
        rng = np.random.default_rng([3, int(label)])
        weights = rng.standard_normal((3, about.grid.size))
        for session in ("1", "2"):
            rows = [k for k, s in enumerate(about.trials.session) if s == session]
            colours = np.array([self._colour(about.trials.stimulus[k]) for k in rows])
            noise = [self._noise(label, k, about) for k in rows]
            values = colours @ weights + self.noise * np.array(noise)
            values[:, 0] = 3.0  # a voxel without variance
            if self.fault == "infinite":
                values[1, 7] = np.nan
            if self.fault == "short" and session == "2":
                values = values[:-1]
            yield values[:, voxels].astype(np.float32)

    def _noise(self, label: str, trial: int, about: Subject) -> np.ndarray:
        """Noise of an image's n-th showing, whatever else is shown."""
        image = about.trials.stimulus[trial]
        shown = about.trials.stimulus[:trial].count(image)
        rng = np.random.default_rng([4, int(label), int(image[1:]), shown])
        return rng.standard_normal(about.grid.size)

    def roi(self, label: str, name: str) -> np.ndarray:
        index = np.arange(int(np.prod(SHAPE)))
        masks = {"left": index < 60, "V1": index < 20, "FFA1": (index >= 20) & (index < 30)}
        if name == "ecc":
            return (index / 10).astype(np.float32)
        return np.asarray(masks.get(name, index < 0))

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        images = [np.tile((self._colour(i) * 255).astype(np.uint8), (8, 8, 1)) for i in ids]
        captions = tuple(() if self.fault == "captions" else (f"image {i}",) for i in ids)
        return Stimuli(tuple(ids), images, captions)


def end_once(folder: Path) -> None:
    """End this process as ``kill -9`` would, the first time."""
    mark = folder / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Colour(Encoder):
    """The mean colour of an image, plus a column that never varies."""

    def __init__(self, copies: int = 1) -> None:
        self.copies = copies

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.copies, 3), (1,))

    def encode(self, stimuli: Stimuli) -> Latents:
        rows = [np.append(np.tile(i.mean((0, 1)) / 255, self.copies), 1.0) for i in stimuli.images]
        return Latents(stimuli.ids, np.array(rows, np.float32), self.shapes())


class Words(Encoder):
    """The number that a caption ends with."""

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((1,),)

    def encode(self, stimuli: Stimuli) -> Latents:
        rows = [[float(c[0].split("i")[-1])] for c in stimuli.captions]
        return Latents(stimuli.ids, np.array(rows, np.float32), self.shapes())


class Paint(Generator):
    """A plain picture of the latent colour; a trace of noise from the image's own seed."""

    def __init__(self, grain: float = 0.0) -> None:
        if grain < 0:
            raise ValueError(f"grain must be 0 or more, not {grain}")
        self.grain = grain

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        rows = latents["colour"]
        values = np.tile(rows.values[:, None, None, :3], (1, 8, 8, 1))
        for k, seed in enumerate(seeds):
            values[k] += self.grain * np.random.default_rng(seed).standard_normal((8, 8, 3))
        if init is not None:
            values = (values + init.values / 255) / 2
        return Images(rows.ids, (values.clip(0, 1) * 255).astype(np.uint8))


class Nearness(Metric):
    """One minus the mean absolute difference."""

    permutations = 19

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        step = max(1, made.values.shape[1] // seen.values.shape[1])
        difference = seen.values.astype(float) - made.values[:, ::step, ::step]
        return 1 - np.abs(difference).mean((1, 2, 3)) / 255


class Greedy(Metric):
    def __init__(self, **options: object) -> None: ...

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        return np.zeros(len(seen.ids))


@hookimpl
def register_datasets(register) -> None:
    register("toy", "toy:Toy", summary="colours")


@hookimpl
def register_encoders(register) -> None:
    register("colour", "toy:Colour", summary="Mean colour of the image", reads=("images",))
    register("words", "toy:Words", summary="numbers of captions", reads=("captions",))
    register("gone", "no_such_module:X", summary="cannot be imported", extra="some-package")


@hookimpl
def register_decoders(register) -> None:
    register("nearest", "toy_decoders:Nearest", summary="Nearest training responses")
    register("curved", "toy_decoders:Curved", summary="A curve of a linear fit")


@hookimpl
def register_generators(register) -> None:
    register("paint", "toy:Paint", summary="Plain colour", reads=("colour",), licence="toy licence")


@hookimpl
def register_metrics(register) -> None:
    register("nearness", "toy:Nearness", summary="how near colours are")
    register("greedy", "toy:Greedy", summary="takes anything")


@hookimpl
def register_recipes(register) -> None:
    register("toy", "toy_recipes:toy.toml", summary="a recipe of two stages")
