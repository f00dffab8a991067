"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Refiner

CARDS = [
    Refiner(
        "slope",
        "neurodiffuse_slope.refiner:Slope",
        summary="Each latent shrunk or stretched as held-out predictions say",
    )
]
