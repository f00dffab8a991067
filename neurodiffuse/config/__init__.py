"""A recipe and the command line's settings become one checked, frozen configuration.

A recipe is a TOML file: a published method as data. Every problem is told at once, before
anything is computed. Sections, and the step that reads each: ``mask`` (mask), ``features.NAME``
(encode; its ``alpha…`` and ``roi``: fit), ``encode`` (encode), ``decoders.NAME`` (fit),
``predict`` (predict), ``stages.NAME`` (generate), ``metrics.NAME`` and ``score`` (score). Keys
of a section that are not named here are options of the plugin's class.
"""

from neurodiffuse.config.domain import Choice, default_recipe, remarks_on
from neurodiffuse.config.given import DESCRIPTION
from neurodiffuse.config.recipe import mask_named_by, read_recipe, read_settings
from neurodiffuse.config.resolving import dataset_options, resolve, vary
from neurodiffuse.config.ridge import LeaveOut
from neurodiffuse.config.sections import (
    ANY,
    OWN_DECODER,
    SECTIONS,
    STEPS,
    TABLES,
    Config,
    DecoderConfig,
    EncodeConfig,
    FeatureConfig,
    MaskConfig,
    MetricConfig,
    PredictConfig,
    RefinerConfig,
    ScoreConfig,
    StageConfig,
    leaves,
)

__all__ = [
    "ANY",
    "DESCRIPTION",
    "OWN_DECODER",
    "SECTIONS",
    "STEPS",
    "TABLES",
    "Choice",
    "Config",
    "DecoderConfig",
    "EncodeConfig",
    "FeatureConfig",
    "LeaveOut",
    "MaskConfig",
    "MetricConfig",
    "PredictConfig",
    "RefinerConfig",
    "ScoreConfig",
    "StageConfig",
    "dataset_options",
    "default_recipe",
    "leaves",
    "mask_named_by",
    "read_recipe",
    "read_settings",
    "remarks_on",
    "resolve",
    "vary",
]
