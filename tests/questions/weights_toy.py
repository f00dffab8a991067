"""A brain with planted selectivity: ``high`` voxels hold feature a, ``early`` ones feature b.

A picture's latents are its first pixels, so that encoders need nothing but the picture.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.types import (
    Dataset,
    Encoder,
    Generator,
    Grid,
    Images,
    Latents,
    Roi,
    Stimuli,
    Subject,
    Trials,
)

SHAPE = (6, 5, 4)
TURNED = np.array([[1.9, 0.4, 0, -5], [-0.4, 1.9, 0.3, -80], [0, -0.3, 2.1, 4], [0, 0, 0, 1]])
MNI = np.array([[14.0, 0, 0, -35], [0, 12, 0, -104], [0, 0, 12, -20], [0, 0, 0, 1]])
TOKENS, WIDTH, OTHERS = 4, 3, 7

RECIPE = """
name = "planted"
[features.b]
encoder = "others"
alpha = 20.0
[features.a]
encoder = "tokens"
alpha = 20.0
[stages.recon]
generator = "grey"
[metrics.pixcorr]
metric = "pixcorr"
"""


class Planted(Dataset):
    """``root`` holds options as ``seed=1;train=300;space=MNI…;anatomy=FILE``."""

    def __init__(self, root: str = "") -> None:
        options = dict(re.findall(r"(\w+)=([^;]*)", root))  # behind the folder it is taken to be in
        self.seed, self.train = int(options.get("seed", 0)), int(options.get("train", 90))
        self.space = options.get("space", "func2mm")
        self.anatomy = Path(options["anatomy"]) if "anatomy" in options else None

    def subjects(self) -> tuple[str, ...]:
        return ("01", "02")

    def subject(self, label: str) -> Subject:
        train, test = [f"i{k}" for k in range(self.train)], ["i5000", "i5001", "i5002"]
        split = ("train",) * self.train + ("test",) * 3
        none = ("",) * len(split)
        rois = [Roi(n) for n in ("brain", "early", "high", "null")] + [Roi("ecc", "map")]
        if label == "02":
            rois.append(Roi("FFA-1"))
        return Subject(
            label,
            Grid(SHAPE, MNI if self.space.startswith("MNI") else TURNED, self.space),
            Trials((*train, *test), split, none, none),
            tuple(rois),
            "brain",
            self.anatomy,
            "viewing",
        )

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([11, self.seed, int(label)])
        images = [latents(i) for i in self.subject(label).trials.stimulus]
        a, b = (np.stack(part) for part in zip(*images, strict=True))
        values = rng.standard_normal((len(a), 120))
        values[:, self.roi(label, "high")] += 0.4 * a @ rng.standard_normal((a.shape[1], 40))
        values[:, self.roi(label, "early")] += 0.5 * b @ rng.standard_normal((b.shape[1], 40))
        values[:, 119] = 2.0  # never varies
        yield values[:, voxels].astype(np.float32)

    def roi(self, label: str, name: str) -> np.ndarray:
        index = np.random.default_rng([12, self.seed]).permutation(120)
        if name == "ecc":
            return (index / 10).astype(np.float32)
        return {
            "brain": np.arange(120) >= 6,
            "early": index < 40,
            "high": (index >= 40) & (index < 80),
            "null": index >= 80,
            "FFA-1": (index >= 40) & (index < 50),
        }[name]

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        return Stimuli(tuple(ids), [picture(i) for i in ids], tuple(() for _ in ids))


def picture(image: str) -> np.ndarray:
    values = np.random.default_rng([13, int(image[1:])]).integers(0, 256, (8, 8, 3))
    return values.astype(np.uint8)


def latents(image: str) -> tuple[np.ndarray, np.ndarray]:
    values = (picture(image).ravel().astype(np.float32) - 128) / 64
    return values[: TOKENS * WIDTH], values[100 : 100 + OTHERS]


class Tokens(Encoder):
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((TOKENS, WIDTH),)

    def encode(self, stimuli: Stimuli) -> Latents:
        return Latents(stimuli.ids, np.stack([latents(i)[0] for i in stimuli.ids]), self.shapes())


class Others(Encoder):
    """Two blocks, of which the last target never varies."""

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((OTHERS,), (1,))

    def encode(self, stimuli: Stimuli) -> Latents:
        rows = [np.append(latents(i)[1], np.float32(3)) for i in stimuli.ids]
        return Latents(stimuli.ids, np.stack(rows), self.shapes())


class Grey(Generator):
    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        ids = next(iter(latents.values())).ids
        return Images(ids, np.full((len(ids), 8, 8, 3), 128, np.uint8))


def anatomy(folder: Path) -> Path:
    """Write a head to draw on that is larger and finer than the betas' grid."""
    values = np.zeros((24, 20, 16), np.float32)
    values[2:22, 2:18, 2:14] = 100
    affine = TURNED @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= 4
    nib.Nifti1Image(values, affine).to_filename(folder / "T1w.nii.gz")
    return folder / "T1w.nii.gz"


@hookimpl
def register_datasets(register) -> None:
    register("planted", "questions.weights_toy:Planted", summary="two features")


@hookimpl
def register_encoders(register) -> None:
    register("tokens", "questions.weights_toy:Tokens", summary="tokens", reads=("images",))
    register("others", "questions.weights_toy:Others", summary="others", reads=("images",))


@hookimpl
def register_generators(register) -> None:
    register("grey", "questions.weights_toy:Grey", summary="grey", reads=("a",))


def fitter(folder: Path) -> Callable[..., Run]:
    """Return a function that fits the planted brain: root and settings in, run out."""
    registry = Registry([("builtin", builtin), ("planted", sys.modules[__name__])])

    def fit_brain(root: str = "", *settings: str, subjects: tuple[str, ...] = ("01",)) -> Run:
        folder.mkdir(exist_ok=True)
        recipe = folder / "planted.toml"
        recipe.write_text(RECIPE)
        config = resolve(
            registry,
            dataset="planted",
            subjects=subjects,
            recipe=str(recipe),
            settings=settings,
            root=root,
        )
        config, dataset = pipeline.open_subjects(config, registry)
        run = Run(folder / "run", config, registry, dataset, quiet=True)
        with opened(run):
            for subject in run.config.subjects:
                for step in (mask, encode, fit):
                    step(run, subject)
        return run

    return fit_brain
