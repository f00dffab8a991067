"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Metric
from neurodiffuse_metrics.models import ALEXNET, CLIP, EFFNET_V1, INCEPTION, MODELS, SWAV

IDENTIFIED, DISTANCE = "Two-way identification by", "Correlation distance of"

CARDS = [
    *MODELS,
    *(
        Metric(
            name,
            f"neurodiffuse_metrics.metrics:{cls}",
            summary=summary,
            cite=model.cite,
            licence=model.licence,
        )
        for name, cls, summary, model in (
            ("alexnet-2", "AlexNet2", f"{IDENTIFIED} AlexNet's second convolution", ALEXNET),
            ("alexnet-5", "AlexNet5", f"{IDENTIFIED} AlexNet's fifth convolution", ALEXNET),
            ("alexnet-7", "AlexNet7", f"{IDENTIFIED} AlexNet's seventh layer (Takagi)", ALEXNET),
            ("inception", "Inception", f"{IDENTIFIED} Inception v3's last features", INCEPTION),
            ("clip", "Clip", f"{IDENTIFIED} CLIP's image embedding, ViT-L/14", CLIP),
            ("effnet-b1", "EffNetB1", f"{DISTANCE} EfficientNet-B1 features", EFFNET_V1),
            ("swav", "Swav", f"{DISTANCE} SwAV's ResNet-50 features", SWAV),
        )
    ),
]
