"""The page of benchmark results says what the benchmarks said."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="not a checkout")
def test_the_page_is_made_from_the_results():
    spec = importlib.util.spec_from_file_location("page", ROOT / "benchmarks" / "page.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    text = page.page(ROOT / "benchmarks" / "results")
    assert text == page.PAGE.read_text(encoding="utf-8")
