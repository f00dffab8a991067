"""What the shipped weights can do, on simulated brains: ``python -m neurodiffuse_demo.gate``."""
