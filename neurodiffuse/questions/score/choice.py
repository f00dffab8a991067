"""Which metrics score, and which of them cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from neurodiffuse.config import read_recipe
from neurodiffuse.errors import ConfigError, PluginError, listing, near
from neurodiffuse.machine import Machine
from neurodiffuse.metrics.sizes import has_own_size
from neurodiffuse.options import parameters
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card, Metric

DIALECTS = ("brain-diffuser", "mindeye", "takagi", "none")
"""Whose evaluation; ``none``: pixels at the scoring size, networks left out."""

VARIANTS = {"ssim": {"ssim-columnwise": "columnwise", "ssim-2d": "2d"}}
"""SSIM means two numbers in this field, so both are given."""

FIRST = ("pixcorr", "ssim", "alexnet-2", "alexnet-5", "alexnet-7", "inception", "clip")
"""Metrics in the order of the papers' tables; others follow by name."""


@dataclass(frozen=True)
class Chosen:
    """A metric that is ready: what its row is called, and what it is in words.

    ``own_size`` says that it has a size or dialect of its own.
    """

    name: str
    metric: Metric
    note: str
    own_size: bool = False


@dataclass(frozen=True)
class Skipped:
    """A metric of the set whose weights, called ``model``, are not here."""

    name: str
    model: str


def to_fetch(skipped: Sequence[Skipped]) -> str:
    """Return what is not computed and the line that changes it; empty when nothing is left out."""
    if not skipped:
        return ""
    models = " ".join(dict.fromkeys(one.model for one in skipped))
    names = listing(one.name for one in skipped)
    return f"weights not here for {names}. Fetch them: neurodiffuse models fetch {models}"


def chosen(
    registry: Registry, names: Sequence[str], dialect: str, machine: Machine
) -> tuple[list[Chosen], list[Skipped]]:
    """Return the metrics that score and those that were left out.

    Parameters
    ----------
    registry
        What is installed.
    names
        Metrics by name, all of which are then needed; empty for all that have this dialect.
    dialect
        Whose evaluation.
    machine
        Where networks run.

    Raises
    ------
    ConfigError
        If there is no such dialect or metric, or a named metric cannot be computed.
    """
    if dialect not in DIALECTS:
        raise ConfigError(
            f"--dialect: no dialect is called {dialect!r}.{near(dialect, DIALECTS)} "
            f"Possible: {listing(DIALECTS)}."
        )
    ready: list[Chosen] = []
    left: list[Skipped] = []
    for name in names or _speaking(registry, dialect):
        card, options = _card(registry, name)
        if registry.compares(card) == "latents":
            raise ConfigError(
                f"--metric {name}: it compares a feature of a recipe and needs a run; use decode."
            )
        for one in _built(registry, card, name, options, dialect, machine):
            if lacking := one.metric.downloads():
                left.append(Skipped(one.name, _model_of(registry, lacking[0].address)))
            else:
                ready.append(one)
    if left and (names or not ready):
        where = "--metric" if names else f"--dialect {dialect}"
        raise ConfigError(f"{where}: {to_fetch(left)}")
    if not ready:
        raise ConfigError(
            f"--dialect {dialect}: no installed metric has it. Install the network metrics: "
            "pip install neurodiffuse-metrics."
        )
    return ready, left


def _card(registry: Registry, name: str) -> tuple[Card, dict[str, Any]]:
    """Return the metric that a plugin, or else a recipe, calls so, and the recipe's options."""
    if name in _variants():
        return registry.card("metric", name.partition("-")[0]), {}
    known = [*(card.name for card in registry.cards("metric")), *_variants()]
    if name in known:
        return registry.card("metric", name), {}
    in_recipes = _of_recipes(registry)
    if name not in in_recipes:
        known += in_recipes
        raise PluginError(
            f"--metric: no metric is called {name!r}.{near(name, known)} Possible: "
            f"{listing(sorted(set(known)), most=40)}."
        )
    first, *others = in_recipes[name]
    if others:
        raise ConfigError(
            f"--metric {name}: recipes mean different things by it: "
            f"{listing(_in_words(one) for one in in_recipes[name])}. Name the plugin's metric."
        )
    metric, options = first["metric"], {k: v for k, v in first.items() if k != "metric"}
    return registry.card("metric", metric, f"--metric {name}"), options


def _of_recipes(registry: Registry) -> dict[str, list[dict[str, Any]]]:
    """Return what installed recipes call metrics, with metric and options but for the dialect."""
    found: dict[str, list[dict[str, Any]]] = {}
    for card in registry.cards("recipe"):
        try:
            sections = read_recipe(registry, card.name).get("metrics", {})
        except ConfigError:  # told when it is named
            continue
        for name, section in sections.items():
            one = {k: v for k, v in section.items() if k != "dialect"}
            if "metric" in one and "feature" not in one and one not in found.setdefault(name, []):
                found[name].append(one)
    return {name: kinds for name, kinds in found.items() if kinds}


def _in_words(section: dict[str, Any]) -> str:
    options = [f"{key} = {value!r}" for key, value in section.items() if key != "metric"]
    return f"{section['metric']}{' with ' + ' and '.join(options) if options else ''}"


def _variants() -> dict[str, str]:
    return {name: variant for kinds in VARIANTS.values() for name, variant in kinds.items()}


def _speaking(registry: Registry, dialect: str) -> list[str]:
    """Return the metrics with this dialect, in the order of the papers' tables."""
    names = []
    for card in registry.cards("metric"):
        try:
            cls = registry.load(card)
        except PluginError:  # one that lacks its extra is no reason to score nothing
            continue
        if _spoken(dialect) in _dialects(cls):
            names.append(card.name)
    return sorted(names, key=lambda n: (FIRST.index(n) if n in FIRST else len(FIRST), n))


def _spoken(dialect: str) -> str:
    """Return what a metric's option calls a dialect."""
    return "" if dialect == "none" else dialect


def _dialects(cls: type) -> tuple[Any, ...]:
    """Return the values that a class's option ``dialect`` takes, none if it has no such option."""
    option = parameters(cls).get("dialect")
    if option is None or get_origin(option.annotation) is not Literal:
        return ()
    return get_args(option.annotation)


def _built(
    registry: Registry,
    card: Card,
    name: str,
    given: dict[str, Any],
    dialect: str,
    machine: Machine,
) -> list[Chosen]:
    cls = registry.load(card)
    options = dict(given)
    if known := _dialects(cls):
        if _spoken(dialect) not in known:
            raise ConfigError(
                f"--metric {name}: it has no dialect {dialect!r}; possible: "
                f"{listing(str(k) for k in known if k)}."
            )
        options["dialect"] = _spoken(dialect)
    rows = {k: v for k, v in VARIANTS.get(card.name, {}).items() if name in (card.name, k)}
    kinds = [(row, {"variant": v}) for row, v in rows.items()] or [(name, {})]
    found = []
    for row, more in kinds:
        metric = cls(**machine.given_to(cls, options | more))
        said = ", ".join(f"{key} {value}" for key, value in (options | more).items() if value)
        note = f"{card.summary} ({said})" if said else card.summary
        found.append(Chosen(row, metric, note, has_own_size(cls, options)))
    return found


def _model_of(registry: Registry, address: str) -> str:
    """Return the name of the weights that a file belongs to, or its address if no one owns it."""
    owners = (m.name for m in registry.models() if address in (f.address for f in m.files))
    return next(owners, address)
