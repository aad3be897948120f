"""Sizes and times as people write them: read, and written the same way. Pure."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)s)?", re.ASCII)

SIZE_RULE = "a size is a number of bytes, or a number and K, M, G or T, like 512M or 8G"
DURATION_RULE = "a duration is a number of seconds, or like 90s, 2m or 1h30m"


def parse_size(value: Any) -> int:
    """Return bytes. ``8G`` is 8 * 1024**3, as in JupyterHub and Docker."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is no size: {SIZE_RULE}")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def format_size(size: int) -> str:
    """Return bytes as ``room.yaml`` would say them: ``8G``; a number when no unit fits."""
    for unit in ("T", "G", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def readable_size(number: int) -> str:
    """Return bytes in the largest unit that leaves a short number: ``4 GiB``."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if number >= factor:
            return f"{number / factor:.4g} {unit}"
    return f"{number} bytes"


def parse_duration(value: Any) -> float:
    """Return seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f"{shown(value)} is no duration: {DURATION_RULE}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def format_duration(seconds: float) -> str:
    """Return seconds as ``room.yaml`` would say them: ``2m``."""
    if seconds and seconds % 3600 == 0:
        return f"{int(seconds // 3600)}h"
    if seconds and seconds % 60 == 0:
        return f"{int(seconds // 60)}m"
    return f"{seconds:g}s"


def shown(value: Any) -> str:
    """Return a value as a message quotes it: short, and as YAML spells it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, (int, float)) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
