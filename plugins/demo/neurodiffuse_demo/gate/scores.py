"""How good pictures are: by the independent evaluator and by pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from neurodiffuse.metrics.pictures import PixCorr, Ssim
from neurodiffuse.simulate.scenes import CATEGORIES, Scene
from neurodiffuse.types import Images
from neurodiffuse_demo.metrics import Evaluator


@dataclass(frozen=True)
class Marks:
    """Mean scores of a set of pictures; NaN where a set has no such scenes.

    ``auc`` is the mean over categories of the area under the curve that tells scenes with the
    category from those without; ``one`` and ``two`` the same on scenes of that many objects.
    ``top1`` is how often a one-object scene's category has the highest score.
    """

    n: int
    auc: float
    top1: float
    one: float
    two: float
    pixcorr: float
    ssim: float
    identification: float


def present(scenes: Sequence[Scene]) -> np.ndarray:
    """Return which categories each scene shows, bool (n, 8)."""
    return np.array([[c in {o.category for o in s.objects} for c in CATEGORIES] for s in scenes])


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean area under the curve over categories that some scenes show and some not."""
    if len(labels) == 0:
        return float("nan")
    told = [k for k in range(labels.shape[1]) if 0 < labels[:, k].sum() < len(labels)]
    if not told:
        return float("nan")
    return float(np.mean([roc_auc_score(labels[:, k], scores[:, k]) for k in told]))


def marks(evaluator: Evaluator, scenes: Sequence[Scene], made: Images) -> Marks:
    """Return the scores of pictures made for scenes, in the same order."""
    labels, scores = present(scenes), evaluator.scores(made.values)
    single = np.array([len(s.objects) == 1 for s in scenes])
    hits = labels[np.arange(len(scenes)), scores.argmax(axis=1)]
    seen = Images(made.ids, np.stack([s.image for s in scenes]))
    return Marks(
        n=len(scenes),
        auc=area(labels, scores),
        top1=float(hits[single].mean()) if single.any() else float("nan"),
        one=area(labels[single], scores[single]),
        two=area(labels[~single], scores[~single]),
        pixcorr=float(PixCorr().compare(seen, made).mean()),
        ssim=float(Ssim().compare(seen, made).mean()),
        identification=float(evaluator.compare(seen, made).mean()),
    )


def table(rows: dict[str, Marks]) -> str:
    """Return marks as a Markdown table."""
    head = "| condition | n | AUC | top-1 | AUC one object | two objects | PixCorr | SSIM | 2-way |"
    lines = [head, "|" + "---|" * 9]
    for name, m in rows.items():
        shown = [m.auc, m.top1, m.one, m.two, m.pixcorr, m.ssim, m.identification]
        cells = " | ".join("" if np.isnan(v) else f"{v:.3f}" for v in shown)
        lines.append(f"| {name} | {m.n} | {cells} |")
    return "\n".join(lines)
