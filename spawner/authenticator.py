"""Login by personal token, alone or beside OAuth. Who may come in is in ``room.people``."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Instance, List, Unicode, default

from room import access, limiter
from room.limiter import Limiter, Network, client_address, network_key
from room.names import LOGIN
from room.people import People
from room.person import Accepted, Refused
from room.store import Store
from spawner import admin, login, pages
from spawner.membership import Membership

#: For how long the addresses of our proxies are taken as known, in seconds.
PROXIES_KNOWN = 30.0
#: Attempts over the limit are counted, and told to the log this often, in seconds.
TELL_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Limited:
    """A wrong token over the limit: how many seconds until the next wrong one is looked at."""

    seconds: int


class TokenLogin(Authenticator):
    """What both authenticators share: tokens, limits, groups, and a revocation that holds at once.

    Mixed in before an OAuth class, both ways in stay open. Groups are always the
    roster's and the provider's together, the admin flag is the roster's alone.
    """

    store_url = Unicode(
        config=True,
        help="""The room's database, as SQLAlchemy writes it.

        People and tokens are there; the commands ``room user …`` write it while the hub runs.
        """,
    )
    trusted_proxies = List(
        Unicode(),
        config=True,
        help="""Whose word about a client's address counts: addresses, networks, or host names.

        The limit on wrong logins is per client address. Behind front and proxy every
        request comes from the proxy, and the client stands in ``X-Forwarded-For``. Anyone
        can write that header, a student's server too, so it is read only as far as it was
        written by one of these. Host names are looked up again every 30 seconds; one that
        is not known is left out. With none, the connection's own address counts.

        Example::

            c.TokenLogin.trusted_proxies = ["proxy-api", "front", "10.5.0.0/24"]
        """,
    )

    by_address = Instance(Limiter)
    by_name = Instance(Limiter)
    people = Instance(People)
    membership = Instance(Membership)

    @default("by_address")
    def _default_by_address(self) -> Limiter:
        return Limiter(limiter.ADDRESS)

    @default("by_name")
    def _default_by_name(self) -> Limiter:
        return Limiter(limiter.NAME)

    @default("people")
    def _default_people(self) -> People:
        return People(Store(self.store_url))

    @default("membership")
    def _default_membership(self) -> Membership:
        return Membership(self.people, self.log)

    # Groups are ours to set: the roster's and the provider's, at each login and each change.
    @default("manage_groups")
    def _default_manage_groups(self) -> bool:
        return True

    @default("any_allow_config")
    def _default_any_allow_config(self) -> bool:
        return True

    @default("username_pattern")
    def _default_username_pattern(self) -> str:
        return rf"\A{LOGIN.pattern}\Z"

    # JupyterHub compiles the pattern when it is set, and so never a default.
    @default("username_regex")
    def _default_username_regex(self) -> re.Pattern[str]:
        return re.compile(self.username_pattern)

    # One look into our own database a second and user is what "at once" costs. Strict: an API
    # token of a revoked person must not outlive the revocation.
    @default("auth_refresh_age")
    def _default_auth_refresh_age(self) -> int:
        return 1

    @default("auth_refresh_strict")
    def _default_auth_refresh_strict(self) -> bool:
        return True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._proxies: tuple[float, tuple[Network, ...]] = (float("-inf"), ())
        self._unlogged = 0
        self._told_at = float("-inf")

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        others = (route for route in super().get_handlers(app) if route[0] != "/login")
        return [("/login", login.LoginHandler), *pages.routes(), *admin.routes(), *others]

    # -- one attempt -------------------------------------------------------------------------

    async def attempt(self, handler: Any, pasted: str, name: str) -> Accepted | Refused | Limited:
        """Say what a login attempt is worth. A right token is right however many were wrong."""
        verdict = await self.people.store.run(self.people.verify, pasted, name)
        if isinstance(verdict, Accepted):
            return verdict
        address = await self.client_of(handler.request)
        seconds = self._count(network_key(address), verdict.login or _as_login(name))
        if seconds:
            self._tell_now_and_then()
            return Limited(seconds)
        self.log.warning("Login refused: %s, from %s", verdict, address)
        return verdict

    def _count(self, network: str, name: str | None) -> int:
        """Count a failure against its network and, where one is known, against its name."""
        now = time.monotonic()
        waits = [self.by_address.fail(network, now)]
        if name:
            waits.append(self.by_name.fail(name, now))
        return max(waits)

    def _tell_now_and_then(self) -> None:
        self._unlogged += 1
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY:
            self.log.warning("Login attempts over the limit: %d since last told", self._unlogged)
            self._told_at, self._unlogged = now, 0

    async def client_of(self, request: Any) -> str:
        """Return the address that a request really comes from.

        tornado's own ``remote_ip`` is not asked: it believes an ``X-Real-Ip`` from anyone.
        """
        address = getattr(request.connection.context, "address", None)
        peer = str(address[0]) if isinstance(address, tuple) and address else ""
        forwarded = ",".join(request.headers.get_list("X-Forwarded-For"))
        return client_address(peer, forwarded, await self._trusted())

    async def _trusted(self) -> tuple[Network, ...]:
        known_at, networks = self._proxies
        if time.monotonic() - known_at > PROXIES_KNOWN:
            networks = await asyncio.to_thread(_networks, tuple(self.trusted_proxies))
            self._proxies = (time.monotonic(), networks)
        return networks

    # -- what JupyterHub asks ----------------------------------------------------------------

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """Return the person of an accepted token; what is no token login is OAuth's."""
        accepted = data.get("accepted") if isinstance(data, dict) else None
        if not isinstance(accepted, Accepted):
            return await super().authenticate(handler, data, **kwargs)
        if not await self.people.store.run(self.people.use, accepted):
            return None
        return {"name": accepted.login, "auth_state": None, "groups": [], "accepted": accepted}

    async def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Everyone with a right token is allowed: the admin made it. Others by OAuth's rules."""
        if authentication and "accepted" in authentication:
            return True
        allowed: Any = super().check_allowed(username, authentication)
        return bool(await allowed) if asyncio.iscoroutine(allowed) else bool(allowed)

    async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
        """Put groups and the admin flag in. Last, so that no roster opens ``allowed_groups``."""
        model = await super().run_post_auth_hook(handler, auth_model)
        accepted = model.pop("accepted", None)
        if accepted is None:
            await self.enter(model)
        person = await self.membership.find(handler.db, model["name"])
        if person is None:
            raise web.HTTPError(403)
        groups = access.groups(person, self.people.clock())
        return {**model, "groups": list(groups), "admin": person.admin}

    async def add_user(self, user: Any) -> None:
        """Give somebody whom the hub sees for the first time their groups and roles."""
        added: Any = super().add_user(user)
        if asyncio.iscoroutine(added):
            await added
        self.membership.carry_out(user.db)

    async def enter(self, model: dict[str, Any]) -> None:
        """Note a login that came without a token; refuse it by raising ``LoginRefused``."""
        raise web.HTTPError(403)

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Return what has changed about somebody; False, and they are out, when they may not in.

        Groups and roles are the hub's own by then, of everybody: see ``Membership``.
        """
        person = await self.membership.find(user.db, user.name)
        now = self.people.clock()
        if person is None or access.closed(person, now):
            return False
        if self.membership.differs(user.name, (group.name for group in user.groups)):
            self.membership.carry_out(user.db)
        if user.admin == person.admin:
            return True
        groups = access.groups(person, now)
        return {"name": user.name, "admin": person.admin, "groups": list(groups)}


class TokenAuthenticator(TokenLogin):
    """Personal tokens, and nothing else."""


def _as_login(name: str) -> str | None:
    """Return the name to count a failure for: no login, no count, so that no text is kept."""
    login_name = name.strip().lower()
    return login_name if LOGIN.fullmatch(login_name) else None


def _networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that addresses, networks and host names stand for."""
    found: list[Network] = []
    for name in names:
        try:
            found.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            found.extend(_resolved(name))
    return tuple(found)


def _resolved(host: str) -> list[Network]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_network(str(answer[4][0]).partition("%")[0]) for answer in answers]
