"""A console over a real database, with a hub that only says who somebody is."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.fleet import Asked, Fleet, Waiter
from console.hub import HubError, Server
from console.own import HomeNews, NewToken, OwnServer, Token
from room.doctor.live import Live


@dataclass
class FakeHub:
    """A token is the login behind ``t-``."""

    out: set[str] = field(default_factory=set)
    running: list[Server] = field(default_factory=list)
    stopped: list[tuple[str, str]] = field(default_factory=list)
    silent: bool = False
    home: HomeNews = field(default_factory=HomeNews)
    own: list[OwnServer] = field(default_factory=list)
    own_tokens: list[Token] = field(default_factory=list)

    live_answer: Live = field(default_factory=lambda: Live(0.0))
    fleet_answer: Fleet = field(default_factory=Fleet)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refusal: str = ""

    async def close(self) -> None: ...

    def sign_in_url(self, state: str) -> tuple[str, str]:
        return f"/hub/api/oauth2/authorize?state={state}", "verifier"

    async def token_for(self, code: str, verifier: str) -> str:
        assert verifier == "verifier"
        return code

    async def login_of(self, token: str) -> str | None:
        if self.silent:
            raise HubError("The hub does not answer. Try again in a minute.")
        login = token.removeprefix("t-")
        return None if login in self.out or not token.startswith("t-") else login

    async def servers(self, users: frozenset[str] | None = None) -> list[Server]:
        return [each for each in self.running if users is None or each.user in users]

    async def stop(self, user: str, server: str) -> None:
        self.stopped.append((user, server))

    async def own_servers(self, token: str) -> list[OwnServer]:
        return self.own

    async def own_home(self, token: str, language: str) -> HomeNews:
        return self.home

    async def tokens(self, token: str, login: str) -> list[Token]:
        return self.own_tokens

    async def make_token(self, token: str, login: str, new: NewToken) -> str:
        self.own_tokens.append(Token("a1", new.note, new.scopes, None, None))
        return "the-secret"

    async def revoke(self, token: str, login: str, number: str) -> None:
        self.own_tokens = [each for each in self.own_tokens if each.id != number]

    async def fleet(self, token: str) -> Fleet:
        return self.fleet_answer

    async def change_fleet(self, token: str, asked: Asked, origin: str) -> None:
        if self.refusal:
            raise ValueError(self.refusal)
        self.asked.append((token, asked.action, asked.body(origin)))

    async def live(self, token: str) -> Live:
        return self.live_answer

    async def line(self) -> tuple[Waiter, ...]:
        return self.fleet_answer.queue
