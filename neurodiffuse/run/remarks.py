"""What is to be told of a run's input."""

from __future__ import annotations

from collections.abc import Iterator

from neurodiffuse.files import read_json
from neurodiffuse.run.folder import Run
from neurodiffuse.types import Remark


def remarks_of(run: Run, label: str, *, redo: bool = False) -> tuple[Remark, ...]:
    """Return the data set's remarks on a subject, on its regions and on the number of test images.

    A region without a voxel is normal, since not every subject has every patch; a union with it
    is then less than it says. What was odd in the betas is told when they have been read, unless
    they are to be read again (``redo``).
    """
    own = (
        *run.subject(label).remarks,
        *_empty(run, label),
        *_few(run, label),
        *_no_background(run, label),
    )
    return own if redo else (*own, *remarks_on_betas(run, label))


def remarks_on_betas(run: Run, label: str) -> tuple[Remark, ...]:
    """Return warnings about what the mask step saw when it read all betas of a subject."""
    about = run.folder("mask", label) / "about.json"
    told = read_json(about).get("remarks", ()) if about.exists() else ()
    return tuple(Remark(text, "warning") for text in told)


def _few(run: Run, label: str) -> Iterator[Remark]:
    """Yield a warning where there are so few test images that scores can hardly be tested."""
    from neurodiffuse.report.wording import few_images

    if text := few_images(len(run.subject(label).trials.images("test"))):
        yield Remark(text, "warning")


def _no_background(run: Run, label: str) -> Iterator[Remark]:
    """Yield what is said of a subject's anatomy that maps cannot be drawn on."""
    if anatomy := run.subject(label).anatomy:
        from neurodiffuse.readers.volumes import why_no_background  # brings numpy

        if why := why_no_background(anatomy):
            home = run.dataset.home()
            inside = home is not None and anatomy.is_relative_to(home)
            name = anatomy.relative_to(home) if home is not None and inside else anatomy
            yield Remark(f"{name} ({why}); maps are drawn without it", "left out")


def _empty(run: Run, label: str) -> Iterator[Remark]:
    """Yield a warning for each region of an expression that has no voxel of the subject."""
    from neurodiffuse import rois

    about = run.subject(label)
    for where, expression in _expressions(run, label):
        for name in rois.names(rois.parse_for(about, expression)):
            values = run.dataset.roi(label, name)
            if values.dtype == bool and not values.any():
                yield Remark(f"{where} {expression!r}: {name} has no voxel.", "warning")


def _expressions(run: Run, label: str) -> Iterator[tuple[str, str]]:
    """Yield every region expression of a run with the setting that it stands in."""
    yield "mask.select", run.config.mask.select or run.subject(label).mask
    for feature, part in run.config.features.items():
        for key, text in part.regions():
            yield f"features.{feature}.{key}", text
