"""Writes what describes room.yaml from its schema: room.example.yaml and the reference page.

python tools/reference.py            write both
python tools/reference.py --check    say whether they are current; exit status 1 if not
"""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from room.plans.keys import KEYS
from room.settings import (
    TLS,
    ClassesSection,
    GPUs,
    Images,
    LimitsSection,
    Login,
    Mirrors,
    OAuth,
    Queue,
    Seats,
    Settings,
)
from room.settings.datasets import DatasetsSection
from room.settings.host import HostSection
from room.settings.plans import PlanLimits, PlanSection
from room.settings.profiles import (
    Choice,
    Override,
    Profile,
    ProfileOption,
    UnlistedChoice,
    UnlistedOverride,
)
from room.values import format_duration, format_size

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 92

HEAD = """\
The settings of a room. Every key may be left out: what stands here is the default.
A key behind a # has no default value; what it shows is an example.

  room config check    say what is wrong with this file, line by line
  room config show     print what is in force, and where it comes from

make up copies this file to room.yaml once, and never changes yours.
Sizes: 512M, 8G (1024-based). Durations: 90s, 2m. Relative paths: from this file's directory.
"""

PROFILES = """\
profiles:
  - display_name: CPU
    slug: cpu
    description: For writing code and for small models.
    default: true
    spawner_override:
      cpu_limit: 2
      mem_limit: 4G
      gpus: 0
  - display_name: One GPU
    description: A GPU of your own while the server runs.
    spawner_override:
      cpu_limit: 4
      mem_limit: 16G
      shm_size: 4G
      pids_limit: 2048
      gpus: 1
      gpu_kind: gpu
      gpu_model: A100
      gpu_memory: 40G
      lease: 4h
      environment:
        HF_HOME: /home/jovyan/.cache/huggingface
    profile_options:
      size:
        display_name: Memory
        choices:
          normal:
            display_name: 16 GB
            default: true
          large:
            display_name: 32 GB
            spawner_override:
              mem_limit: 32G
      image:
        display_name: Image
        choices:
          room:
            display_name: The room's PyTorch
        unlisted_choice:
          enabled: true
          display_name: Another image of our registry
          validation_regex: registry\\.school\\.example/[a-z0-9/-]+:[0-9.]+
          validation_message: Give an image of registry.school.example with its tag.
          spawner_override:
            image: "{value}"
  - display_name: A part of a GPU
    description: A MIG instance of your own, for up to two hours.
    datasets: [cifar10, flowers@2]
    spawner_override:
      gpus: 1
      mig_profile: 1g.10gb
      lease: 2h
"""


SEATS = """\
seats:
  - model: T4
    seats: 4
  - gpus: [GPU-5a1b4c5e-0000-4000-8000-000000000000, 3]
    seats: 2
"""
PLANS = """\
plans:
  - who: [room]
    limits:
      servers: 2
      gpus: 1
      seats: 1
      gpu_kinds: [T4, seat]
      session: 12h
      idle: 1h
      gpu_idle: 20m
      home_soft: 18G
      home_hard: 20G
      gpu_hours: 10/week
  - who: [class/ml101]
    limits:
      gpu_hours: 20/week@monday
      gpu_pot: 100/month@1
      profiles: [cpu, gpu]
      images: any
      priority: 2
  - who: [class/ml101, user/alice]
    since: 2026-12-07
    until: 2026-12-18
    limits:
      cpu: 8
      memory: 32G
      shm: 8G
      pids: 4096
"""
#: Keys that hold a list of sections → what the file shows of them.
SAMPLES = {"profiles": PROFILES, "seats": SEATS, "plans": PLANS}


# --- room.example.yaml ------------------------------------------------------------------------


def example() -> str:
    """Return room.example.yaml."""
    lines = [f"# {line}".rstrip() for line in HEAD.splitlines()]
    lines += _section(Settings, 0)
    return "\n".join(lines) + "\n"


def _section(model: type[BaseModel], depth: int) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if depth == 0:
            yield ""
        yield from _comment(field.description or "", depth)
        inner = _model(field.annotation)
        if name in SAMPLES and inner is not None:
            yield from (f"{'  ' * depth}#{line}" for line in SAMPLES[name].splitlines())
        elif inner is not None and field.default is None:
            yield f"{'  ' * depth}#{name}:"
            yield from _commented_section(inner, depth)
        elif inner is not None:
            yield f"{'  ' * depth}{name}:"
            yield from _section(inner, depth + 1)
        elif field.examples and not _plain(field.default):
            yield f"{'  ' * depth}#{name}: {_yaml(field.examples[0])}"
        else:
            yield f"{'  ' * depth}{name}: {_yaml(_default(field))}"


def _commented_section(model: type[BaseModel], depth: int) -> Iterator[str]:
    before = f"{'  ' * depth}#  "
    for name, field in model.model_fields.items():
        for line in _comment(field.description or "", 0, WIDTH - len(before)):
            yield before + line
        value = field.examples[0] if field.examples else _default(field)
        yield f"{before}{name}: {_yaml(value)}"


def _comment(text: str, depth: int, width: int = WIDTH) -> Iterator[str]:
    for line in textwrap.wrap(text, width - 2 * depth - 2):
        yield f"{'  ' * depth}# {line}"


