"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Encoder, Generator, Metric, Recipe

VAE = "Child 2021, Very deep VAEs generalize autoregressive models, arXiv:2011.10650"
CLIP = "Radford et al. 2021, Learning transferable visual models, arXiv:2103.00020"
DIFFUSION = "Xu et al. 2023, Versatile Diffusion, arXiv:2211.08332"
LITE = "Tan & Le 2019, EfficientNet, arXiv:1905.11946"
LICENCE = "BSD-3-Clause"

CARDS = [
    Encoder(
        "demo-vae",
        "neurodiffuse_demo.encoders:VaeEncoder",
        summary="Layers of a small hierarchical autoencoder: colours and layout",
        reads=("images",),
        cite=VAE,
        licence=LICENCE,
    ),
    Encoder(
        "demo-vision",
        "neurodiffuse_demo.encoders:VisionEncoder",
        summary="Tokens of a small CLIP's picture tower: what is where",
        reads=("images",),
        cite=CLIP,
        licence=LICENCE,
    ),
    Encoder(
        "demo-text",
        "neurodiffuse_demo.encoders:TextEncoder",
        summary="Tokens of a small CLIP's caption tower, averaged over an image's captions",
        reads=("captions",),
        cite=CLIP,
        licence=LICENCE,
    ),
    Generator(
        "demo-vae",
        "neurodiffuse_demo.generators:VaeGenerator",
        summary="First guess: the autoencoder's picture, its lower layers from their prior",
        reads=("vae",),
        cite=VAE,
        licence=LICENCE,
    ),
    Generator(
        "demo-diffusion",
        "neurodiffuse_demo.generators:DiffusionGenerator",
        summary="Small diffusion transformer guided by vision and text tokens, image to image",
        reads=("vision", "text"),
        optional=("vision", "text", "init"),
        cite=DIFFUSION,
        licence=LICENCE,
    ),
    Metric(
        "demo-evaluator",
        "neurodiffuse_demo.metrics:Evaluator",
        summary="Two-way identification or category, network trained on drawn scenes",
        licence=LICENCE,
    ),
    Metric(
        "demo-perceptual",
        "neurodiffuse_demo.perceptual:Perceptual",
        summary="Two-way identification by EfficientNet-Lite0, network trained on ImageNet",
        extra="neurodiffuse-demo[perceptual]",
        cite=LITE,
        licence="Apache-2.0",
    ),
    Recipe(
        "demo",
        "neurodiffuse_demo:recipes/demo.toml",
        summary="Brain-Diffuser in miniature, truly trained, for scenes of simple objects",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
        licence=LICENCE,
    ),
    Recipe(
        "demo-layout",
        "neurodiffuse_demo:recipes/demo-layout.toml",
        summary="Layout alone, as finely as the demo has it: to ask where a region looks",
        cite=VAE,
        licence=LICENCE,
    ),
]
