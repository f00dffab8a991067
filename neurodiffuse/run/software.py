"""With which software the steps of a run were computed, and whether that is one and the same.

``logs/software.json`` holds it for each step and subject. The same bytes are promised where it is
the same: another numpy or plugin, and on some machines another number of BLAS threads, may round
another way or compute something else.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from importlib import metadata

from neurodiffuse import __version__
from neurodiffuse.config import STEPS
from neurodiffuse.files import json_of, write_whole
from neurodiffuse.run.folder import Run

FILE = "software.json"

LIBRARIES = ("numpy", "scipy", "scikit-learn", "nibabel", "pillow")
"""Distributions that results may depend on, besides those of plugins."""

Used = dict[str, str]


def used(run: Run) -> Used:
    """Return the names and versions of what computes here."""
    from neurodiffuse import blas  # brings numpy, which a command's help does without

    config = run.config
    parts = [
        ("dataset", config.dataset),
        *(("encoder", part.encoder) for part in config.features.values()),
        *(("generator", part.generator) for part in config.stages.values()),
        *(("metric", part.metric) for part in config.metrics.values()),
    ]
    cards = [run.registry.card(role, name) for role, name in parts]
    plugins = {card.distribution: card.version for card in cards if card.distribution}
    libraries = (*LIBRARIES, *(["torch"] if any(map(_needs_torch, plugins)) else []))
    return {
        "neurodiffuse": __version__,
        "Python": platform.python_version(),
        **{name: version for name in libraries if (version := _version(name))},
        **dict(sorted(plugins.items())),
        "machine": platform.machine(),
        "BLAS threads": str(blas.threads()),
    }


def note(run: Run, step: str, subject: str) -> None:
    """Note what a step was computed with, in place of what was noted of it before."""
    noted = _noted(run) | {f"{subject} {step}": used(run)}
    write_whole(run.path / "logs" / FILE, json.dumps(noted, indent=1, sort_keys=True) + "\n")


def differences(run: Run, now: Mapping[str, str] | None = None) -> list[str]:
    """Return in words what steps were computed with that others, or ``now``, have otherwise."""
    steps = {key: used for key, used in _noted(run).items() if _is_there(run, key)}
    names = dict.fromkeys(name for used in steps.values() for name in used)
    found = []
    for name in names:
        groups: dict[str, list[str]] = {}
        for key, software in steps.items():
            groups.setdefault(software.get(name, "absent"), []).append(key)
        if now is not None:
            groups.setdefault(now.get(name, "absent"), []).append("what is left to do")
        if len(groups) > 1:
            said = (f"{version} ({', '.join(_short(keys))})" for version, keys in groups.items())
            found.append(f"{name} {' and '.join(said)}")
    return found


def _short(keys: list[str]) -> list[str]:
    return keys if len(keys) <= 3 else [*keys[:2], f"{len(keys) - 2} more steps"]


def _is_there(run: Run, key: str) -> bool:
    subject, _, step = key.partition(" ")
    return run.folder(step, subject.removeprefix("sub-")).exists()


def _noted(run: Run) -> dict[str, Used]:
    try:
        found = json_of((run.path / "logs" / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # logs may be removed
        return {}
    if not isinstance(found, dict):
        return {}
    known = {step: number for number, step in enumerate(STEPS)}
    keys = sorted(found, key=lambda k: (k.partition(" ")[0], known.get(k.partition(" ")[2], 0)))
    return {key: dict(found[key]) for key in keys}


def _needs_torch(distribution: str) -> bool:
    try:
        needed = metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return False
    return any(re.match(r"(neurodiffuse-)?torch\b", one) for one in needed)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
