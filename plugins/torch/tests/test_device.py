"""Devices, precisions, memory and noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse.errors import ConfigError
from neurodiffuse_torch import Noise, batch_size, batches, device_of, dtype_of, free_memory, noise
from neurodiffuse_torch import memory as memory_module

CPU = torch.device("cpu")


def pretend(monkeypatch, *, cuda=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [({"cuda": 1, "mps": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")],
)
def test_auto_is_the_best_there_is(machine, expected, monkeypatch):
    pretend(monkeypatch, **machine)
    assert device_of("auto") == device_of() == torch.device(expected)


def test_a_device_by_name(monkeypatch):
    pretend(monkeypatch, cuda=2)
    assert device_of("cuda:1") == torch.device("cuda", 1)
    assert device_of("cpu") == CPU
    with pytest.raises(ConfigError, match=r"'cuda:2' is not on this machine; it has 2 cuda"):
        device_of("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuad", "cuda:x", "cuda:-1", "", "cpu:", "meta"])
def test_no_such_device(name, monkeypatch):
    pretend(monkeypatch, cuda=1)
    with pytest.raises(ConfigError, match="Possible: auto, cpu, cuda"):
        device_of(name)


def test_a_gpu_is_called_cuda():
    with pytest.raises(ConfigError, match="Did you mean 'cuda'"):
        device_of("gpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_absent(name, monkeypatch):
    pretend(monkeypatch)
    with pytest.raises(ConfigError, match=r"is not on this machine \(torch .* finds cpu\)"):
        device_of(name)


def test_precision():
    gpu = torch.device("cuda")
    assert dtype_of("auto", CPU) == torch.float32
    assert dtype_of("auto", gpu) == dtype_of("auto", torch.device("mps")) == torch.float16
    assert dtype_of("bfloat16", CPU) == torch.bfloat16
    assert dtype_of("float32", gpu) == torch.float32
    with pytest.raises(ConfigError, match="Did you mean 'float16'"):
        dtype_of("flaot16", gpu)


def test_memory_of_the_machine_and_of_a_container(tmp_path, monkeypatch):
    free = free_memory(CPU)
    assert 0 < free < 2**50
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "now").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300000\n")
    monkeypatch.setattr(memory_module, "CGROUPS", ((tmp_path, "max", "now"),))
    assert free_memory(CPU) == 600_000
    (tmp_path / "max").write_text("max\n")
    monkeypatch.setattr(memory_module, "MEMINFO", tmp_path / "none")
    assert free_memory(CPU) > 0


def test_how_many_images_fit(monkeypatch):
    assert batch_size(100, CPU, memory=1000) == 10
    assert batch_size(100, CPU, memory=1000, fixed=750) == 2
    assert batch_size(1, CPU, memory=1000, most=16) == 16
    with pytest.raises(ConfigError, match=r"memory: .* is not enough"):
        batch_size(100, CPU, memory=1000, fixed=901)
    monkeypatch.setattr(memory_module, "free_memory", lambda device: 1000)
    assert batch_size(100, CPU) == 8
    assert batch_size(100, CPU, fixed=5000) == 1


def test_batches_cover_every_row_once():
    for n, size in [(0, 3), (1, 3), (3, 3), (10, 3)]:
        rows = [i for part in batches(n, size) for i in range(n)[part]]
        assert rows == list(range(n))
        assert all(part.stop - part.start <= size for part in batches(n, size))
    with pytest.raises(ValueError, match="one row or more"):
        list(batches(3, 0))


def test_an_image_s_noise_is_its_own():
    seeds = (7, 2**62 + 5, 0)
    together = noise((4, 3), seeds)
    alone = torch.cat([noise((4, 3), (seed,)) for seed in seeds])
    assert torch.equal(together, alone)
    assert not torch.equal(noise((4, 3), seeds, stream=1), together)


def test_seeds_that_differ_in_their_upper_bits_differ():
    assert not torch.equal(noise((8,), (5,)), noise((8,), (5 + 2**32,)))


def test_noise_is_standard_normal_and_goes_on():
    source = Noise((1, 2))
    first, second = source.normal((20_000,)), source.normal((20_000,))
    assert first.shape == (2, 20_000)
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    for one, two in [(first[0], first[1]), (first[0], second[0])]:
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    even = source.uniform((20_000,))
    assert even.min() >= 0
    assert even.max() < 1
    assert abs(even.mean() - 0.5) < 0.02
    assert noise((3,), (1,), dtype=torch.float16).dtype == torch.float16
