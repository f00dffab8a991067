"""The nouns that steps pass to one another and the six roles that a plugin can play.

Importing this package imports no numpy. Arrays are numpy arrays; shapes are in the docstrings.
"""

from neurodiffuse.types.cards import Broken, Card, Section
from neurodiffuse.types.decoding import (
    Block,
    Decoder,
    FitSummary,
    Fitted,
    HasLeftOut,
    HasSensitivity,
    HasWeights,
    InBlocks,
    Moments,
    Responses,
    Sizes,
    Targets,
    Training,
    UnstoredTargets,
    Work,
)
from neurodiffuse.types.nouns import (
    Betas,
    Grid,
    Images,
    Latents,
    Remark,
    Roi,
    Shape,
    Stimuli,
    Subject,
    Trials,
    Window,
)
from neurodiffuse.types.refining import HeldOut, Refiner
from neurodiffuse.types.roles import Dataset, Encoder, Generator, Metric, Role, SampleMetric
from neurodiffuse.types.weights import Download, Model, ModelFile

# In the order in which they build on one another, which the page of the reference keeps.
__all__ = [  # noqa: RUF022
    "Shape",
    "Grid",
    "Roi",
    "Trials",
    "Remark",
    "Subject",
    "Stimuli",
    "Window",
    "Betas",
    "Latents",
    "Images",
    "Download",
    "Role",
    "Dataset",
    "Encoder",
    "Targets",
    "UnstoredTargets",
    "Responses",
    "Training",
    "Moments",
    "Block",
    "Sizes",
    "Work",
    "FitSummary",
    "Decoder",
    "Fitted",
    "HasLeftOut",
    "HasWeights",
    "HasSensitivity",
    "InBlocks",
    "HeldOut",
    "Refiner",
    "Generator",
    "Metric",
    "SampleMetric",
    "Card",
    "Broken",
    "Section",
    "ModelFile",
    "Model",
]