def _plain(value: Any) -> Any:
    """Return a default as the file would say it; empty when there is none."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _default(field: FieldInfo) -> Any:
    if kind(field) == "size":
        return format_size(field.default)
    if kind(field).startswith("duration"):
        return format_duration(field.default) if field.default else "none"
    value = _plain(field.default)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    return text.replace("\n...\n", "").strip()


# --- the reference ----------------------------------------------------------------------------

#: Every section, by the keys that hold it, in the page's order.
TITLES: dict[type[BaseModel], str] = {
    TLS: "tls",
    Login: "login",
    OAuth: "login.oauth",
    LimitsSection: "limits",
    ClassesSection: "classes",
    DatasetsSection: "datasets",
    HostSection: "host",
    Profile: "profiles",
    Override: "spawner_override",
    ProfileOption: "profile_options",
    Choice: "profile_options.choices",
    UnlistedChoice: "profile_options.unlisted_choice",
    UnlistedOverride: "profile_options.unlisted_choice.spawner_override",
    PlanSection: "plans",
    PlanLimits: "plans.limits",
    Images: "images",
    Mirrors: "mirrors",
    GPUs: "gpus",
    Seats: "gpus.seats",
    Queue: "gpus.queue",
}

#: The function that checks a value → what kind of value it is.
_KINDS = {
    "parse_size": "size",
    "parse_duration": "duration",
    "parse_lease": "duration or `none`",
    "parse_session": "duration or `none`",
    "_resolve": "path",
    "_check_url": "URL",
    "check_image": "image",
    "normalize_login": "login",
    "_check_subject": "`room`, `class/NAME` or `user/LOGIN`",
    "_day": "day, like 2027-02-15",
    "_zone": "time zone",
}


def kind(field: FieldInfo) -> str:
    """Return the kind of a key's value, in words."""
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: Any) -> str:
    for item in metadata:
        name = getattr(getattr(item, "func", None), "__name__", "")
        if name in _KINDS:
            return _KINDS[name]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return _kind(next(a for a in arguments if a is not type(None)), ())
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return f"list of {_plural(_kind(arguments[0], ()))}"
    if origin is dict:
        return f"{_plural(_kind(arguments[1], ()))} by name"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{TITLES[annotation]}](#{TITLES[annotation].replace('.', '')})"
    return {bool: "`true` or `false`", int: "whole number", float: "number"}.get(annotation, "text")


def _plural(word: str) -> str:
    return word if word.startswith(("[", "`")) else f"{word}s"


def _bounds(field: FieldInfo) -> str:
    """Return the range of a number: ``from 64 to 4194304``."""
    found: dict[str, Any] = {}
    for item in _metadata(field.annotation, field.metadata):
        # Field(ge=…) inside an Annotated keeps its own list of bounds.
        for bound in getattr(item, "metadata", None) or [item]:
            for name in ("gt", "ge", "le", "lt", "max_length"):
                value = getattr(bound, name, None)
                if value is not None:
                    found[name] = value
    show = format_size if kind(field) == "size" else lambda value: f"{value:,}"
    words = {"gt": "more than", "ge": "from", "le": "to", "max_length": "at most"}
    text = " ".join(f"{words[n]} {show(found[n])}" for n in words if n in found)
    return text + (" characters" if "max_length" in found else "")


def _metadata(annotation: Any, metadata: Any) -> Iterator[Any]:
    yield from metadata
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated:
            yield from get_args(argument)[1:]


def reference() -> str:
    """Return docs/reference/room.yaml.md."""
    parts = [
        "# room.yaml",
        "<!-- Written by tools/reference.py from room/settings: change the descriptions there. -->",
        "One file decides everything that a site decides. It stands beside `docker-compose.yml`; "
        "`ROOM_CONFIG` or `room --config` names another one. Every key may be left out. A key that "
        "is not in these tables is refused with its line and the nearest known key.",
        "`room config check` says what is wrong with the file; `room config show` prints what is "
        "in force, and where each value comes from.",
        "Sizes are numbers of bytes, or like `512M` and `8G` (1024-based). Durations are numbers "
        "of seconds, or like `90s`, `2m` and `1h30m`. Relative paths are relative to the file. "
        "A login is what JupyterHub calls a user: lower-case.",
        "## The whole file\n\n" + _table(Settings),
    ]
    for model in TITLES:
        parts.append(f"## {TITLES[model]}\n\n{_words(model)}\n\n{_table(model)}")
    parts.append(f"## Profiles by example\n\n```yaml\n{PROFILES}```")
    return "\n\n".join(parts) + "\n"


def _words(model: type[BaseModel]) -> str:
    return textwrap.dedent(model.__doc__ or "").replace("\n    ", "\n").strip()


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if model is PlanLimits:
            value = KEYS[name].quantity.rule
        else:
            value = " ".join(filter(None, [kind(field), _bounds(field)]))
        value = value.replace("|", "\\|")
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | {value} | {_shown_default(field)} | {meaning} |")
    return "\n".join(rows)


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, "", (), {}) or _model(field.annotation):
        return ""
    return f"`{_yaml(_default(field))}`"


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key holds, also in a list, a mapping or an Optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model(a))), None)


# --- writing ----------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """Return what is written where."""
    return {
        ROOT / "room.example.yaml": example(),
        ROOT / "docs" / "reference" / "room.yaml.md": reference(),
    }


def main(arguments: list[str]) -> int:
    stale = [p for p, text in pages().items() if not p.exists() or p.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: run python tools/reference.py")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
