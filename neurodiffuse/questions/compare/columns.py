"""Which scores of several runs mean the same, and which published ones belong to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurodiffuse.metrics.sizes import in_words
from neurodiffuse.options import parameters
from neurodiffuse.questions.arms import Arm
from neurodiffuse.questions.compare.published import Published
from neurodiffuse.report.wording import metric_label
from neurodiffuse.run import Run
from neurodiffuse.run.scoring import recorded_size

SIZE = "score.size"
"""Among a column's options: the size at which pictures were compared, as the run recorded it."""


@dataclass(frozen=True)
class Column:
    """One score: its name in the recipes, its metric and all of that metric's options."""

    name: str
    metric: str
    options: str
    higher_is_better: bool = True

    @property
    def protocol(self) -> tuple[str, str]:
        """The dialect and SSIM's variant, empty where the metric names none."""
        said = json.loads(self.options)
        return str(said.get("dialect", "")), str(said.get("variant", ""))

    @property
    def size(self) -> str:
        """The size at which pictures were compared, empty where the metric has its own."""
        size = json.loads(self.options).get(SIZE)
        return in_words((size[0], size[1])) if size else ""

    @property
    def words(self) -> str:
        """Dialect, variant and size, for a reader."""
        at = f"at {self.size}" if self.size else ""
        return ", ".join(part for part in (*self.protocol, at) if part)

    @property
    def label(self) -> str:
        """The name for a reader, with what it does not say itself of the protocol."""
        name = metric_label(self.name)
        known = name.lower().replace("2-d", "2d")
        parts = [part for part in self.protocol if part not in known]
        said = ", ".join(part for part in (*parts, self.size) if part)
        if said and name.endswith(")"):
            return f"{name[:-1]}, {said})"
        return f"{name} ({said})" if said else name

    @property
    def retrieves(self) -> bool:
        """Whether it is top-k retrieval, which is another number than its metric's in papers."""
        return bool(json.loads(self.options).get("top"))


def columns_of(run: Run) -> dict[str, Column]:
    """Return the columns of a run's scores by their names in its recipe."""
    return {name: _column(run, name) for name in run.config.metrics}


def shared(arms: Sequence[Arm]) -> list[Column]:
    """Return the distinct columns of all arms, in the order in which they appear."""
    found: dict[Column, None] = {}
    for arm in arms:
        found |= dict.fromkeys(columns_of(arm.run).values())
    return list(found)


def placed(result: Published, columns: Sequence[Column]) -> dict[Column, tuple[float, bool]]:
    """Return a published result's scores by column, and whether they have the same protocol.

    A score goes into one column only: of its own protocol if there is one, else of its own variant
    of SSIM, else the first of its metric.
    """
    out = {}
    for metric, value in result.scores.items():
        said = result.protocol(metric)
        those = [c for c in columns if c.metric == metric and not c.retrieves]
        same = [c for c in those if result.stated(metric) and c.protocol == said]
        alike = [c for c in those if c.protocol[1] == said[1]]
        if those:
            out[(same or alike or those)[0]] = (value, bool(same))
    return out


def _column(run: Run, name: str) -> Column:
    part = run.config.metrics[name]
    cls = run.registry.load(run.registry.card("metric", part.metric))
    machine = ("device", "memory", "weights", "dtype")
    options: dict[str, Any] = {
        key: part.options.get(key, known.default)
        for key, known in parameters(cls).items()
        if key not in machine
    }
    if part.feature:
        encoder = run.config.features[part.feature]
        options |= {"feature": part.feature, "encoder": encoder.encoder}
    if size := recorded_size(run, name):
        options[SIZE] = list(size)
    text = json.dumps(options, sort_keys=True, default=str)
    return Column(name, part.metric, text, run.metric(name).higher_is_better)
