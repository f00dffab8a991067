"""How the small networks are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients and on one thread.

    The networks take a picture at a time, so that a picture's bytes never depend on its batch.
    Work that small is slower on several threads, and many times so on a busy machine. The
    number of threads is set back afterwards.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)
