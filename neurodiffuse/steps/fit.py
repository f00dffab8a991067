"""Fit: let every decoder learn to predict latents from the training betas."""

from __future__ import annotations

from pathlib import Path

from neurodiffuse import decoding
from neurodiffuse.config import OWN_DECODER
from neurodiffuse.errors import PluginError
from neurodiffuse.files import remove_folder
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, inputs
from neurodiffuse.types import Decoder, Training


def fit(run: Run, subject: str) -> None:
    """Write what each decoder learns of a subject into a folder of its name.

    A decoder that was interrupted finds its folder as it left it; one that was done is not fitted
    again. What the recipe names no decoder for is written into the step's folder itself. Where
    rescaling needs left-out rows that a decoder cannot predict by itself, it is fitted without each
    fold of the training images too, into ``NAME.fold-0`` and so on.
    """
    inputs.begin(run, subject, "fit")
    decoders = run.decoders()
    with run.writing(
        run.folder("fit", subject), resume=bool(set(decoders) - {OWN_DECODER})
    ) as folder:
        for name, (decoder, features) in decoders.items():
            training = decoding.training_of(run, subject, features)
            if name == OWN_DECODER:
                decoder.fit(training, folder)
                continue
            _fit_named(name, decoder, training, folder)
            if not decoding.needs_folds(run, decoder.open(training, folder / name), features):
                continue
            folds = decoding.folds_of(run, training)
            label = f"sub-{subject} {name} folds"
            for k, fold in enumerate(progress(folds, label, total=len(folds), quiet=run.quiet)):
                _fit_named(f"{name}.fold-{k}", run.decoder(name), fold.training, folder)
        inputs.note(run, subject, "fit", folder)


def _fit_named(name: str, decoder: Decoder, training: Training, folder: Path) -> None:
    """Let a decoder learn into a folder of its own, unless it has.

    Raises
    ------
    PluginError
        If it writes anywhere else in the step's folder.
    """
    place, partial = folder / name, folder / f"{name}.partial"
    if place.exists():
        return
    before = {path.name for path in folder.iterdir()} | {partial.name}
    partial.mkdir(exist_ok=True)
    decoder.fit(training, partial)
    if stray := sorted({path.name for path in folder.iterdir()} - before):
        for path in (folder / one for one in stray):
            remove_folder(path) if path.is_dir() else path.unlink()
        raise PluginError(
            f"decoders.{name}: {type(decoder).__name__} has written {stray[0]!r} outside of the "
            "folder that it was given."
        )
    partial.rename(place)
