"""Whether a generator keeps its promises."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from neurodiffuse.testing.findings import (
    Finding,
    constructor,
    left_alone,
    memory,
    moved,
    refusals,
    rows,
)
from neurodiffuse.types import Generator, Images, Latents


def examine_generator(
    generator: Generator,
    latents: Mapping[str, Latents],
    *,
    init: Images | None = None,
    states: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    optional: Collection[str] = (),
) -> list[Finding]:
    """Look at dtype, shape, seeds, memory, and whether picture i depends on row i alone.

    ``optional`` is what the generator's card says it can do without: each is then left out once,
    with what its encoder has learned, and the pictures must be others than with it.
    """
    found = constructor(generator, Generator)
    first = next(iter(latents.values()))
    n, seeds = len(first.ids), tuple(range(11, 11 + len(first.ids)))
    before = {name: part.values.copy() for name, part in latents.items()}
    with found.trying("generate runs"), left_alone(found):
        generator.restore(states or {})
        made = generator.generate(latents, init=init, seeds=seeds)
        values = made.values
        found.that(values.dtype == np.uint8, "pictures are uint8", values.dtype)
        found.that(
            values.ndim == 4 and values.shape[0] == n and values.shape[3] == 3,
            f"pictures are ({n}, height, width, 3)",
            values.shape,
        )
        found.that(tuple(made.ids) == tuple(first.ids), "pictures have the latents' ids", made.ids)
        again = generator.generate(latents, init=init, seeds=seeds).values
        found.that(
            np.array_equal(values, again), "the same latents and seeds give the same pictures"
        )

        def painted(other: Generator) -> np.ndarray:
            other.restore(states or {})
            return other.generate(latents, init=init, seeds=seeds).values

        moved(found, generator, painted, values.astype(np.float64), 3e-2)
        for k in (0, n - 1):
            alone = generator.generate(
                {name: rows(part, [k]) for name, part in latents.items()},
                init=None if init is None else Images((init.ids[k],), init.values[[k]]),
                seeds=seeds[k : k + 1],
            ).values[0]
            far = np.abs(alone.astype(int) - values[k]).max()
            found.that(
                far <= 1,
                f"picture {k} of {n} does not depend on the others",
                f"painted alone it differs by {far} of 255",
            )
        found.that(
            all(np.array_equal(before[name], part.values) for name, part in latents.items()),
            "generate leaves the latents alone",
        )
        memory(found, lambda: generator.generate(latents, init=init, seeds=seeds))
    for name in optional:
        with found.trying(f"it paints without {name}"):
            less = {key: part for key, part in latents.items() if key != name}
            start = None if name == "init" else init
            generator.restore({key: s for key, s in (states or {}).items() if key != name})
            made = generator.generate(less, init=start, seeds=seeds)
            found.that(len(made.values) == n, f"it paints without {name}", made.values.shape)
            generator.restore(states or {})
            given = init is not None if name == "init" else name in latents
            if given:
                whole = generator.generate(latents, init=init, seeds=seeds)
                found.that(
                    not np.array_equal(made.values, whole.values),
                    f"without {name} it paints other pictures",
                    f"they are the same, so that it ignores {name} or remembers it",
                )
    refusals(
        found,
        generator,
        lambda other: (
            other.restore(states or {}),
            other.generate(latents, init=init, seeds=seeds),
        ),
    )
    return found
