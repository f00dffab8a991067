"""What pictures a recipe is for, and which recipe suits a data set when none is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from neurodiffuse.config.recipe import read_recipe
from neurodiffuse.config.resolving import dataset_options
from neurodiffuse.config.sections import ANY, Config, domain_of
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Remark


@dataclass(frozen=True)
class Choice:
    """A recipe that was taken because none was named; ``why`` is empty where the data set names it.

    ``why`` also says what else could be taken.
    """

    recipe: str
    why: str = ""


def default_recipe(
    registry: Registry,
    dataset: str,
    *,
    root: str = "",
    settings: Iterable[str] = (),
    links: str = "inside",
) -> Choice:
    """Return the recipe that a data set names (`Dataset.about`), else the one for any pictures.

    ``settings`` are ``section.key=value`` strings; those of the data set are heeded.

    Raises
    ------
    ConfigError
        If the options of the data set are wrong, the recipe that it names is not installed, or
        not exactly one is for any pictures.
    """
    own = [setting for setting in settings if setting.strip().startswith("datasets.")]
    options = dataset_options(registry, dataset, root=root, settings=own)
    data = registry.dataset(dataset, options, links)
    about, domains = data.about(), _domains(registry)
    if named := about.get("recipe", ""):
        if named in domains:
            return Choice(named)
        raise ConfigError(_not_installed(named, about, dataset, domains, registry))
    general = [name for name, domain in domains.items() if ANY in domain]
    if len(general) != 1:
        raise ConfigError(
            f"no --recipe is given, the data set {dataset!r} names no recipe, and {len(general)} "
            "of those that are installed are for any pictures. Name one: "
            f"{_described(domains)}."
        )
    others = {name: domain for name, domain in domains.items() if name != general[0]}
    pictures = about.get("pictures", "")
    held = f"holds {pictures}" if pictures else "does not say what its pictures are"
    return Choice(
        general[0],
        f"{general[0]} is taken, which is for any pictures: no --recipe is given, and the data "
        f"set {dataset!r} {held} and names no recipe."
        + (f" Others that can be named: {_described(others)}." if others else ""),
    )


def remarks_on(config: Config, about: Mapping[str, str]) -> tuple[Remark, ...]:
    """Return what a reader should know of a recipe on a data set: whether it suits, its notes."""
    found = [Remark(f"recipe {config.name}: {note}") for note in config.notes]
    pictures = about.get("pictures", "")
    if not config.domain or ANY in config.domain or pictures in config.domain:
        return tuple(found)
    held = (
        f"data set {config.dataset} holds {pictures}. What is painted looks like the former, "
        "whatever was seen."
        if pictures
        else f"data set {config.dataset} does not say what its pictures are. If they are others, "
        "what is painted still looks like these."
    )
    warning = f"recipe {config.name} is for {_words(config.domain)}, and the {held}"
    return (Remark(warning, "warning"), *found)


def _domains(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Return the domain of each installed recipe that can be read."""
    found = {}
    for card in registry.cards("recipe"):
        try:
            found[card.name] = domain_of(read_recipe(registry, card.name))
        except (ConfigError, TypeError):  # told when it is named
            continue
    return found


def _not_installed(
    named: str,
    about: Mapping[str, str],
    dataset: str,
    domains: Mapping[str, tuple[str, ...]],
    registry: Registry,
) -> str:
    distribution, source = about.get("recipe_distribution", ""), about.get("recipe_source", "")
    where = f"{source}: Recipe:" if source else "no --recipe is given, and"
    remedy = f" Install it: pip install {distribution}." if distribution else near(named, domains)
    return (
        f"{where} {named!r} is the recipe for the data set {dataset!r}, and it is not installed."
        f"{remedy} Or name another one with --recipe, which may suit less: {_described(domains)}."
        f"{registry.broken_hint()}"
    )


def _described(domains: Mapping[str, tuple[str, ...]]) -> str:
    return listing(
        f"{name} ({_words(domain)})" if domain else name for name, domain in domains.items()
    )


def _words(domain: tuple[str, ...]) -> str:
    return "any pictures" if ANY in domain else " and ".join(domain)
