"""Check whether an installed plugin keeps the promises of its role."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurodiffuse.config import OWN_DECODER, Config, resolve
from neurodiffuse.config.ridge import KEYS, RIDGE
from neurodiffuse.errors import ConfigError, MissingDataError, NeurodiffuseError, listing
from neurodiffuse.extend.describe import SECTIONS, recipes_with
from neurodiffuse.machine import Machine
from neurodiffuse.options import check_options
from neurodiffuse.plugins import Registry
from neurodiffuse.testing import (
    Finding,
    examine_dataset,
    examine_decoder,
    examine_encoder,
    examine_generator,
    examine_metric,
    examine_refiner,
    example_stimuli,
)
from neurodiffuse.types import Card, Encoder, Generator, Images, Latents, Role

HEAVY = ("torch", "tensorflow", "jax", "diffusers", "transformers", "torchvision")
"""What listing plugins and checking a plan must not import: it would take seconds."""

STIMULI = 6

_PROBE = """
import json, sys
from importlib.metadata import entry_points
name, role, target, options, heavy = json.loads(sys.argv[1])
for point in entry_points(group="neurodiffuse"):
    if point.dist and point.dist.name == name:
        point.load()
listed = [m for m in heavy if m in sys.modules]
module, _, attribute = target.partition(":")
getattr(__import__(module, fromlist=[attribute]), attribute)(**options)
print(json.dumps([listed, [m for m in heavy if m in sys.modules]]))
"""


def examine(
    registry: Registry,
    card: Card,
    *,
    recipe: str = "",
    options: Mapping[str, Any] | None = None,
    machine: Machine | None = None,
) -> list[Finding]:
    """Return what was looked at, each promise kept or not.

    Parameters
    ----------
    registry, card
        What is installed, and the plugin.
    recipe
        Recipe whose section gives the options and, for a generator, the encoders of what it
        reads; by default the first installed one that uses the plugin.
    options
        Options in place of the recipe's.
    machine
        Device and memory, handed to constructors that name them.

    Raises
    ------
    ConfigError
        If a generator is in no recipe, or options do not fit.
    MissingDataError
        If weights that it needs are not there.
    """
    machine = machine or Machine()
    config, key = _section(registry, card, recipe)
    cls = registry.load(card)
    chosen = {**_options(config, card, key), **(options or {})}
    if wrong := check_options(card.name, cls, chosen):
        raise ConfigError(*wrong)
    part = _built(cls, chosen, machine)
    found = _imports(card, chosen)
    stimuli = example_stimuli(STIMULI)
    if card.role == "dataset":
        return found + examine_dataset(part)
    if card.role == "encoder":
        return found + examine_encoder(part, stimuli)
    if card.role == "refiner":
        return found + examine_refiner(part)
    if card.role == "decoder":
        return found + examine_decoder(part)
    if card.role == "metric":
        return found + examine_metric(part)
    if config is None:
        raise ConfigError(
            f"plugins check {card.name!r}: it reads {listing(card.reads)}, and no installed recipe "
            "says which encoders those are. Name one with --recipe NAME or FILE."
        )
    latents, states = _latents(registry, config, card, key, machine)
    init = _painted(registry, config, config.stages[key].init, machine)
    return found + examine_generator(
        part, latents, init=init, states=states, optional=card.optional
    )


def _section(registry: Registry, card: Card, recipe: str) -> tuple[Config | None, str]:
    """Return a recipe that uses the plugin and the key of its section there."""
    if card.role not in SECTIONS:
        return None, ""
    used = recipes_with(registry, card)
    if not recipe and not used:
        return None, ""
    name = recipe or used[0][0]
    config = resolve(registry, dataset=_any_dataset(registry), subjects=(), recipe=name)
    for key, part in getattr(config, SECTIONS[card.role]).items():
        if getattr(part, card.role) == card.name:
            return config, key
    if _is_ridge(card) and OWN_DECODER in config.predicted_by():
        return config, OWN_DECODER
    raise ConfigError(f"--recipe {name}: does not use the {card.role} {card.name!r}.")


def _is_ridge(card: Card) -> bool:
    """Return whether a recipe need not name the plugin, having its options among features'."""
    return (card.role, card.name) == ("decoder", RIDGE)


def _any_dataset(registry: Registry) -> str:
    """Return a data set that needs no option; a recipe is read with one, and none is opened."""
    for card in registry.cards("dataset"):
        try:
            registry.load(card)()
        except (NeurodiffuseError, TypeError, ValueError):
            continue
        return card.name
    raise ConfigError("plugins check: no data set plugin is installed, such as neurodiffuse-bids.")


def _options(config: Config | None, card: Card, key: str) -> dict[str, Any]:
    """Return the options of a section; those of ridge are the first feature's that it predicts.

    Where no recipe is named, ridge chooses the penalty that suits the made-up responses.
    """
    if config is None:
        return {"alpha": "loo"} if _is_ridge(card) else {}
    if key == OWN_DECODER and _is_ridge(card):
        feature = config.features[config.predicted_by()[key][0]]
        return {name: getattr(feature, name) for name in KEYS}
    return dict(getattr(config, SECTIONS[card.role])[key].options)


def _built(cls: type, options: Mapping[str, Any], machine: Machine) -> Any:
    try:
        part: Role = cls(**machine.given_to(cls, options))
    except ValueError as error:
        raise ConfigError(f"{cls.__name__}: {error}") from error
    if missing := part.downloads():
        raise MissingDataError(
            f"{cls.__name__}: cannot be checked before its weights are there: "
            f"{listing([d.address for d in missing], most=3)}. See neurodiffuse models list."
        )
    return part


def _latents(
    registry: Registry, config: Config, card: Card, key: str, machine: Machine
) -> tuple[dict[str, Latents], dict[str, dict[str, np.ndarray]]]:
    """Return the latents of made-up stimuli for what a generator reads, and encoders' states."""
    latents, states = {}, {}
    stimuli = example_stimuli(STIMULI)
    for read in card.reads:
        feature = config.features[config.stages[key].features.get(read, read)]
        cls = registry.load(registry.card("encoder", feature.encoder))
        encoder: Encoder = _built(cls, feature.options, machine)
        encoder.fit(stimuli)
        latents[read], states[read] = encoder.encode(stimuli), encoder.state()
    return latents, states


def _painted(registry: Registry, config: Config, key: str, machine: Machine) -> Images | None:
    """Return the pictures of a stage, on which the one that is checked builds; None of none."""
    if not key:
        return None
    stage = config.stages[key]
    card = registry.card("generator", stage.generator)
    painter: Generator = _built(registry.load(card), stage.options, machine)
    latents, states = _latents(registry, config, card, key, machine)
    painter.restore(states)
    init = _painted(registry, config, stage.init, machine)
    return painter.generate(latents, init=init, seeds=range(STIMULI))


def _imports(card: Card, options: Mapping[str, Any]) -> list[Finding]:
    """Look, in a process of its own, at what naming and building the class imports."""
    if not card.distribution:
        return []
    said = json.dumps([card.distribution, card.role, card.target, dict(options), HEAVY])
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, said], capture_output=True, text=True, check=False
    )
    promises = (
        "its hooks import no deep-learning library",
        "building it imports no deep-learning library",
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it crashed"
        return [Finding("it can be built in a new process", False, reason)]
    return [
        Finding(promise, not heavy, ", ".join(heavy))
        for promise, heavy in zip(promises, json.loads(done.stdout.splitlines()[-1]), strict=True)
    ]
