"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_algebras(register: Any) -> None:
    """Register ridge's large operations on a GPU."""
    register(
        "torch",
        "neurodiffuse_torch_ridge.algebra:TorchAlgebra",
        summary="Ridge on a GPU (CUDA, MPS), in float32 without TF32",
        extra="torch>=2.6",
    )
