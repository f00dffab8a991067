"""A whole decoding through tensors against one through BLAS."""

from __future__ import annotations

import numpy as np
import pytest

from neurodiffuse.plugins import Registry
from neurodiffuse_torch_ridge.algebra import TorchAlgebra

TOLERANCE = 1e-4
"""Of the predictions' standard deviation, as ridge promises."""


class Forced(TorchAlgebra):
    """Tensors on the CPU, which no machine would choose by itself."""

    def __init__(self) -> None:
        super().__init__("cpu")

    def there(self) -> bool:
        return True

    def product(self, left):
        USED.append("product")
        return super().product(left)

    def gram(self, *parts, **how):
        USED.append("gram")
        return super().gram(*parts, **how)


USED: list[str] = []


class Forcing:
    """A plugin that offers it."""

    from neurodiffuse.hookspecs import hookimpl

    @staticmethod
    @hookimpl
    def register_algebras(register) -> None:
        register("forced", f"{__name__}:Forced", summary="Tensors on the CPU")


@pytest.mark.parametrize("alpha", ["20.0", '"gcv"'])
def test_a_decode_through_tensors_predicts_what_numpy_does(tmp_path, alpha):
    toy = pytest.importorskip("toy")
    from neurodiffuse import builtin, pipeline, plan_text
    from neurodiffuse.config import resolve
    from neurodiffuse.plan import plan_of
    from neurodiffuse.run import Run, opened
    from neurodiffuse.store import LatentFile

    plugins = [("builtin", builtin), ("toy", toy)]
    settings = [f"features.colour.alpha={alpha}", "predict.rescale=train"]
    made, plans = {}, {}
    for name, registry in {
        "blas": Registry(plugins),
        "tensors": Registry([*plugins, ("forcing", Forcing)]),
    }.items():
        USED.clear()
        config = resolve(registry, dataset="toy", subjects=("01",), recipe="toy", settings=settings)
        config, data = pipeline.open_subjects(config, registry)
        run = Run(tmp_path / name, config, registry, data, quiet=True)
        plans[name] = plan_text.describe(run, plan_of(run))
        with opened(run):
            pipeline.execute(run, until="predict")
        place = run.folder("predict", "01")
        made[name] = {f: LatentFile.open(place / f"{f}.npy").rows().values for f in config.features}
        assert bool(USED) == (name == "tensors")
    assert set(USED) == {"gram", "product"}
    assert "ridge      on cpu, float32 without TF32" in plans["tensors"]
    assert "ridge      on" not in plans["blas"]
    assert made["blas"]
    for feature, values in made["blas"].items():
        assert np.abs(made["tensors"][feature] - values).max() < TOLERANCE * values.std()
