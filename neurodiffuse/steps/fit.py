"""Fit: let every decoder learn to predict latents from the training betas."""

from __future__ import annotations

from neurodiffuse import decoding
from neurodiffuse.config import OWN_DECODER
from neurodiffuse.run import Run, inputs


def fit(run: Run, subject: str) -> None:
    """Write what each decoder learns of a subject into a folder of its name.

    A decoder that was interrupted finds its folder as it left it; one that was done is not fitted
    again. What the recipe names no decoder for is written into the step's folder itself.
    """
    inputs.begin(run, subject, "fit")
    decoders = run.decoders()
    named = set(decoders) - {OWN_DECODER}
    with run.writing(run.folder("fit", subject), resume=bool(named)) as folder:
        for name, (decoder, features) in decoders.items():
            training = decoding.training_of(run, subject, features)
            if name == OWN_DECODER:
                decoder.fit(training, folder)
            elif not (folder / name).exists():
                partial = folder / f"{name}.partial"
                partial.mkdir(exist_ok=True)
                decoder.fit(training, partial)
                partial.rename(folder / name)
        inputs.note(run, subject, "fit", folder)
