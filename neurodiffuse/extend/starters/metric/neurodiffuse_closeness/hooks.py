"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Metric, Recipe

CARDS = [
    Metric(
        "closeness",
        "neurodiffuse_closeness.metric:Closeness",
        summary="One minus the mean absolute difference of the pixels",
    ),
    Recipe(
        "closeness",
        "neurodiffuse_closeness:recipes/closeness.toml",
        summary="Principal components of the pixels, scored by closeness too",
    ),
]
