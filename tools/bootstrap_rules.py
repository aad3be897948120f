"""What ``bootstrap.py`` decides: pure functions. Standard library only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST, NEWEST_TRIED = (3, 10), (3, 13)
#: A lock holds the packages of the ones named behind it too, in the same versions.
LOCKS = {"host": ("host",), "test": ("test", "host")}
#: What a command that sudo starts still has to see.
KEPT = re.compile(
    r"(ROOM|PIP|UV|DOCKER|BUILDKIT|COMPOSE)_\w+|(https?|no|all)_proxy|LANG|LC_\w+|TERM|COLORTERM"
    r"|NO_COLOR|FORCE_COLOR|CI|COLUMNS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|npm_config_\w+",
    re.IGNORECASE,
)
#: The first line of pip's output that matches says what went wrong, and what to do.
REMEDIES = (
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "The package index shows a certificate that this machine does not trust. If your site "
        "inspects TLS, install its CA on this machine (update-ca-certificates), or name it in "
        "room.yaml as mirrors: ca_file, or in PIP_CERT.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A package is not the one that the lock names. Do not install it: ask whoever runs your "
        "package mirror; a wheel that the mirror built itself looks like this too.",
    ),
    (r"No space left on device", "The disk is full. Free some space, then run it again."),
    (
        r"NewConnectionError|Connection (refused|reset)|timed out|Temporary failure|No route",
        "The package index does not answer. Check the network and its proxy settings, or name "
        "your site's mirror in room.yaml as mirrors: pypi, or in PIP_INDEX_URL.",
    ),
    (
        r"No matching distribution|Could not find a version",
        "The package index does not have this version for this Python and machine. Use Python "
        "3.10 to 3.13 on x86_64 or aarch64, and a mirror that is up to date.",
    ),
)


class Problem(Exception):  # noqa: N818 - the project's word for it
    """What a person is told: what is the matter, and what to do."""


class Python(NamedTuple):
    """An interpreter: where it is, and its version."""

    path: Path
    version: tuple[int, ...]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.version))


def digest(contents: Sequence[bytes], python: tuple[int, ...]) -> str:
    """Return what an environment made from these files by this Python is known by."""
    whole = hashlib.sha256()
    for content in contents:
        whole.update(len(content).to_bytes(8, "big") + content)
    whole.update(repr(tuple(python[:2])).encode())
    return whole.hexdigest()


def is_current(stamp: Mapping[str, str], lock: str, wanted: str) -> bool:
    """Return whether the environment holds ``lock`` in the state ``wanted``."""
    return stamp.get(lock) == wanted


def kept_python(
    existing: Python | None, made_by: tuple[int, ...], running: Python, this_python: bool
) -> str | None:
    """Return why the environment must be made anew; None keeps it.

    ``existing`` is the interpreter that answers in it, None when none does, and ``made_by`` the
    version that it was made by. An environment that works stays, whichever Python runs this,
    unless ``this_python`` asks for the running one.
    """
    if existing is None:
        return "its Python is gone"
    if existing.version[:2] != made_by[:2]:
        return f"its Python was replaced by {existing.name}"
    if existing.version[:2] < OLDEST:
        return f"its Python is {existing.name}"
    if this_python and existing.version[:2] != running.version[:2]:
        return f"Python {running.name} was asked for, and it has {existing.name}"
    return None


def check_python(version: tuple[int, ...]) -> str | None:
    """Return a remark about this Python, or None; raise ``Problem`` when it is too old."""
    number = ".".join(map(str, version[:3]))
    if version[:2] < OLDEST:
        raise Problem(
            f"Python {number} is too old: 3.10 or newer is needed.\n"
            "Name a newer one: make up PYTHON=/usr/bin/python3.12"
        )
    if version[:2] > NEWEST_TRIED:
        return f"Python {number} is newer than those this was tried with (3.10 to 3.13)."
    return None


def remedy(output: str) -> str:
    """Return what to do about a pip that failed with this output."""
    for pattern, words in REMEDIES:
        if re.search(pattern, output):
            return words
    return "Read the end of the log; after the cause is gone, run the same command again."


def mirrors(text: str) -> dict[str, str]:
    """Return ``pypi`` and ``ca_file`` of room.yaml's ``mirrors`` section, where they are set.

    Nothing that reads YAML is installed yet: block style, one key a line, as in
    room.example.yaml, is what this understands.
    """
    section = re.search(
        r"^mirrors:[ \t]*(?:#.*)?\n((?:[ \t]+.*\n|[ \t]*#.*\n|\s*\n)*)", text + "\n", re.M
    )
    found = {}
    for key in ("pypi", "ca_file"):
        line = re.search(
            rf"""^[ \t]+{key}:[ \t]*(?:"([^"]*)"|'([^']*)'|([^\s#][^#\n]*?))[ \t]*(?:#.*)?$""",
            section.group(1) if section else "",
            re.M,
        )
        value = next((part for part in line.groups() if part), "") if line else ""
        if value not in ("", "null", "~"):
            found[key] = value
    return found


def pip_environment(
    environ: Mapping[str, str], settings: Mapping[str, str], system_ca: str | None
) -> dict[str, str]:
    """Return pip's environment: what the person set wins, then room.yaml, then the system.

    pip trusts its own list of CAs; a machine's own list (``system_ca``) has the site's too.
    """
    result = dict(environ)
    if settings.get("pypi"):
        result.setdefault("PIP_INDEX_URL", settings["pypi"])
    ca = settings.get("ca_file") or environ.get("SSL_CERT_FILE") or system_ca
    if ca:
        result.setdefault("PIP_CERT", ca)
    result.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    result.setdefault("PIP_ROOT_USER_ACTION", "ignore")
    return result


def with_sudo(command: Sequence[str], environ: Mapping[str, str], uid: int) -> list[str]:
    """Return ``command`` as root runs it: through sudo, with what of the environment it needs.

    By name, so that no value (an index address may hold a password) is in the list of processes.
    """
    if uid == 0:
        return list(command)
    kept = ",".join(sorted(key for key in environ if KEPT.fullmatch(key)))
    return ["sudo", *([f"--preserve-env={kept}"] if kept else []), *command]


def last_words(line: str, width: int) -> str:
    """Return what a line of pip's output says, short enough for a progress line."""
    words = re.sub(r"\s+(from|\().*$", "", line.strip())
    return words if len(words) <= width else words[: max(0, width - 1)] + "…"
