"""The four roles that a plugin can play: abstract classes of one to four methods.

What only some of a role can do is a protocol, such as `SampleMetric`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from neurodiffuse.types.nouns import Images, Latents, Shape, Stimuli, Subject
from neurodiffuse.types.weights import Download

if TYPE_CHECKING:
    import numpy as np


class Role(ABC):  # noqa: B024
    """What datasets, encoders, generators and metrics share.

    A constructor only stores its arguments (checking their values is welcome: raise
    ``ValueError``); it reads no file and imports no deep-learning library, so that a plan can
    be checked at once. Its keyword arguments are the options of the recipe section.
    """

    def downloads(self) -> tuple[Download, ...]:
        """Return what the first use would fetch and is not on this machine yet."""
        return ()


class Dataset(Role):
    """Trials, betas, regions and stimuli of a study."""

    @abstractmethod
    def subjects(self) -> tuple[str, ...]:
        """Return the subject labels without ``sub-``, sorted."""

    @abstractmethod
    def subject(self, label: str) -> Subject:
        """Return grid, trials and regions of a subject; no betas are read."""

    @abstractmethod
    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield single-trial responses in the order of ``subject(label).trials``.

        ``voxels`` is bool (grid.size,). Each block is float32 (n_trials_of_the_block, n_voxels)
        with voxels in C order of the grid; a run or a session a block keeps memory bounded.
        """

    @abstractmethod
    def roi(self, label: str, name: str) -> np.ndarray:
        """Return a region as bool (grid.size,) or a map as float32 (grid.size,)."""

    @abstractmethod
    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return the stimuli with these ids, in this order, images unread."""

    def fingerprint(self, label: str) -> str:
        """Return a text that changes when a subject's trials do, to notice input that changed.

        Override it to also cover the files that the betas are in.
        """
        trials = self.subject(label).trials
        columns: tuple[object, ...] = (trials.stimulus, trials.split, trials.session, trials.run)
        if trials.count:
            columns = (*columns, trials.count)
        return hashlib.sha256(repr(columns).encode()).hexdigest()

    def files(self, label: str) -> tuple[Path, ...]:
        """Return the files that a subject's betas are read from.

        Where there are any, betas that were prepared from them are kept and used by other runs,
        as long as names, sizes and times of the files and `fingerprint`, which must then tell
        apart whatever options change the betas, stay the same. Without files nothing is kept.
        """
        return ()

    def inputs(self, label: str) -> Mapping[str, Sequence[Path]]:
        """Return the files that a subject's results depend on, but for pictures and regions.

        A run notes what they hold and goes on only while they hold the same. The keys are

        ``responses``
            The betas, what says how they are stored, and the tables of the trials.
        ``trials``
            Tables of which a part may matter to this subject, such as a split of all images:
            they may change as long as ``subject(label).trials`` do not.
        ``captions``
            As long as the captions of the subject's images do not.
        ``report``
            What the report alone shows; it is made again when they change.

        Pictures are found by the attribute ``paths`` of ``stimuli(ids).images``, the files of
        the images in their order; several images may share one.
        """
        return {"responses": self.files(label)}

    def region_files(self, label: str, name: str) -> Sequence[Path]:
        """Return the files that a region is read from and named by; see `inputs`.

        They may change as long as a run's expressions select the same voxels.
        """
        return ()

    def home(self) -> Path | None:
        """Return the folder of the data set: files in it are known by their path from there.

        So a data set may be moved, as a whole, to where ``--root`` then says.
        """
        root = getattr(self, "root", "")
        return Path(root).expanduser().absolute() if root else None

    def about(self) -> Mapping[str, str]:
        """Return ``name``, ``version``, ``licence``, ``cite`` of the study where known.

        ``captions`` may say how to get the captions, for who lacks them; ``degrees`` how many
        degrees of visual angle wide the pictures were, centred on where the subject looked.

        ``pictures`` says what they show, in the words of recipes' ``domain`` (``natural
        photographs``, ``drawn scenes``); ``recipe`` names the method that suits, taken where none
        is named, ``recipe_source`` the file that names it, and ``recipe_distribution`` what to
        install for it.
        """
        return {}


class Encoder(Role):
    """Turns stimuli into latents."""

    @abstractmethod
    def shapes(self) -> tuple[Shape, ...]:
        """Return the shapes of the latents of one image."""

    @abstractmethod
    def encode(self, stimuli: Stimuli) -> Latents:
        """Return latents, one row a stimulus.

        A row must not depend on the other rows of the call: the encode step cuts the stimuli
        into batches as memory allows.
        """

    def fit(self, stimuli: Stimuli) -> None:
        """Learn from the training stimuli what encoding needs; pretrained encoders need not."""

    def state(self) -> dict[str, np.ndarray]:
        """Return what ``fit`` learned, to be stored in the run and handed to generators."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` returned."""


class Generator(Role):
    """Turns latents into images."""

    @abstractmethod
    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one image for each row of the latents.

        ``latents`` maps each name in the card's ``reads`` to its latents, rows aligned; names
        in ``optional`` may be missing. ``init`` is the picture of the stage before, or None: a
        generator with ``"init"`` in ``optional`` then begins from noise. ``seeds[i]`` is the only
        source of randomness of image i, so that image i does not depend on image i-1 or on the
        batch.
        """

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take what the encoders of the features in ``reads`` have learned, by feature."""


class Metric(Role):
    """Compares what was seen with what was made.

    ``compares`` says what `compare` is given: ``"images"``, or ``"latents"`` of the feature that
    the recipe names, as `Latents` of both. ``higher_is_better`` gives the direction; ``chance`` is
    the value expected by chance where theory gives one (two-way identification: 0.5), else None
    and the null's mean is shown. ``share`` says that a value is a share of comparisons, from 0 to
    1, whose interval is another one; a level of chance between 0 and 1 says so too. ``bounds`` are
    the smallest and the largest value that is possible, which no interval leaves; None: any.
    ``permutations`` is how many shufflings ``null`` draws.
    """

    compares: Literal["images", "latents"] = "images"
    higher_is_better: bool = True
    chance: float | None = None
    share: bool = False
    bounds: tuple[float, float] | None = None
    permutations: int = 199

    def words(self) -> str:
        """Return what the metric with these options is, in the field's words.

        Empty: the card's summary and the options say it.
        """
        return ""

    @abstractmethod
    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return float64 (n_images,): one value for each pair; sizes may differ, ids agree."""

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return (permutations,) mean values with the pairs shuffled.

        Works for any metric by calling ``compare``; override it where a table of all pairs is
        cheap.
        """
        import numpy as np

        n, means = len(seen.ids), []
        for _ in range(self.permutations):
            order = rng.permutation(n)
            shuffled = Images(tuple(made.ids), seen.values[order])
            means.append(float(np.mean(self.compare(shuffled, made))))
        return np.asarray(means)


@runtime_checkable
class SampleMetric(Protocol):
    """A `Metric` that looks at all samples of an image at once; of others the mean is taken.

    ``samples`` is a lazy sequence: the pictures of one sample are loaded when it is indexed.
    """

    def compare_samples(self, seen: Images, samples: Sequence[Images]) -> np.ndarray:
        """Return float64 (n_images,): one value for each seen image and all that was made of it."""

    def null_samples(
        self, seen: Images, samples: Sequence[Images], rng: np.random.Generator
    ) -> np.ndarray:
        """Return (permutations,) mean values with the pairs shuffled, all samples alike."""
