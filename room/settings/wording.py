"""What pydantic found → the rule in words, with the nearest key that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from room.settings.problems import KeyPath, Problem, dotted, line_of
from room.values import format_size, shown

#: Keys of other programs that people bring with them.
_ELSEWHERE = {
    "kubespawner_override": "spawner_override",
    "mem": "mem_limit",
    "mem_guarantee": "mem_limit",
    "cpu_guarantee": "cpu_limit",
    "gpu": "gpus",
    "env": "environment",
    "cert": "certificate",
    "url": "address",
    "port": "address",
    "https": "tls",
    "users": "login.admins, or room user add",
}

_TYPES = {
    "string_type": "must be a text: put it in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "tuple_type": "must be a list: [one, two], or a line with - for each",
    "list_type": "must be a list: [one, two], or a line with - for each",
    "dict_type": "must hold keys and values of its own, indented below it",
    "model_type": "must hold keys and values of its own, indented below it",
    "path_type": "must be a path",
    "missing": "is required here",
}


def problems(
    error: ValidationError, schema: type[BaseModel], lines: Mapping[KeyPath, int]
) -> list[Problem]:
    """Return every error of a validation as a problem with its line."""
    found = []
    for details in error.errors():
        path = tuple(part for part in details["loc"] if part != "[key]")
        found.append(Problem(line_of(path, lines), dotted(path), _words(details, path, schema)))
    return found


def _words(details: ErrorDetails, path: KeyPath, schema: type[BaseModel]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _unknown(str(path[-1]), path, schema)
    if kind == "missing":
        return _TYPES[kind]
    if kind in _TYPES:
        return f"{_TYPES[kind]}, and is {_shown(value)}"
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{shown(value)} is none of {context['expected']}"
    return _range(kind, context, value) or f"{shown(value)}: {details['msg']}"


def _range(kind: str, context: Mapping[str, Any], value: Any) -> str:
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "finite_number":
        return "must be a number that ends"
    signs = {
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
        "greater_than": ("gt", "more than"),
        "less_than": ("lt", "less than"),
    }
    if kind not in signs:
        return ""
    key, words = signs[kind]
    bound = context[key]
    limit = format_size(bound) if isinstance(bound, int) and bound >= 1024**2 else f"{bound:g}"
    return f"must be {words} {limit}, and is {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a group of keys"
    return shown(value)


def _unknown(key: str, path: KeyPath, schema: type[BaseModel]) -> str:
    """Say that a key is not known, and which one may be meant: beside it, else anywhere."""
    owner = _model_at(schema, path[:-1])
    beside = list(owner.model_fields) if owner else []
    start = f"there is no key {key!r} here"
    if key == "kubespawner_override":
        return f"{start}: use spawner_override"
    if meant := get_close_matches(key, beside, n=1, cutoff=0.7):
        return f"{start}; did you mean {meant[0]}?"
    if key in _ELSEWHERE and _ELSEWHERE[key].split(".")[0] in {*beside, "login"}:
        return f"{start}; did you mean {_ELSEWHERE[key]}?"
    places = sorted(dotted(place) for place in _places(schema) if place[-1] == key)
    if places:
        return f"{start}; it belongs at {' or '.join(places[:3])}"
    if meant := get_close_matches(key, beside, n=1, cutoff=0.5):
        return f"{start}; did you mean {meant[0]}?"
    return f"{start}; known are: {', '.join(beside)}"


def _places(schema: type[BaseModel], above: KeyPath = ()) -> Iterator[KeyPath]:
    for name, field in schema.model_fields.items():
        yield (*above, name)
        for model in _models(field.annotation):
            if above.count(name) == 0:
                yield from _places(model, (*above, name))


def _model_at(schema: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    model: type[BaseModel] | None = schema
    for part in path:
        if model is None:
            return None
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), None)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections in a field's type, also inside a list, a mapping or an Optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in get_args(annotation):
        yield from _models(inner)
