"""Personal tokens: how one is made, read from what a person pastes, and checked.

A token is ``<id>_<secret>``. The id is public: it finds the row, and may stand
in a log. The secret has 200 bits, so that guessing is hopeless at any rate a
network allows; only its SHA-256 is stored. A slow hash would add nothing: it
protects short passwords, and no list of 2^200 secrets can be tried.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

#: Lower-case base32: survives capitals, a double-click selects all of it, 0 and 1 are not in it.
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH, _SECRET_LENGTH = 10, 40
_TOKEN = re.compile(rf"([{_ALPHABET}]{{{_ID_LENGTH}}})_([{_ALPHABET}]{{{_SECRET_LENGTH}}})")
_IN_LINK = re.compile(r"token=([^&#]*)")
#: More than this is no token and no link: do not look at it.
MAX_PASTED = 2_000


@dataclass(frozen=True, slots=True)
class Token:
    """Both halves of a token. ``repr`` shows the public one only: this may reach a log."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.id}_…)"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, digest: str) -> bool:
        """Say whether this is the token of ``digest``, in a time that tells nothing about it."""
        return hmac.compare_digest(self.digest, digest)


def new() -> Token:
    """Return a fresh random token."""
    return Token(_random(_ID_LENGTH), _random(_SECRET_LENGTH))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def parse(pasted: str) -> Token | None:
    """Return the token in what a person pasted, or None when there is none.

    Takes the token or the whole link, with blanks, line breaks, invisible
    characters, capitals, quotes or a full stop that came along.
    """
    if len(pasted) > MAX_PASTED:
        return None
    text = "".join(c for c in unquote(pasted) if not _invisible(c)).lower()
    found = _IN_LINK.search(text)
    candidate = (found.group(1) if found else text).strip("<>()[]\"'`“”‘’«».,;:!")  # noqa: RUF001
    match = _TOKEN.fullmatch(candidate)
    return Token(*match.groups()) if match else None


def _invisible(character: str) -> bool:
    """Say whether a character takes part in pasting but not in the token.

    Cc are controls such as line breaks, Cf joiners, marks and the BOM, Z* every kind of blank.
    """
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def link(address: str, token: Token) -> str:
    """Return the login link. A browser sends no fragment, so no server logs the token."""
    return f"{address.rstrip('/')}/hub/login#token={token}"
