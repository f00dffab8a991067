"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl

CITE = (
    "Allen, E. J., St-Yves, G., Wu, Y., et al. (2022). A massive 7T fMRI dataset to bridge "
    "cognitive neuroscience and artificial intelligence. Nature Neuroscience, 25, 116-126. "
    "https://doi.org/10.1038/s41593-021-00962-x"
)


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
