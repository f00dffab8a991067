"""At what size the pictures of a run are scored, and were."""

from __future__ import annotations

from neurodiffuse.files import read_json
from neurodiffuse.metrics.sizes import Size, has_own_size
from neurodiffuse.run.folder import Run
from neurodiffuse.store import labels, load_images
from neurodiffuse.types import Remark


def keeps_sizes(run: Run, name: str) -> bool:
    """Return whether a metric of the recipe is given pictures as they are.

    It has a size or a dialect of its own, or it compares a feature.
    """
    part = run.config.metrics[name]
    cls = run.registry.load(run.registry.card("metric", part.metric))
    return bool(part.feature) or has_own_size(cls, part.options)


def scoring_size(run: Run, subject: str) -> Size:
    """Return height and width at which other metrics compare pictures.

    ``score.size`` of the recipe, else that of the pictures that the last stage made. A branch has
    that of its run, so that all its rows mean the same.
    """
    if side := run.config.score.size:
        return side, side
    whole = run.trunk or run
    if run.trunk and (size := recorded_size(run.trunk)):
        return size
    label = subject if whole.folder("generate", subject).exists() else whole.config.subjects[0]
    ids = whole.subject(label).trials.images("test")
    last = whole.folder("generate", label) / "decoded" / list(whole.config.stages)[-1]
    height, width = load_images(last, labels(ids)[:1]).shape[1:3]
    return height, width


def recorded_size(run: Run, name: str = "") -> Size | None:
    """Return the size that a run's scores by a metric, or by any, were computed at.

    None where the metric has its own, and of scores from before it was recorded.
    """
    for subject in run.config.subjects:
        for row in read_json(run.folder("score", subject) / "scores.json"):
            if name in ("", row["metric"]) and row.get("size"):
                height, width = row["size"]
                return height, width
    return None


def plain_pictures(run: Run, subject: str) -> tuple[Remark, ...]:
    """Return a warning for each stage that painted pictures of one colour."""
    from neurodiffuse.metrics.plain import made_in_words

    found: dict[str, tuple[int, int]] = {}
    for row in read_json(run.folder("score", subject) / "scores.json"):
        if row["source"] == "decoded" and (counts := row.get("one_colour")):
            found[row["stage"]] = (counts[0], counts[1])
    texts = (made_in_words(*counts, f"pictures of {stage}") for stage, counts in found.items())
    return tuple(Remark(text, "warning") for text in texts)
