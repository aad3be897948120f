"""The hub, as the console asks it: who somebody is, and what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from jupyterhub.services.auth import HubOAuth

from console import own
from console.fleet import Asked, Fleet, Waiter, fleet, waiters
from console.own import HomeNews, NewToken, OwnServer, Token
from room.doctor import live
from room.doctor.live import Live
from room.said import said

#: Seconds for which the hub's word on a token is believed: who is put out is out by then.
BELIEVED = 2
#: Seconds the hub may take to answer.
TIMEOUT = 20.0
#: Who has a token without it, as a server's own or one that may only look, may not come in here.
ACCESS = "access:services!service=console"


class HubError(Exception):
    """The hub does not answer, or refuses. ``words`` are for people."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True)
class Server:
    """One server of somebody, as the hub lists it."""

    user: str
    name: str
    ready: bool
    #: spawn | stop, or empty
    pending: str
    started: datetime | None
    profile: str
    url: str


class Hub:
    """``api_url`` such as ``http://hub:8081/hub/api``; ``prefix`` is the console's own path."""

    def __init__(self, api_url: str, prefix: str, token: str, client_id: str) -> None:
        self._oauth = HubOAuth(
            api_url=api_url,
            api_token=token,
            base_url=prefix,
            oauth_client_id=client_id,
            oauth_redirect_uri=f"{prefix}oauth_callback",
            cache_max_age=BELIEVED,
            access_scopes={ACCESS},
        )
        #: What is the room's own and no part of JupyterHub's API has a path beside it.
        self._room = f"{api_url.removesuffix('/api')}/room"
        self._http = httpx.AsyncClient(
            base_url=api_url, headers={"Authorization": f"token {token}"}, timeout=TIMEOUT
        )

    async def close(self) -> None:
        await self._http.aclose()

    # -- who somebody is ---------------------------------------------------------------------

    def sign_in_url(self, state: str) -> tuple[str, str]:
        """Return where to send a browser to sign in, and the verifier to keep meanwhile."""
        verifier, challenge, method = self._oauth.generate_pkce_code_challenge()
        query = {
            "client_id": self._oauth.oauth_client_id,
            "redirect_uri": self._oauth.oauth_redirect_uri,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": method,
        }
        return f"{self._oauth.oauth_authorization_url}?{urlencode(query)}", str(verifier)

    async def token_for(self, code: str, verifier: str) -> str:
        """Return the hub's token for who has just signed in. Raises ``HubError``."""
        try:
            found = await self._oauth.token_for_code(code, code_verifier=verifier, sync=False)
        except Exception as error:  # the library raises tornado's errors and its connections'
            raise HubError("The hub did not sign you in. Try again.") from error
        return str(found)

    async def login_of(self, token: str) -> str | None:
        """Return whose token it is; None when it is nobody's any more. Raises ``HubError``."""
        try:
            found = await self._oauth.user_for_token(token, sync=False)
        except Exception as error:  # as above: every kind means that nobody can tell
            raise HubError("The hub does not answer. Try again in a minute.") from error
        # A service has a name and is nobody.
        if not found or found.get("kind", "user") != "user":
            return None
        if not self._oauth.check_scopes({ACCESS}, found):
            return None
        return str(found["name"])

    # -- what runs ---------------------------------------------------------------------------

    async def servers(self, users: frozenset[str] | None = None) -> list[Server]:
        """Return the servers that run, start or stop; of some users, or of all."""
        if users is not None and len(users) == 1:
            answer = await self._ask("GET", f"/users/{quote(next(iter(users)))}")
            found = [answer.json()] if answer.status_code == 200 else []
        else:
            found = await self._active()
        return [
            _server(user["name"], server)
            for user in found
            if users is None or user["name"] in users
            for server in (user.get("servers") or {}).values()
        ]

    async def _active(self) -> list[Mapping[str, Any]]:
        """Return the users with servers, page by page."""
        found: list[Mapping[str, Any]] = []
        while True:
            params = {"state": "active", "offset": len(found), "limit": 200}
            answer = await self._ask("GET", "/users", params=params)
            page = answer.json()
            found += page
            if len(page) < 200:
                return found

    async def stop(self, user: str, server: str) -> None:
        """Stop a server; the hub goes on with it. Raises ``HubError``."""
        path = f"/users/{quote(user)}/" + (f"servers/{quote(server)}" if server else "server")
        answer = await self._ask("DELETE", path)
        if answer.status_code not in (202, 204, 404):
            raise HubError(
                said(
                    "The hub did not stop the server of %(user)s. Try again in a minute.", user=user
                )
            )

    # -- in somebody's own name --------------------------------------------------------------

    async def own_servers(self, token: str) -> list[OwnServer]:
        """Return what runs of whose token it is. Raises ``HubError``."""
        answer = await self._ask_as(token, "GET", "/room/own/servers")
        return [own.server(each) for each in answer.json()["servers"]]

    async def own_home(self, token: str, language: str) -> HomeNews:
        """Return what fills the home of whose token it is; words in a language of HTML's."""
        answer = await self._ask_as(token, "GET", "/room/own/home", language=language)
        return own.home(answer.json())

    async def tokens(self, token: str, login: str) -> list[Token]:
        """Return somebody's API tokens and the programs that they let in."""
        answer = await self._ask_as(token, "GET", f"/users/{quote(login)}/tokens")
        return own.tokens(answer.json()["api_tokens"])

    async def make_token(self, token: str, login: str, new: NewToken) -> str:
        """Make an API token and return it. Raises ``ValueError`` for one that may not be."""
        body = {"note": new.note, "expires_in": new.expires_in, "scopes": list(new.scopes)}
        answer = await self._ask_as(token, "POST", f"/users/{quote(login)}/tokens", body=body)
        if answer.status_code == 400:
            raise ValueError(
                said("the hub makes no such token: choose a time that is shorter, and less to do")
            )
        return str(answer.json()["token"])

    async def revoke(self, token: str, login: str, number: str) -> None:
        """Revoke an API token; one that is gone is revoked."""
        path = f"/users/{quote(login)}/tokens/{quote(number, safe='')}"
        await self._ask_as(token, "DELETE", path)

    async def fleet(self, token: str) -> Fleet:
        """Return the GPUs and who waits for them, in an admin's name."""
        answer = await self._ask_as(token, "GET", f"{self._room}/admin/gpus")
        return fleet(answer.json())

    async def change_fleet(self, token: str, asked: Asked, origin: str) -> None:
        """Drain a unit and its kind, in an admin's name. Raises ``ValueError`` with the reason."""
        path = f"{self._room}/admin/{asked.action}"
        answer = await self._ask_as(token, "POST", path, body=asked.body(origin))
        if answer.status_code >= 400:
            raise ValueError(str(answer.json().get("message", "")))

    async def live(self, token: str) -> Live:
        """Return what hub and agent know of the machine now, in an admin's name."""
        answer = await self._ask_as(token, "GET", f"{self._room}/admin/live")
        try:
            return live.loads(answer.text)
        except ValueError as error:
            words = "The hub and the console are of two releases: run room up."
            raise HubError(words) from error

    async def line(self) -> tuple[Waiter, ...]:
        """Return everyone who waits for a GPU, in the order in which they will be served."""
        answer = await self._ask("GET", f"{self._room}/line")
        return waiters(answer.json()["queue"]) if answer.status_code == 200 else ()

    async def _ask_as(
        self, token: str, method: str, path: str, *, language: str = "en", body: Any = None
    ) -> httpx.Response:
        headers = {"Authorization": f"token {token}", "Accept-Language": language}
        answer = await self._send(method, path, headers=headers, json=body)
        if answer.status_code in (401, 403):
            raise HubError("This token may not do that: sign in to the console's pages for it.")
        if answer.status_code >= 500:
            raise HubError("The hub does not answer. Try again in a minute.")
        return answer

    async def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        answer = await self._send(method, path, **how)
        if answer.status_code in (401, 403):
            raise HubError("The hub does not know the console's token: run room up.")
        return answer

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **how)
        except httpx.HTTPError as error:
            raise HubError("The hub does not answer. Try again in a minute.") from error


def _server(user: str, found: Mapping[str, Any]) -> Server:
    return Server(
        user=user,
        name=str(found.get("name") or ""),
        ready=bool(found.get("ready")),
        pending=str(found.get("pending") or ""),
        started=own.moment(found.get("started")),
        profile=str((found.get("user_options") or {}).get("profile") or ""),
        url=str(found.get("url") or ""),
    )
