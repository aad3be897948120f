"""User and server names → names of containers, volumes and directories.

Two different pairs of names never share a container, a volume or a directory.
Every byte that is not a lower-case letter or a digit is written as ``-`` and
two hexadecimal digits, so a ``-`` in the result always begins an escape, and
``--`` never occurs inside one: it is free to separate the parts.
"""

from __future__ import annotations

import hashlib
import re
import string

from room.said import said

_PLAIN = frozenset((string.ascii_lowercase + string.digits).encode())

#: A DNS label's limit (RFC 1035): the proxy reaches a server by its container's name.
MAX_LENGTH = 63
#: What a hashed name keeps of the readable one, and of its SHA-256.
_HEAD, _DIGEST = 12, 32

#: Room names become prefixes of networks, containers and volumes.
ROOM_NAME = re.compile(r"[a-z][a-z0-9]{0,14}")

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
LOGIN_RULE = said(
    "a login starts with a letter a-z or a digit, goes on with those or . _ @ + -, "
    "and has at most 64 characters"
)


def normalize_login(text: str) -> str:
    """Return the login as JupyterHub keeps it: trimmed and lower-case.

    Raises ``ValueError`` with the rule when the text can be no login.
    """
    login = text.strip()
    if login.isascii():
        login = login.lower()
    if not LOGIN.fullmatch(login):
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise ValueError(said("%(text)s is no login: %(rule)s", text=repr(shown), rule=LOGIN_RULE))
    return login


def escape(name: str) -> str:
    """Write ``name`` with ``[a-z0-9-]`` only, injectively."""
    return "".join(chr(b) if b in _PLAIN else f"-{b:02x}" for b in name.encode())


def _fit(text: str, whole: str, limit: int) -> str:
    """Return ``text``, or its head and a digest of ``whole`` when it is too long.

    ``--x`` marks a digest: no escape of a name holds ``--``, and a server's
    part begins with ``--s``, so that no short name looks like a hashed one.
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    return f"{text[:_HEAD].rstrip('-')}--x{digest}"


def key(user: str, server: str = "") -> str:
    """Return the name of one server among all of a room: ``[a-z0-9-]``, at most 47 characters."""
    text = escape(user) + (f"--s{escape(server)}" if server else "")
    return _fit(text, f"{user}\0{server}", MAX_LENGTH - 16)


def container(room: str, user: str, server: str = "") -> str:
    """Return the container's name, which is also its DNS name on the students' network."""
    return f"{room}-{key(user, server)}"


def home_directory(user: str) -> str:
    """Return the name of a user's directory under ``<data_root>/homes``."""
    return key(user)


def home_volume(room: str, user: str) -> str:
    """Return the name of the volume that binds a user's home."""
    return f"{room}-home-{key(user)}"


def students_network(room: str) -> str:
    """Return the network on which hub, proxy and user servers meet."""
    return f"{room}-students"
