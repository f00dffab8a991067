"""The registry of cards: what is installed under which name, without importing its classes.

The only module that imports pluggy, beside ``hookspecs``. Entry points of the group
``neurodiffuse`` are loaded one by one: a broken plugin is listed with its error and everything
else works. What the core ships enters by the same door, first; nobody takes its names, and where it
cannot be loaded nothing else is.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

import pluggy

from neurodiffuse import hookspecs
from neurodiffuse.errors import PluginError, listing, near
from neurodiffuse.names import wrong_with
from neurodiffuse.readers.reach import limit
from neurodiffuse.types import Broken, Card, Dataset, Metric, Model, Section
from neurodiffuse.watcher import Note

GROUP = "neurodiffuse"
OWN = "neurodiffuse.builtin"
"""The module of what the core ships."""

REPAIR = "Install it again: pip install --force-reinstall neurodiffuse"

ROLES = (
    "dataset",
    "encoder",
    "decoder",
    "refiner",
    "generator",
    "metric",
    "recipe",
    "layout",
    "algebra",
)


class Registry:
    """Names, cards and hooks of the installed plugins.

    Parameters
    ----------
    plugins
        Modules (or any objects) with hook implementations, as ``(name, plugin)`` pairs. Use
        `Registry.installed` for what is installed; tests hand in their own.
    """

    def __init__(self, plugins: Iterable[tuple[str, Any]] = ()) -> None:
        self._cards: dict[tuple[str, str], Card] = {}
        self._clashes: dict[tuple[str, str], tuple[Card, Card]] = {}
        self._models: dict[str, list[tuple[Model, str]]] = {}
        self._distributions: dict[str, str] = {}
        self._own: set[tuple[str, str]] = set()
        self.broken: list[Broken] = []
        self.warnings: list[str] = []
        """What users should know before a command is run: who wanted the name of another."""
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        for name, plugin in plugins:
            self.add(name, plugin)

    @classmethod
    def installed(cls, note: Note | None = None) -> Registry:
        """Return the registry of everything that is installed in this environment.

        ``note`` is told which plugin is loaded; see `neurodiffuse.watcher`.

        Raises
        ------
        PluginError
            If what the core itself ships cannot be loaded, or loading is interrupted.
        """
        registry = cls()
        points = sorted(entry_points(group=GROUP), key=lambda p: (p.value != OWN, p.name))
        if not points or points[0].value != OWN:
            raise PluginError(f"neurodiffuse itself is not installed as a whole. {REPAIR}")
        for point in points:
            dist = point.dist.name if point.dist else ""
            if note:
                note(_gone(point.name, dist, "loaded"))
            registry._load(point)
        return registry

    def _load(self, point: EntryPoint) -> None:
        dist = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        try:
            plugin = point.load()
        except BaseException as error:  # a stranger's import may raise anything; it is listed
            self._fail(point.name, dist, error, own=point.value == OWN)
            return
        self.add(point.name, plugin, distribution=dist, version=version)

    def add(self, name: str, plugin: Any, *, distribution: str = "", version: str = "") -> None:
        """Register one plugin; a plugin that cannot be registered is put among ``broken``."""
        own = getattr(plugin, "__name__", "") == OWN
        self._distributions[name] = distribution
        contract = getattr(plugin, "CONTRACT", hookspecs.CONTRACT)
        if contract != hookspecs.CONTRACT:
            self._break(
                name,
                distribution,
                f"written for contract {contract}, this neurodiffuse has {hookspecs.CONTRACT}; "
                f"install a version of {distribution or name} for it",
            )
            return
        cards: list[Card] = []
        models: list[Model] = []
        try:
            self._manager.register(plugin, name)
            self._refuse_unknown_hooks(plugin)
            for role in ROLES:
                register = _registrar(cards, role, distribution, version)
                self._hook_of(plugin, f"register_{role}s")(register=register)
            self._hook_of(plugin, "register_models")(
                register=lambda model: models.append(_checked_model(model))
            )
            for offer in _offers(plugin):
                if isinstance(offer, Model):
                    models.append(_checked_model(offer))
                else:
                    cards.append(
                        replace(_checked(offer), distribution=distribution, version=version)
                    )
        except BaseException as error:  # as above: whatever a plugin does wrong is its own
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            self._fail(name, distribution, error, own=own)
            return
        for card in cards:
            if own:
                self._own.add((card.role, card.name))
            elif (card.role, card.name) in self._own:
                self._warn(name, distribution, f"{card.role} {card.name!r}")
                continue
            self._file(card)
        for model in models:
            self._models.setdefault(model.name, []).append((model, distribution or name))

    def _hook_of(self, plugin: Any, hook: str) -> Any:
        """Return the caller of one plugin's implementation of a hook."""
        others = [p for p in self._manager.get_plugins() if p is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _refuse_unknown_hooks(self, plugin: Any) -> None:
        known = [n for n in dir(hookspecs) if hasattr(getattr(hookspecs, n), f"{GROUP}_spec")]
        for name in dir(plugin):
            if hasattr(getattr(plugin, name), f"{GROUP}_impl") and name not in known:
                raise PluginError(
                    f"unknown hook {name!r}.{near(name, known)} Hooks: {listing(known)}"
                )

    def _fail(self, name: str, distribution: str, error: BaseException, *, own: bool) -> None:
        """List a plugin that failed; what the core ships, and an interruption, end the command."""
        said = " ".join(f"{type(error).__name__}: {error}".split())
        if own:
            raise PluginError(f"neurodiffuse itself cannot be loaded ({said}). {REPAIR}") from error
        if isinstance(error, KeyboardInterrupt):
            raise PluginError(
                f"interrupted while {_named(name, distribution)} was loaded. If nobody pressed "
                f"Ctrl-C, {_uninstall(distribution)}."
            ) from error
        self._break(name, distribution, said)

    def _warn(self, name: str, distribution: str, what: str) -> None:
        """Note a plugin that wants a name that is taken: it is told, and its offer left out."""
        said = f"offers a {what}, which is there already and is kept"
        self._break(name, distribution, said)
        self.warnings.append(f"{_named(name, distribution)} {said}.")

    def _break(self, point: str, distribution: str, error: str) -> None:
        self.broken.append(Broken(point, distribution, " ".join(error.split())))

    def _file(self, card: Card) -> None:
        key = (card.role, card.name)
        if key in self._cards:
            self._clashes[key] = (self._cards[key], card)
        else:
            self._cards[key] = card

    def cards(self, role: str) -> list[Card]:
        """Return the cards of a role, sorted by name."""
        return sorted((c for c in self._cards.values() if c.role == role), key=lambda c: c.name)

    def card(self, role: str, name: str, where: str = "") -> Card:
        """Return the card of a name, or raise `PluginError` with what is possible."""
        lead = f"{where}: " if where else ""
        if clash := self._clashes.get((role, name)):
            one, two = (c.distribution or c.target for c in clash)
            raise PluginError(
                f"{lead}two plugins offer the {role} {name!r}: {one} and {two}. Uninstall one."
            )
        if found := self._cards.get((role, name)):
            return found
        names = [c.name for c in self.cards(role)]
        raise PluginError(
            f"{lead}no {role} is called {name!r}.{near(name, names)} Installed: {listing(names)}."
            + self.broken_hint()
        )

    def models(self) -> list[Model]:
        """Return the published weights that plugins name, sorted by name."""
        return [self._models[name][0][0] for name in sorted(self._models)]

    def model(self, name: str) -> Model:
        """Return the weights of a name, or raise `PluginError` with what is possible."""
        offers = self._models.get(name)
        if not offers:
            raise PluginError(
                f"no model is called {name!r}.{near(name, self._models)} "
                f"Known: {listing(sorted(self._models))}." + self.broken_hint()
            )
        if any(model != offers[0][0] for model, _ in offers):  # plugins may share one model
            who = " and ".join(dict.fromkeys(source for _, source in offers))
            raise PluginError(f"{who} name different weights {name!r}. Uninstall one.")
        return offers[0][0]

    def broken_hint(self) -> str:
        """Return a sentence on the plugins that are broken, or nothing."""
        if not self.broken:
            return ""
        which = listing(b.distribution or b.entry_point for b in self.broken)
        return f" Broken and left out: {which} (see `neurodiffuse plugins list`)."

    def dataset(
        self, name: str, options: Mapping[str, Any], links: str = "inside", where: str = "--dataset"
    ) -> Dataset:
        """Return a data set of a plugin; its links may lead as far as ``links`` says (`reach`)."""
        found: Dataset = self.load(self.card("dataset", name, where))(**options)
        limit(found.home(), options, links)
        return found

    def load(self, card: Card) -> type:
        """Import and return the class of a card."""
        module_name, _, attribute = card.target.partition(":")
        try:
            cls = getattr(importlib.import_module(module_name), attribute)
        except (
            Exception,
            SystemExit,
        ) as error:  # the plugin's own import: told with what to install
            remedy = f" Install it with: pip install {card.extra!r}." if card.extra else ""
            raise PluginError(
                f"{card.role} {card.name!r} ({card.distribution or card.target}) cannot be "
                f"imported: {type(error).__name__}: {error}.{remedy}"
            ) from error
        if not inspect.isclass(cls):
            raise PluginError(f"{card.role} {card.name!r}: {card.target} is not a class.")
        return cls

    def compares(self, card: Card) -> str:
        """Return what a metric compares, ``"images"`` or ``"latents"``; see `Metric.compares`.

        One written before it had to say so compares latents if its name begins with ``latent-``.
        """
        cls = self.load(card)
        said = any("compares" in vars(c) for c in cls.__mro__ if c is not Metric)
        if not said and card.name.startswith("latent-"):
            return "latents"
        return str(getattr(cls, "compares", "images"))

    def text(self, card: Card) -> str:
        """Return the text of a recipe card."""
        package, _, path = card.target.partition(":")
        return files(package).joinpath(path).read_text(encoding="utf-8")

    def commands(self, cli: Any, note: Note | None = None) -> None:
        """Let every plugin add its commands; one that fails is put among ``broken``.

        A command that is there stays: a plugin that replaces or removes one is told in
        ``warnings``.
        """
        for name, plugin in self._manager.list_name_plugin():
            before = commands_of(cli)
            if note:
                note(_gone(name, self._distributions[name], "asked for its commands"))
            self._call(name, plugin, "register_commands", cli=cli)
            after = commands_of(cli)
            for path, command in before.items():
                if after.get(path) is not command:
                    group = before[path[:-1]] if len(path) > 1 else cli
                    group.commands[path[-1]] = command
                    self._warn(name, self._distributions[name], f"command {' '.join(path)!r}")

    def sections(self, run: Any) -> list[Section]:
        """Return what plugins add to a report; one that fails is put among ``broken``."""
        found: list[Any] = []
        for name, plugin in self._manager.list_name_plugin():
            found += self._call(name, plugin, "report_sections", run=run)
        return [section for sections in found for section in sections or ()]

    def _call(self, name: str, plugin: Any, hook: str, **arguments: Any) -> list[Any]:
        """Return what a plugin's hook returns, nothing if it fails."""
        try:
            results: list[Any] = self._hook_of(plugin, hook)(**arguments)
        except BaseException as error:  # a stranger's code may raise anything; it is listed
            if isinstance(error, KeyboardInterrupt) and hook == "report_sections":
                raise  # that takes long enough for a person to interrupt
            self._fail(
                name, self._distributions[name], error, own=getattr(plugin, "__name__", "") == OWN
            )
            return []
        return results


def commands_of(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return the commands of a group and of the groups in it, by the words that call them."""
    found = {}
    for name, command in group.commands.items():
        found[(*path, name)] = command
        if hasattr(command, "commands"):
            found |= commands_of(command, (*path, name))
    return found


def _named(name: str, distribution: str) -> str:
    return f"the plugin {name!r}" + (f" of {distribution}" if distribution else "")


def _uninstall(distribution: str) -> str:
    return f"uninstall it: pip uninstall {distribution}" if distribution else "uninstall it"


def _gone(name: str, distribution: str, when: str) -> str:
    """Return what to say if the process ends while a plugin is at something."""
    return (
        f"the process ended while {_named(name, distribution)} was {when}. If nobody killed it, "
        f"{_uninstall(distribution)}."
    )


def _registrar(cards: list[Card], role: str, distribution: str, version: str) -> Any:
    """Return the ``register`` function that a hook receives."""

    def register(
        name: str,
        target: str,
        *,
        summary: str,
        reads: tuple[str, ...] = (),
        extra: str = "",
        cite: str = "",
        licence: str = "",
        optional: tuple[str, ...] = (),
    ) -> None:
        card = Card(name, role, target, summary, tuple(reads), extra, cite, licence)
        card = _checked(replace(card, optional=tuple(optional)))
        cards.append(replace(card, distribution=distribution, version=version))

    return register


def _offers(plugin: Any) -> list[Any]:
    """Return the items of a plugin's list ``CARDS``.

    Raises
    ------
    PluginError
        If it is no list of cards and models, or a list of cards has another name.
    """
    for name in dir(plugin):
        value = getattr(plugin, name)
        if (
            name != "CARDS"
            and name[0] != "_"
            and isinstance(value, list | tuple)
            and any(isinstance(item, Card) for item in value)
        ):
            raise PluginError(f"{name} is a list of cards that nobody reads; call it CARDS")
    offers = getattr(plugin, "CARDS", [])
    if not isinstance(offers, list | tuple):
        raise PluginError(f"CARDS is a list of cards, not {offers!r}")
    for offer in offers:
        if not isinstance(offer, Card | Model):
            raise PluginError(f"CARDS holds {offer!r}, which is no card; see neurodiffuse.cards")
    return list(offers)


def _checked(card: Card) -> Card:
    """Return a card that can be used.

    Raises
    ------
    PluginError
        If something of it cannot be right.
    """
    if said := wrong_with(card.name):
        raise PluginError(f"{card.role}: {said}")
    if card.role not in ROLES:
        raise PluginError(
            f"{card.name!r}: no role is called {card.role!r}. Roles: {listing(ROLES)}"
        )
    if ":" not in card.target:
        raise PluginError(
            f"{card.role} {card.name!r}: the target {card.target!r} needs the form 'module:name'"
        )
    for key in ("reads", "optional"):
        if not isinstance(getattr(card, key), tuple):
            raise PluginError(
                f"{card.role} {card.name!r}: {key} is a tuple of names such as ('images',), not "
                f"{getattr(card, key)!r}"
            )
    if wrong := set(card.optional) - {*card.reads, "init"}:
        raise PluginError(
            f"{card.role} {card.name!r}: optional names {min(wrong)!r}, which is not in reads "
            f"{card.reads}"
        )
    return card


def _checked_model(model: Model) -> Model:
    """Return published weights that can be used.

    Raises
    ------
    PluginError
        If something of them cannot be right.
    """
    paths = [file.path for file in model.files]
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", model.name):
        raise PluginError(
            f"model {model.name!r}: the name is a folder's; use a-z, 0-9, '-', '_' and '.'"
        )
    if not paths or len(set(paths)) < len(paths):
        raise PluginError(f"model {model.name!r}: needs files, each of another path")
    for path in paths:
        if not _inside(path):
            raise PluginError(f"model {model.name!r}: {path!r} is no path inside its folder")
    for file in model.files:
        if file.sha256 and not re.fullmatch(r"[0-9a-fA-F]{8,64}", file.sha256):
            raise PluginError(
                f"model {model.name!r}: {file.path}: sha256 needs 8 to 64 hexadecimal digits"
            )
    return model


def _inside(path: str) -> bool:
    parts = path.split("/")
    return "\\" not in path and ":" not in path and not {"", ".", ".."} & set(parts)
