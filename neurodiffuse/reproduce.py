"""The command that makes a run again, the methods paragraphs that describe it, what it ran on."""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from neurodiffuse import __version__
from neurodiffuse.config import OWN_DECODER, SECTIONS, TABLES, Config, LeaveOut, read_recipe
from neurodiffuse.config.ridge import in_words as ridge_in_words
from neurodiffuse.decoders import rescaling
from neurodiffuse.metrics.sizes import in_words
from neurodiffuse.plugins import Registry


def command(config: Config, registry: Registry, out: Path) -> str:
    """Return the command line of a run, with every setting in which it differs from its recipe."""
    words = ["neurodiffuse", "decode", "--dataset", config.dataset]
    if root := config.dataset_options.get("root"):
        words += ["--root", str(root)]
    for label in config.subjects:
        words += ["--sub", label]
    words += ["--recipe", config.recipe]
    if config.links != "inside":
        words += ["--links", config.links]
    plain = _of_recipe(read_recipe(registry, config.recipe), config)
    for key, value in _settings(config).items():
        if key != f"datasets.{config.dataset}.root" and (key not in plain or value != plain[key]):
            words += ["--set", f"{key}={_toml(value)}"]
    return shlex.join([*words, "--out", str(out)])


def _settings(config: Config) -> dict[str, Any]:
    """Return settings by the names that ``--set`` takes, in the order of the configuration.

    Stages and features are in order, since one may begin from an earlier one.
    """
    table = config.to_dict()
    out = {"seed": table["seed"]}
    for name in SECTIONS:
        out |= {f"{name}.{key}": value for key, value in table[name].items()}
    for name in TABLES:
        for key, entry in table.get(name, {}).items():
            own = {k: v for k, v in entry.items() if k != "options"} | entry["options"]
            out |= {f"{name}.{key}.{k}": value for k, value in own.items()}
    options = table["dataset_options"].items()
    return out | {f"datasets.{config.dataset}.{key}": value for key, value in options}


def _of_recipe(table: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return what a recipe's tables and the defaults of their sections set, by the same names."""
    out = {"seed": table.get("seed", 0)}
    for section, cls in SECTIONS.items():
        given = _defaults(cls) | table.get(section, {})
        out |= {f"{section}.{key}": value for key, value in given.items()}
    for section, cls in TABLES.items():
        for entry, part in table.get(section, {}).items():
            given = _defaults(cls) | part
            out |= {f"{section}.{entry}.{key}": value for key, value in given.items()}
    options = table.get("datasets", {}).get(config.dataset, {})
    return out | {f"datasets.{config.dataset}.{key}": value for key, value in options.items()}


def _defaults(cls: Any) -> dict[str, Any]:
    """Return the defaults of a section, as plain tables hold them."""
    out: dict[str, Any] = {}
    for part in dataclasses.fields(cls):
        if part.default is not dataclasses.MISSING:
            value = part.default
        elif part.default_factory is not dataclasses.MISSING:
            value = part.default_factory()
        else:
            continue
        out[part.name] = list(value) if isinstance(value, tuple) else value
    return out


def _toml(value: Any) -> str:
    """Return a value on one line of TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def methods(
    config: Config,
    summaries: Mapping[tuple[str, str], str],
    *,
    intervals: str = "",
    own_size: Collection[str] = (),
    words: Mapping[str, str] | None = None,
    refined: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Return the methods of a run as paragraphs that can stand in a paper.

    Parameters
    ----------
    config
        The run's configuration.
    summaries
        ``(role, name)`` → what it is, from its card.
    intervals
        How intervals were computed, from the code that did.
    own_size
        Metrics that compare pictures at a size of their own.
    words
        Features that a named decoder predicts, and what it says of itself there.
    refined
        What each refiner says that it does.
    """
    voxels = (
        f"the voxels of {config.mask.select!r}" if config.mask.select else "the data set's mask"
    )
    dropped = {"error": "", "drop": " Voxels with a beta that is not finite were left out."}
    brain = (
        f"Responses of {voxels} were {config.mask.averaging} and standardised for each voxel with "
        "the mean and standard deviation of the training rows; nothing of the test set entered the "
        f"training or the standardisation.{dropped[config.mask.nonfinite]}"
    )
    decoded = " ".join(_decoded(config, summaries, words or {}))
    if config.encode.dtype != "float32":
        decoded += f" Latents were stored as {config.encode.dtype}."
    rescaled = f" {rescaling.in_words(config.predict.rescale, _left_out(config))}"
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
        "Scores are means over test images with a 95 % interval over images and a permutation test "
        "in which the pairs of seen and made pictures are shuffled; p-values are corrected for the "
        f"metrics of the last stage where they are called so (Holm). {intervals}".rstrip()
        + _scored_at(config, own_size)
        + (
            " An image's value is the mean over its samples, or what the metric makes of them all."
            if several
            else ""
        )
    )
    refining = "".join(
        f" Predictions of {' and '.join(f for f, by in config.refined_by().items() if by == name)} "
        f"were then {said or 'refined'}."
        for name, said in (refined or {}).items()
    )
    return (brain, decoded + rescaled + refining, pictures, scores)


def _decoded(
    config: Config, summaries: Mapping[tuple[str, str], str], words: Mapping[str, str]
) -> list[str]:
    """Return a sentence for each decoder: what it is, what it predicted, with which options."""
    said = []
    for name, features in config.predicted_by().items():
        parts = {feature: config.features[feature] for feature in features}
        if name == OWN_DECODER:
            own = {feature: ridge_in_words(part) for feature, part in parts.items()}
            every = all(part.intercept for part in parts.values())
            what = f"Ridge regression{' with an intercept' if every else ''}"
        else:
            own, decoder = {f: words.get(f, "") for f in parts}, config.decoders[name].decoder
            what = summaries.get(("decoder", decoder), decoder)
        listed = "; ".join(
            f"{feature} ({_lower(summaries.get(('encoder', part.encoder), part.encoder))}"
            + (f"; {own[feature]}" if own[feature] else "")
            + (f"; voxels of {part.roi}" if part.roi else "")
            + ")"
            for feature, part in parts.items()
        )
        said.append(f"{what} predicted {listed} from the responses.")
    return said


def _left_out(config: Config) -> str:
    """Return which training rows are left out together to learn the spread of predictions."""
    single = config.mask.repetitions == "single"
    ways: dict[str, list[str]] = {}
    for name, part in config.features.items():
        asked = LeaveOut.read(part.leave_out)
        way = asked.one_at_a_time(name, single=single)
        ways.setdefault(way, []).append(name)
    said = "; ".join(
        way if len(ways) == 1 else f"{way} ({', '.join(names)})" for way, names in ways.items()
    )
    what = "training trials" if single else "training images"
    return f"left out {said}, of at most {config.predict.calibration:,} {what}"


def _scored_at(config: Config, own_size: Collection[str]) -> str:
    """Return at what size pictures were compared."""
    others = [name for name in config.metrics if name not in own_size]
    if not others:
        return ""
    size = config.score.size
    side = in_words((size, size)) if size else "the size of the pictures that the last stage makes"
    but = f"; {', '.join(own_size)} at their own sizes" if own_size else ""
    return f" Seen and made pictures were resized one by one (bicubic) and compared at {side}{but}."


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
