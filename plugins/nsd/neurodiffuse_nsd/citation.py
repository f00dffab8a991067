"""How the data set is cited."""

CITE = (
    "Allen, E. J., St-Yves, G., Wu, Y., et al. (2022). A massive 7T fMRI dataset to bridge "
    "cognitive neuroscience and artificial intelligence. Nature Neuroscience, 25, 116-126. "
    "https://doi.org/10.1038/s41593-021-00962-x"
)
