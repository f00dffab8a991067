"""Save and load the nouns: betas, latents and images as files that open without being read."""

from neurodiffuse.store.arrays import (
    allocate,
    create_betas,
    load_array,
    load_arrays,
    load_betas,
    load_voxels,
    save_betas,
    save_triangle,
)
from neurodiffuse.store.latents import WIDTH, LatentFile
from neurodiffuse.store.pictures import (
    content,
    labels,
    load_image,
    load_images,
    sample_folder,
    save_image,
    seed_of,
)
from neurodiffuse.store.targets import StoredTargets

__all__ = [
    "WIDTH",
    "LatentFile",
    "StoredTargets",
    "allocate",
    "content",
    "create_betas",
    "labels",
    "load_array",
    "load_arrays",
    "load_betas",
    "load_image",
    "load_images",
    "load_voxels",
    "sample_folder",
    "save_betas",
    "save_image",
    "save_triangle",
    "seed_of",
]
