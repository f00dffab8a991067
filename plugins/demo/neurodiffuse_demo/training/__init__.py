"""How the shipped weights were made: ``python -m neurodiffuse_demo.train``."""
