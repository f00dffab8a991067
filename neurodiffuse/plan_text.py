"""What ``--dry-run`` and the end of a run print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neurodiffuse.errors import listing
from neurodiffuse.files import read_json

if TYPE_CHECKING:
    from neurodiffuse.plan import Plan
    from neurodiffuse.run import Run
    from neurodiffuse.types import Download


def describe(run: Run, plan: Plan, start_from: str = "") -> str:
    """Return the plan of a run as lines of text."""
    config = run.config
    lines = [
        f"recipe     {config.name}: {config.summary}",
        f"data set   {config.dataset} {_short(config.dataset_options.get('root', ''))}".rstrip(),
        f"out        {run.path}" + (" (exists, will be continued)" if run.path.exists() else ""),
    ]
    for s in plan.subjects:
        lines.append(
            f"{f'sub-{s.label}':<10} {s.voxels:,} voxels of {s.mask!r}; train {s.train_images:,} "
            f"images ({s.train_trials:,} trials), test {s.test_images:,} ({s.test_trials:,})"
        )
    for name, part in config.features.items():
        where = f" from {part.roi!r}" if part.roi else ""
        lines.append(
            f"feature    {name}: {plan.targets[name]:,} targets of {part.encoder!r}{where}, "
            f"ridge {part.penalty}"
        )
    for name, stage in config.stages.items():
        start = f", starting from {stage.init!r}" if stage.init else ""
        less = f", without {listing(stage.without)}" if stage.without else ""
        lines.append(f"stage      {name}: {stage.generator!r}{start}{less}")
    lines.append(f"metrics    {', '.join(config.metrics) or 'none'}")
    lines += _remarks(run)
    lines += _downloads(run, plan)
    done = [f"sub-{label} {step}" for step, label, there in plan.steps if there]
    if done:
        lines.append(f"done       {', '.join(done)}")
    if start_from:
        lines.append(f"redo       from {start_from}")
    needs = ", ".join(f"{step} {_bytes(size)}" for step, size in plan.memory.items())
    given = run.machine.memory
    lines.append(f"memory     at most {needs}" + (f"; of {_bytes(given)}" if given else ""))
    if plan.ridge:
        lines.append(f"ridge      {plan.ridge}")
    if run.machine.executor.apart:
        lines.append(f"executor   {run.machine.executor}")
    lines.append(f"disk       about {_bytes(plan.disk)} besides the pictures")
    return "\n".join(lines)


def _remarks(run: Run) -> list[str]:
    """Return a line for each remark on the input, warnings first."""
    order = ("warning", "note", "left out")
    from neurodiffuse.run import remarks_of

    said = [(r, label) for label in run.config.subjects for r in remarks_of(run, label)]
    said.sort(key=lambda pair: order.index(pair[0].kind))
    lines = (
        f"{'remark' if r.kind == 'note' else r.kind:<10} sub-{label}: {r.text}" for r, label in said
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
    rows = [("", "stage", "score", "95 % interval", "chance", "p", "from true latents")]
    for label in run.config.subjects:
        scores = read_json(run.folder("score", label) / "scores.json")
        oracle = {(s["metric"], s["stage"]): s for s in scores if s["source"] == "oracle"}
        for s in scores:
            if s["source"] != "decoded":
                continue
            best = oracle.get((s["metric"], s["stage"]))
            rows.append(
                (
                    f"sub-{label} {s['metric']}",
                    s["stage"],
                    f"{s['mean']:.3f}",
                    "-" if s["low"] is None else f"{s['low']:.3f} … {s['high']:.3f}",
                    "-" if s["chance"] is None else f"{s['chance']:.3f}",
                    "-" if s["p"] is None else f"{s['p']:.4f}",
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
