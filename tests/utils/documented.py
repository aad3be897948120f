"""Whether a command that a page tells people to type is one that there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

import click

from cli.main import main
from tests.utils.markdown import ROOT

#: What may stand before the command itself.
_BEFORE = re.compile(r"^(\$ +)?((sudo|env|[A-Z_]+=\S*) +)*")
_SHELL = ("|", ">", ">>", "<", "&&", "||", ";", "&")
#: A value that stands for the reader's own.
_PLACEHOLDER = re.compile(r"[A-Z_]+|<.*>|\{.*\}|\$.*")
#: What a line that explains a command's shape has, and nobody types.
_SYNTAX = re.compile(r"\[.*\]|COMMAND|…|\.\.\.")
_UNCHECKED = (click.File, click.Path)


def ours(line: str) -> list[str]:
    """Return each command of ours in a line, ``room …`` and ``make …``, substituted ones too."""
    # Behind two blanks a column of explanation begins.
    typed = re.split(r"\s{2,}(?=\S)", line.strip())[0]
    inner = [text.strip() for text in re.findall(r"\$\(([^)]*)\)", typed)]
    parts = re.split(r"\s*(?:&&|\|\||;)\s*", re.sub(r"\$\([^)]*\)", "…", typed))
    bare = [
        re.sub(r"^(\S*/)?room(?=\s|$)", "room", _BEFORE.sub("", part)) for part in parts + inner
    ]
    return [part for part in bare if re.match(r"(room|make)(\s|$)", part)]


def problem(command: str) -> str:
    """Return what is wrong with a command, or nothing."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError as error:
        return f"{command}: {error}"
    end = next((n for n, word in enumerate(words) if word.startswith(_SHELL)), len(words))
    words = [word for word in words[:end] if not _SYNTAX.fullmatch(word)]
    try:
        return _make(words[1:]) if words[0] == "make" else _room(main, ["room"], words[1:])
    except click.BadOptionUsage as error:
        # `room --config`, as the name of the option.
        return "" if words[-1] == error.option_name else f"{command}: {error.format_message()}"
    except click.UsageError as error:
        return f"{command}: {error.format_message()}"


def _make(words: list[str]) -> str:
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    for target in targets:
        if target not in make_targets():
            return f"make {target}: there is no such target"
    for name in variables:
        if not re.search(rf"^{name} \?=", _makefile(), re.MULTILINE):
            return f"make {name}=: the Makefile has no such variable"
    if targets and targets[0] in ("up", "down") and "ARGS" in variables:
        return _room(main, ["room"], [targets[0], *shlex.split(variables["ARGS"])])
    return ""


@cache
def _makefile() -> str:
    return (ROOT / "Makefile").read_text()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", _makefile(), re.MULTILINE))


def _room(command: click.Command, path: list[str], words: list[str]) -> str:
    """Parse words as click would, without calling anything or opening any file."""
    context = click.Context(command, info_name=" ".join(path))
    values, rest, _ = command.make_parser(context).parse_args(args=list(words))
    for trouble in _values(command, context, values, named=not words):
        return f"{' '.join([*path, *words])}: {trouble}"
    if not isinstance(command, click.Group):
        return f"{' '.join([*path, *words])}: too much: {rest}" if rest else ""
    if not rest:
        return ""  # the group itself is meant
    inner = command.get_command(context, rest[0])
    if inner is None:
        return f"{' '.join([*path, rest[0]])}: there is no such command"
    return _room(inner, [*path, rest[0]], rest[1:])


def _values(
    command: click.Command, context: click.Context, values: dict[str, object], named: bool
) -> Iterator[str]:
    """Yield what is missing; raise for what cannot be. ``named``: a command without anything."""
    for parameter in command.params:
        value = values.get(parameter.name or "")
        given = value if isinstance(value, (list, tuple)) else [value]
        texts = [one for one in given if isinstance(one, str)]
        if isinstance(parameter, click.Argument) and parameter.required and not texts and not named:
            yield f"{parameter.human_readable_name} is missing"
        for text in texts:
            if not _PLACEHOLDER.fullmatch(text) and not isinstance(parameter.type, _UNCHECKED):
                parameter.type.convert(text, parameter, context)
