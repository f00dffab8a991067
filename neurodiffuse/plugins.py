"""The registry of cards: what is installed under which name, without importing its classes.

The only module that imports pluggy, beside ``hookspecs``. Entry points of the group
``neurodiffuse`` are loaded one by one: a broken plugin is listed with its error and everything
else works. What the core ships enters by the same door.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

import pluggy

from neurodiffuse import hookspecs
from neurodiffuse.errors import PluginError, listing, near
from neurodiffuse.names import wrong_with
from neurodiffuse.types import Broken, Card, Model, Section

GROUP = "neurodiffuse"
ROLES = ("dataset", "encoder", "generator", "metric", "recipe", "layout", "algebra")


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
        self.broken: list[Broken] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        for name, plugin in plugins:
            self.add(name, plugin)

    @classmethod
    def installed(cls) -> Registry:
        """Return the registry of everything that is installed in this environment."""
        registry = cls()
        for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name != "builtin", p.name)):
            registry._load(point)
        return registry

    def _load(self, point: EntryPoint) -> None:
        dist = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        try:
            plugin = point.load()
        except (
            Exception,
            SystemExit,
        ) as error:  # a stranger's import may raise anything; it is listed
            self._break(point.name, dist, f"{type(error).__name__}: {error}")
            return
        self.add(point.name, plugin, distribution=dist, version=version)

    def add(self, name: str, plugin: Any, *, distribution: str = "", version: str = "") -> None:
        """Register one plugin; a plugin that cannot be registered is put among ``broken``."""
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
            self._hook_of(plugin, "register_models")(register=_model_registrar(models))
        except (
            Exception,
            SystemExit,
        ) as error:  # as above: whatever a plugin does wrong is its own
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            self._break(name, distribution, f"{type(error).__name__}: {error}")
            return
        for card in cards:
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
            + self._broken_hint()
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
                f"Known: {listing(sorted(self._models))}." + self._broken_hint()
            )
        if any(model != offers[0][0] for model, _ in offers):  # plugins may share one model
            who = " and ".join(dict.fromkeys(source for _, source in offers))
            raise PluginError(f"{who} name different weights {name!r}. Uninstall one.")
        return offers[0][0]

    def _broken_hint(self) -> str:
        if not self.broken:
            return ""
        which = listing(b.distribution or b.entry_point for b in self.broken)
        return f" Broken and left out: {which} (see `neurodiffuse plugins list`)."

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

    def text(self, card: Card) -> str:
        """Return the text of a recipe card."""
        package, _, path = card.target.partition(":")
        return files(package).joinpath(path).read_text(encoding="utf-8")

    def commands(self, cli: Any) -> None:
        """Let every plugin add its commands; one that fails is put among ``broken``."""
        self._call_each("register_commands", cli=cli)

    def sections(self, run: Any) -> list[Section]:
        """Return what plugins add to a report; one that fails is put among ``broken``."""
        found = self._call_each("report_sections", run=run)
        return [section for sections in found for section in sections or ()]

    def _call_each(self, hook: str, **arguments: Any) -> list[Any]:
        results: list[Any] = []
        for name, plugin in self._manager.list_name_plugin():
            try:
                results += self._hook_of(plugin, hook)(**arguments)
            except (
                Exception,
                SystemExit,
            ) as error:  # a stranger's code may raise anything; it is listed
                self._break(name, "", f"{hook}: {type(error).__name__}: {error}")
        return results


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
        if wrong := wrong_with(name):
            raise PluginError(f"{role}: {wrong}")
        if ":" not in target:
            raise PluginError(
                f"{role} {name!r}: the target {target!r} needs the form 'module:name'"
            )
        if wrong := set(optional) - {*reads, "init"}:
            raise PluginError(
                f"{role} {name!r}: optional names {min(wrong)!r}, which is not in reads {reads}"
            )
        card = Card(name, role, target, summary, tuple(reads), extra, cite, licence)
        cards.append(
            replace(card, distribution=distribution, version=version, optional=tuple(optional))
        )

    return register


def _model_registrar(models: list[Model]) -> Any:
    """Return the ``register`` function that ``register_models`` receives."""

    def register(model: Model) -> None:
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
        models.append(model)

    return register


def _inside(path: str) -> bool:
    parts = path.split("/")
    return "\\" not in path and ":" not in path and not {"", ".", ".."} & set(parts)
