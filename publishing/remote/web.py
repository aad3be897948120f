"""One file of a web server, from anywhere in it on: the fetcher's side."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from publishing.remote.wrong import WrongError
from room.datasets.addresses import Access

#: Seconds for a connection, and for the next bytes of it.
CONNECT, SILENCE = 20.0, 45.0
REDIRECTS = 10
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class State:
    """Which state of a file a server has: what is "" or None it does not say."""

    etag: str = ""
    modified: str = ""
    size: int | None = None

    def may_be(self, other: State) -> bool:
        pairs = zip(
            (self.etag, self.modified, self.size),
            (other.etag, other.modified, other.size),
            strict=True,
        )
        return all(one in ("", None) or two in ("", None) or one == two for one, two in pairs)

    @property
    def validator(self) -> str:
        """What a server is asked by whether it is still the same (RFC 9110, 13.1.5), or nothing."""
        return self.etag if self.etag.startswith('"') else self.modified


class Web:
    """Asks web servers. ``protocols``: those that a redirect may lead to."""

    def __init__(self, protocols: tuple[str, ...], access: Access | None = None) -> None:
        access = access or Access()

        def check(request: httpx.Request) -> None:
            if request.url.scheme not in protocols:
                raise WrongError("protocol")

        headers = {"Accept-Encoding": "identity", "User-Agent": "torchroom"}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        self._client = httpx.Client(
            follow_redirects=True,
            max_redirects=REDIRECTS,
            timeout=httpx.Timeout(SILENCE, connect=CONNECT),
            headers=headers,
            auth=(access.user, access.password) if access.user or access.password else None,
            event_hooks={"request": [check]},
        )

    def look(self, url: str) -> State:
        """Return what is at an address. Raises what ``reason`` has a name for."""
        with self._asked(url, {"Range": "bytes=0-0"}) as answer:
            return _state(answer)

    def pieces(
        self, url: str, start: int, known: State, *, fixed: bool = False
    ) -> Iterator[int | bytes]:
        """Yield where reading begins, ``start`` or 0, and then what is there from it on.

        ``fixed``: what is at this address never changes, so nobody needs to ask whether it did.
        Raises as ``look`` does, also when it is not what was ``known``.
        """
        headers = {}
        if start and (fixed or known.validator):
            headers["Range"] = f"bytes={start}-"
            if not fixed:
                headers["If-Range"] = known.validator
        with self._asked(url, headers) as answer:
            found = _state(answer)
            if not found.may_be(State(size=known.size) if fixed else known):
                raise WrongError("changed")
            begins = _begins(answer)
            if begins not in (0, start):
                raise WrongError("odd")
            yield begins
            yield from answer.iter_raw(256 * 1024)

    @contextmanager
    def _asked(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        with self._client.stream("GET", url, headers=dict(headers)) as answer:
            _check(answer)
            yield answer


def reason(error: BaseException) -> str:
    """Return the name of what went wrong, whichever library says so."""
    seen: set[int] = set()
    at: BaseException | None = error
    found = "odd"
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        for kinds, why in _REASONS:
            if isinstance(at, kinds):
                found = why
        if isinstance(at, WrongError):
            return at.why
        status = getattr(getattr(at, "response", None), "status_code", None)
        if isinstance(status, int) and status >= 400:
            return of_status(status)
        at = at.__cause__ or at.__context__
    return found


#: The last that fits counts: what lies deeper says more.
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((OSError, httpx.NetworkError), "unreachable"),
    ((httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError), "cut"),
    ((ConnectionResetError, BrokenPipeError, EOFError), "cut"),
    ((httpx.TimeoutException, TimeoutError), "silent"),
    (httpx.TooManyRedirects, "redirects"),
    ((httpx.UnsupportedProtocol, httpx.InvalidURL), "protocol"),
    (socket.gaierror, "name"),
    (ssl.SSLCertVerificationError, "certificate"),
    ((FileNotFoundError, IsADirectoryError), "gone"),
    (PermissionError, "access"),
    (ImportError, "library"),
    (MemoryError, "many"),
)


def of_status(status: int) -> str:
    if status in (401, 403, 407):
        return "access"
    if status in (408, 425, 429) or status >= 500:
        return "busy"
    return "gone"


def _check(answer: httpx.Response) -> None:
    empty = answer.status_code == 416 and _state(answer).size == 0
    if answer.status_code not in (200, 206) and not empty:
        raise WrongError("changed" if answer.status_code == 416 else of_status(answer.status_code))
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise WrongError("packed")


def _state(answer: httpx.Response) -> State:
    headers = answer.headers
    size = None
    if answer.status_code in (206, 416):
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
        size = int(found[3]) if found and found[3] != "*" else None
    elif _LENGTH.fullmatch(headers.get("Content-Length", "")):
        size = int(headers["Content-Length"])
    return State(headers.get("ETag", "")[:512], headers.get("Last-Modified", "")[:64], size)


def _begins(answer: httpx.Response) -> int:
    if answer.status_code != 206:
        return 0
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(found[1]) if found and found[1] else -1
