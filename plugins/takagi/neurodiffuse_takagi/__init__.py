"""Takagi & Nishimoto (CVPR 2023) for neurodiffuse."""
