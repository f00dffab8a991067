"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.cards import Dataset, Layout
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_nsd.citation import CITE

CARDS = [
    Dataset(
        "nsd",
        "neurodiffuse_nsd.dataset:NsdDataset",
        summary="The Natural Scenes Dataset in its own layout (--root DIR)",
        cite=CITE,
        licence="NSD data access agreement",
    ),
    Layout(
        "nsd",
        "neurodiffuse_nsd.simulate.layout:NsdLayout",
        summary="The layout of the Natural Scenes Dataset, as the data set nsd reads it",
    ),
]


@hookimpl
def register_commands(cli: Any) -> None:
    """Add ``neurodiffuse fetch nsd``."""
    from neurodiffuse.downloads.command import fetch
    from neurodiffuse_nsd.fetch.command import nsd

    fetch.add_command(nsd)
