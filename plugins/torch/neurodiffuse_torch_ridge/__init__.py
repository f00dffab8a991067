"""Ridge on a GPU, by torch. Importing this package imports no torch."""
