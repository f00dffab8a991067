"""What the core itself plugs in, through the same door as everybody else."""

from __future__ import annotations

from typing import Any

from neurodiffuse.cards import Decoder, Layout, Metric, Refiner
from neurodiffuse.hookspecs import hookimpl

CARDS = [
    Metric(
        "pixcorr",
        "neurodiffuse.metrics:PixCorr",
        summary="Pearson correlation of the pixels of what was seen and what was made",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
    ),
    Metric(
        "ssim",
        "neurodiffuse.metrics:Ssim",
        summary="Structural similarity of the grey images",
        cite="Wang et al. 2004, IEEE Trans. Image Process. 13:600",
    ),
    Metric(
        "identification",
        "neurodiffuse.metrics:Identification",
        summary="Two-way identification by the correlation of pixels or of oriented gradients",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
    ),
    Metric(
        "latent-identification",
        "neurodiffuse.metrics:LatentIdentification",
        summary="Two-way identification by the correlation of a feature of the recipe",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
    ),
    Metric(
        "latent-retrieval",
        "neurodiffuse.metrics:LatentRetrieval",
        summary="Top-k retrieval by the correlation of a feature of the recipe",
        cite="Scotti et al. 2023, MindEye, arXiv:2305.18274",
    ),
    Metric(
        "latent-distance",
        "neurodiffuse.metrics:LatentDistance",
        summary="Correlation distance in a feature of the recipe",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
    ),
    Decoder(
        "ridge",
        "neurodiffuse.decoders.ridge.decoder:Ridge",
        summary="Ridge regression with an intercept",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
    ),
    Refiner(
        "retrieval",
        "neurodiffuse.decoders.retrieval:RetrievalMix",
        summary="Predictions mixed with the latents of the nearest training images",
    ),
    Layout(
        "bids",
        "neurodiffuse.simulate.write:BidsLayout",
        summary="A BIDS derivative, as the data set bids reads it",
    ),
]


@hookimpl
def register_commands(cli: Any) -> None:
    """Add the commands that are not the pipeline itself."""
    from neurodiffuse.downloads.command import fetch
    from neurodiffuse.extend.command import plugins, recipes
    from neurodiffuse.models.command import models
    from neurodiffuse.questions.ablate.command import ablate
    from neurodiffuse.questions.average.command import average
    from neurodiffuse.questions.compare.command import compare
    from neurodiffuse.questions.controls.command import controls
    from neurodiffuse.questions.roi_optimal.command import roi_optimal
    from neurodiffuse.questions.rois.command import rois
    from neurodiffuse.questions.score.command import score
    from neurodiffuse.questions.weights.command import weights
    from neurodiffuse.simulate.command import simulate

    for command in (
        ablate,
        average,
        compare,
        controls,
        fetch,
        models,
        plugins,
        recipes,
        roi_optimal,
        rois,
        score,
        simulate,
        weights,
    ):
        cli.add_command(command)
