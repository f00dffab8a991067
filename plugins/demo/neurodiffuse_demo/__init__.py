"""Brain-Diffuser in miniature: truly trained models small enough to ship."""

__version__ = "0.1.0"
