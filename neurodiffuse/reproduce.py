"""The command that makes a run again, the methods paragraphs that describe it, what it ran on."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from neurodiffuse import __version__
from neurodiffuse.config import Config, leaves, resolve
from neurodiffuse.plugins import Registry


def command(config: Config, registry: Registry, out: Path) -> str:
    """Return the command line of a run, with every setting in which it differs from its recipe."""
    words = ["neurodiffuse", "decode", "--dataset", config.dataset]
    if root := config.dataset_options.get("root"):
        words += ["--root", str(root)]
    for label in config.subjects:
        words += ["--sub", label]
    words += ["--recipe", config.recipe]
    plain = resolve(
        registry, dataset=config.dataset, subjects=(), recipe=config.recipe, root=str(root or "")
    )
    mine, theirs = _settings(config), _settings(plain)
    for key in sorted(mine.keys() - {f"datasets.{config.dataset}.root"}):
        if mine[key] != theirs.get(key):
            words += ["--set", f"{key}={_toml(mine[key])}"]
    return shlex.join([*words, "--out", str(out)])


def _settings(config: Config) -> dict[str, Any]:
    """Return settings by the names that ``--set`` takes."""
    table = config.to_dict()
    out = {"seed": config.seed}
    for name in ("mask", "predict", "score"):
        out |= leaves(table[name], f"{name}.")
    for name in ("features", "stages", "metrics"):
        for key, entry in table[name].items():
            options = entry.pop("options")
            out |= leaves({**entry, **options}, f"{name}.{key}.")
    return out | leaves(table["dataset_options"], f"datasets.{config.dataset}.")


def _toml(value: Any) -> str:
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def methods(config: Config, summaries: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """Return the methods of a run as paragraphs that can stand in a paper.

    Parameters
    ----------
    config
        The run's configuration.
    summaries
        ``(role, name)`` → what it is, from its card.
    """
    voxels = (
        f"the voxels of {config.mask.select!r}" if config.mask.select else "the data set's mask"
    )
    repetitions = {
        "average": "averaged over repetitions of an image",
        "single": "kept as single trials for training and averaged over repetitions for testing",
    }[config.mask.repetitions]
    brain = (
        f"Responses of {voxels} were {repetitions} and standardised for each voxel with the mean "
        "and standard deviation of the training rows; nothing of the test set entered the training "
        "or the standardisation."
    )
    features = "; ".join(
        f"{name} ({_lower(summaries.get(('encoder', part.encoder), part.encoder))}; "
        f"{part.penalty}" + (f"; voxels of {part.roi}" if part.roi else "") + ")"
        for name, part in config.features.items()
    )
    every = all(part.intercept for part in config.features.values())
    ridge = f"Ridge regression{' with an intercept' if every else ''} predicted {features} from "
    ridge += "the responses."
    rescaled = {
        "train": " Predictions were shifted and scaled, target by target, so that predictions of "
        "training images left out one at a time have the mean and standard deviation of the "
        "training latents.",
        "test": " Predictions were standardised over the test set and given the mean and standard "
        "deviation of the training latents, as in the published code of Ozcelik & VanRullen "
        "(2023); a prediction then depends on the other test images.",
        "none": " Predictions were used as they are.",
    }[config.predict.rescale]
    stages = "; then ".join(
        f"{_lower(summaries.get(('generator', stage.generator), stage.generator))}"
        + (f", starting from the picture of the stage {stage.init}" if stage.init else "")
        + (f", without {' and '.join(stage.without)}" if stage.without else "")
        + (f", {stage.samples} samples of each image" if stage.samples > 1 else "")
        for stage in config.stages.values()
    )
    pictures = (
        f"Pictures were made in {len(config.stages)} stage"
        f"{'s' if len(config.stages) != 1 else ''}: {stages}. "
        f"Each image has its own random seed, derived from the run's seed {config.seed} "
        "and the image's name."
    )
    several = any(stage.samples > 1 for stage in config.stages.values())
    scores = (
        f"Scores are means over test images with a 95 % bootstrap interval over images "
        f"({config.score.bootstrap:,} resamplings) and a permutation test in which the pairs of "
        "seen and made pictures are shuffled."
        + (
            " An image's value is the mean over its samples, or what the metric makes of them all."
            if several
            else ""
        )
    )
    return (brain, ridge + rescaled, pictures, scores)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def versions() -> dict[str, str]:
    """Return what runs here: versions of Python and the libraries that the numbers depend on."""
    import nibabel
    import nilearn
    import numpy
    import scipy
    import sklearn

    libraries = {m.__name__: m.__version__ for m in (numpy, scipy, sklearn, nibabel, nilearn)}
    return {
        "neurodiffuse": __version__,
        "Python": platform.python_version(),
        **libraries,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
    }
