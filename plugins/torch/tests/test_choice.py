"""Which algebra is used: tensors on a GPU, BLAS on a CPU and for what MPS cannot do."""

from __future__ import annotations

import builtins
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse_torch_ridge import algebra as module
from neurodiffuse_torch_ridge import hooks, tensors
from neurodiffuse_torch_ridge.algebra import TorchAlgebra


def pretend(monkeypatch, *, driver=True, cuda=1, mps=False):
    monkeypatch.setattr(module, "_driver", lambda: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def chosen(device: str):
    return Machine(device, 2**30).algebra(Registry([("torch", hooks)]))


def test_a_gpu_is_used_and_a_cpu_is_left_to_blas(monkeypatch):
    pretend(monkeypatch)
    assert isinstance(chosen("auto"), TorchAlgebra)
    assert (chosen("cuda").device, chosen("cuda").memory) == ("cuda", 2**30)
    assert chosen("cpu") is None
    pretend(monkeypatch, cuda=0)
    assert chosen("auto") is None
    with pytest.raises(ConfigError, match=r"'cuda' is not on this machine"):
        chosen("cuda")
    pretend(monkeypatch, cuda=0, mps=True)
    assert chosen("auto")._only_float32


def test_what_mps_cannot_do_is_done_by_blas(monkeypatch, positive):
    own = TorchAlgebra("cpu")
    monkeypatch.setattr(TorchAlgebra, "_only_float32", True)
    asked = []
    for name in ("gram", "cholesky", "solve", "eigenvectors", "product", "multiplier"):
        monkeypatch.setattr(tensors.Tensors, name, lambda *a, name=name: asked.append(name))
    x = np.random.default_rng(0).standard_normal((20, 30))
    for dtype in ("f4", "f8"):
        part = x.astype(dtype)
        own.gram([part], 20, part.dtype, dual=True)
        own.product(part)
        own.multiplier(part)
    assert asked == ["gram", "product", "multiplier"]  # those of float32
    matrix = positive(6)
    triangle = own.cholesky(matrix.copy(order="F"))
    rows = np.ones((2, 6))
    np.testing.assert_allclose(own.solve(triangle, rows) @ matrix, rows)
    values, vectors = own.eigenvectors(matrix.copy(order="F"))
    np.testing.assert_allclose(vectors * values @ vectors.T, matrix)
    assert len(asked) == 3


def test_torch_that_cannot_be_imported_is_one_line(monkeypatch):
    pretend(monkeypatch)
    real = builtins.__import__

    def broken(name, *rest):
        if name == "neurodiffuse_torch_ridge.tensors":
            raise OSError("libcudart.so.13: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    for device in ("cuda", "auto"):
        with pytest.raises(PluginError, match=r"torch cannot be imported \(libcud.*cpu") as told:
            chosen(device)
        assert "\n" not in str(told.value)
    assert chosen("cpu") is None


def test_without_a_driver_torch_is_not_imported():
    """A plan, and a decode on a machine without a GPU, must not wait for torch nor hold it."""
    code = (
        "import sys; from neurodiffuse.machine import Machine; from neurodiffuse.plugins import "
        "Registry; from neurodiffuse_torch_ridge import algebra, hooks; "
        "algebra.DRIVERS = ('/nowhere',); algebra.sys = type('S', (), {'platform': 'linux'}); "
        "assert Machine().algebra(Registry([('torch', hooks)])) is None; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_is_listed_and_travels_as_its_settings():
    card = Registry.installed().card("algebra", "torch")
    assert card.distribution == "neurodiffuse-torch"
    own = TorchAlgebra("cpu", 5)
    own.product(np.ones((2, 2)))
    assert vars(pickle.loads(pickle.dumps(own))) == {"device": "cpu", "memory": 5}
