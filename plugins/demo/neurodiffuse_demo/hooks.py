"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl

VAE = "Child 2021, Very deep VAEs generalize autoregressive models, arXiv:2011.10650"
CLIP = "Radford et al. 2021, Learning transferable visual models, arXiv:2103.00020"
DIFFUSION = "Xu et al. 2023, Versatile Diffusion, arXiv:2211.08332"
LITE = "Tan & Le 2019, EfficientNet, arXiv:1905.11946"
LICENCE = "BSD-3-Clause"


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the three kinds of latents."""
    register(
        "demo-vae",
        "neurodiffuse_demo.encoders:VaeEncoder",
        summary="Layers of a small hierarchical autoencoder: colours and layout",
        reads=("images",),
        cite=VAE,
        licence=LICENCE,
    )
    register(
        "demo-vision",
        "neurodiffuse_demo.encoders:VisionEncoder",
        summary="Tokens of a small CLIP's picture tower: what is where",
        reads=("images",),
        cite=CLIP,
        licence=LICENCE,
    )
    register(
        "demo-text",
        "neurodiffuse_demo.encoders:TextEncoder",
        summary="Tokens of a small CLIP's caption tower, averaged over an image's captions",
        reads=("captions",),
        cite=CLIP,
        licence=LICENCE,
    )


@hookimpl
def register_generators(register: Any) -> None:
    """Register the first guess and the denoiser."""
    register(
        "demo-vae",
        "neurodiffuse_demo.generators:VaeGenerator",
        summary="First guess: the autoencoder's picture, its lower layers from their prior",
        reads=("vae",),
        cite=VAE,
        licence=LICENCE,
    )
    register(
        "demo-diffusion",
        "neurodiffuse_demo.generators:DiffusionGenerator",
        summary="Small diffusion transformer guided by vision and text tokens, image to image",
        reads=("vision", "text"),
        optional=("vision", "text", "init"),
        cite=DIFFUSION,
        licence=LICENCE,
    )


@hookimpl
def register_metrics(register: Any) -> None:
    """Register the independent evaluator and the pretrained perceptual score."""
    register(
        "demo-evaluator",
        "neurodiffuse_demo.metrics:Evaluator",
        summary="Two-way identification or category, network trained on drawn scenes",
        licence=LICENCE,
    )
    register(
        "demo-perceptual",
        "neurodiffuse_demo.perceptual:Perceptual",
        summary="Two-way identification by EfficientNet-Lite0, network trained on ImageNet",
        extra="neurodiffuse-demo[perceptual]",
        cite=LITE,
        licence="Apache-2.0",
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register Brain-Diffuser in miniature, and its layout alone."""
    register(
        "demo",
        "neurodiffuse_demo:recipes/demo.toml",
        summary="Brain-Diffuser in miniature, truly trained, for scenes of simple objects",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
        licence=LICENCE,
    )
    register(
        "demo-layout",
        "neurodiffuse_demo:recipes/demo-layout.toml",
        summary="Layout alone, as finely as the demo has it: to ask where a region looks",
        cite=VAE,
        licence=LICENCE,
    )
