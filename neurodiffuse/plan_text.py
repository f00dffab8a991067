"""What ``--dry-run`` and the end of a run print."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurodiffuse.config import STEPS, remarks_on
from neurodiffuse.errors import listing
from neurodiffuse.files import read_json
from neurodiffuse.run import changes, difference_from, inputs, stored_config

if TYPE_CHECKING:
    from neurodiffuse.plan import Plan, SubjectPlan
    from neurodiffuse.run import Run
    from neurodiffuse.types import Download


def describe(run: Run, plan: Plan, start_from: str = "", why: str = "") -> str:
    """Return the plan of a run as lines of text; ``why`` says why the recipe was taken."""
    from neurodiffuse.decoding import words_of

    config = run.config
    lines = [
        *warnings(run, start_from),
        f"recipe     {config.name}: {config.summary}",
        *([f"default    {why}"] if why else []),
        f"data set   {config.dataset} {_short(config.dataset_options.get('root', ''))}".rstrip(),
        f"out        {run.path}" + (" (exists, will be continued)" if run.path.exists() else ""),
    ]
    lines += [line for s in plan.subjects for line in _subject(run, s, start_from)]
    for name, part in config.features.items():
        where = f" from {part.roi!r}" if part.roi else ""
        lines.append(
            f"feature    {name}: {plan.targets[name]:,} targets of {part.encoder!r}{where}, "
            f"{words_of(run, name)}" + ("" if part.store else ", training latents not stored")
        )
    for name, refiner in config.refiners.items():
        refined = [feature for feature, by in config.refined_by().items() if by == name]
        lines.append(f"refiner    {name}: {refiner.refiner!r} of {listing(refined)}")
    for name, stage in config.stages.items():
        start = f", starting from {stage.init!r}" if stage.init else ""
        less = f", without {listing(stage.without)}" if stage.without else ""
        lines.append(f"stage      {name}: {stage.generator!r}{start}{less}")
    lines.append(f"metrics    {', '.join(config.metrics) or 'none'}")
    lines += _scored_at(run)
    for remark in remarks_on(config, run.dataset.about()):
        if remark.kind != "warning":
            lines.append(f"remark     {remark.text}")
    lines += _remarks(run)
    lines += _downloads(run, plan)
    changed = _changes(run, start_from)
    lines += _done(plan, min((step for step, _ in changed), default="", key=_place), start_from)
    lines += [text for _, text in changed]
    if start_from:
        lines.append(f"redo       from {start_from}")
    needs = ", ".join(f"{step} {_bytes(size)}" for step, size in plan.memory.items())
    given = run.machine.memory
    lines.append(f"memory     at most {needs}" + (f"; of {_bytes(given)}" if given else ""))
    lines += [f"{name:10} {where}" for name, where in plan.decoders.items()]
    if run.machine.executor.apart:
        lines.append(f"executor   {run.machine.executor}")
    lines.append(f"disk       about {_bytes(plan.disk)} besides the pictures")
    lines.append(_checked(plan, start_from))
    return "\n".join(lines)


def _scored_at(run: Run) -> list[str]:
    """Return a line that says at what size pictures are compared."""
    from neurodiffuse.metrics.sizes import in_words
    from neurodiffuse.run.scoring import keeps_sizes

    config = run.config
    own = [name for name in config.metrics if keeps_sizes(run, name)]
    if not config.metrics:
        return []
    if len(own) == len(config.metrics):
        return ["scored at  the sizes of the metrics' own dialects and options"]
    size = config.score.size
    side = in_words((size, size)) if size else "the size of the pictures that the last stage makes"
    but = f"; {listing(own)} at their own" if own else ""
    return [f"scored at  {side}{but}"]


def warnings(run: Run, start_from: str = "") -> list[str]:
    """Return a line for each warning: of the recipe and of every subject's data."""
    from neurodiffuse.run import remarks_of

    found = [r.text for r in remarks_on(run.config, run.dataset.about()) if r.kind == "warning"]
    found += [
        f"sub-{label}: {remark.text}"
        for label in run.config.subjects
        for remark in remarks_of(run, label, redo=start_from == STEPS[0])
        if remark.kind == "warning"
    ]
    return [f"warning    {text}" for text in dict.fromkeys(found)]


