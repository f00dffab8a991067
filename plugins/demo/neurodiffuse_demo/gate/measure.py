"""The questions of the gate, asked in order, and the answers as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.progress import progress
from neurodiffuse.types import Images
from neurodiffuse_demo.gate.decode import Decoder, Given, alphas
from neurodiffuse_demo.gate.regions import BANDS, Region, band_peaks, category_regions
from neurodiffuse_demo.gate.scores import Marks, marks, table
from neurodiffuse_demo.gate.sheets import median_rows, sheet
from neurodiffuse_demo.gate.study import Study, open_study
from neurodiffuse_demo.gate.subjects import PLANTED

ROI: dict[str, Any] = {"start": "noise"}
"""How patterns of regions are painted: what they show, wherever it was seen."""

BAND: dict[str, Any] = {"strength": 0.0}
"""How patterns of eccentricity bands are painted: the first guess alone, where layout is."""

DEGREES = 8.4


@dataclass(frozen=True)
class Requirement:
    """One line of the gate."""

    name: str
    found: str
    wanted: str
    met: bool


def measure(sheets: Path, *, sweeps: bool) -> str:
    """Ask everything, write the contact sheets, return the report."""
    sheets.mkdir(parents=True, exist_ok=True)
    study = open_study()
    gate = [*true_latents(study), *decoded(study), *pairs(study), *held_out(study)]
    shown, lines = regions(study, sheets)
    gate += shown
    if sweeps:
        sweep(study)
    contact_sheet(study, sheets / "decoded.png")
    head = "| requirement | found | wanted | met |\n|---|---|---|---|"
    body = [f"| {r.name} | {r.found} | {r.wanted} | {'yes' if r.met else '**no**'} |" for r in gate]
    return "\n".join([head, *body, "", table(study.rows), "", lines])


def least(name: str, found: float, wanted: float) -> Requirement:
    """Return a requirement of at least ``wanted``."""
    return Requirement(name, f"{found:.3f}", f"≥ {wanted}", bool(found >= wanted))


def true_latents(study: Study) -> list[Requirement]:
    """Paint the true latents: what the networks can do at best."""
    scenes = study.tests["main"]
    seen = Images(study.true["main"]["vae"].ids, np.stack([s.image for s in scenes]))
    study.note("the pictures themselves", scenes, seen)
    first, both = study.paint(study.true["main"])
    study.note("true latents, first guess", scenes, first)
    found = study.note("true latents, both stages", scenes, both)
    noise = study.painter.both(study.true["main"], None)
    study.note("true latents, from noise", scenes, noise)
    return [
        least("true latents: AUC", found.auc, 0.98),
        least("true latents: top-1, one object", found.top1, 0.97),
    ]


def decoded(study: Study) -> list[Requirement]:
    """Paint what three subjects' betas predict, and the same with pairs shuffled."""
    scenes, gate = study.tests["main"], []
    for who, decoder in progress(list(zip(study.subjects, study.decoders, strict=True)), "decode"):
        name = f"sub-{who.label}"
        given = decoder.predict(who.tests["main"])
        first, both = study.paint(given)
        one = study.note(f"{name} first guess", scenes, first)
        two = study.note(f"{name} both stages", scenes, both)
        study.note(f"{name} from noise", scenes, study.painter.both(given, None))
        order = np.roll(np.arange(len(scenes)), 7)
        off = study.note(f"{name} shuffled", [scenes[k] for k in order], both)
        gate += [
            least(f"{name} (noise {who.noise}): AUC", two.auc, 0.95),
            least(f"{name}: top-1, one object", two.top1, 0.92),
            least(f"{name}: PixCorr", two.pixcorr, 0.78),
            least(f"{name}: both stages over the first, top-1", two.top1 - one.top1, 0.10),
            shuffled(name, off),
        ]
    return gate


def shuffled(name: str, found: Marks) -> Requirement:
    """Return the requirement that shuffled pairs are at chance."""
    at_chance = bool(0.45 <= found.auc <= 0.55 and found.pixcorr <= 0.2)
    shown = f"{found.auc:.3f}, {found.pixcorr:.3f}"
    return Requirement(f"{name} shuffled: AUC, PixCorr", shown, "0.45-0.55, ≤ 0.2", at_chance)


def pairs(study: Study) -> list[Requirement]:
    """Paint scenes of two objects."""
    scenes, gate = study.tests["pairs"], []
    _, both = study.paint(study.true["pairs"])
    study.note("two objects, true latents", scenes, both)
    for who, decoder in zip(study.subjects, study.decoders, strict=True):
        first, both = study.paint(decoder.predict(who.tests["pairs"]))
        study.note(f"two objects, sub-{who.label} first guess", scenes, first)
        found = study.note(f"two objects, sub-{who.label}", scenes, both)
        gate.append(least(f"sub-{who.label}: two objects, AUC", found.auc, 0.92))
    return gate


