"""Small networks run on one thread, and leave the number of threads as it was."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")


def test_one_thread_inside_and_as_before_outside():
    from neurodiffuse_demo.inference import inference

    before = torch.get_num_threads()
    with inference():
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), inference():
        _ = 1 / 0
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()
