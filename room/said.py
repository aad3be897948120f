"""What a rule says: a sentence in English that remembers how it was made, so that a page can say
it in the reader's language. Pure: rules know of no language but their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce


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