def held_out(study: Study) -> list[Requirement]:
    """Paint combinations that no network saw, and compare with those that they saw."""
    scenes, gate = study.tests["held-out"], []
    known = [k for k, s in enumerate(study.tests["main"]) if not s.held_out]
    for who, decoder in zip(study.subjects, study.decoders, strict=True):
        _, both = study.paint(decoder.predict(who.tests["held-out"]))
        new = study.note(f"new combinations, sub-{who.label}", scenes, both)
        whole = study.pictures[f"sub-{who.label} both stages"]
        part = Images(tuple(whole.ids[k] for k in known), whole.values[known])
        old = marks(study.evaluator, [study.tests["main"][k] for k in known], part)
        study.rows[f"known combinations, sub-{who.label}"] = old
        for measure_, a, b in (("AUC", new.auc, old.auc), ("top-1", new.top1, old.top1)):
            name = f"sub-{who.label}: new combinations against known, {measure_}"
            gate.append(Requirement(name, f"{a:.3f}, {b:.3f}", "within 0.05", bool(a >= b - 0.05)))
    return gate


def regions(study: Study, sheets: Path) -> tuple[list[Requirement], str]:
    """Paint patterns of planted regions and eccentricity bands."""
    gate, lines, rows = [], [], []
    lines += [
        "| subject | region of | raised most | rise | next | top-1 |",
        "|---|---|---|---|---|---|",
    ]
    mean = np.mean([s.image for s in study.train], axis=0)
    for who, decoder in progress(list(zip(study.subjects, study.decoders, strict=True)), "regions"):
        found, nulls = category_regions(decoder, study.painter, study.evaluator, who.rois, **ROI)
        rows += [list(found[c].pictures.values) for c in PLANTED]
        rows.append(list(nulls.values[::2]))
        lines += [region_line(who.label, found[c]) for c in PLANTED]
        right = [c for c in PLANTED if found[c].raised_most == c and found[c].first >= 7]
        shown = ", ".join(right) or "none"
        gate.append(
            Requirement(
                f"sub-{who.label}: regions whose category rises most, top-1 in 7 of 8",
                shown,
                "all four",
                len(right) == len(PLANTED),
            )
        )
        gate.append(bands(study, decoder, who.label, who.bands, mean, rows))
    sheet(rows, sheets / "regions.png")
    return gate, "\n".join(lines)


def region_line(label: str, found: Region) -> str:
    """Return a row of the table of regions."""
    next_best = np.sort(found.rise)[-2]
    return (
        f"| sub-{label} | {found.category} | {found.raised_most} | {found.rise.max():.1f} | "
        f"{next_best:.1f} | {found.first}/{len(found.pictures.ids)} |"
    )


def bands(
    study: Study,
    decoder: Decoder,
    label: str,
    masks: Sequence[np.ndarray],
    mean: np.ndarray,
    rows: list[list[np.ndarray]],
) -> Requirement:
    """Return whether the energy of a band's pictures peaks where the band lies."""
    peaks, shown = band_peaks(decoder, study.painter, masks, mean, DEGREES, **BAND)
    rows += [list(p.values) for p in shown]
    right = sum(peak == band for band, peak in enumerate(peaks))
    return Requirement(
        f"sub-{label}: bands whose energy peaks where they lie",
        f"{right} of {len(BANDS)} (peaks in {', '.join(str(p + 1) for p in peaks)})",
        "4 of 5",
        right >= 4,
    )


def sweep(study: Study) -> None:
    """Paint the second subject's predictions with other options and from other voxels."""
    who, decoder = study.subjects[1], study.decoders[1]
    scenes, given = study.tests["main"], decoder.predict(who.tests["main"])
    first = study.pictures[f"sub-{who.label} first guess"]
    name = f"sub-{who.label}"
    tries: list[dict[str, Any]] = [
        *({"strength": v} for v in (0.4, 0.55, 0.9)),
        *({"guidance": v} for v in (1.0, 2.0, 3.0, 6.0)),
        *({"steps": v} for v in (6, 20)),
        *({"mix": v} for v in (1.0, 0.0)),
    ]
    for options in progress(tries, "sweeps"):
        said = ", ".join(f"{k} {v}" for k, v in options.items())
        study.note(f"{name} {said}", scenes, study.painter.both(given, first, **options))
    early = Decoder(who.train[:, who.early], study.known, alphas())
    restricted: Given = early.predict(who.tests["main"][:, who.early])
    one, two = study.paint(restricted)
    study.note(f"{name} V1-V4 only, first guess", scenes, one)
    study.note(f"{name} V1-V4 only, both stages", scenes, two)


def contact_sheet(study: Study, path: Path) -> None:
    """Write seen, first guess and both stages of each subject for the median pictures."""
    scenes = study.tests["main"]
    made = study.pictures["sub-01 both stages"].values
    scores = np.array(
        [np.corrcoef(s.image.ravel(), m.ravel())[0, 1] for s, m in zip(scenes, made, strict=True)]
    )
    chosen = median_rows(scores, 32)
    names = ["sub-01 first guess", *(f"sub-{w.label} both stages" for w in study.subjects)]
    rows = []
    for half in (chosen[:16], chosen[16:]):
        rows.append([scenes[k].image for k in half])
        rows += [[study.pictures[name].values[k] for k in half] for name in names]
    sheet(rows, path)
