"""``room config``: what is in force and why, and what is wrong with a settings file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cli import context
from cli.errors import OK, WARNINGS, Problem, from_os_error

if TYPE_CHECKING:
    from pydantic import BaseModel

    from room.doctor import Finding
    from room.settings import Loaded, Settings
    from room.settings.problems import KeyPath

#: Variables that change what commands do.
VARIABLES = ("ROOM_CONFIG", "ROOM_SIMULATE_GPUS")
HIDDEN = "(not shown)"


@click.group()
def config() -> None:
    """Show and check the settings of room.yaml.

    room.example.yaml explains every key; docs/reference/room.yaml.md lists them.
    """


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print keys, values and origins as JSON.")
def show(as_json: bool) -> None:
    """Print every setting in force, and where its value comes from.

    What is printed is YAML again. Passwords in addresses and the values of
    environment variables are not shown.
    """
    path, loaded = _loaded()
    rows = list(in_force(loaded))
    if as_json:
        import json

        found = [{"key": r.key, "value": r.value, "origin": r.origin} for r in rows]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"# {path if path else 'no room.yaml yet: these are the defaults'}")
    for name in VARIABLES:
        if os.environ.get(name):
            click.echo(f"# environment: {name}={os.environ[name]}")
    for row in rows:
        click.echo(_line(row))
    for name, url in _own_mirrors(loaded.settings).items():
        click.echo(f"# mirrors.{name}, as this machine is configured: {url}")


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def check(ctx: click.Context, file: Path | None) -> None:
    """Say what is wrong with FILE, by line; without FILE, with the room.yaml in use.

    Changes nothing. The files that it names (certificate, secret) are looked at too.

    \b
    Exit status:  0  it is right
                  1  it can be used; read the warnings
                  2  it cannot be used
    """
    from room.settings import settings_warnings

    path = file or context.config_path()
    settings = _parsed(path)
    findings = [found for found in _files(settings) if found.level != "ok"]
    _refuse(path, [found for found in findings if found.level == "fatal"])
    warnings = settings_warnings(settings)
    warnings += [f"{f.title}. {f.meaning} {f.remedy}" for f in findings]
    for warning in warnings:
        click.secho(f"! {warning}", fg="yellow")
    click.echo(f"✓ {path} can be used" + (", with these warnings." if warnings else "."))
    ctx.exit(WARNINGS if warnings else OK)


def _parsed(path: Path) -> Settings:
    from room.settings import SettingsError, load

    try:
        return load(path)
    except SettingsError as error:
        raise Problem(
            f"{path} cannot be used:\n" + "\n".join(f"  {p}" for p in error.problems),
            "Every key is explained in room.example.yaml.",
        ) from error
    except FileNotFoundError as error:
        raise Problem(
            f"There is no settings file {path}.",
            "Run make up, which writes one, or copy room.example.yaml to it.",
        ) from error
    except OSError as error:
        raise from_os_error(error) from error


def _files(settings: Settings) -> list[Finding]:
    """Return what doctor's rules say about the files that the settings name."""
    from cli.doctor_probe import data
    from room.doctor import GROUPS, Facts
    from room.doctor.facts import Machine

    facts = Facts(data=data.files(settings), machine=Machine(now=time.time()))
    return [found for rule in GROUPS["Files"] for found in rule(facts, settings)]


def _refuse(path: Path, fatal: list[Finding]) -> None:
    if fatal:
        raise Problem(
            f"{path} cannot be used:\n" + "\n".join(f"  {f.title}. {f.meaning}" for f in fatal),
            "\n".join(dict.fromkeys(f.remedy for f in fatal)),
        )


def _loaded() -> tuple[Path | None, Loaded]:
    from room.settings import Loaded, Settings, read

    path = context.config_path()
    context.settings(or_defaults=True)  # for its words when the file is wrong
    if not path.exists():
        return None, Loaded(Settings(), {})
    return path, read(path)


# --- what is in force -------------------------------------------------------------------------


class Row(NamedTuple):
    """One setting. A group of settings has no value of its own."""

    path: KeyPath
    value: Any
    origin: str
    group: bool = False

    @property
    def key(self) -> str:
        from room.settings.problems import dotted

        return dotted(self.path)


def in_force(loaded: Loaded) -> Iterator[Row]:
    """Yield every setting with its value, ready to be shown, and its origin."""
    yield from _rows(loaded.settings, (), loaded.lines)


def _rows(section: BaseModel, above: KeyPath, lines: Mapping[KeyPath, int]) -> Iterator[Row]:
    from pydantic import BaseModel

    for name in type(section).model_fields:
        value, path = getattr(section, name), (*above, name)
        origin = f"room.yaml line {lines[path]}" if path in lines else "default"
        if isinstance(value, BaseModel):
            yield Row(path, None, origin, group=True)
            yield from _rows(value, path, lines)
        else:
            if path == ("profiles",) and not value:
                origin += ": CPU, and One GPU where there are GPUs"
            yield Row(path, _shown(value, name), origin)


def _shown(value: Any, key: str) -> Any:
    """Return a value as YAML would say it, without anything secret."""
    from pydantic import BaseModel

    from engine.sources import shown

    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_unset=True, exclude_none=True)
        return {name: _shown(item, name) for name, item in given.items()}
    if key == "environment" and isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    if isinstance(value, dict):
        return {name: _shown(item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(item, key) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "://" in value:
        return shown(value)
    return _number(value, key)


#: Keys whose bytes and seconds are easier to read with a unit.
_SIZES = {"memory", "shm", "log_size", "mem_limit", "shm_size", "gpu_memory"}
_DURATIONS = {
    "boot_timeout",
    "lease",
    "session",
    "max_session",
    "half_life",
    "max_wait",
    "grace",
    "api_grace",
    "give_up",
}


def _number(value: Any, key: str) -> Any:
    from room.values import format_duration, format_size

    if key in _SIZES and isinstance(value, int):
        return format_size(value)
    if key in ("lease", "session") and not value:
        return "none"
    if key in _DURATIONS:
        return format_duration(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _line(row: Row) -> str:
    """Return a row as a line of YAML, with its origin behind it."""
    import yaml

    indent, name = "  " * (len(row.path) - 1), row.path[-1]
    if row.group:
        return f"{indent}{name}:"
    if row.value is None:
        return f"{indent}#{name}:".ljust(48) + f"  # {row.origin}: none"
    if isinstance(row.value, list) and row.value and isinstance(row.value[0], dict):
        text = yaml.safe_dump(row.value, sort_keys=False, allow_unicode=True, width=100)
        block = "".join(f"\n{indent}  {line}" for line in text.rstrip().splitlines())
        return f"{indent}{name}:".ljust(48) + f"  # {row.origin}{block}"
    text = yaml.safe_dump(row.value, default_flow_style=True, allow_unicode=True, width=1000)
    value = text.replace("\n...\n", "").strip()
    return f"{indent}{name}: {value}".ljust(48) + f"  # {row.origin}"


def _own_mirrors(settings: Settings) -> dict[str, str]:
    """Return the mirrors that this machine is configured to use, where room.yaml names none."""
    from engine import site as ours
    from engine import sources
    from engine.errors import BuildError

    try:
        site = ours.of(settings)
    except BuildError:
        return {}
    found = {"debian": site.debian, "pypi": site.pypi, "npm": site.npm}
    return {
        name: sources.shown(url)
        for name, url in found.items()
        if url and not getattr(settings.mirrors, name)
    }
