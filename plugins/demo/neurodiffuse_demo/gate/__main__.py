"""Measure what the shipped weights can do and write it into the model card.

``python -m neurodiffuse_demo.gate --card MODEL_CARD.md --sheets sheets``
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from neurodiffuse_demo.gate.card import write_card


def main(arguments: list[str] | None = None) -> None:
    """Run the gate: about half an hour on two cores, a third of it with ``--quick``."""
    parser = argparse.ArgumentParser(prog="python -m neurodiffuse_demo.gate")
    parser.add_argument("--card", type=Path, help="model card to write the numbers into")
    parser.add_argument("--sheets", type=Path, default=Path("sheets"), help="folder for pictures")
    parser.add_argument("--quick", action="store_true", help="leave out the sweeps")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from neurodiffuse_demo.gate.measure import measure

    report = measure(options.sheets, sweeps=not options.quick)
    print(report)
    if options.card:
        write_card(options.card, report)


if __name__ == "__main__":
    main()
