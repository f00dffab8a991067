"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neurodiffuse.report.model import ReportData, ScoreRow, SubjectReport

CEILING = "Ceiling (true latents)"
"""What pictures and scores from the images' own latents are called."""

STAGE_LABELS = {"recon": "Reconstruction", "first-guess": "First guess"}
METRIC_LABELS = {
    "pixcorr": "PixCorr",
    "ssim": "SSIM",
    "ssim-2d": "SSIM (2-D)",
    "ssim-columnwise": "SSIM (columnwise)",
    "alexnet-2": "AlexNet(2)",
    "alexnet-5": "AlexNet(5)",
    "alexnet-7": "AlexNet(7)",
    "clip": "CLIP",
    "effnet-b1": "EffNet-B1",
    "swav": "SwAV",
}


def stage_label(stage: str) -> str:
    """Return a stage's name for a reader: ``first-guess`` becomes "First guess"."""
    words = stage.replace("-", " ").replace("_", " ").strip()
    return STAGE_LABELS.get(stage, words[:1].upper() + words[1:])


def metric_label(metric: str) -> str:
    """Return a metric's name for a reader: ``identification-hog`` is "Identification (hog)".

    A name that is not all in lower case is left as it is.
    """
    if metric in METRIC_LABELS or metric != metric.lower():
        return METRIC_LABELS.get(metric, metric)
    first, _, on = metric.partition("-")
    if first == "identification" and on:
        return f"Identification ({on})"
    return metric[:1].upper() + metric[1:].replace("-", " ").replace("_", " ")


def number(value: Any, digits: int = 2) -> str:
    """Return a number with fixed decimals and a true minus sign; a dash when it is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, digits: int = 2) -> str:
    """Return ``0.83–0.87``, or ``−0.02 to 0.05`` where a dash would read as a minus sign.

    Returns an empty string when an end is not finite: one image has no interval.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    dash = " to " if low < 0 or high < 0 else "\N{EN DASH}"
    return f"{number(low, digits)}{dash}{number(high, digits)}"


def mean_and_sem(values: Sequence[float], digits: int = 3) -> str:
    """Return ``0.254 ± 0.012``: mean and standard error of the mean (n - 1); a dash for none."""
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return "–"
    mean = number(statistics.fmean(values), digits)
    if len(values) == 1:
        return mean
    return f"{mean} ± {number(statistics.stdev(values) / math.sqrt(len(values)), digits)}"


def count(value: int) -> str:
    """Return a whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(value: int, noun: str) -> str:
    """Return ``1 image`` or ``12 images``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def p_value(p: float | None, corrected: float | None = None) -> str:
    """Return ``p = 0.005``, ``p < 0.001`` or an empty string.

    With a corrected value that differs ``p = 0.005 (Holm: 0.015)``.
    """
    if p is None or not math.isfinite(p):
        return ""
    said = _p(p)
    first = f"p {said}" if said.startswith("<") else f"p = {said}"
    if corrected is None or corrected == p:
        return first
    return f"{first} (Holm: {_p(corrected)})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


LEVEL = 0.05
"""The level of every test."""


def passes(p: float | None, corrected: float | None) -> bool:
    """Return whether a test, corrected for others where it is, stays below `LEVEL`."""
    value = p if corrected is None else corrected
    return value is not None and math.isfinite(value) and value < LEVEL


def duration(seconds: float) -> str:
    """Return ``0.4 s``, ``12 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def joined(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def anchor(text: str, taken: Iterable[str] = ()) -> str:
    """Return an id for a heading, different from those taken."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    used, name, again = set(taken), slug, 2
    while name in used:
        name, again = f"{slug}-{again}", again + 1
    return name


def lines(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (name, value) for a table; nested mappings give ``outer inner`` names."""
    out: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            out += lines(value, f"{prefix}{key} ")
        elif isinstance(value, list | tuple):
            out.append((f"{prefix}{key}", ", ".join(str(item) for item in value)))
        else:
            out.append((f"{prefix}{key}", str(value)))
    return out


def settings(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return ``section.key = value`` lines, the names that ``--set`` takes."""
    lines: list[str] = []
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            lines += settings(value, f"{name}.")
        else:
            lines.append(f"{name} = {_setting(value)}")
    return lines


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_setting(item) for item in value) + "]"
    return str(value)


def leading_score(data: ReportData, subject: SubjectReport) -> ScoreRow | None:
    """Return the score the headline quotes: the last stage's first with a known chance level."""
    last = [s for s in subject.scores if data.stages and s.stage == data.stages[-1]]
    last = [s for s in last if math.isfinite(s.mean)]
    known = [s for s in last if s.chance is not None]
    return (known or last or [None])[0]  # type: ignore[list-item]


def beats_chance(score: ScoreRow) -> bool | None:
    """Say whether a score is better than chance, or None when nothing tells.

    The interval lies on the good side of chance and, where there is a p-value, it is below 0.05,
    corrected for the other metrics where it is.
    """
    level = score.chance if score.chance is not None else score.null_mean
    if level is None:
        return None
    tested = score.p is not None and math.isfinite(score.p)
    end = score.low if score.higher_is_better else score.high
    if not math.isfinite(end):
        if not tested:
            return None
        end = score.mean
    ahead = end > level if score.higher_is_better else end < level
    return bool(ahead and (not tested or passes(score.p, score.corrected)))


def headline(data: ReportData) -> str:
    """Return the result in one sentence, worded from the scores unless the caller worded it."""
    if data.headline:
        return data.headline
    scored = [(s, score) for s in data.subjects if (score := leading_score(data, s)) is not None]
    if not scored:
        return f"Pictures made from the brain activity of {_people(data)}; they were not scored."
    if len(scored) == 1:
        return _one_subject(*scored[0])
    won = sum(beats_chance(score) is True for _, score in scored)
    means = [score.mean for _, score in scored]
    everybody = "both" if len(scored) == 2 else f"all {len(scored)}"
    who = everybody if won == len(scored) else f"{won} of {len(scored)}"
    return (
        f"In {who} subjects the reconstructions match what was seen better than "
        f"chance: {scored[0][1].metric} {number(min(means))} to {number(max(means))} "
        f"({_against(scored[0][1])})."
    )


def _one_subject(subject: SubjectReport, score: ScoreRow) -> str:
    better = beats_chance(score)
    verdict = {
        True: "match what was seen better than chance",
        False: "do not match what was seen clearly better than chance",
        None: "were scored, without a test against chance",
    }[better]
    return (
        f"From {counted(subject.n_voxels, 'voxel')} of sub-{subject.label}, the reconstructions "
        f"of {counted(subject.n_test_images, 'test image')} {verdict}: "
        f"{score.metric} {number(score.mean)} ({_range(score)}{_against(score)})."
    )


def _range(score: ScoreRow) -> str:
    ends = interval(score.low, score.high)
    return f"95\N{NO-BREAK SPACE}% interval {ends}, " if ends else ""


def _against(score: ScoreRow) -> str:
    if score.chance is not None:
        return f"chance {number(score.chance)}"
    if score.null_mean is not None:
        return f"shuffled pairs {number(score.null_mean)}"
    return "chance unknown"


def _people(data: ReportData) -> str:
    labels = [f"sub-{subject.label}" for subject in data.subjects]
    return joined(labels) if labels else "no subject"
