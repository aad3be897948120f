"""Who may ask for a page: signed in by the hub, with a form of this session's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from console import viewer
from console.desk import Desk
from console.kept import Forms, Kept, parsed
from console.session import SESSION_IDLE, SIGN_IN, Session, Shelf, SignIn
from console.viewer import Viewer
from room.roles import Act

#: Names of cookies. The browser sends them to the console's own path only.
SESSION, STATE = "room-console", "room-console-state"
#: The field of a form, and the header of a script's request, that prove whose page it was.
FIELD, HEADER = "_csrf", "x-csrf-token"


class NotSignedInError(Exception):
    """Nobody is signed in. ``kept``: the key of the form that was sent all the same."""

    def __init__(self, kept: str = "") -> None:
        super().__init__("not signed in")
        self.kept = kept


class ForbiddenError(Exception):
    """Not for this person. What is not theirs to see is not said to be there."""


class OldPageError(Exception):
    """A form that is not of this session's own pages."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody: who, from where, and the secret of their forms."""

    viewer: Viewer
    csrf: str
    #: For the audit: ``console page 10.0.0.7``.
    origin: str
    #: A program with the hub's token: it has no pages, and no forms.
    program: bool = False
    #: The hub's, for this person: what the console asks in their name.
    token: str = field(default="", repr=False)


class Guard:
    """Sessions, and the question whether somebody may do something."""

    def __init__(self, desk: Desk, prefix: str, *, secure: bool) -> None:
        self.desk = desk
        self.prefix = prefix
        self.secure = secure
        self.sessions: Shelf[Session] = Shelf(SESSION_IDLE)
        self.sign_ins: Shelf[SignIn] = Shelf(SIGN_IN)
        self.kept = Forms()

    async def visit(self, request: Request) -> Visit:
        """Return who asks. Raises ``NotSignedInError``; a form is kept before."""
        program = request.headers.get("authorization", "").split(" ", 1)
        if len(program) == 2 and program[0].lower() in ("token", "bearer"):
            who = await self._who(program[1])
            if who is None:
                raise NotSignedInError
            return Visit(who, "", f"console api {client(request)}", program=True, token=program[1])
        key = request.cookies.get(SESSION, "")
        session = self.sessions.get(key)
        who = None if session is None else await self._who(session.token)
        if session is None or who is None:
            # A key that we do not know may be anything: then it is the address that counts.
            raise NotSignedInError(await self._keep(request, key if session else client(request)))
        if request.method not in ("GET", "HEAD"):
            given = request.headers.get(HEADER) or dict(await fields(request)).get(FIELD, "")
            if not session.allows(given):
                raise OldPageError
        return Visit(who, session.csrf, f"console page {client(request)}", token=session.token)

    async def _who(self, token: str) -> Viewer | None:
        login = await self.desk.hub.login_of(token)
        if login is None:
            return None
        person = await self.desk.run(self.desk.people.find, login)
        return viewer.of(login, person, self.desk.plans.clock())

    async def _keep(self, request: Request, sender: str) -> str:
        """Keep a page's form for after the sign-in; a program's request is sent again by itself."""
        by_program = HEADER in request.headers and "hx-request" not in request.headers
        if request.method != "POST" or by_program or not _is_form(request):
            return ""
        # The secret is the old session's.
        secret = f"{FIELD}=".encode()
        parts = (await request.body()).split(b"&")
        body = b"&".join(part for part in parts if part and not part.startswith(secret))
        return self.kept.put(sender, Kept(request.url.path, body)) if parsed(body) else ""

    # -- signing in --------------------------------------------------------------------------

    def begin(self, then: str) -> tuple[str, str]:
        """Return where to send a browser to sign in, and the state that it brings back."""
        state = self.sign_ins.put(SignIn("", self.own(then)))
        url, verifier = self.desk.hub.sign_in_url(state)
        self.sign_ins.replace(state, SignIn(verifier, self.own(then)))
        return url, state

    async def finish(self, code: str, state: str, cookie: str) -> tuple[str, str] | None:
        """Return the new session's key, and where to go; None for a sign-in that is not ours."""
        begun = self.sign_ins.take(state) if state and state == cookie else None
        if begun is None:
            return None
        token = await self.desk.hub.token_for(code, begun.verifier)
        return self.sessions.put(Session(token)), begun.then

    def own(self, path: str) -> str:
        """Return a path of the console's own; the first page for any other."""
        inside = path.startswith(self.prefix) and "\\" not in path and "//" not in path
        return path if inside else self.prefix


def client(request: Request) -> str:
    """Return the address that asks, as the proxy says it."""
    forwarded = request.headers.get("x-forwarded-for", "")
    found = forwarded.split(",")[0].strip() or (request.client.host if request.client else "")
    return found[:45]


async def fields(request: Request) -> Sequence[tuple[str, str]]:
    """Return a form's fields. Raises ``TooLongError``, as does whoever reads a request."""
    return parsed(await request.body()) if _is_form(request) else ()


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind == "application/x-www-form-urlencoded"


def require(allowed: bool) -> None:
    """Raise ``ForbiddenError`` unless something is allowed."""
    if not allowed:
        raise ForbiddenError


def require_act(visit: Visit, act: Act, class_name: str) -> None:
    require(visit.viewer.may(act, class_name))


def sign_in_path(prefix: str, then: str, kept: str = "") -> str:
    """Return the console's own address that begins a sign-in."""
    target = f"{prefix}again/{kept}" if kept else then
    return f"{prefix}sign-in?then={quote(target, safe='/')}"


def cookie(secure: bool, prefix: str) -> dict[str, Any]:
    """Return how each of our cookies is set."""
    return {"path": prefix, "httponly": True, "secure": secure, "samesite": "lax"}
