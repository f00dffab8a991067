"""Versatile Diffusion (Xu et al. 2023), guided by vision and text at once: a generator."""
