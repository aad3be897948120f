"""The languages that pages are in, and which one a reader gets."""

from __future__ import annotations

import gettext as gnu
import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

#: Remembers the choice; the hub's pages and the console's have the same.
COOKIE = "room-lang"
#: Our name → (what HTML calls it, what it calls itself).
LANGUAGES: Mapping[str, tuple[str, str]] = {"en": ("en", "English"), "zh_CN": ("zh-CN", "简体中文")}
DOMAIN = "torchroom"


@lru_cache
def catalogue(locale: Path, language: str) -> gnu.NullTranslations:
    """Return a language's catalogue, compiled from its ``.po`` file: there is no stale ``.mo``."""
    source = locale / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not source.exists():
        return gnu.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language, domain=DOMAIN))
    compiled.seek(0)
    return gnu.GNUTranslations(compiled)


def choose(cookie: str | None, accept_language: str, default: str) -> str:
    """Return the language to speak. Any Chinese is answered in Simplified Chinese."""
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    for tag in _by_preference(accept_language):
        primary = tag.partition("-")[0]
        if primary in ("zh", "en"):
            return "zh_CN" if primary == "zh" else "en"
    return default if default in LANGUAGES else "en"


def _by_preference(accept_language: str) -> list[str]:
    """Return the tags of an Accept-Language header (RFC 9110, 12.5.4), best first."""
    weighted = []
    for item in accept_language[:1000].split(","):
        tag, _, parameter = item.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weight = 0.0
        if tag.strip() and weight > 0:
            weighted.append((weight, tag.strip().lower()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
