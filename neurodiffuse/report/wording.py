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
    """Return ``0.83 to 0.87``: a dash would read as a minus sign before a negative end.

    Returns an empty string when an end is not finite: one image has no interval.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"


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


FEW = 20
"""Test images below which a score that does not beat chance leaves open whether it could."""


def few_images(n: int, what: str = "test image") -> str:
    """Return a warning where a score is of few images, else nothing."""
    return "" if n >= FEW else f"{counted(n, what)} only: intervals and p-values say little."


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


def last_scores(data: ReportData, subject: SubjectReport) -> list[ScoreRow]:
    """Return the last stage's scores, those with a known chance level first."""
    last = [s for s in subject.scores if data.stages and s.stage == data.stages[-1]]
    last = [s for s in last if math.isfinite(s.mean)]
    return sorted(last, key=lambda s: s.chance is None)


def leading_scores(data: ReportData) -> list[tuple[SubjectReport, ScoreRow]]:
    """Return of each subject that was scored the score that the headline quotes.

    Of the metric that beats chance in most subjects, the first of several (`last_scores`); where
    it is missing, the subject's first.
    """
    scored = [(s, rows) for s in data.subjects if (rows := last_scores(data, s))]
    wins: dict[str, int] = {}
    for _, rows in scored:
        for row in rows:
            wins[row.metric] = wins.get(row.metric, 0) + (beats_chance(row) is True)
    most = max(wins, key=wins.__getitem__, default="")
    return [(s, next((r for r in rows if r.metric == most), rows[0])) for s, rows in scored]


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
    scored = leading_scores(data)
    if not scored:
        return f"Pictures made from the brain activity of {_people(data)}; they were not scored."
    if len(scored) == 1:
        return _one_subject(data, *scored[0])
    lost = [subject for subject, score in scored if beats_chance(score) is not True]
    means = [score.mean for _, score in scored]
    everybody = "both" if len(scored) == 2 else f"all {len(scored)}"
    who = everybody if not lost else f"{len(scored) - len(lost)} of {len(scored)}"
    few = [s.n_test_images for s in lost if s.n_test_images < FEW]
    return (
        f"In {who} subjects the reconstructions match what was seen better than "
        f"chance: {scored[0][1].metric} {number(min(means))} to {number(max(means))} "
        f"({_against(scored[0][1])})."
        + (
            f" {max(few)} test images are too few to tell in {_others(lost, scored)}."
            if few
            else ""
        )
    )


def _others(lost: Sequence[SubjectReport], scored: Sequence[object]) -> str:
    return "any" if len(lost) == len(scored) else joined([f"sub-{s.label}" for s in lost])


def _one_subject(data: ReportData, subject: SubjectReport, score: ScoreRow) -> str:
    better, n = beats_chance(score), subject.n_test_images
    source = f"{counted(subject.n_voxels, 'voxel')} of sub-{subject.label}"
    if better is False and n < FEW:
        return (
            f"{counted(n, 'test image')} are too few to tell whether the reconstructions from "
            f"{source} match what was seen: {_quoted(score)}."
        )
    verdict = {
        True: "match what was seen better than chance",
        False: "do not match what was seen clearly better than chance",
        None: "were scored, without a test against chance",
    }[better]
    said = (
        f"From {source}, the reconstructions of {counted(n, 'test image')} {verdict}: "
        f"{_quoted(score)}"
    )
    first = last_scores(data, subject)[0]
    if better and first is not score and beats_chance(first) is False:
        why = f"{counted(n, 'image')} are too few to tell" if n < FEW else "it is not clear"
        said += f"; by {_quoted(first)}, {why}"
    return f"{said}."


def _quoted(score: ScoreRow) -> str:
    digits = 3 if number(score.low) == number(score.high) else 2  # 0.998 is not 1.00
    ends = interval(score.low, score.high, digits)
    ends = f"95\N{NO-BREAK SPACE}% interval {ends}, " if ends else ""
    return f"{score.metric} {number(score.mean, digits)} ({ends}{_against(score)})"


def _against(score: ScoreRow) -> str:
    if score.chance is not None:
        return f"chance {number(score.chance)}"
    if score.null_mean is not None:
        return f"shuffled pairs {number(score.null_mean)}"
    return "chance unknown"


def _people(data: ReportData) -> str:
    labels = [f"sub-{subject.label}" for subject in data.subjects]
    return joined(labels) if labels else "no subject"
