"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Algebra

CARDS = [
    Algebra(
        "torch",
        "neurodiffuse_torch_ridge.algebra:TorchAlgebra",
        summary="Ridge on a GPU (CUDA, MPS), in float32 without TF32",
        extra="torch>=2.6",
    ),
]
