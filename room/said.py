"""What a rule says: a sentence in English that remembers how it was made, so that a page can say
it in the reader's language. Pure: rules know of no language but their own.

What comes from another process, or out of the database, is a text again that remembers nothing. A
phrasebook knows it by the patterns that there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

_PLACE = re.compile(r"%\((\w+)\)s")


class Said(str):
    """A text like any other, with its pattern and the values in it, which may be such texts."""

    pattern: str
    values: dict[str, object]


def said(pattern: str, **values: object) -> Said:
    """Return ``pattern`` with its ``%(places)s`` filled. Catalogues have the pattern."""
    made = Said(pattern % values if values else pattern)
    made.pattern, made.values = pattern, values
    return made


def joined(parts: Sequence[str]) -> str:
    """Return several texts as one, with commas between them."""
    return reduce(_with_comma, parts)


def _with_comma(first: str, second: str) -> str:
    return said("%(first)s, %(second)s", first=first, second=second)


def translated(text: object, gettext: Callable[[str], str]) -> str:
    """Return a text in another language, down to its parts; any other text is one pattern."""
    if not isinstance(text, Said):
        return gettext(text) if isinstance(text, str) and text else str(text)
    values = {
        name: translated(value, gettext) if isinstance(value, Said) else value
        for name, value in text.values.items()
    }
    return gettext(text.pattern) % values if values else gettext(text.pattern)


def reason(error: Exception) -> str:
    """Return what an error says, with what it remembers; ``str(error)`` forgets it."""
    return str(error) if not error.args or not isinstance(error.args[0], Said) else error.args[0]


class Phrasebook:
    """Knows texts again by their patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        # Of two that fit, the one that has more of the text in itself leaves less to chance.
        ordered = sorted(patterns, key=lambda pattern: -len(_PLACE.sub("", pattern)))
        self._patterns = [(pattern, _expression(pattern)) for pattern in ordered]

    def find(self, text: str) -> Said | None:
        """Return a text with its pattern and the values in it, or None for one that is not here."""
        for pattern, expression in self._patterns:
            match = expression.fullmatch(text)
            if match:
                return said(pattern, **match.groupdict())
        return None

    def whole(self, text: str) -> str:
        """Return a text that knows how it was made, down to its parts; or the text as it is."""
        found = self.find(text)
        if found is None:
            return text
        parts = {name: self.whole(str(value)) for name, value in found.values.items()}
        return said(found.pattern, **parts)


def _expression(pattern: str) -> re.Pattern[str]:
    pieces = _PLACE.split(pattern)
    escaped = [
        f"(?P<{piece}>.+)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    ]
    return re.compile("".join(escaped), re.DOTALL)
