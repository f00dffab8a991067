"""The report of a run: data in, one HTML page out.

The page needs no network, no script and no second file. Whoever has the numbers fills a
`ReportData` and calls `build`; nothing here reads a run folder, a clock or a random number, so
the same data give the same bytes.
"""

from __future__ import annotations

from neurodiffuse.report.model import (
    BrainMap,
    Citation,
    FeatureRow,
    ReportData,
    RoiRow,
    ScoreRow,
    StepRow,
    SubjectReport,
)

__all__ = [
    "BrainMap",
    "Citation",
    "FeatureRow",
    "ReportData",
    "RoiRow",
    "ScoreRow",
    "StepRow",
    "SubjectReport",
    "build",
]


def build(data: ReportData) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    data
        Everything the page shows.

    Returns
    -------
    str
        A complete document with every picture and style inside it.
    """
    # jinja2, matplotlib and nilearn are needed to draw, not to describe
    from neurodiffuse.report.page import render

    return render(data)
