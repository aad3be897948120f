"""YAML text → plain data, with the line of every key. What YAML lets pass silently is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from room.settings.problems import KeyPath, Problem, SettingsError, dotted

#: Far more than any room's settings; a file that unfolds aliases into more is an attack or a slip.
MAX_NODES = 20_000
MAX_BYTES = 1024**2

#: What PyYAML says → what to do about it.
_ADVICE = {
    "mapping values are not allowed here": "there is one colon too many, or the line is indented "
    "too far: put a value that holds a colon in quotes",
    "could not find expected ':'": "a key has no colon after it",
    "expected <block end>": "the indentation does not fit the lines above",
    "found unexpected end of stream": "a quote or a bracket that was opened is never closed",
    "found undefined alias": "an alias (*name) stands for an anchor (&name) that is not there",
    "expected ',' or": "a bracket or a brace that was opened is not closed, or a comma is missing",
    "but found another document": "there is a second document after ---; one file holds one room",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says, and on which line each key stands."""

    data: dict[str, Any]
    lines: dict[KeyPath, int]


def parse(raw: bytes) -> Source:
    """Return what a YAML file says. Raises ``SettingsError`` with the line and the reason."""
    if len(raw) > MAX_BYTES:
        raise SettingsError(
            [Problem(0, "", f"the file has {len(raw)} bytes; a room.yaml is shorter")]
        )
    try:
        root = yaml.compose(_decoded(raw), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise SettingsError([_malformed(error)]) from None
    except yaml.reader.ReaderError as error:
        problem = f"the character number {error.position} ({error.character!r}) cannot be in YAML"
        raise SettingsError([Problem(0, "", problem)]) from None
    except RecursionError:
        raise SettingsError([Problem(0, "", "brackets are nested too deeply")]) from None
    if root is None:
        return Source({}, {})
    reader = _Reader()
    data = reader.value(root, ())
    if not reader.problems and not isinstance(data, dict | None):
        line = root.start_mark.line + 1
        reader.problems.append(
            Problem(line, "", "the file must hold keys and values, like: name: torchroom")
        )
    if reader.problems:
        raise SettingsError(reader.problems)
    return Source(data or {}, reader.lines)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            [Problem(line, "", "this is not UTF-8: save the file as UTF-8")]
        ) from None


def _malformed(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    what = error.problem or "it cannot be read"
    if r"'\t'" in what:
        return Problem(line, "", "there is a tab; YAML takes spaces only")
    advice = next((text for start, text in _ADVICE.items() if what.startswith(start)), "")
    if not advice and "found character" in what:
        advice = "put a value that begins with a sign like @, %, ` or * in quotes"
    return Problem(line, "", f"this is not YAML: {advice or what}")


@dataclass
class _Reader:
    """Walks the nodes once, and collects lines and problems."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    _open: set[int] = field(default_factory=set)
    _scalars: Any = field(default_factory=lambda: yaml.SafeLoader(""))

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        if self.nodes > MAX_NODES or id(node) in self._open:
            raise SettingsError([Problem(line, dotted(path), "an alias goes on without end")])
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return list(self._items(node, path))
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _items(self, node: yaml.SequenceNode, path: KeyPath) -> Iterator[Any]:
        for index, item in enumerate(node.value):
            here = (*path, index)
            self.lines[here] = item.start_mark.line + 1
            yield self.value(item, here)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in result:
                first = self.lines[here]
                self.problems.append(
                    Problem(line, dotted(here), f"the key stands on line {first} already")
                )
                continue
            self.lines[here] = line
            result[key] = self.value(value_node, here)
        return result

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        line = node.start_mark.line + 1
        if node.tag == "tag:yaml.org,2002:merge":
            message = "merge keys (<<) are not read here: write the keys out"
        elif isinstance(node, yaml.ScalarNode):
            # A choice named 1 or on is a name here, whatever YAML thinks of it.
            return str(node.value)
        else:
            message = "a key must be a word; put a value that begins with { or [ in quotes"
        self.problems.append(Problem(line, dotted(path), message))
        return None

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            line = node.start_mark.line + 1
            message = f"{node.value!r} cannot be read as what it looks like: put it in quotes"
            if node.tag not in yaml.SafeLoader.yaml_constructors:
                tag = node.tag.replace("tag:yaml.org,2002:", "!!")
                message = f"the tag {tag} is not known: put the value in quotes"
            self.problems.append(Problem(line, dotted(path), message))
            return None
