"""Where pages get their templates: the report's own and those of the questions."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from neurodiffuse import __version__
from neurodiffuse.report import wording


@cache
def environment() -> jinja2.Environment:
    """Return the environment of every page: escaped, strict, with the words of `wording`.

    Templates are those of ``neurodiffuse/templates`` by their name and those of
    ``neurodiffuse/questions`` as ``QUESTION/page.html.j2``.
    """
    loaders = [
        jinja2.PackageLoader("neurodiffuse", folder) for folder in ("templates", "questions")
    ]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=wording.number,
        count=wording.count,
        counted=wording.counted,
        p_value=wording.p_value,
        stage_label=wording.stage_label,
        metric_label=wording.metric_label,
        over_subjects=over_subjects,
    )
    script = inlined("report.js")
    made.globals.update(
        interval=wording.interval,
        version=__version__,
        style=inlined("report.css"),
        script=script,
        script_hash=_hash(script),
        viewers_script=inlined("viewers.js"),
    )
    return made


def over_subjects(name: str, subjects: Sequence[Any]) -> str:
    """Return the mean of a metric's last stage over subjects ± its standard error, in words."""
    found = [m.cells[-1] for view in subjects for m in view.metrics if m.name == name]
    return wording.mean_and_sem([cell.row.mean for cell in found if cell is not None])


def filled(template: str, **values: Any) -> str:
    """Return a template with its values; see `environment` for the names of templates."""
    return environment().get_template(template).render(**values)


def inlined(name: str) -> Markup:
    """Return a file beside the templates, as it is."""
    path = files("neurodiffuse.templates").joinpath(name)
    return Markup(path.read_text(encoding="utf-8"))


def _hash(script: str) -> str:
    """Return what the content policy calls this script, so that no other one can run."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
