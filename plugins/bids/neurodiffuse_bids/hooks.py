"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Dataset

CARDS = [
    Dataset(
        "bids",
        "neurodiffuse_bids.dataset:BidsDataset",
        summary="A BIDS derivative with single-trial betas, events and stimuli (--root DIR)",
        cite="Gorgolewski, K. J., et al. (2016). The brain imaging data structure, a format for "
        "organizing and describing outputs of neuroimaging experiments. Scientific Data, 3, "
        "160044. https://doi.org/10.1038/sdata.2016.44",
    ),
]
