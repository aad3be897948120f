"""What a student's browser does with a running room, without the browser.

    async with Student("http://127.0.0.1:8000") as student:
        await student.log_in(token)
        server = student.server()
        async for stage in server.start({"profile": "cpu"}):
            print(stage.seconds, stage.message)
        await server.open()
        async with server.kernel("lesson.ipynb") as kernel:
            outcome = await kernel.execute("1 + 1")
        await server.stop()

Everything goes the browser's way: the login form, the session's cookies, the
OAuth dance of the single-user server, the kernel's WebSocket through the
proxy. Every failure is a ``Problem``: what was asked, what was seen, what to do.
"""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from cli.errors import Problem

if TYPE_CHECKING:
    import httpx

    from cli.studentserver import Server

#: How a browser says what a request is for; JupyterHub's XSRF rules depend on it.
NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}

#: Where a login page says why it refused: the room's own, and JupyterHub's.
_LOGIN_ERROR = re.compile(
    r"""<(?P<tag>\w+)[^>]*(?:\bid=["']why["']|\blogin_error\b)[^>]*>(?P<words>.*?)</(?P=tag)>""",
    re.DOTALL,
)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a student's way may take, in seconds."""

    connect: float = 10.0
    request: float = 30.0
    start: float = 300.0
    stop: float = 60.0


