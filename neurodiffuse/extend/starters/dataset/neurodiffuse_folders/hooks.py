"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Dataset

CARDS = [
    Dataset(
        "folders",
        "neurodiffuse_folders.dataset:Folders",
        summary="A folder of arrays and pictures",
    ),
]
