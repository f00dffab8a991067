"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_datasets(register: Any) -> None:
    """Register the data set: its name is what --dataset takes."""
    register(
        "folders",
        "neurodiffuse_folders.dataset:Folders",
        summary="A folder of arrays and pictures",
    )
