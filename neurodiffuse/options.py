"""The constructor is the schema: checks options against a class's annotated arguments."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from neurodiffuse.errors import listing, near


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the constructor's arguments by name, annotations evaluated.

    Raises
    ------
    TypeError
        If the constructor takes ``*args`` or ``**kwargs``: its options could not be checked.
    """
    try:
        signature = inspect.signature(cls, eval_str=True)
    except NameError:  # an annotation that exists for type checkers only
        signature = _evaluated_one_by_one(cls)
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise TypeError(
                f"the constructor of {cls.__name__} takes *{parameter.name}, so its options "
                "cannot be checked; name them one by one"
            )
    return dict(signature.parameters)


def _evaluated_one_by_one(cls: type) -> inspect.Signature:
    """Return the signature with every annotation evaluated that can be, others as texts."""
    signature = inspect.signature(cls)
    names = vars(sys.modules[cls.__init__.__module__])  # type: ignore[misc]

    def evaluated(annotation: Any) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, dict(names))
        except NameError:
            return annotation

    parameters = signature.parameters.values()
    return signature.replace(
        parameters=[p.replace(annotation=evaluated(p.annotation)) for p in parameters]
    )


def check_options(
    where: str, cls: type, given: Mapping[str, Any], also: Iterable[str] = ()
) -> list[str]:
    """Return one line for every option that is unknown, missing or of the wrong type.

    ``also`` are keys that may stand in the same section and are checked elsewhere.
    """
    try:
        known = parameters(cls)
    except TypeError as error:
        return [f"{where}: {error}."]
    problems = []
    for name, value in given.items():
        if name in known:
            problems += check_value(f"{where}.{name}", value, known[name].annotation)
        else:
            possible = [*also, *known]
            problems.append(
                f"{where}.{name}: no such option.{near(name, possible)} "
                f"Possible: {listing(possible)}."
            )
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in given:
            problems.append(f"{where}: the option {name!r} is needed.{_how_to_give(where, name)}")
    return problems


def _how_to_give(where: str, name: str) -> str:
    if where.startswith("datasets.") and name == "root":
        return " Give --root DIR."
    return f" Give --set {where}.{name}=…" if "." in where else ""


def check_value(where: str, value: Any, kind: Any) -> list[str]:
    """Return a line when ``value`` does not fit the annotation ``kind``, else nothing."""
    if _fits(value, kind):
        return []
    hint = ""
    if isinstance(value, bool | int | float) and _fits(text := str(value), kind):
        hint = f" In quotes it is: '\"{text}\"'."
    elif isinstance(value, str) and _fits([value], kind):
        hint = f' Write it as a list: ["{value}"].'
    return [f"{where}: {value!r} is not {kind_name(kind)}.{hint}"]


def _fits(value: Any, kind: Any) -> bool:
    origin, args = get_origin(kind), get_args(kind)
    if kind in (Any, inspect.Parameter.empty) or isinstance(kind, str | typing.TypeVar):
        return True
    if origin is Literal:
        return value in args
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if kind in (None, type(None)):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if kind in (int, float):
        number = int if kind is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    if origin is tuple and Ellipsis not in args:
        return isinstance(value, list | tuple) and (
            len(value) == len(args) and all(map(_fits, value, args))
        )
    if origin in (list, tuple) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        inner = args[0] if args else Any
        return isinstance(value, list | tuple) and all(_fits(v, inner) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(v, args[1]) for v in value.values())
    if isinstance(kind, type):
        return isinstance(value, kind) or (isinstance(value, str) and kind.__name__ == "Path")
    return True


def _holds(kind: Any, what: type) -> bool:
    """Return whether an annotation is one of lists, or of tables."""
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, what) and origin is not str


def kind_name(kind: Any) -> str:
    """Return what an annotation asks for, in words."""
    if get_origin(kind) is Literal:
        return "one of: " + ", ".join(repr(a) for a in get_args(kind) if a != "")
    if get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(kind_name(a) for a in get_args(kind))
    if _holds(kind, Sequence):
        parts = [kind_name(a) for a in get_args(kind) if a is not Ellipsis]
        fixed = get_origin(kind) is tuple and Ellipsis not in get_args(kind)
        if fixed:
            return f"a list of {len(parts)}: {', '.join(parts)}"
        return "a list" + (f", each item {parts[0]}" if parts else "")
    if _holds(kind, Mapping):
        parts = [kind_name(a) for a in get_args(kind)]
        return "a table" + (f", each value {parts[-1]}" if parts else "")
    simple = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        type(None): "nothing",
    }
    return simple.get(kind, f"a {str(kind).removeprefix('typing.').removeprefix('<class ')}")
