"""Published weights: where they lie, what is missing, how they are fetched and verified.

A plugin registers its `neurodiffuse.types.Model` constants through the hook ``register_models``,
finds the files with `locate` and answers ``Role.downloads()`` with `missing`.
"""

from neurodiffuse.models.place import cache_root, folder_of, locate, missing

__all__ = ["cache_root", "folder_of", "locate", "missing"]
