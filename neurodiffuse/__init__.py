"""Reconstruct what a person saw from fMRI, and ask the fitted model what regions stand for."""

__version__ = "0.1.0"
