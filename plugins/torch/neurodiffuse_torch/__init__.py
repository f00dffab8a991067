"""What the torch plugins share: devices, checkpoints, noise of one's own seed, batches, pictures.

Importing this package imports torch. A plugin's hook and class modules import it inside the
functions that use it, so that plans and lists stay quick.
"""

from neurodiffuse_torch.checkpoint import load_strictly, read_checkpoint, without_prefix
from neurodiffuse_torch.device import device_of, dtype_of
from neurodiffuse_torch.memory import batch_size, batches, free_memory
from neurodiffuse_torch.noise import Noise, noise
from neurodiffuse_torch.pictures import content_seed, resized

__all__ = [
    "Noise",
    "batch_size",
    "batches",
    "content_seed",
    "device_of",
    "dtype_of",
    "free_memory",
    "load_strictly",
    "noise",
    "read_checkpoint",
    "resized",
    "without_prefix",
]
