"""Writes the reference pages of what is code: the room command, and RoomSpawner's settings.

python tools/reference_code.py            write both
python tools/reference_code.py --check    say whether they are current; exit status 1 if not
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"


# --- the room command -------------------------------------------------------------------------


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that call it, groups before what is in them."""
    from cli.main import main

    yield from _commands(("room",), main)


def _commands(
    words: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name  # noqa: S101 - the group has just named it
            yield from _commands((*words, name), inner)


def cli() -> str:
    """Return docs/reference/cli.md."""
    parts = [
        "# The room command",
        "<!-- Written by tools/reference_code.py from cli/: change the help texts there. -->",
        "`make up` puts it at `.venv/bin/room`. To call it from anywhere:\n\n"
        '```sh\nsudo ln -s "$PWD/.venv/bin/room" /usr/local/bin/room\n```',
        "What looks at a room's people, leases or secrets needs root, because those files belong "
        "to the room alone: put `sudo` in front.",
        "Every command ends with 0 when all is well, 1 for a warning or for something that does "
        "not work as it should, and 2 when it could not do what was asked. What differs is said "
        "below.",
        _variables(),
    ]
    parts += [_command_page(words, command) for words, command in commands()]
    return "\n\n".join(parts) + "\n"


def _variables() -> str:
    return (
        "| variable | meaning |\n|---|---|\n"
        "| `ROOM_CONFIG` | The settings file, instead of `room.yaml` in the checkout. |\n"
        "| `ROOM_SIMULATE_GPUS` | How many GPUs to simulate, for `room up` and `room doctor`. |\n"
        "| `ROOM_DEBUG` | Set to anything: what nobody foresaw is shown with its traceback. |"
    )


def _command_page(words: tuple[str, ...], command: click.Command) -> str:
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    parts = [f"{'#' * min(len(words) + 1, 4)} {' '.join(words)}"]
    parts.append(f"```text\n{' '.join([*words, *_usage(command, parameters)])}\n```")
    parts += _paragraphs(command.help or "")
    options = [_option_row(p) for p in parameters if isinstance(p, click.Option)]
    if options:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *options]))
    return "\n\n".join(parts)


def _usage(command: click.Command, parameters: list[click.Parameter]) -> Iterator[str]:
    if any(isinstance(p, click.Option) for p in parameters):
        yield "[OPTIONS]"
    if isinstance(command, click.Group):
        yield "COMMAND"
    for parameter in parameters:
        if isinstance(parameter, click.Argument):
            name = _value_name(parameter) + ("..." if parameter.nargs == -1 else "")
            yield name if parameter.required else f"[{name}]"


