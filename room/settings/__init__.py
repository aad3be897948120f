"""``room.yaml``: schema, defaults and rules. An unknown key is an error with its line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from room.settings import rules, source, wording
from room.settings.datasets import DatasetsSection
from room.settings.images import Images, Mirrors
from room.settings.problems import KeyPath, Problem, SettingsError, dotted, line_of
from room.settings.profiles import Profile, default_profiles
from room.settings.rules import settings_warnings
from room.settings.schema import (
    GIB,
    TLS,
    ClassesSection,
    GPUs,
    LimitsSection,
    Login,
    OAuth,
    Queue,
    Seats,
    Settings,
)

__all__ = [
    "GIB",
    "TLS",
    "ClassesSection",
    "DatasetsSection",
    "GPUs",
    "Images",
    "LimitsSection",
    "Loaded",
    "Login",
    "Mirrors",
    "OAuth",
    "Problem",
    "Profile",
    "Queue",
    "Seats",
    "Settings",
    "SettingsError",
    "default_profiles",
    "load",
    "read",
    "settings_warnings",
]

#: Containers see ``room.yaml`` at another place than the host: relative paths mean the host's.
BASE_VARIABLE = "ROOM_CONFIG_BASE"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and on which line of the file each key stands."""

    settings: Settings
    lines: Mapping[KeyPath, int]


def load(path: Path) -> Settings:
    """Return the settings of a ``room.yaml``; an empty file is every default.

    Relative paths in it are relative to it. Whether the files that it names
    exist is not looked at: ``room doctor`` does. Raises ``SettingsError`` with
    everything that is wrong, and ``OSError`` when the file cannot be read.
    """
    return read(path).settings


def read(path: Path) -> Loaded:
    """Return the settings of a ``room.yaml`` with its lines. Raises what ``load`` does."""
    base = os.environ.get(BASE_VARIABLE) or path.absolute().parent
    return parse(path.read_bytes(), Path(base))


def parse(raw: bytes, base: Path | None = None) -> Loaded:
    """Return the settings in a YAML text, with relative paths below ``base``."""
    found = source.parse(raw)
    try:
        settings = Settings.model_validate(found.data, context={"base": base})
    except ValidationError as error:
        raise SettingsError(wording.problems(error, Settings, found.lines)) from None
    broken = [
        Problem(line_of(path, found.lines), dotted(path), message)
        for path, message in rules.problems(settings)
    ]
    if broken:
        raise SettingsError(broken)
    return Loaded(settings, found.lines)
