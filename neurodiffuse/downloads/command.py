"""The group ``neurodiffuse fetch``, to which plugins add their data sets."""

from __future__ import annotations

import click


@click.group()
def fetch() -> None:
    """Fetch a published data set; plugins add theirs here."""
