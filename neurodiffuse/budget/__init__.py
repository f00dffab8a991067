"""What steps and questions need of memory, from counts alone, before anything is computed.

Every formula is the sum of the arrays that are held at the fullest moment, in bytes, beside
`BASE`. n are training rows, m test images, p voxels of the mask, t targets of a feature, r
calibration rows, w = min(`WIDTH`, t) columns of a block. Files that are mapped count as far as
they are touched: the system could drop these pages, and tools that show a process's size count
them. Networks are their plugins' own affair: they are given the budget too (option ``memory``).

`counts` are the sizes, `steps`, `maps`, `regions` and `scores` have the formulas of steps, of
questions, of regions and of metrics; decoders have their own
(`neurodiffuse.types.Decoder.memory`). `checking` holds a budget against them.
"""

from neurodiffuse.budget.checking import (
    ALONE,
    REMEDIES,
    SPARE,
    check,
    check_again,
    check_machine,
    sharing,
    words,
)
from neurodiffuse.budget.counts import MOST, VALUE, Counts, counts_of, counts_of_feature, targets_of
from neurodiffuse.budget.maps import averaged, explained, neighbours, refitted
from neurodiffuse.budget.regions import (
    answered,
    drawn,
    energies,
    forward,
    lengthened,
    painted,
)
from neurodiffuse.budget.steps import (
    BASE,
    DRAWING,
    MARGIN,
    batch_within,
    encode,
    mask,
    peaks,
    score,
)

__all__ = [
    "ALONE",
    "BASE",
    "DRAWING",
    "MARGIN",
    "MOST",
    "REMEDIES",
    "SPARE",
    "VALUE",
    "Counts",
    "answered",
    "averaged",
    "batch_within",
    "check",
    "check_again",
    "check_machine",
    "counts_of",
    "counts_of_feature",
    "drawn",
    "encode",
    "energies",
    "explained",
    "forward",
    "lengthened",
    "mask",
    "neighbours",
    "painted",
    "peaks",
    "refitted",
    "score",
    "sharing",
    "targets_of",
    "words",
]
