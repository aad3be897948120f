"""What is somebody's own in the hub, as it tells them alone: servers, home, tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from room.said import said

#: What the hub calls tokens of its own making, and those of the console's sign-ins: these come
#: anew with each visit, and are nothing to revoke.
_HUB, _CONSOLE = "JupyterHub", "JupyterHub service console"
#: How the hub calls a server's own token, and what only such a token has.
_SERVER, _ONE_SERVER = "Server at ", "access:servers!server="
#: What a token may be given → the hub's scopes. Each is of its owner alone.
SCOPES: Mapping[str, tuple[str, ...]] = {
    "look": ("read:users!user", "read:servers!user"),
    "start": ("servers!user",),
    "work": ("access:servers!user",),
    "console": ("access:services!service=console",),
    "all": ("inherit",),
}
#: Seconds after which a token may expire; 0: never.
LIVES = (3600, 86400, 604800, 2592000, 0)
MAX_NOTE = 200


@dataclass(frozen=True, slots=True)
class OwnServer:
    """One server; ``units``: the models of its GPU units."""

    name: str
    profile: str
    image: str
    ready: bool
    #: spawn | stop, or empty
    pending: str
    started: datetime | None
    ends: datetime | None
    units: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Home:
    """How full a home is. Bytes; a limit of 0 is none; None: nobody knows yet."""

    used: int | None
    soft: int
    hard: int
    files: int | None
    left: int | None
    #: The disk itself holds the hard limit.
    enforced: bool
    #: All of it was looked at.
    complete: bool
    #: What fills it, largest first.
    largest: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class HomeNews:
    """What the hub knows of a home. ``silent``: nothing can be known now; no home: none yet."""

    home: Home | None = None
    silent: bool = False
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """One API token, or a program that was let in: one of its tokens, which all go at once."""

    id: str
    label: str
    scopes: tuple[str, ...]
    used: datetime | None
    expires: datetime | None
    program: bool = False
    #: A running server has it: without it that server would know nobody, and it ends with it.
    held: bool = False


def server(found: Mapping[str, Any]) -> OwnServer:
    return OwnServer(
        name=str(found["name"]),
        profile=str(found["profile"]),
        image=str(found["image"]),
        ready=bool(found["ready"]),
        pending=str(found["pending"]),
        started=moment(found["started"]),
        ends=moment(found["ends"]),
        units=tuple(str(unit["model"]) for unit in found["units"]),
        url=str(found["url"]),
    )


def home(found: Mapping[str, Any]) -> HomeNews:
    told = found["home"]
    if told is None:
        return HomeNews(None, bool(found["silent"]))
    known = Home(
        used=told["used"],
        soft=int(told["soft"]),
        hard=int(told["hard"]),
        files=told["files"],
        left=told["left"],
        enforced=bool(told["enforced"]),
        complete=bool(told["complete"]),
        largest=tuple((str(path), int(size)) for path, size in told["largest"]),
    )
    return HomeNews(known, False, str(found["warning"]))


def tokens(found: Iterable[Mapping[str, Any]]) -> list[Token]:
    """Return the tokens, last used first; of each program one, since it loses all at once."""
    newest = sorted(found, key=lambda each: each["last_activity"] or "", reverse=True)
    own: list[Token] = []
    programs: dict[str, Token] = {}
    for each in newest:
        client = str(each["oauth_client"])
        if client == _HUB:
            own.append(_token(each, str(each["note"] or "")))
        elif client != _CONSOLE:
            programs.setdefault(client, _token(each, client, program=True))
    return [*own, *programs.values()]


def _token(found: Mapping[str, Any], label: str, *, program: bool = False) -> Token:
    return Token(
        id=str(found["id"]),
        label=label,
        scopes=tuple(map(str, found["scopes"])),
        used=moment(found["last_activity"]),
        expires=None if program else moment(found["expires_at"]),
        program=program,
        held=not program
        and label.startswith(_SERVER)
        and any(scope.startswith(_ONE_SERVER) for scope in found["scopes"]),
    )


def moment(text: str | None) -> datetime | None:
    """Return a moment as the hub writes it, or none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be made."""

    note: str
    #: Seconds; None: for good.
    expires_in: int | None
    scopes: tuple[str, ...]


def new_token(note: str, life: str, kinds: Iterable[str]) -> NewToken:
    """Return the token that a form asks for. Raises ``ValueError`` in words."""
    label = note.strip()
    if not label or len(label) > MAX_NOTE or not label.isprintable():
        raise ValueError(
            said("say in at most %(most)s characters what the token is for", most=MAX_NOTE)
        )
    if not life.isdecimal() or int(life) not in LIVES:
        raise ValueError(said("choose one of the times after which the token expires"))
    wanted = [kind for kind in SCOPES if kind in set(kinds)]
    if not wanted:
        raise ValueError(said("tick what the token may do"))
    scopes = SCOPES["all"] if "all" in wanted else [s for kind in wanted for s in SCOPES[kind]]
    return NewToken(label, int(life) or None, tuple(scopes))
