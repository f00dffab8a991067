"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_metrics(register: Any) -> None:
    """Register the metric."""
    register(
        "closeness",
        "neurodiffuse_closeness.metric:Closeness",
        summary="One minus the mean absolute difference of the pixels",
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register a recipe that scores with it too."""
    register(
        "closeness",
        "neurodiffuse_closeness:recipes/closeness.toml",
        summary="Principal components of the pixels, scored by closeness too",
    )
