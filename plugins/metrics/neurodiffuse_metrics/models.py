"""The published weights. Importing this imports no torch."""

from __future__ import annotations

from neurodiffuse.types import Model, ModelFile

KRIZHEVSKY = (
    "Krizhevsky 2014, One weird trick for parallelizing convolutional nets, arXiv:1404.5997"
)
SZEGEDY = "Szegedy et al. 2016, Rethinking the Inception architecture, arXiv:1512.00567"
TAN = "Tan & Le 2019, EfficientNet, arXiv:1905.11946"
CARON = (
    "Caron et al. 2020, Unsupervised learning by contrasting cluster assignments, arXiv:2006.09882"
)
RADFORD = "Radford et al. 2021, Learning transferable visual models, arXiv:2103.00020"

TORCHVISION = "BSD-3-Clause"
TORCHVISION_TERMS = "https://github.com/pytorch/vision/blob/main/LICENSE"


def _torchvision(name: str, file: str, summary: str, cite: str, **known: object) -> Model:
    """Return a model of torchvision, which names files by the first digits of their SHA-256."""
    digits = {"sha256": file.rpartition("-")[2].removesuffix(".pth")}
    place = ModelFile(file, f"https://download.pytorch.org/models/{file}", **(digits | known))  # type: ignore[arg-type]
    return Model(name, (place,), summary, TORCHVISION, TORCHVISION_TERMS, cite)


ALEXNET = _torchvision(
    "alexnet-imagenet1k-v1",
    "alexnet-owt-7be5be79.pth",
    "AlexNet of torchvision, IMAGENET1K_V1",
    KRIZHEVSKY,
    size=244_408_911,
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
INCEPTION = _torchvision(
    "inception-v3-imagenet1k-v1",
    "inception_v3_google-0cc3c7bd.pth",
    "Inception v3 of torchvision, IMAGENET1K_V1 (109 MB)",
    SZEGEDY,
)
EFFNET_V1 = _torchvision(
    "efficientnet-b1-imagenet1k-v1",
    "efficientnet_b1_rwightman-bac287d4.pth",
    "EfficientNet-B1 of torchvision, IMAGENET1K_V1 (30 MB): the Brain-Diffuser dialect",
    TAN,
)
EFFNET_V2 = _torchvision(
    "efficientnet-b1-imagenet1k-v2",
    "efficientnet_b1-c27df63c.pth",
    "EfficientNet-B1 of torchvision, IMAGENET1K_V2 (30 MB): the MindEye dialect",
    TAN,
)
SWAV = Model(
    name="swav-resnet50",
    files=(
        ModelFile(
            "swav_800ep_pretrain.pth.tar",
            "https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar",
        ),
    ),
    summary="ResNet-50 trained by SwAV for 800 epochs (113 MB)",
    licence="CC-BY-NC-4.0",
    terms="https://github.com/facebookresearch/swav/blob/main/LICENSE",
    cite=CARON,
)
REVISION = "32bd64288804d66eefd0ccbe215aa642df71cc41"
CLIP = Model(
    name="clip-vit-large-patch14",
    files=(
        ModelFile(
            "model.safetensors",
            f"https://huggingface.co/openai/clip-vit-large-patch14/resolve/{REVISION}/model.safetensors",
            size=1_710_540_580,
            sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
        ),
    ),
    summary="CLIP ViT-L/14 of OpenAI, both towers",
    licence="MIT",
    terms="https://github.com/openai/CLIP/blob/main/LICENSE",
    cite=RADFORD,
)
MODELS = (ALEXNET, INCEPTION, EFFNET_V1, EFFNET_V2, SWAV, CLIP)
