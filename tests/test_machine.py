"""Machine settings reach the plugins that name them, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import builtin
from neurodiffuse.errors import PluginError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.machine import Machine, machine_flags, read_memory
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 * 2**30),
        ("8G", 8 * 2**30),
        ("8GB", 8 * 10**9),
        ("1.5 MiB", 3 * 2**19),
        ("500MB", 500_000_000),
        ("123456", 123456),
        ("2KiB", 2048),
        ("1tb", 10**12),
    ],
)
def test_amounts_of_memory_are_read_in_bytes(text: str, size: int) -> None:
    assert read_memory(text) == size


@pytest.mark.parametrize("text", ["", "lots", "8 Gigs", "-1GB", "8GiB8"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 8GiB"):
        read_memory(text)


class Plain:
    def __init__(self, width: int = 3) -> None: ...


class Network:
    def __init__(self, device: str = "auto", memory: int | None = None) -> None: ...


def test_settings_reach_constructors_that_name_them() -> None:
    asked = Machine("cuda:1", 2**30)
    assert asked.given_to(Plain, {"width": 4}) == {"width": 4}
    assert asked.given_to(Network, {}) == {"device": "cuda:1", "memory": 2**30}


def test_what_the_recipe_says_goes_first() -> None:
    assert Machine("cuda").given_to(Network, {"device": "cpu"})["device"] == "cpu"


def test_no_budget_is_not_handed_on() -> None:
    assert "memory" not in Machine("cpu").given_to(Network, {})


def test_flags_leave_settings_in_the_context() -> None:
    found = []

    @click.command()
    @machine_flags
    @click.pass_context
    def command(context: click.Context) -> None:
        found.append(Machine.asked(context.obj))

    run = CliRunner().invoke
    assert run(command, ["--device", "cpu", "--memory", "2GiB"]).exit_code == 0
    assert run(command, []).exit_code == 0
    assert run(command, [], env={"NEURODIFFUSE_DEVICE": "mps"}).exit_code == 0
    assert found == [Machine("cpu", 2**31), Machine(), Machine("mps")]
    wrong = run(command, ["--memory", "much"])
    assert "write 8GiB" in str(wrong.exception)
    few = run(command, ["--memory", "8"])
    assert "'8' is 8 bytes" in str(few.exception)


def test_the_flags_reach_the_networks_of_a_run(registry, monkeypatch, tmp_path):
    """From the command line through the run into the constructors of all three roles."""
    from neurodiffuse import cli

    found = {}

    def asking(role: str, cls: type) -> type:
        class Asking(cls):
            def __init__(self, device: str = "auto", memory: int | None = None) -> None:
                super().__init__()
                found[role] = device, memory

        return Asking

    for role, name in (("encoder", "Colour"), ("generator", "Paint"), ("metric", "Nearness")):
        monkeypatch.setattr(toy, name, asking(role, getattr(toy, name)))
    recipe = tmp_path / "plain.toml"
    recipe.write_text(
        '[features.colour]\nencoder = "colour"\nalpha = 1.0\n'
        '[stages.recon]\ngenerator = "paint"\n[metrics.nearness]\nmetric = "nearness"\n'
    )
    monkeypatch.setattr(cli, "registry", lambda: registry)
    words = ["decode", "--dataset", "toy", "--sub", "1", "--recipe", str(recipe), "--dry-run"]
    done = CliRunner().invoke(cli.cli, [*words, "--device", "cpu", "--memory", "4GiB"])
    assert done.exit_code == 0, done.output
    assert found == dict.fromkeys(("encoder", "generator", "metric"), ("cpu", 2**32))


class Slow:
    """An algebra for devices called slow."""

    def __init__(self, device: str = "auto", memory: int | None = None) -> None:
        self.device, self.memory = device, memory

    def there(self) -> bool:
        return self.device.startswith("slow")

    def plan(self, size: int, n: int, m: int) -> str:
        return f"on {self.device}: {size} of {n} rows, {m} to predict"


class Offers:
    @staticmethod
    @hookimpl
    def register_algebras(register) -> None:
        register("slow", f"{__name__}:Slow", summary="Ridge, slowly")


def test_ridge_is_computed_by_what_a_plugin_offers_for_the_device() -> None:
    registry = Registry([("offers", Offers)])
    found = Machine("slow:1", 100).algebra(registry)
    assert isinstance(found, Slow)
    assert (found.device, found.memory) == ("slow:1", 100)
    assert Machine("auto").algebra(registry) is None
    assert Machine("slow").algebra(Registry()) is None


def test_a_broken_algebra_is_one_line_unless_the_cpu_is_asked_for() -> None:
    class Broken:
        @staticmethod
        @hookimpl
        def register_algebras(register) -> None:
            register("gone", "nowhere.at.all:Gone", summary="", extra="gone>=1")

    registry = Registry([("broken", Broken)])
    with pytest.raises(PluginError, match=r"algebra 'gone' .*cannot be imported.*'gone>=1'"):
        Machine("cuda").algebra(registry)
    assert Machine("cpu").algebra(registry) is None


def test_the_plan_says_where_ridge_is_computed(make_run) -> None:
    run = make_run()

    def planned(device: str, *plugins) -> str:
        registry = Registry([("builtin", builtin), ("toy", toy), *plugins])
        machine = Machine(device)
        return plan_of(replace(run, registry=registry, machine=machine)).decoders.get("ridge", "")

    assert planned("slow", ("offers", Offers)) == "on slow: 40 of 40 rows, 46 to predict"
    assert planned("cuda") == "on the CPU: no plugin offers ridge on 'cuda'"
    assert planned("auto", ("offers", Offers)) == planned("cpu") == ""
