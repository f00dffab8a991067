"""What a question holds at most, told before it is asked."""

from __future__ import annotations

from neurodiffuse import budget
from neurodiffuse.questions.roi_optimal.encoding import COMPONENTS, IMAGES, image_features
from neurodiffuse.questions.roi_optimal.page import RANDOM_SHOWN
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.studio import BATCH, ENCODED
from neurodiffuse.run import Run
from neurodiffuse.store import labels, load_images


def check_memory(run: Run, question: Question) -> None:
    """Refuse a budget that a question would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    if run.machine.memory is not None:
        budget.check(run, memory_needed(run, question))


def memory_needed(run: Run, question: Question) -> dict[str, int]:
    """Return the peaks, in bytes, of tasks in one process and of tables, figures and the page."""
    counts = {s: _counts(run, s) for s in question.subjects}
    picture = max(_painted_size(run, s, c) for s, c in counts.items())
    held = {
        "roi-optimal": max(
            _of_tasks(run, question, c, len(set(run.subject(s).trials.images("train"))), picture)
            for s, c in counts.items()
        ),
        "page": budget.lengthened(next(iter(counts.values())), len(counts), 1)
        + _drawn(run, question, picture),
    }
    return {name: int(budget.BASE + budget.MARGIN * size) for name, size in held.items()}


def _of_tasks(
    run: Run, question: Question, counts: budget.Counts, images: int, picture: int
) -> int:
    """Return what the task that needs most holds, for a subject of so many training images."""
    each, signs = question.patterns, question.pattern == "signs"
    patterns = each * len({region.key for region in question.regions})
    together = patterns if question.renorm == "reference" else 1
    most = max(counts.targets.values())
    seen = () if signs else image_features(run)
    return max(
        budget.answered(counts, most, patterns, each),
        budget.lengthened(counts, 1, together),
        budget.painted(counts, len(run.config.stages), picture, min(BATCH, question.painted)),
        budget.forward(
            counts, seen, images, min(ENCODED, question.painted) * picture, COMPONENTS, IMAGES
        ),
        budget.energies(len(question.subjects), max(picture, counts.image)) if signs else 0,
    )


def _drawn(run: Run, question: Question, picture: int) -> int:
    signs, subjects = question.pattern == "signs", len(question.subjects)
    cells = len(question.regions) * (subjects + (subjects > 1))
    return budget.drawn(
        maps=cells * len(run.config.stages) if signs else 0,
        cells=cells,
        pictures=cells * min(question.seeds, RANDOM_SHOWN if signs else question.seeds),
        picture=picture,
    )


def _counts(run: Run, subject: str) -> budget.Counts:
    return budget.counts_of(run, subject, int(run.mask(subject).sum()))


def _painted_size(run: Run, subject: str, counts: budget.Counts) -> int:
    """Return the bytes of a picture as the run has painted some, else as large as those seen."""
    stage = list(run.config.stages)[-1]
    place = run.folder("generate", subject) / "decoded" / stage
    first = labels(run.subject(subject).trials.images("test"))[:1]
    return int(load_images(place, first).nbytes) if place.exists() else counts.image
