"""What a build that did not succeed said last, in words for who wrote the requirements. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from room.models import Reject
from room.said import Said, said

#: Lines at the end of a log that are looked at.
TAIL = 200

_NONE = re.compile(r"^ERROR: No matching distribution found for (\S+)", re.M)
_FROM = re.compile(r"satisfies the requirement (\S+) .*\(from versions: (.*)\)")
_CONFLICT = re.compile(r"^ERROR: Cannot install (.+) because these package versions", re.M)
_HELD = re.compile(r"\(constraint\) ((?:torch\w*|triton|nvidia[\w-]*)==\S+)")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SILENT = re.compile(
    r"newconnectionerror|connecttimeouterror|readtimeouterror|connection broken"
    r"|name or service not known|temporary failure in name resolution|max retries exceeded"
    r"|http error 5\d\d|50[234] server error|proxyerror|certificate_verify_failed"
    r"|could not connect to",
    re.I,
)
_HASH = re.compile(r"do not match the hashes", re.I)
_NO_HASH = re.compile(r"In --require-hashes mode.*?\n\s+(\S+)", re.S)
_FULL = re.compile(r"no space left on device|disk quota exceeded|too little disk is left", re.I)


def explain(lines: Sequence[str], no_wheel: bool = False) -> Reject:
    """Return why it did not succeed. ``no_wheel``: what is missing is there for others to build."""
    text = "\n".join(lines[-TAIL:])
    if _FULL.search(text):
        return disk_full()
    if _HASH.search(text):
        return Reject(
            "hash",
            said(
                "The package index has another file than the one whose hash was asked for. "
                "Build again; if it stays, write the version without its hash, or another one."
            ),
        )
    if found := _NO_HASH.search(text):
        return Reject(
            "no-hash",
            said(
                "%(name)s is needed by a package with a hash, and has none itself. Add it with "
                "its hash, or write all of them without.",
                name=_name(found[1]),
            ),
        )
    if _SILENT.search(text):
        return Reject(
            "mirror",
            said(
                "The package index did not answer. Build again in some minutes; if it stays, tell "
                "the admin, who chooses the index (mirrors.pypi in room.yaml)."
            ),
        )
    return _conflict(text) or _missing(text, no_wheel) or Reject("failed", FAILED)


FAILED = said("The build did not succeed: its log says why.")


def _conflict(text: str) -> Reject | None:
    found = _CONFLICT.search(text)
    if found is None:
        return None
    if held := _HELD.search(text):
        return Reject(
            "torch",
            said(
                "%(what)s needs another PyTorch or CUDA than this room's image has (%(held)s), and "
                "that stays as it is. Choose a version that goes with it.",
                what=found[1],
                held=held[1],
            ),
        )
    return Reject(
        "conflict",
        said(
            "These do not go together: %(what)s. The log says which version each wants; choose "
            "others, or wider ranges.",
            what=found[1],
        ),
    )


def _missing(text: str, no_wheel: bool) -> Reject | None:
    found = _NONE.search(text)
    if found is None:
        return None
    versions = _FROM.search(text)
    name = _name(found[1])
    if versions and versions[2] != "none":
        return Reject(
            "version",
            said(
                "The package index has no %(what)s for this room's Python. It has: %(versions)s.",
                what=found[1],
                versions=_newest(versions[2]),
            ),
        )
    if no_wheel:
        return Reject("no-wheel", _no_wheel(name))
    return Reject(
        "not-found",
        said("The package index has no package %(name)s. Check how it is written.", name=name),
    )


def _no_wheel(name: str) -> Said:
    return said(
        "%(name)s comes as source alone for this room's Python, and building it would run its "
        "author's program with the room's rights. Choose a version that has a wheel, or another "
        "package; students can build it in their own servers.",
        name=name,
    )


def _newest(versions: str) -> str:
    named = [each.strip() for each in versions.split(",")]
    return ", ".join(named if len(named) <= 6 else ["…", *named[-6:]])


def _name(text: str) -> str:
    found = _NAME.match(text)
    return found[0] if found else text


def disk_full() -> Reject:
    return Reject(
        "disk",
        said("Too little disk space is left for this environment. Tell the admin to free some."),
    )


def too_long(minutes: int) -> Reject:
    return Reject(
        "time",
        said(
            "The build took longer than %(minutes)s minutes and was ended. Build again, or name "
            "fewer packages.",
            minutes=minutes,
        ),
    )


def out_of_memory() -> Reject:
    return Reject(
        "memory",
        said("The build needed more memory than it may have. Name fewer packages at once."),
    )


def engine_went() -> Reject:
    return Reject(
        "engine",
        said("The Docker Engine went away during the build, again and again. Tell the admin."),
    )


def agent_failed() -> Reject:
    return Reject("agent", said("The room could not go on with the build. Tell the admin."))


def no_base() -> Reject:
    return Reject("base", said("The room's own image is not on this host. Tell the admin."))


def not_set_up() -> Reject:
    return Reject(
        "not-set-up",
        said("The room does not know its package index yet. Tell the admin to run: room up"),
    )


def nothing_new() -> Reject:
    return Reject(
        "nothing",
        said("The room's image has all of these already, so there is nothing to build."),
    )