def _subject(run: Run, plan: SubjectPlan, start_from: str) -> list[str]:
    """Return voxels and images of a subject, and where they differ what the run there has.

    The run in the folder comes first unless it is to be computed again.
    """
    now = dataclasses.asdict(plan)
    made = run.folder("mask", plan.label) / "about.json"
    if not made.exists():
        return [f"{f'sub-{plan.label}':<10} {_counted(now)}"]
    stored = read_json(made)
    before = now | {key: stored[key] for key in now.keys() & stored.keys()}
    before["mask"] = stored["expression"]
    dropped = stored.get("dropped_voxels", 0)
    differ = before | {"voxels": before["voxels"] + dropped} != now
    redo = start_from == STEPS[0]
    lines = [f"{f'sub-{plan.label}':<10} {_counted(now if redo else before)}"]
    if differ and redo:
        lines.append(f"before     the run that is there had {_counted(before)}")
    elif differ:
        lines[0] += " (the run that is there)"
        lines.append(f"now        the data set has {_counted(now)}")
    return lines


def _counted(said: Mapping[str, Any]) -> str:
    counts = {key: f"{value:,}" for key, value in said.items() if isinstance(value, int)}
    return (
        f"{counts['voxels']} voxels of {said['mask']!r}; train "
        f"{counts['train_images']} images ({counts['train_trials']} trials), test "
        f"{counts['test_images']} ({counts['test_trials']})"
    )


def _done(plan: Plan, changed: str, start_from: str) -> list[str]:
    """Return lines with the steps that are done, and those that hold no more for a change."""
    there = [(_place(step), f"sub-{label} {step}") for step, label, done in plan.steps if done]
    there = [(place, text) for place, text in there if place < _place(start_from)]
    done = [text for place, text in there if place < _place(changed)]
    outdated = [text for place, text in there if place >= _place(changed)]
    lines = [f"done       {', '.join(done)}"] if done else []
    if outdated:
        lines.append(f"outdated   {', '.join(outdated)}")
    return lines


def _checked(plan: Plan, start_from: str) -> str:
    """Return a line that says what the plan has looked at, and what only the run reads."""
    limit = _place(start_from)
    ahead = {s for s, _, done in plan.steps if not done or _place(s) >= limit}
    unread = {"encode": "pictures (a damaged file)", "mask": "betas (NaN, a run that ends wrongly)"}
    left = [text for step, text in unread.items() if step in ahead]
    but = f"; the run reads {' and '.join(left)} first" if left else ""
    return f"checked    settings, tables, headers and regions{but}"


def _place(step: str) -> int:
    """Return where a step comes; after all of them if it is none."""
    return STEPS.index(step) if step in STEPS else len(STEPS)


def _changes(run: Run, start_from: str) -> list[tuple[str, str]]:
    """Return a step and a line for each reason for which the run there would not go on."""
    if not (run.path / "config.toml").exists():
        return []
    lines, kept = [], STEPS[: STEPS.index(start_from)] if start_from else STEPS
    if other := difference_from(run, stored_config(run.path)):
        step, where = other
        if step in kept:
            text = f"settings of the run that is there: {listing(where, most=4)}"
            lines.append((step, f"changed    {text}; needs --from {step}, or another --out"))
    for label in run.config.subjects:
        found = changes.differences(run, label, [s for s in inputs.NOTED if s in kept], keep=False)
        for step in dict.fromkeys(one.step for one in found):
            if step == "report" and found[0].step != step:
                continue
            text = changes.in_words([one for one in found if one.step == step])
            then = f"needs --from {step}, or another --out"
            if step == "report":
                then = "the report is made again"
            lines.append((step, f"changed    {text}; {then}"))
        if not found and "mask" in kept and (text := changes.changed_trials(run, label)):
            lines.append(("mask", f"changed    {text}; needs --from mask, or another --out"))
        if new := changes.changed_mask(run, label):
            lines += _other_mask(new, kept)
    return lines


def _other_mask(new: changes.OtherMask, kept: Sequence[str]) -> list[tuple[str, str]]:
    """Return a step and a line on a mask that would be taken by default and was not before."""
    keep = f"--mask {shlex.quote(new.before)} keeps {new.before!r}"
    if "mask" not in kept:
        return [("", f"changed    {new.text}" + (f"; {keep}" if new.stops else ""))]
    if new.stops:
        return [("mask", f"changed    {new.text}; {keep}, else --from mask or another --out")]
    return []


