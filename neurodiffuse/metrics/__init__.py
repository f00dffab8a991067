"""Scores of what was made against what was seen, their chance levels and intervals.

Functions take and return arrays; row i of one array belongs to row i of the other. The classes
(`PixCorr`, `Ssim`, `Identification` on pictures, `LatentIdentification`, `LatentRetrieval` and
`LatentDistance` on features) are the metrics that a recipe names.

An undefined correlation, of a constant vector or one with NaN, is 0. So a picture of one grey
correlates with nothing, is identified as nothing, and has the distance 1.
"""

from neurodiffuse.metrics.correlation import (
    correlation_distance,
    correlation_table,
    pixel_correlation,
)
from neurodiffuse.metrics.identification import (
    identification_from_features,
    identification_table,
    permuted_means,
    two_way_identification,
)
from neurodiffuse.metrics.intervals import METHODS, Interval, difference_interval, mean_interval
from neurodiffuse.metrics.latents import LatentDistance, LatentIdentification, LatentRetrieval
from neurodiffuse.metrics.pictures import Identification, PixCorr, Ssim, resized
from neurodiffuse.metrics.retrieval import check_retrieval, retrieval, retrieval_table
from neurodiffuse.metrics.running import RunningCorrelation
from neurodiffuse.metrics.similarity import ssim
from neurodiffuse.metrics.statistics import PairedTest, Summary, holm, paired_test, summary
from neurodiffuse.metrics.tabled import TableMetric

__all__ = [
    "METHODS",
    "Identification",
    "Interval",
    "LatentDistance",
    "LatentIdentification",
    "LatentRetrieval",
    "PairedTest",
    "PixCorr",
    "RunningCorrelation",
    "Ssim",
    "Summary",
    "TableMetric",
    "check_retrieval",
    "correlation_distance",
    "correlation_table",
    "difference_interval",
    "holm",
    "identification_from_features",
    "identification_table",
    "mean_interval",
    "paired_test",
    "permuted_means",
    "pixel_correlation",
    "resized",
    "retrieval",
    "retrieval_table",
    "ssim",
    "summary",
    "two_way_identification",
]
