"""Sphinx configuration; warnings are errors, and the gallery runs every example."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import neurodiffuse

project = "neurodiffuse"
author = "The neurodiffuse developers"
copyright = "2026, the neurodiffuse developers"
release = version = neurodiffuse.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "gallery/**/*.ipynb"]
html_theme = "pydata_sphinx_theme"
html_title = "neurodiffuse"
html_static_path = ["_static"]
html_css_files = ["calm.css"]
highlight_language = "none"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 1,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
templates_path: list[str] = []

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "within_subsection_order": "ExampleTitleSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1000,
    "remove_config_comments": True,
    "plot_gallery": True,
    "reference_url": {},
    "default_thumb_file": str(Path(__file__).with_name("_static") / "not-run.png"),
}
suppress_warnings = ["config.cache"]
warnings.filterwarnings("ignore", category=UserWarning, module="matplotlib")
Path(__file__).with_name("_static").mkdir(exist_ok=True)


def setup(app: object) -> None:
    """Let shapes such as ``(n, *shape)`` stand in docstrings: an asterisk there is no emphasis."""

    def escape(app: object, what: str, name: str, obj: object, options: object, lines: list[str]):
        lines[:] = [re.sub(r"(?<=, )\*(?=\w+\))", r"\\*", line) for line in lines]

    app.connect("autodoc-process-docstring", escape)  # type: ignore[attr-defined]
