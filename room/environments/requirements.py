"""What an instructor writes of packages: one requirement a line, and nothing else of pip's. Pure.

A build takes names, versions and hashes. Options, addresses and paths would say where packages come
from: that is the room's to say. pip itself then decides whether the requirements go together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from room.models import Reject
from room.said import said

#: Requirements, and characters, that one class's text has at most: a lock has a hash or some each.
MOST, LONGEST = 300, 200_000

_HASH = re.compile(r"--hash[= ](\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requirements as pip is given them. ``hashed``: each has its hashes, and is taken as it is."""

    text: str
    names: tuple[str, ...]
    hashed: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """One requirement, and the number of the line that it begins on."""

    number: int
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def text(self) -> str:
        hashes = "".join(f" --hash={each}" for each in self.hashes)
        # pip reads what stands behind a blank and a semicolon as the marker.
        return f"{self.requirement}{hashes}"


def read(text: str) -> Wanted | Reject:
    """Return what is wanted, or why it is not taken, with the line's number."""
    if len(text) > LONGEST:
        return Reject(
            "requirements-long",
            said(
                "The requirements have %(has)s characters, and %(most)s is the most. "
                "Leave some packages out.",
                has=f"{len(text):,}",
                most=f"{LONGEST:,}",
            ),
        )
    lines: list[_Line] = []
    for number, line in _logical(text):
        found = _read_line(number, line)
        if isinstance(found, Reject):
            return found
        lines.append(found)
    refused = _count(lines) or _twice(lines) or _hashes(lines)
    if refused is not None:
        return refused
    return Wanted(
        "".join(f"{line.text}\n" for line in lines),
        tuple(canonicalize_name(line.requirement.name) for line in lines),
        hashed=bool(lines[0].hashes),
    )


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is not empty, with a line that goes on behind ``\\`` as one."""
    begun, held = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line).strip()
        begun = begun or number
        if bare.endswith("\\"):
            held += bare[:-1] + " "
            continue
        if whole := (held + bare).strip():
            yield begun, whole
        begun, held = 0, ""
    if held.strip():
        yield begun, held.strip()


def _read_line(number: int, line: str) -> _Line | Reject:
    if line.startswith("-"):
        return Reject(
            "requirements-option",
            said(
                "Line %(number)s is an option of pip (%(option)s), and only packages are taken. "
                "Write each package on a line of its own, as humanize==4.9.0; where packages come "
                "from is the room's setting.",
                number=number,
                option=_shown(line.split()[0]),
            ),
        )
    hashes = tuple(_HASH.findall(line))
    bare = _HASH.sub("", line).strip()
    wrong = next((each for each in hashes if not _SHA256.fullmatch(each)), None)
    if wrong is not None:
        return Reject(
            "requirements-hash",
            said(
                "Line %(number)s has the hash %(hash)s, and a hash is sha256: and 64 hexadecimal "
                "digits.",
                number=number,
                hash=_shown(wrong),
            ),
        )
    if "://" in bare or bare.startswith((".", "/", "~")) or bare.endswith((".whl", ".gz", ".zip")):
        return _from_elsewhere(number, bare)
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        return Reject(
            "requirements-line",
            said(
                "Line %(number)s is no requirement: %(line)s. Write a package's name and which "
                "versions, as humanize==4.9.0 or humanize>=4.",
                number=number,
                line=_shown(bare),
            ),
        )
    if requirement.url is not None:
        return _from_elsewhere(number, bare)
    return _Line(number, requirement, hashes)


def _from_elsewhere(number: int, line: str) -> Reject:
    return Reject(
        "requirements-address",
        said(
            "Line %(number)s names an address or a file (%(line)s), and packages come from the "
            "room's package index alone. Write the package's name and version.",
            number=number,
            line=_shown(line),
        ),
    )


def _count(lines: list[_Line]) -> Reject | None:
    if not lines:
        return Reject(
            "requirements-none",
            said("No package is named. Write one on each line, as humanize==4.9.0."),
        )
    if len(lines) > MOST:
        return Reject(
            "requirements-many",
            said(
                "There are %(has)s requirements, and %(most)s is the most. Leave some out.",
                has=len(lines),
                most=MOST,
            ),
        )
    return None


def _twice(lines: list[_Line]) -> Reject | None:
    """Refuse a name that is there twice, unless markers tell the two apart."""
    seen: dict[str, int] = {}
    for line in lines:
        if line.requirement.marker is not None:
            continue
        name = canonicalize_name(line.requirement.name)
        if name in seen:
            return Reject(
                "requirements-twice",
                said(
                    "%(name)s is on line %(first)s and on line %(second)s. Leave one out.",
                    name=name,
                    first=seen[name],
                    second=line.number,
                ),
            )
        seen[name] = line.number
    return None


def _hashes(lines: list[_Line]) -> Reject | None:
    """Refuse hashes on some lines only, and hashes of what is not one version."""
    hashed = [line for line in lines if line.hashes]
    if not hashed:
        return None
    bare = next((line for line in lines if not line.hashes), None)
    if bare is not None:
        return Reject(
            "requirements-some-hashes",
            said(
                "Line %(number)s has no hash, and others have. Give each line its hashes, or none: "
                "then the room finds them.",
                number=bare.number,
            ),
        )
    loose = next((line for line in lines if not _pinned(line.requirement)), None)
    if loose is not None:
        return Reject(
            "requirements-loose",
            said(
                "Line %(number)s has a hash and no exact version. Write which one it is of, as "
                "%(name)s==1.2.3.",
                number=loose.number,
                name=loose.requirement.name,
            ),
        )
    return None


def _pinned(requirement: Requirement) -> bool:
    exact = list(requirement.specifier)
    return len(exact) == 1 and exact[0].operator in ("==", "===") and "*" not in exact[0].version


def _shown(text: str) -> str:
    """Return a part of what was written; an address without user and password."""
    plain = re.sub(r"//[^/@\s]*@", "//", text)
    return plain if len(plain) <= 60 else plain[:57] + "..."