def _value_name(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return f"{{{'|'.join(map(str, parameter.type.choices))}}}"
    if isinstance(parameter, click.Argument):
        return (parameter.name or "").upper()
    return parameter.metavar or parameter.type.name.split()[0].upper()


def _option_row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag and not option.count:
        names += f" `{_cell(_value_name(option))}`"
    return f"| {names} | {_cell(' '.join(_meaning(option)))} |"


def _meaning(option: click.Option) -> Iterator[str]:
    if option.help:
        yield " ".join(option.help.split())
    if option.multiple:
        yield "Can be given more than once."
    if isinstance(option.type, click.IntRange):
        yield f"From {option.type.min} to {option.type.max:,}."
    if option.show_default and not option.is_flag:
        yield f"Default: `{option.default}`."
    if option.envvar:
        yield f"Variable: `{option.envvar}`."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraphs(text: str) -> Iterator[str]:
    """Yield a help text as Markdown: what click is told not to wrap (``\\b``) stays as it is."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        elif paragraph.strip():
            yield " ".join(paragraph.split())


# --- the spawner's and the authenticator's traits -----------------------------------------------


def own_traits(cls: Any) -> dict[str, Any]:
    """Return the settings of a class that come from this project, by name."""
    return {
        name: trait
        for name, trait in sorted(cls.class_traits(config=True).items())
        if trait.this_class.__module__.partition(".")[0] == "spawner"
    }


def inherited_traits(cls: Any) -> dict[str, list[str]]:
    """Return the names of a class's other settings, by the class that brings them."""
    found: dict[str, list[str]] = {}
    for name, trait in sorted(cls.class_traits(config=True).items()):
        if trait.this_class.__module__.partition(".")[0] != "spawner":
            found.setdefault(trait.this_class.__name__, []).append(name)
    return found


#: Inherited settings whose default is another one here, or that work in another way.
CHANGED = {
    "apply_user_options": "Takes profile, choices, datasets by allow-list, and refuses the rest.",
    "cpu_limit": "2 cores, and always a hard limit.",
    "mem_limit": "4 GiB, with no swap on top.",
    "options_form": "A card for each profile, once there is a `profile_list`.",
    "options_from_form": "Reads those cards.",
    "remove": "Always true: a stopped container is removed once its end is recorded. "
    "It is never auto-removed by the engine.",
}


def traits() -> str:
    """Return docs/reference/spawner-traits.md."""
    from spawner.authenticator import TokenAuthenticator
    from spawner.spawner import RoomSpawner

    parts = [
        "# Settings of RoomSpawner",
        "<!-- Written by tools/reference_code.py from spawner/: change the help texts there. -->",
        "A room is set up by [room.yaml](room.yaml.md), and needs nothing of this page. It is for "
        "who runs a JupyterHub of their own and wants RoomSpawner in it: the class is a "
        "DockerSpawner, so that everything DockerSpawner takes works too.",
        '```python\nc.JupyterHub.spawner_class = "torchroom"\nc.RoomSpawner.image = '
        '"registry.school.example/pytorch:2.9.1"\nc.RoomSpawner.profile_list = [\n'
        '    {"display_name": "CPU", "default": True},\n'
        '    {"display_name": "Large", "spawner_override": {"mem_limit": "16G"}},\n]\n```',
        "## Its own",
        *(_trait(f"RoomSpawner.{name}", trait) for name, trait in own_traits(RoomSpawner).items()),
        "## Inherited, and different here",
        "\n".join(
            ["| setting | here |", "|---|---|"]
            + [f"| `{name}` | {words} |" for name, words in CHANGED.items()]
        ),
        "## Inherited, and as they were",
        "Explained in the documentation of "
        "[DockerSpawner](https://jupyterhub-dockerspawner.readthedocs.io/) and of "
        "[JupyterHub](https://jupyterhub.readthedocs.io/).",
        *_inherited(RoomSpawner),
        "## TokenAuthenticator",
        'Login by personal token, `c.JupyterHub.authenticator_class = "torchroom-token"`. It '
        "sets groups and the admin flag by the room's own people, who are written by `room user`.",
        *(
            _trait(f"TokenLogin.{name}", trait)
            for name, trait in own_traits(TokenAuthenticator).items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _inherited(cls: Any) -> Iterator[str]:
    for brings, names in inherited_traits(cls).items():
        rest = [f"`{name}`" for name in names if name not in CHANGED]
        if rest:
            yield f"From {brings}: {', '.join(rest)}."


def _trait(title: str, trait: Any) -> str:
    default = trait.default()
    shown = "none" if default is None else f"`{default!r}`"
    head = f"### {title}\n\n{_kind(trait)}; default {shown}."
    return "\n\n".join([head, markdown(trait.help)])


def _kind(trait: Any) -> str:
    inner = getattr(trait, "trait_types", None)
    if inner:
        return " or ".join(_kind(one).lower() for one in inner).capitalize()
    name = type(trait).__name__
    words = {
        "ByteSpecification": "Bytes, or a text such as `10M`",
        "CaselessStrEnum": "One of " + ", ".join(f"`{v}`" for v in getattr(trait, "values", [])),
        "Float": "Number",
        "Int": "Whole number",
        "Integer": "Whole number",
        "Dict": "Dict",
        "List": "List",
        "Set": "Set",
        "Bool": "True or False",
        "Unicode": "Text",
        "Callable": "Callable",
    }[name]
    least = getattr(trait, "min", None)
    return words if least is None else f"{words}, at least {least}"


def markdown(text: str) -> str:
    """Return a trait's help, which is written for Sphinx, as Markdown."""
    parts: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith(".. versionadded::"):
            parts.append(f"New in {paragraph.partition('::')[2].strip()}.")
        elif parts and parts[-1].endswith("::"):
            parts[-1] = parts[-1].removesuffix("::") + ":"
            parts.append(f"```python\n{textwrap.dedent(paragraph)}\n```")
        elif paragraph.startswith("    ") and parts and parts[-1].endswith("\n```"):
            more = textwrap.dedent(paragraph)
            parts[-1] = parts[-1].removesuffix("\n```") + f"\n\n{more}\n```"
        else:
            parts.append(" ".join(paragraph.split()).replace("``", "`"))
    return "\n\n".join(parts)


# --- writing ----------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """Return what is written where."""
    return {FOLDER / "cli.md": cli(), FOLDER / "spawner-traits.md": traits()}


def main(arguments: list[str]) -> int:
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not current: run python tools/reference_code.py")
        else:
            path.write_text(made[path])
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
