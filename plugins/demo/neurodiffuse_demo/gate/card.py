"""Put what was measured between two marks of the model card."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write_card(path: Path, report: str) -> None:
    """Replace what stands between the marks, or add them at the end."""
    text = path.read_text(encoding="utf-8") if path.exists() else "# Model card\n\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{report.strip()}\n{END}{after}", encoding="utf-8")