def _remarks(run: Run) -> list[str]:
    """Return a line for each remark on the input that is no warning, files left out last."""
    from neurodiffuse.run import remarks_of

    said = [(r, label) for label in run.config.subjects for r in remarks_of(run, label)]
    said.sort(key=lambda pair: pair[0].kind != "note")
    lines = (
        f"{'remark' if r.kind == 'note' else r.kind:<10} sub-{label}: {r.text}"
        for r, label in said
        if r.kind != "warning"
    )
    return list(dict.fromkeys(lines))


def _downloads(run: Run, plan: Plan) -> list[str]:
    """Return a line for each model that is to be fetched, and for each file of no model."""
    names = {file.address: model for model in run.registry.models() for file in model.files}
    models: dict[str, list[Download]] = {}
    lines = []
    for where, item in plan.downloads:
        if item.address in names:
            models.setdefault(names[item.address].name, []).append(item)
        else:
            size = "unknown size" if item.size is None else _bytes(item.size)
            lines.append(f"download   {where}: {item.address} ({size}, licence: {item.licence})")
    for name, items in models.items():
        total = sum(item.size or 0 for item in items)
        size = _bytes(total)
        if any(item.size is None for item in items):
            size = f"more than {size}" if total > 2**20 else "unknown size"
        lines.append(
            f"download   {name}: {len(items)} files, {size} (licence: "
            f"{items[0].licence}); neurodiffuse models fetch {name}"
        )
    return lines or ["download   nothing"]


def results(run: Run) -> str:
    """Return the scores as a small table and where the report is."""
    from neurodiffuse.metrics import holm
    from neurodiffuse.report.wording import CEILING, interval
    from neurodiffuse.run.scoring import plain_pictures

    rows = [("", "stage", "score", "95 % interval", "chance", "p", "p (Holm)", CEILING.lower())]
    above: list[str] = []
    last, tested = list(run.config.stages)[-1], len(run.config.metrics)
    for label in run.config.subjects:
        scores = read_json(run.folder("score", label) / "scores.json")
        oracle = {(s["metric"], s["stage"]): s for s in scores if s["source"] == "oracle"}
        final = [s for s in scores if (s["source"], s["stage"]) == ("decoded", last)]
        values = holm([s["p"] for s in final])
        corrected = {s["metric"]: p for s, p in zip(final, values, strict=True)}
        for s in scores:
            if s["source"] != "decoded":
                continue
            best = oracle.get((s["metric"], s["stage"]))
            p = corrected[s["metric"]] if s["stage"] == last else None
            sign = 1 if s["higher_is_better"] else -1
            if best is not None and sign * s["mean"] > sign * best["mean"]:
                above.append(f"sub-{label} {s['metric']} of {s['stage']}")
            rows.append(
                (
                    f"sub-{label} {s['metric']}",
                    s["stage"],
                    f"{s['mean']:.3f}",
                    "-" if s["low"] is None else interval(s["low"], s["high"], 3),
                    "-" if s["chance"] is None else f"{s['chance']:.3f}",
                    "-" if s["p"] is None else f"{s['p']:.4f}",
                    "-" if p is None else f"{p:.4f}",
                    "-" if best is None else f"{best['mean']:.3f}",
                )
            )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    table = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    counts = {len(run.subject(s).trials.images("test")) for s in run.config.subjects}
    many = " or ".join(str(n) for n in sorted(counts))
    note = f"of {many} test images; chance: 0.5 in two-way identification, else of shuffled pairs"
    if tested > 1:
        note += f"; p (Holm): corrected for the {tested} metrics of the last stage"
    if above:
        note += (
            f"\nabove the ceiling: {listing(above, most=4)}; a score can prefer predictions, which "
            "are nearer to the mean image, to exact latents"
        )
    for label in run.config.subjects:
        note += "".join(f"\nsub-{label}: {r.text}" for r in plain_pictures(run, label))
    return "\n".join([*table, note, "", f"report: {run.path / 'report.html'}"])


def _short(path: str) -> str:
    """Return a path from here where it lies below, else as it is."""
    place = Path(path)
    return str(place.relative_to(Path.cwd())) if path and place.is_relative_to(Path.cwd()) else path


def _bytes(n: int) -> str:
    size = float(n)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return ""
