"""Write ``docs/reference/ridge-benchmarks.md`` from the benchmarks' own output.

``python benchmarks/page.py`` after ``ridge.py --size mid``, ``ridge_full.py`` and
``ridge_growth.py``, which leave JSON in ``benchmarks/results``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference" / "ridge-benchmarks.md"

HEAD = """# How fast ridge is

This page is written by `python benchmarks/page.py` from what the benchmarks measured; no number on
it was typed. All data are made up (a low-rank response to the stimulus and noise), of the sizes
named. Load is the number of processes that wanted a processor when a benchmark began: above the
number of cores, other work slowed what is measured. Processor seconds suffer less from it than
seconds.

Run them again with

```
python benchmarks/ridge.py --size mid
python benchmarks/ridge_full.py
python benchmarks/ridge_growth.py
python benchmarks/page.py
```
"""


def page(results: Path) -> str:
    """Return the page; a benchmark without output says so."""
    parts = [HEAD]
    for name, section in (
        ("ridge-mid", compared),
        ("ridge-full-nsd", full),
        ("ridge-full-nsd-gcv-target", chosen),
        ("ridge-growth-mid", growth),
    ):
        file = results / f"{name}.json"
        if file.exists():
            parts.append(section(json.loads(file.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def compared(found: dict[str, Any]) -> str:
    """Return the section on peers."""
    size = found["size"]
    lines = [
        "## Against its peers",
        "",
        f"{size['n']:,} images, {size['p']:,} voxels, {size['m']:,} test images, "
        f"{size['tokens']} × {size['token']} = {size['t']:,} targets, one penalty of "
        f"{found['alpha']:,.0f} or a grid; {_runs(found['rounds'])}, every method in a process of "
        f"its own, in turns. {_machine(found['machine'])} Load at the end {found['load_after']}. "
        f"A float32 matrix product reached {found['gemm'] / 1e9:.0f} GFLOP/s in the same turns.",
        "",
    ]
    groups: dict[str, dict[str, Any]] = {}
    for method, row in found["table"].items():
        groups.setdefault(row["group"], {})[method] = row
    for group, rows in groups.items():
        lines += _group(group, rows)
    return "\n".join(lines)


def _group(group: str, rows: dict[str, Any]) -> list[str]:
    # without a cost that grows with the targets there is nothing to extrapolate
    partly = [
        method
        for method, row in rows.items()
        if "measured_targets" in row and row.get("cpu_each", 0.0) <= 0.0
    ]
    rows = {method: row for method, row in rows.items() if method not in partly}
    own = next(iter(rows.values()))
    last = "R²" if "r2" in own else "largest error, SD"
    columns = ["seconds", "processor s", "times ours", "(processor)", "peak, MiB", last]
    lines = [
        f"### {group[:1].upper()}{group[1:]}",
        "",
        *_head(1, [*columns, "of the product", "(processor)"]),
    ]
    for method, row in rows.items():
        star = "\\*" if "measured_targets" in row else ""
        value = (
            f"{row['r2']:.5f}" if "r2" in row else f"{row['error']:.1e}" if "error" in row else ""
        )
        share = f"{row['of_gemm']:.0%} | {row['of_cpu']:.0%}" if "of_gemm" in row else "|"
        lines.append(
            f"| {method}{star} | {row['seconds']:.2f} | {row['cpu']:.2f} | "
            f"{row['seconds'] / own['seconds']:.1f} | {row['cpu'] / own['cpu']:.1f} | "
            f"{row['peak_mib']:,.0f} | {value} | {share} |"
        )
    for method, row in rows.items():
        if "measured_targets" in row:
            lines += [
                "",
                f"\\* {method}: extrapolated. Taken to be a fixed part and one for each target: "
                f"{row['cpu_fixed']:.1f} processor s + {1e3 * row['cpu_each']:.2f} ms each, from "
                f"{row['measured_few']:.0f} and {row['measured_targets']:.0f} targets. Peak memory "
                "is that of these.",
            ]
    if partly:
        lines += [
            "",
            f"{' and '.join(partly)} ran on a few targets only, and what more of them cost was not "
            "measured well enough to extrapolate, so no number is given.",
        ]
    return [*lines, ""]


def full(found: dict[str, Any]) -> str:
    """Return the section on a subject of full size."""
    size, said = found["size"], found["summary"]
    features = ", ".join(
        f"{name} {' × '.join(map(str, shape))} at {alpha:,.0f}"
        for name, (shape, alpha) in size["features"].items()
    )
    columns = ["seconds", "processor s", "GFLOP/s", "product, GFLOP/s", "share", "(processor)"]
    columns += ["peak, MiB", "promised, MiB", "read / bytes of latents", "load"]
    lines = [
        "## One NSD subject at full size",
        "",
        f"{size['n']:,} training images, {size['p']:,} voxels, {size['m']} test images, "
        f"{size['t']:,} targets ({features}): {said['target_bytes'] / 1e9:.1f} GB of training "
        "latents on disk, read cold. The steps `fit` and `predict` of a run folder, writing, "
        f"scores and identification included; {_runs(found['rounds'])}, in turns. "
        f"{_machine(found['machine'])}",
        "",
        *_head(1, columns, "`predict.rescale`"),
    ]
    for kind in ("test", "train"):
        row = said[kind]
        lines.append(
            f"| `{kind}` | {row['seconds']:.1f} | {row['cpu']:.1f} | {row['gflops']:.0f} | "
            f"{row['gemm_gflops']:.0f} | {row['of_gemm']:.0%} | {row['of_gemm_cpu']:.0%} | "
            f"{row['peak_mib']:,.0f} | {said['bound_mib']:,.0f} | "
            f"{row['read_ratio']:.2f} | {row['load']:.1f} |"
        )
    token = found["results"]["token"]
    each = "; ".join(
        f"`{kind}` " + ", ".join(f"{row['of_gemm']:.0%}" for row in said[kind]["rounds"])
        for kind in ("test", "train")
    )
    lines += [
        "",
        f"Shares of the single runs: {each}.",
        "",
        "`train` also predicts 1,000 training images, each left out of the fit. The share is of "
        "the rate of a float32 product measured before and after in the same process, the faster "
        "of both, by the clock and by the processors' time. Latents are those of training and test "
        "images.",
        "",
        f"The published code fits each token by itself: one token of 768 targets took "
        f"{token['seconds']:.1f} s ({token['cpu']:.1f} processor s) here, from memory. "
        f"Extrapolated to all targets that is {said['reference_seconds'] / 60:.0f} minutes, "
        f"{said['reference_seconds'] / said['test']['seconds']:.0f} times the row `test`.",
        "",
    ]
    return "\n".join(lines)


def chosen(found: dict[str, Any]) -> str:
    """Return the section on choosing a penalty for each target at full size."""
    said = found["summary"]
    lines = [
        "## A penalty for each target at full size",
        "",
        f"The same subject; `{said['choose']}` for each {said['per']} among 25 penalties, "
        f"{max(said['penalties'].values())} of them chosen at most by a feature, rescaled by the "
        f"test images; one run, load {said['load']:.1f}. Together {said['gflop'] / 1e3:.0f} TFLOP "
        f"at {said['of_gemm']:.0%} of the product's rate. {_machine(found['machine'])}",
        "",
        *_head(1, ["seconds", "processor s", "peak, MiB", "planned, MiB"], "step"),
    ]
    for step, seconds in said["seconds"].items():
        lines.append(
            f"| `{step}` | {seconds:.1f} | {said['cpu'][step]:.1f} | "
            f"{said['peak_mib'][step]:,.0f} | {said['planned_mib'][step]:,.0f} |"
        )
    return "\n".join([*lines, ""])


def growth(found: dict[str, Any]) -> str:
    """Return the section on growth."""
    lines = [
        "## Growth",
        "",
        "Fit and predict at one penalty, targets, voxels or images doubled three times; "
        f"{_runs(found['rounds'])}. {_machine(found['machine'])} Operations are counted, not "
        "measured; the slope is of the last doubling, 1 being proportional.",
        "",
        *_head(1, ["", "seconds", "processor s", "GFLOP", "peak, MiB"]),
    ]
    for axis, part in found["axes"].items():
        for at, row in zip(part["along"], part["rows"], strict=True):
            lines.append(
                f"| {axis} | {at:,} | {row['seconds']:.2f} | {row['cpu']:.2f} | "
                f"{row['operations'] / 1e9:.0f} | {row['peak_mib']:,.0f} |"
            )
        slopes = part["slopes"]
        lines.append(
            f"| | *slope* | {slopes['seconds']:.2f} | {slopes['cpu']:.2f} | "
            f"{slopes['operations']:.2f} | |"
        )
    return "\n".join([*lines, ""])


def _head(words: int, columns: list[str], first: str = "") -> list[str]:
    """Return the head of a table: ``words`` columns of text, then numbers."""
    rule = ["---"] * words + ["---:"] * len(columns)
    return [f"| {' | '.join([first, *columns])} |", f"|{'|'.join(rule)}|"]


def _machine(about: dict[str, Any]) -> str:
    threads = "/".join(map(str, about["blas_threads"]))
    return (
        f"{about['cores']} cores of {about['processor']}, {about['memory_gib']:.0f} GiB, "
        f"{'; '.join(about['blas'])} on {threads} threads, numpy {about['numpy']}; load "
        f"{about['load']}."
    )


def _runs(rounds: int) -> str:
    return "one run" if rounds == 1 else f"medians of {rounds} runs"


if __name__ == "__main__":
    PAGE.write_text(page(HERE / "results"), encoding="utf-8")
