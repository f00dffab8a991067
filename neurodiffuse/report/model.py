"""What a report shows, as plain data. Importing this module imports no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neurodiffuse.types import Section

if TYPE_CHECKING:
    import nibabel as nib
    import numpy as np


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """One metric of one stage: the mean over test images and how sure we are of it.

    Parameters
    ----------
    metric, stage
        Names as in the recipe. ``stage`` is one of `ReportData.stages`.
    mean, low, high
        Mean over images and its 95 % interval; NaN where there is none.
    n
        Number of test images.
    p
        Permutation p-value against shuffled pairs; None when there was no test.
    chance
        Value expected by chance where theory gives one, else None.
    null_mean
        Mean of the shuffled pairs; shown in the place of ``chance`` where that is None.
    higher_is_better
        Direction of the metric.
    note
        One sentence on what the metric is, or why it is missing.
    corrected
        ``p`` corrected for the metrics that are tested with it; None where it is not.
    size
        Height and width at which pictures were compared; None where the metric has its own.
    values
        float (n,), one value an image, rows as in `SubjectReport.ids`; None leaves out the plot
        and takes the metric out of the ranking.
    """

    metric: str
    stage: str
    mean: float
    low: float
    high: float
    n: int
    p: float | None = None
    chance: float | None = None
    null_mean: float | None = None
    higher_is_better: bool = True
    note: str = ""
    values: np.ndarray | None = None
    corrected: float | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class FeatureRow:
    """How well one feature was predicted from the brain.

    Parameters
    ----------
    name, encoder
        The feature's name in the recipe and the encoder that makes it.
    n_targets
        Number of predicted values an image.
    decoder
        What predicts it, in a few words.
    roi
        The voxels it is predicted from; empty means the subject's mask.
    rescale
        ``train``, ``test`` or ``none``: whose statistics the predictions are given.
    r2_mean, r2_median
        R² on the test images over targets; NaN when there were too few.
    identification
        Two-way identification of the predicted latents (chance 0.5), or None.
    constant_targets
        Targets that do not vary over the training images and are predicted by their mean.
    r2
        float (n_targets,) for the histogram; None leaves it out.
    sections
        What its decoder shows of the fit, as HTML that it has escaped.
    """

    name: str
    encoder: str
    n_targets: int
    decoder: str
    roi: str = ""
    rescale: str = "train"
    r2_mean: float = float("nan")
    r2_median: float = float("nan")
    identification: float | None = None
    constant_targets: int = 0
    r2: np.ndarray | None = None
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class RoiRow:
    """A region: its name, its voxels, and how many of them are in the mask.

    ``value`` is its number in `SubjectReport.regions`, 0 when it is not drawn.
    """

    name: str
    n_voxels: int
    n_in_mask: int
    value: int = 0


@dataclass(frozen=True, eq=False)
class BrainMap:
    """A map to draw: an image as `brain.image_of` makes it, its title and its units."""

    title: str
    image: Any
    units: str = ""


@dataclass(frozen=True, eq=False)
class SubjectReport:
    """One subject: what was seen, what was made of it, how good that is.

    Pictures are uint8 (n, height, width, 3), or a sequence of n such images of any sizes.

    Parameters
    ----------
    label
        Without ``sub-``.
    n_train_images, n_test_images, n_train_trials, n_test_trials
        Counts of distinct images and of single trials.
    n_voxels, mask_expression
        Voxels that are decoded from, and the expression that chose them.
    ids
        The n test images, in the order of every array below.
    seen, made
        The stimuli, and what each stage made of them (a stage's name → pictures).
    scores
        Every metric of every stage.
    captions
        Caption of each test image, for the alternative text; may be empty.
    oracle, oracle_scores
        The same from the true latents, the ceiling of the generators; may be empty.
    features
        How well each feature was predicted.
    rois
        Regions of the subject.
    mask_image, regions
        Images as `brain.image_of` makes them, of a volume or of fsaverage: the mask (non-zero
        inside) and the regions as integers (`RoiRow.value`); None leaves out the picture.
    anatomy
        3-D nibabel image in the same world space to draw on; None draws on nothing.
    maps
        Further maps to draw on the anatomy.
    constant_voxels
        Voxels of the mask that never vary and were set to zero.
    facts
        Further (name, value) lines about the responses: repetitions, sessions, noise ceiling.
    """

    label: str
    n_train_images: int
    n_test_images: int
    n_train_trials: int
    n_test_trials: int
    n_voxels: int
    mask_expression: str
    ids: tuple[str, ...]
    seen: np.ndarray | Sequence[np.ndarray]
    made: Mapping[str, np.ndarray | Sequence[np.ndarray]]
    scores: tuple[ScoreRow, ...] = ()
    captions: tuple[str, ...] = ()
    oracle: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)
    oracle_scores: tuple[ScoreRow, ...] = ()
    features: tuple[FeatureRow, ...] = ()
    rois: tuple[RoiRow, ...] = ()
    mask_image: Any = None
    regions: Any = None
    anatomy: nib.spatialimages.SpatialImage | None = None
    maps: tuple[BrainMap, ...] = ()
    constant_voxels: int = 0
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StepRow:
    """A step of the run, its wall-clock seconds, and a remark such as ``resumed``."""

    name: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Citation:
    """A reference as a reader would print it, and its address (``https://…``) if it has one."""

    text: str
    url: str = ""


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything on the page.

    Parameters
    ----------
    title
        Name of the run.
    created
        When, as text: the report reads no clock.
    recipe
        Name of the recipe.
    version
        Version of neurodiffuse.
    dataset
        ``name``, ``version``, ``licence``, ``cite`` of the study, each where known.
    command
        The command that makes this run again.
    stages
        Names of the generator stages in order, such as ``("first-guess", "recon")``; the last
        one is the reconstruction.
    subjects
        In the order of the page.
    config
        The resolved recipe as nested mappings.
    machine
        Name → value: processor, memory, operating system, Python, packages, seeds.
    steps
        Steps in order with their seconds.
    warnings
        Sentences that a reader must know before believing a number.
    remarks
        How input that was unclear was understood, and which files were left out.
    methods
        Paragraphs of the methods text, plain, ready for a paper.
    citations
        What the methods rest on.
    licences
        (what, licence) of the data set, weights and code used.
    sections
        Sections of plugins; their HTML is taken as it is. Scripts in it do not run and nothing
        is loaded from a network: the page's content policy forbids both.
    headline
        The result in one sentence; empty lets the page word it from the scores.
    intervals
        How the 95 % intervals of the scores were computed, in words.
    """

    title: str
    created: str
    recipe: str
    version: str
    dataset: Mapping[str, str]
    command: str
    stages: tuple[str, ...]
    subjects: tuple[SubjectReport, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[StepRow, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    licences: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    headline: str = ""
    intervals: str = ""