class Student:
    """One person's browser: an address, cookies, and who is logged in."""

    def __init__(
        self,
        address: str,
        *,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``ca_file`` is trusted beside the machine's own certificate authorities.

        ``transport`` answers in place of the network, in tests.
        """
        import httpx

        self.address = address.rstrip("/") + "/"
        self.timeouts = timeouts or Timeouts()
        self.name = ""
        self.ssl_context = trust(ca_file)
        # The room is asked directly: a proxy in the environment is for the
        # way out of the site, and does not know a loopback address.
        self.http = httpx.AsyncClient(
            verify=self.ssl_context,
            transport=transport,
            trust_env=False,
            follow_redirects=True,
            timeout=httpx.Timeout(self.timeouts.request, connect=self.timeouts.connect),
            headers={"User-Agent": "room-student"},
        )

    async def __aenter__(self) -> Student:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def url(self, path: str) -> str:
        """Return the absolute address of a path below the room's."""
        return urljoin(self.address, path.lstrip("/"))

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    async def log_in(self, token: str, user: str = "") -> None:
        """Log in with a personal token by the login form. Sets ``name``.

        ``user`` fills the form's name field, which a room's token login ignores.
        """
        # Where to go on is said, or a hub without a start page would start a server at once.
        path = "hub/login?next=" + quote(urlsplit(self.url("hub/home")).path, safe="")
        await self.ask("The login page", "GET", path, headers=NAVIGATE)
        form = {
            "_xsrf": self.cookie("_xsrf", "hub/") or "",
            "username": user,
            "password": token,
            "token": token,
        }
        answer = await self.send("The login", "POST", path, data=form, headers=NAVIGATE)
        if answer.status_code >= 400 or answer.url.path.endswith("/hub/login"):
            raise Problem(
                f"The login was refused: {login_words(answer.text) or explain(answer)}.",
                "Make a new link with room user link.",
            )
        me = await self.api("Who is logged in", "GET", "user")
        self.name = me.json()["name"]

    def server(self, name: str = "") -> Server:
        """Return this student's server of that name; it need not run or exist yet."""
        from cli.studentserver import Server

        if not self.name:
            raise Problem("Nobody is logged in yet.", "Log in before asking for a server.")
        return Server(self, name)

    async def api(self, what: str, method: str, path: str, **how: Any) -> httpx.Response:
        """Call the hub's REST API as its pages do: with the cookie and its XSRF token."""
        return await self.ask(what, method, f"hub/api/{path}", xsrf="hub/", **how)

    async def ask(self, what: str, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request and return its answer. ``what`` names it in a failure's words."""
        answer = await self.send(what, method, path, **how)
        if answer.status_code >= 400:
            raise refused(what, answer)
        return answer

    async def send(
        self,
        what: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = FETCH,
        xsrf: str = "",
        **how: Any,
    ) -> httpx.Response:
        """Send a request and return whatever was answered.

        ``xsrf`` is the path whose XSRF cookie goes along as a header. Raises
        ``Problem`` only when no answer came at all.
        """
        import httpx

        sent = {**headers, **self.xsrf_header(xsrf)}
        try:
            return await self.http.request(method, self.url(path), headers=sent, **how)
        except httpx.HTTPError as error:
            raise self.unanswered(what, error) from error

    def xsrf_header(self, path: str) -> dict[str, str]:
        """Return the header that proves that a page of ours sends the request."""
        token = self.cookie("_xsrf", path) if path else None
        return {"X-XSRFToken": token} if token else {}

    def cookie(self, name: str, path: str) -> str | None:
        """Return a cookie's value; hub and servers each have their own, told apart by ``path``."""
        whole = urlsplit(self.url(path)).path
        for cookie in self.http.cookies.jar:
            if cookie.name == name and cookie.path == whole:
                return cookie.value
        return None

    def cookies_for(self, path: str) -> dict[str, str]:
        """Return the Cookie header that a browser would send to ``path``."""
        request = self.http.build_request("GET", self.url(path))
        found = request.headers.get("Cookie")
        return {"Cookie": found} if found else {}

    def unanswered(self, what: str, error: Exception) -> Problem:
        """Return what it means that ``what`` got no answer at all."""
        import httpx

        where = f"at {self.origin}"
        if isinstance(error, httpx.ConnectTimeout):
            return Problem(
                f"{what}: nobody answered {where} within {self.timeouts.connect:g} s.",
                "Check the address in room.yaml and the firewall: room doctor",
            )
        if isinstance(error, httpx.TimeoutException):
            return Problem(
                f"{what}: no answer {where} within {self.timeouts.request:g} s.",
                "The hub may be overloaded: see room status and room logs hub.",
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Problem(
                f"{what}: this machine does not trust the certificate {where}.",
                "Name the authority that signed it with --ca-file.",
            )
        return Problem(
            f"{what}: no connection {where} ({error or 'the other side closed it'}).",
            "Start the room with make up, or check the address in room.yaml.",
        )


@lru_cache(maxsize=4)
def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return what to trust: the machine's certificate authorities, and ``ca_file``."""
    context = ssl.create_default_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Problem(
            f"{ca_file} holds no certificate that can be trusted ({error}).",
            "Give a file with the authority's certificate in PEM form.",
        ) from error
    return context


def login_words(page: str) -> str:
    """Return the words in which a login page says why it refused, if it does."""
    found = _LOGIN_ERROR.search(page)
    text = html.unescape(_TAG.sub("", found["words"])) if found else ""
    return " ".join(text.split()).rstrip(".")


def explain(answer: httpx.Response) -> str:
    """Return an answer that is an error in words: its own, or what its kind means."""
    said = own_words(answer)
    return said or MEANINGS.get(answer.status_code, MEANINGS[answer.status_code // 100 * 100])


def own_words(answer: httpx.Response) -> str:
    """Return the message in an API's answer, or nothing."""
    try:
        said = answer.json()
    except ValueError:
        return ""
    message = said.get("message") if isinstance(said, dict) else None
    return str(message or "").rstrip(".")


#: What a status means to a person, by status or else by its hundred.
MEANINGS = {
    400: "the room did not understand the request",
    403: "the room does not allow it",
    404: "there is no such thing in the room",
    424: "the server is not running",
    429: "too many requests; wait a minute",
    500: "something in the room broke",
    502: "the proxy cannot reach it",
    503: "it is not running or not ready",
    504: "it took the proxy too long to get an answer",
}


#: What the proxy says in place of a hub that is not there.
AWAY = (502, 503, 504)


def refused(what: str, answer: httpx.Response) -> Problem:
    """Return the ``Problem`` that an answer with an error is."""
    if answer.status_code in AWAY and "/hub/" in answer.url.path and not own_words(answer):
        return Problem(
            f"{what}: the hub does not answer, only the proxy before it.",
            "The hub may be starting anew: see room status and room logs hub.",
        )
    broken = answer.status_code >= 500
    return Problem(
        f"{what} was refused: {explain(answer)}.",
        "See room logs hub for the reason." if broken else "",
    )
