"""Check that the sections of a recipe fit one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurodiffuse.config.sections import FeatureConfig, LeaveOut, StageConfig
from neurodiffuse.errors import listing, near
from neurodiffuse.types import Card


def check_wiring(
    values: Mapping[str, Any], cards: Mapping[tuple[str, str], Card], problems: list[str]
) -> None:
    """Check that stages and metrics find the features and stages they name."""
    features: Mapping[str, FeatureConfig] = values["features"]
    earlier: list[str] = []
    for key, feature in features.items():
        if feature.alpha == "gcv" and values["mask"].repetitions == "single":
            problems.append(
                f"features.{key}.alpha: 'gcv' would leave out single trials and keep the same "
                "image's other ones; with mask.repetitions = 'single' write 'loo', which leaves "
                "out images."
            )
        idle = not isinstance(feature.alpha, str) and values["predict"].rescale != "train"
        if idle and feature.leave_out != "image":
            problems.append(
                f"features.{key}.leave_out: {feature.leave_out!r} would change nothing: alpha is "
                "given and nothing is left out for rescaling. Write alpha = 'loo' or "
                "predict.rescale = 'train', or do without it."
            )
        if not feature.intercept and values["predict"].rescale != "none":
            problems.append(
                f"features.{key}.intercept: false would change nothing, since rescaling gives "
                "predictions the mean of the training latents. Write predict.rescale = 'none' too, "
                "or do without it."
            )
        named = LeaveOut.read(feature.leave_out).feature
        if named and named not in features:
            problems.append(
                f"features.{key}.leave_out: no feature is called {named!r}."
                f"{near(named, features)} Features: {listing(features)}."
            )
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
        latent = metric.metric.startswith("latent-")
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
