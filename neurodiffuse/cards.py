"""What a plugin writes into its list ``CARDS``: one card for each name that it offers.

::

    from neurodiffuse.cards import Generator, Recipe

    CARDS = [
        Generator(
            "mosaic", "my_package.generator:Mosaic", summary="Coloured tiles", reads=("pixels",)
        ),
        Recipe("mosaic", "my_package:recipes/mosaic.toml", summary="The recipe that uses it"),
    ]

A card names a class and imports nothing; see `neurodiffuse.types.Card` for what it says. A
`neurodiffuse.types.Model` in the list is published weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurodiffuse.types import Card


@dataclass(frozen=True)
class Dataset(Card):
    """A data set; its name is what ``--dataset`` takes."""

    role: str = field(default="dataset", init=False)


@dataclass(frozen=True)
class Encoder(Card):
    """An encoder; ``reads`` is ``("images",)``, or ``("captions",)`` for those that encode text."""

    role: str = field(default="encoder", init=False)


@dataclass(frozen=True)
class Decoder(Card):
    """A decoder, from brain responses to latents."""

    role: str = field(default="decoder", init=False)


@dataclass(frozen=True)
class Refiner(Card):
    """A refiner, from predicted latents to better ones."""

    role: str = field(default="refiner", init=False)


@dataclass(frozen=True)
class Generator(Card):
    """A generator; ``reads`` names the features whose latents it is given."""

    role: str = field(default="generator", init=False)


@dataclass(frozen=True)
class Metric(Card):
    """A metric."""

    role: str = field(default="metric", init=False)


@dataclass(frozen=True)
class Recipe(Card):
    """A recipe; the target is a file inside a package: ``"package:recipes/name.toml"``."""

    role: str = field(default="recipe", init=False)


@dataclass(frozen=True)
class Layout(Card):
    """A form that simulated data can be written in."""

    role: str = field(default="layout", init=False)


@dataclass(frozen=True)
class Algebra(Card):
    """What computes ridge in place of BLAS."""

    role: str = field(default="algebra", init=False)
