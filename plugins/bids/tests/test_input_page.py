"""The page that says what happens with which input names tests that are there, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

from .corruptions import ALL

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/input.md"


def test_the_page_of_input_names_its_tests():
    text = PAGE.read_text("utf-8")
    rows = [line for line in text.splitlines() if re.search(r"\| (`[\w-]+` ?)+\|$", line)]
    named = [n for row in rows for n in re.findall(r"`([\w-]+)`", row.rsplit("|", 2)[1])]
    assert len(rows) > 35
    assert len(named) == len(set(named) | {"test_regions"}) + named.count("test_regions") - 1
    files = [*ROOT.glob("plugins/*/tests/*.py"), *ROOT.glob("tests/**/*.py")]
    tests = "".join(path.read_text("utf-8") for path in files)
    defined = set(re.findall(r"^def (\w+)\(", tests, re.MULTILINE))
    assert [n for n in named if n.replace("-", "_") not in defined] == []
    nsd = (ROOT / "plugins/nsd/tests/test_equivalent_trees.py").read_text("utf-8")
    wrong = re.findall(r"^    (\w+): ", nsd.split("WRONG = {")[1].split("\n}")[0], re.MULTILINE)
    every = {*ALL, *(name.replace("_", "-") for name in wrong)}
    assert every - set(named) == set()
    for name in ("test_equivalent_writings", "test_equivalent_trees"):
        assert name in text
        assert name in defined
