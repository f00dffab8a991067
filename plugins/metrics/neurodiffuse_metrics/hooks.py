"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_metrics.models import ALEXNET, CLIP, EFFNET_V1, INCEPTION, MODELS, SWAV


@hookimpl
def register_models(register: Any) -> None:
    """Register the published weights."""
    for model in MODELS:
        register(model)


@hookimpl
def register_metrics(register: Any) -> None:
    """Register the network metrics."""
    identified = "Two-way identification by"
    for name, cls, summary, model in (
        ("alexnet-2", "AlexNet2", f"{identified} AlexNet's second convolution", ALEXNET),
        ("alexnet-5", "AlexNet5", f"{identified} AlexNet's fifth convolution", ALEXNET),
        ("alexnet-7", "AlexNet7", f"{identified} AlexNet's seventh layer (Takagi)", ALEXNET),
        ("inception", "Inception", f"{identified} Inception v3's last features", INCEPTION),
        ("clip", "Clip", f"{identified} CLIP's image embedding, ViT-L/14", CLIP),
        ("effnet-b1", "EffNetB1", "Correlation distance of EfficientNet-B1 features", EFFNET_V1),
        ("swav", "Swav", "Correlation distance of SwAV's ResNet-50 features", SWAV),
    ):
        register(
            name,
            f"neurodiffuse_metrics.metrics:{cls}",
            summary=summary,
            cite=model.cite,
            licence=model.licence,
        )
