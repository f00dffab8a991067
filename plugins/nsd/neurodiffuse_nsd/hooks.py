"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_nsd.citation import CITE


@hookimpl
def register_datasets(register: Any) -> None:
    """Register the reader of the Natural Scenes Dataset."""
    register(
        "nsd",
        "neurodiffuse_nsd.dataset:NsdDataset",
        summary="The Natural Scenes Dataset in its own layout (--root DIR)",
        cite=CITE,
        licence="NSD data access agreement",
    )


@hookimpl
def register_layouts(register: Any) -> None:
    """Register NSD's layout for simulated brains."""
    register(
        "nsd",
        "neurodiffuse_nsd.simulate.layout:NsdLayout",
        summary="The layout of the Natural Scenes Dataset, as the data set nsd reads it",
    )


@hookimpl
def register_commands(cli: Any) -> None:
    """Add ``neurodiffuse fetch nsd``."""
    from neurodiffuse.downloads.command import fetch
    from neurodiffuse_nsd.fetch.command import nsd

    fetch.add_command(nsd)
