"""Check that the sections of a recipe fit one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neurodiffuse.config.ridge import KEYS, RIDGE, LeaveOut, Settings, check_alpha
from neurodiffuse.config.sections import DecoderConfig, FeatureConfig, StageConfig
from neurodiffuse.errors import listing, near
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card


def check_wiring(
    values: Mapping[str, Any],
    cards: Mapping[tuple[str, str], Card],
    problems: list[str],
    registry: Registry,
) -> None:
    """Check that decoders, stages and metrics find the features and stages they name."""
    features: Mapping[str, FeatureConfig] = values["features"]
    earlier: list[str] = []
    decoders = {key: part.predicts for key, part in values["decoders"].items()}
    refiners = {key: part.refines for key, part in values["refiners"].items()}
    problems += _check_shared("decoders", "predicts", decoders, features)
    problems += _check_shared("refiners", "refines", refiners, features)
    for key, feature in features.items():
        if not feature.store and key not in _by_ridge(values["decoders"], features):
            problems.append(
                f"features.{key}.store: false is possible with ridge alone, which predicts while "
                "latents pass; another decoder needs them on disk."
            )
        if not feature.store:
            problems += [
                f"features.{key}.store: false, and refiners.{name} needs its training latents."
                for name in _takes(refiners, key)
            ]
    for key, settings in _by_ridge(values["decoders"], features).items():
        problems += _check_ridge(key, settings, values, features)
    if not features:
        problems.append("features: a recipe needs at least one section [features.NAME].")
    for key, stage in values["stages"].items():
        card = cards["stages", key]
        problems += _check_without(key, stage, card)
        for read in card.reads:
            name = stage.features.get(read, read)
            if name not in features and read not in stage.without:
                problems.append(
                    f"stages.{key}: generator {stage.generator!r} reads {read!r}, and there is no "
                    f"feature {name!r}.{near(name, features)} Features: {listing(features)}."
                )
        if stage.init and stage.init not in earlier:
            problems.append(
                f"stages.{key}.init: no earlier stage is called {stage.init!r}."
                f"{near(stage.init, earlier)} Earlier: {listing(earlier)}."
            )
        earlier.append(key)
    for key, metric in values["metrics"].items():
        latent = registry.compares(cards["metrics", key]) == "latents"
        if latent != bool(metric.feature):
            need = "needs feature = one of" if latent else "takes no feature; features are"
            problems.append(f"metrics.{key}: {metric.metric} {need}: {listing(features)}.")
        elif metric.feature and metric.feature not in features:
            problems.append(
                f"metrics.{key}.feature: no feature is called {metric.feature!r}."
                f"{near(metric.feature, features)} Features: {listing(features)}."
            )
        elif metric.feature and cards["features", metric.feature].reads != ("images",):
            problems.append(
                f"metrics.{key}.feature: {metric.feature!r} is encoded from captions, and a "
                "picture that was made has none; choose a feature of images."
            )


def _check_shared(
    table: str, verb: str, parts: Mapping[str, Sequence[str]], features: Mapping[str, Any]
) -> list[str]:
    """Return a line for each feature that two sections of a table name, or that is none.

    ``parts`` are the features that each section names; without any it takes what is left.
    """
    found: list[str] = []
    taken: dict[str, str] = {}
    open_to_all = [key for key, named in parts.items() if not named]
    for key, named in parts.items():
        for name in named:
            if name not in features:
                found.append(
                    f"{table}.{key}.{verb}: no feature is called {name!r}."
                    f"{near(name, features)} Features: {listing(features)}."
                )
            elif name in taken:
                found.append(
                    f"{table}.{key}.{verb}: {name!r} stands in {table}.{taken[name]} already; name "
                    "it once."
                )
            taken[name] = key
    if len(open_to_all) > 1:
        found.append(
            f"{table}: {listing(open_to_all)} each take all features that are left. Say in "
            f"{verb} = [...] which, in all but one."
        )
    elif open_to_all and not set(features) - set(taken):
        found.append(f"{table}.{open_to_all[0]}: no feature is left for it.")
    return found


def _takes(parts: Mapping[str, Sequence[str]], feature: str) -> list[str]:
    """Return the sections of a table that a feature is for."""
    named = [key for key, features in parts.items() if feature in features]
    return named or [key for key, features in parts.items() if not features]


def _by_ridge(
    decoders: Mapping[str, DecoderConfig], features: Mapping[str, FeatureConfig]
) -> dict[str, Settings | None]:
    """Return the options of each feature that ridge predicts, None where it lacks a penalty."""
    predicted = {name for part in decoders.values() for name in part.predicts}
    found: dict[str, Settings | None] = {}
    for key, feature in features.items():
        parts = [
            part
            for part in decoders.values()
            if key in part.predicts or (not part.predicts and key not in predicted)
        ]
        if parts and parts[0].decoder != RIDGE:
            continue
        own: Settings | None = feature if feature.alpha else None
        if own is None and parts and "alpha" in parts[0].options:
            given = {k: v for k, v in parts[0].options.items() if k in KEYS}
            own = replace(feature, **given)
        found[key] = own
    return found


def _check_ridge(
    key: str,
    settings: Settings | None,
    values: Mapping[str, Any],
    features: Mapping[str, FeatureConfig],
) -> list[str]:
    """Return what does not go together in the options of a feature that ridge predicts."""
    if settings is None:
        return check_alpha(f"features.{key}", {"alpha": None})
    found = []
    if not features[key].store and (isinstance(settings.alpha, str) or settings.bands):
        found.append(
            f"features.{key}.store: false, and alpha = {settings.alpha!r} is chosen with the "
            "training latents. Give a penalty, or store them."
        )
    if settings.alpha == "gcv" and values["mask"].repetitions == "single":
        found.append(
            f"features.{key}.alpha: 'gcv' would leave out single trials and keep the same "
            "image's other ones; with mask.repetitions = 'single' write 'loo', which leaves "
            "out images."
        )
    idle = not isinstance(settings.alpha, str) and values["predict"].rescale != "train"
    if idle and settings.leave_out != "image":
        found.append(
            f"features.{key}.leave_out: {settings.leave_out!r} would change nothing: alpha is "
            "given and nothing is left out for rescaling. Write alpha = 'loo' or "
            "predict.rescale = 'train', or do without it."
        )
    if not settings.intercept and values["predict"].rescale != "none":
        found.append(
            f"features.{key}.intercept: false would change nothing, since rescaling gives "
            "predictions the mean of the training latents. Write predict.rescale = 'none' too, "
            "or do without it."
        )
    asked = LeaveOut.read(settings.leave_out)
    named = asked.feature
    if asked.by == "cluster" and (named or key) in features and not features[named or key].store:
        found.append(
            f"features.{key}.leave_out: {settings.leave_out!r} makes clusters of training latents "
            f"that features.{named or key}.store = false does not keep."
        )
    if named and named not in features:
        found.append(
            f"features.{key}.leave_out: no feature is called {named!r}."
            f"{near(named, features)} Features: {listing(features)}."
        )
    return found


def _check_without(key: str, stage: StageConfig, card: Card) -> list[str]:
    """Return a line for each name that a generator cannot do without."""
    possible = [name for name in card.optional if name in card.reads]
    found = [
        f"stages.{key}.without: generator {stage.generator!r} cannot do without {name!r}."
        f"{near(name, possible)} It can do without: {listing(possible)}."
        for name in stage.without
        if name not in possible
    ]
    if card.reads and not set(card.reads) - set(stage.without):
        found.append(f"stages.{key}.without: nothing is left for {stage.generator!r} to read.")
    return found
