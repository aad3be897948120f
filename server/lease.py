"""What the room says of this server's GPU: how long it is lent, and what is to be known of it.

The hub is asked only while someone looks, and one question at a time: twenty open pages cost
it no more than one. A hub that is away does not take the countdown off the page; one that
knows no such address (a room of another kind) is left alone for a while.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

#: How long an answer is good, seconds, unless the hub wants to be asked earlier.
KEEP = 30.0
#: The same when the page wants to know now, seconds: no page asks the hub faster than this.
KEEP_FRESH = 2.0
#: How long a hub that knows no leases is not asked again, seconds.
KEEP_NONE = 600.0

#: (method, URL, headers) → (HTTP status, body). Raises ``OSError`` when nobody answers.
Fetch = Callable[[str, str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]

#: What is said of a server without a lease. Units are ``{"uuid", "model", "seat"}``.
NOTHING: Mapping[str, Any] = {
    "ends": None,
    "granted": None,
    "units": [],
    "extend": False,
    "why": "",
    "extend_seconds": 0,
    "notices": [],
    "keep": int(KEEP),
}


def address(api_url: str) -> str:
    """Return the lease's address at the hub, whose API is at ``api_url``; empty without one."""
    api_url = api_url.rstrip("/")
    return f"{api_url.removesuffix('/api')}/room/lease" if api_url else ""


def shaped(body: bytes) -> dict[str, Any]:
    """Return the hub's answer with every key there and of its kind, whatever the hub is.

    Raises ``ValueError`` for what is no JSON object.
    """
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("not an object")
    found = dict(NOTHING)
    for key, usual in NOTHING.items():
        value = said.get(key)
        kind = str if usual is None else type(usual)
        if isinstance(value, kind):
            found[key] = value
    for key in ("units", "notices"):
        found[key] = [entry for entry in found[key] if isinstance(entry, dict)]
    found["keep"] = max(KEEP_FRESH, min(found["keep"], KEEP))
    if seconds_until(found["ends"], 0.0) is None:
        found["ends"] = None
    return found


def seconds_until(when: str | None, now: float) -> float | None:
    """Return the seconds from ``now`` (epoch) until the ISO time ``when``; None without one."""
    try:
        ends = datetime.fromisoformat(when or "")
    except ValueError:
        return None
    return ends.timestamp() - now if ends.tzinfo else None


class Lease:
    """The last answer, and the way to a newer one."""

    def __init__(
        self,
        url: str,
        token: str,
        fetch: Fetch,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``url`` is empty where there is no hub; ``warn`` is called once in a server's life."""
        self._url = url
        self._token = token
        self._fetch = fetch
        self._warn: Callable[[str], None] | None = warn
        self._clock = clock
        self._now = now
        self._said: dict[str, Any] = dict(NOTHING)
        self._language = ""
        self._good_until = 0.0
        self._asked = -KEEP_NONE
        self._here = False
        self._turn = asyncio.Lock()

    async def answer(
        self, language: str = "", fresh: bool = False, here: bool = False
    ) -> dict[str, Any]:
        """Return what is known, with ``left``: the seconds to the end (None without one).

        The page counts down from ``left``, as a student's clock may be wrong. In ``again``
        seconds there may be news: pages that ask then have them at once. ``language`` is an
        Accept-Language: the hub writes sentences of its own. ``here``: somebody has
        used the page; the hub hears of it with the next question.
        """
        self._here = self._here or here
        if self._url:
            async with self._turn:
                if self._is_old(language, fresh):
                    await self._ask(language)
        return self._told()

    async def extend(self, language: str = "") -> tuple[int, dict[str, Any]]:
        """Ask for more time: 200 with the new answer, 409 with the rule that says no, or 503."""
        return await self._post("extend", language)

    async def stay(self, language: str = "") -> tuple[int, dict[str, Any]]:
        """Say that somebody is there: 200 with the new answer, or 503."""
        return await self._post("stay", language)

    async def keep(self, language: str = "") -> tuple[int, dict[str, Any]]:
        """Say that a GPU which does nothing is kept: 200 with the new answer, or 503."""
        return await self._post("keep", language)

    async def give_back(self, language: str = "") -> tuple[int, dict[str, Any]]:
        """Give such a GPU back: 200 with ``page``, where the restart is seen; 409, or 503."""
        return await self._post("cpu", language, self._restarting)

    def _restarting(self, body: bytes, language: str) -> dict[str, Any]:
        return {"page": str(json.loads(body)["page"])}

    def _kept(self, body: bytes, language: str) -> dict[str, Any]:
        self._keep(shaped(body), language)
        return self._told()

    async def _post(
        self,
        what: str,
        language: str,
        read: Callable[[bytes, str], dict[str, Any]] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        try:
            status, body = await self._send("POST", f"{self._url}/{what}", language)
            if status == 200:
                return 200, (read or self._kept)(body, language)
            if status == 409:
                # What was known is not so any more: whoever asks next gets the reason too.
                self._good_until, self._asked = 0.0, -KEEP_NONE
                return 409, {"message": str(json.loads(body)["message"])}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nobody who can say yes or no: the page has a sentence for it
        return 503, {"message": ""}

    def _is_old(self, language: str, fresh: bool) -> bool:
        now = self._clock()
        old = now >= self._good_until
        if fresh:
            # Who waits for more time asks often; of a server without an end nobody needs to.
            return now - self._asked >= KEEP_FRESH and (old or self._said["ends"] is not None)
        speaks = self._said["ends"] is not None or bool(self._said["notices"])
        return old or (language != self._language and speaks)

    async def _ask(self, language: str) -> None:
        try:
            here, self._here = self._here, False
            status, body = await self._send(
                "GET", f"{self._url}?here=1" if here else self._url, language
            )
            if status == 404:
                self._keep({**NOTHING, "keep": KEEP_NONE}, language)
                return
            if status != 200:
                raise OSError(f"it answered {status}")
            self._keep(shaped(body), language)
        except (OSError, ValueError) as error:
            self._good_until = self._clock() + KEEP
            if self._warn is not None:
                self._warn(f"The hub does not say how long the GPU is lent ({error}).")
                self._warn = None

    async def _send(self, method: str, url: str, language: str) -> tuple[int, bytes]:
        self._asked = self._clock()
        headers = {"Authorization": f"token {self._token}", "Accept": "application/json"}
        if language:
            headers["Accept-Language"] = language
        return await self._fetch(method, url, headers)

    def _keep(self, said: dict[str, Any], language: str) -> None:
        self._said = said
        self._language = language
        self._good_until = self._clock() + said["keep"]

    def _told(self) -> dict[str, Any]:
        return self._said | {
            "left": seconds_until(self._said["ends"], self._now()),
            "again": max(0.0, self._good_until - self._clock()),
        }
