"""The steps of a run: one file, one function of a run each."""
