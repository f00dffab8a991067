"""What can be left out of a recipe, seen from how its stages hang together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from neurodiffuse.config import STEPS, Config, StageConfig, vary
from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.plugins import Registry
from neurodiffuse.report.wording import joined

Stages = dict[str, StageConfig]

FULL = "Full method"


@dataclass(frozen=True)
class Variant:
    """The recipe less one part, or with another setting.

    ``step`` is the first step whose result changes, empty when none does: then the pictures of
    ``stage`` are there already.
    """

    name: str
    meaning: str
    config: Config
    step: str = "generate"
    stage: str = ""


class NeededError(Exception):
    """A part that cannot be left out; the message says why."""


def derived(registry: Registry, config: Config) -> tuple[list[Variant], list[str]]:
    """Return the variants that a recipe's structure offers, and why others are not offered.

    Each stage alone before the last; then the recipe without each of them, without each feature
    of captions, without each feature of pictures. These are the four of Ozcelik & VanRullen
    2023, Table 2, for a first guess and a second stage that is guided by text and vision.
    """
    last = list(config.stages)[-1]
    found = [
        Variant(
            f"Only {words(stage)}",
            f"The pictures of the stage {stage}, before what follows.",
            config,
            step="",
            stage=stage,
        )
        for stage in _chain(config.stages, last)[1:][::-1]
    ]
    notes: list[str] = []
    seen: list[Stages] = [dict(config.stages)]
    for name, part in _parts(registry, config):
        try:
            stages = (
                without_stage(registry, config.stages, name)
                if part == "stage"
                else without_features(registry, config, [name])
            )
        except NeededError as why:
            notes.append(f"Without {words(name)}: not offered, since {why}")
            continue
        if stages not in seen:
            seen.append(stages)
            meaning = _meaning(config.stages, stages, name)
            shorter = replace(config, stages=stages)
            found.append(Variant(f"Without {words(name)}", meaning, shorter))
    return found, notes


def switched(
    registry: Registry, config: Config, name: str, settings: Sequence[str]
) -> Variant | None:
    """Return the recipe with other settings, or None when they are those it has.

    Raises
    ------
    ConfigError
        If a setting is not accepted, or concerns the data or the scores, which all rows share.
    """
    other = vary(registry, config, settings)
    difference = other.first_difference(config.to_dict())
    if difference is None:
        return None
    step, where = difference
    wrong = [k for k in where if k.split(".")[0] in ("dataset_options", "metrics", "score")]
    if wrong or step in ("score", "report"):
        raise ConfigError(
            f"--variant {name!r}: {listing(wrong or where)} is no part of the method: all rows "
            "share data and scores. Decode into another --out and use neurodiffuse compare."
        )
    return Variant(name, f"With {'; '.join(settings)}.", other, step=step)


def without_stage(registry: Registry, stages: Mapping[str, StageConfig], name: str) -> Stages:
    """Return the stages without one; those that began from its picture begin where it did.

    Raises
    ------
    NeededError
        If one of them cannot begin from nothing.
    """
    gone = stages[name]
    out: Stages = {}
    for key, stage in stages.items():
        if key == name:
            continue
        if stage.init == name:
            card = registry.card("generator", stage.generator)
            if not gone.init and "init" not in card.optional:
                raise NeededError(
                    f"generator {stage.generator!r} of {key} needs a picture to begin from."
                )
            stage = dataclasses.replace(stage, init=gone.init)
        out[key] = stage
    return out


def without_features(registry: Registry, config: Config, features: Sequence[str]) -> Stages:
    """Return the stages with some features withheld.

    A generator that cannot do without is left out with its stage.

    Raises
    ------
    NeededError
        If that is the last stage, or a stage cannot begin from nothing.
    """
    stages = dict(config.stages)
    last = list(stages)[-1]
    for key in list(stages):
        stage = stages[key]
        card = registry.card("generator", stage.generator)
        less = [r for r in card.reads if stage.features.get(r, r) in features]
        less = [r for r in less if r not in stage.without]
        left = set(card.reads) - {*stage.without, *less}
        if less and left and set(less) <= set(card.optional):
            stages[key] = dataclasses.replace(stage, without=[*stage.without, *less])
        elif less and key == last:
            raise NeededError(
                f"generator {stage.generator!r} of the last stage cannot do without {joined(less)}."
            )
        elif less:
            stages = without_stage(registry, stages, key)
    return stages


def of_captions(registry: Registry, config: Config, feature: str) -> bool:
    """Return whether a feature is encoded from captions."""
    card = registry.card("encoder", config.features[feature].encoder)
    return "captions" in card.reads


def first_step(variant: Variant) -> tuple[str, ...]:
    """Return the steps that a variant computes itself."""
    return STEPS[STEPS.index(variant.step) : -1] if variant.step else ()


def words(name: str) -> str:
    """Return a stage's or feature's name for a sentence: ``first-guess`` is "first guess"."""
    return name.replace("-", " ").replace("_", " ")


def _parts(registry: Registry, config: Config) -> list[tuple[str, str]]:
    last = list(config.stages)[-1]
    stages = [(s, "stage") for s in reversed(_chain(config.stages, last)[1:])]
    features = sorted(config.features, key=lambda f: not of_captions(registry, config, f))
    return [*stages, *((f, "feature") for f in features)]


def _chain(stages: Mapping[str, StageConfig], last: str) -> list[str]:
    """Return a stage and those that it begins from, the last one first."""
    out = [last]
    while stages[out[-1]].init:
        out.append(stages[out[-1]].init)
    return out


def _meaning(before: Mapping[str, StageConfig], after: Stages, name: str) -> str:
    from_noise = [words(k) for k, s in after.items() if before[k].init and not s.init]
    if from_noise:
        return f"The stage before is left out: {joined(from_noise)} begins from noise."
    if len(after) < len(before):
        return f"The stage {words(name)} is left out."
    less = [words(k) for k, s in after.items() if s.without != before[k].without]
    return f"The latents of {words(name)} are not given to {joined(less)}."
