"""Files of strangers are read by two modules that run nothing; nobody reads around them."""

from __future__ import annotations

import ast
from pathlib import Path

import neurodiffuse

PROJECT = Path(neurodiffuse.__file__).parents[1]

UNSAFE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}

OWNERS = {
    "neurodiffuse/readers/pickles.py",
    "plugins/torch/neurodiffuse_torch/checkpoint.py",
    "neurodiffuse/testing/decoder.py",  # reads back what it has pickled itself
    "neurodiffuse/options.py",  # evaluates the annotations of a class, which is code already
}


def sources() -> list[Path]:
    return [
        path
        for folder in (PROJECT / "neurodiffuse", *PROJECT.glob("plugins/*/neurodiffuse_*"))
        for path in folder.rglob("*.py")
    ]


def faults(text: str) -> list[str]:
    """Return calls that could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        words = {k.arg: ast.unparse(k.value) for k in node.keywords}
        module, _, name = called.rpartition(".")
        if name in ("load", "loads", "Unpickler", "open") and module in UNSAFE:
            found.append(called)
        if words.get("allow_pickle", "False") != "False" and name == "load":
            found.append(called)
        if called in ("torch.load", "torch.jit.load", "torch.hub.load"):
            found += [called] if words.get("weights_only") != "True" else []
        if name in ("read_pickle", "load_module", "unsafe_load"):
            found.append(called)
        found += [called] if called in ("eval", "exec") else []
    return found


def test_nothing_is_read_that_could_run():
    files = sources()
    assert len(files) > 200
    found = {
        str(path.relative_to(PROJECT)): wrong
        for path in files
        if (wrong := faults(path.read_text(encoding="utf-8")))
    }
    assert {name: wrong for name, wrong in found.items() if name not in OWNERS} == {}


def test_the_rule_finds_what_it_is_for():
    for bad in (
        "pickle.load(f)",
        "np.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=trusted)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "pd.read_pickle(p)",
        "eval(text)",
    ):
        assert faults(bad), bad
    assert faults("np.load(p); torch.load(p, weights_only=True); json.load(f)") == []
