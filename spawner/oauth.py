"""Login through a provider, by settings alone. Personal tokens go on working beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.gitlab import GitLabOAuthenticator
from oauthenticator.google import GoogleOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets import Bool, Set, Unicode, default

from room.oauth_rules import is_public, may_take
from room.person import AccessOverError, RevokedError, SubjectTakenError
from room.settings import OAuth, Settings
from spawner.authenticator import TokenLogin
from spawner.login import LoginRefused

#: What each provider calls itself on the button, unless the settings have a label.
NAMES = {"github": "GitHub", "gitlab": "GitLab", "google": "Google", "oidc": "single sign-on"}

#: What comes of a provider that is down, or that answers something else.
_UNUSABLE = (web.HTTPError, HTTPClientError, OSError, ValueError, KeyError, TypeError)


class StartHandler(OAuthLoginHandler):
    """``/hub/oauth_login``: off to the provider."""

    async def get(self) -> None:
        await self.authenticator.ready()
        super().get()


class ReturnHandler(OAuthCallbackHandler):
    """``/hub/oauth_callback``: back from the provider, with every refusal in our words."""

    def check_arguments(self) -> None:
        if self.get_argument("error", ""):
            self.log.warning("The provider refused a login: %s", self.get_argument("error")[:200])
            raise LoginRefused("provider-refused")
        try:
            super().check_arguments()
        except (web.HTTPError, ValueError) as error:
            self.log.warning("Login by OAuth refused: %s", error)
            raise LoginRefused("provider-stale", 400) from None

    async def get(self) -> None:
        self.check_arguments()
        await self.authenticator.ready()
        try:
            user = await self.login_user()
        except LoginRefused:
            raise
        except _UNUSABLE:
            self.log.exception("The provider's answer could not be used")
            raise LoginRefused("provider-error", 502) from None
        if user is None:
            raise LoginRefused("not-allowed")
        self.redirect(self.get_next_url(user))


class ProviderLogin(TokenLogin):
    """What our OAuth classes share: whom the provider may vouch for, and under which login."""

    login_handler = StartHandler
    callback_handler = ReturnHandler

    provider = Unicode(config=True, help="github, gitlab, google or oidc.")
    open_to_all = Bool(
        False,
        config=True,
        help="""Whether everybody in the world who chooses a name at the provider gets in with it.

        Then the logins of the roster are for their tokens only: see
        ``room.oauth_rules.may_take``.
        """,
    )
    allowed_domains = Set(
        Unicode(),
        config=True,
        help="""Let everybody in whose verified address is of one of these domains.

        Google says it in its ``hd`` claim, others in ``email``.
        """,
    )

    async def ready(self) -> None:
        """Know where the provider's endpoints are. Raises ``LoginRefused``."""

    async def check_blocked_users(self, username: str, authentication: Any = None) -> bool:
        """Keep a login for whom it was made, whatever else lets the account in."""
        if authentication and "accepted" in authentication:
            return True
        if not super().check_blocked_users(username, authentication):
            return False
        person = await self.people.store.run(self.people.find, username)
        if not may_take(person, username in self.allowed_users, self.open_to_all):
            self.log.warning("An account of the provider wanted the login %s", username)
            raise LoginRefused("kept")
        if (
            self.username_claim == "email"
            and self._info(authentication).get("email_verified") is False
        ):
            raise LoginRefused("unverified")
        return True

    async def check_allowed(self, username: str, authentication: Any = None) -> bool:
        if await super().check_allowed(username, authentication):
            return True
        return _domain(self._info(authentication)) in self.allowed_domains

    def _info(self, model: Any) -> Mapping[str, Any]:
        """Return what the provider says about an account."""
        info: Mapping[str, Any] = (model.get("auth_state") or {}).get(
            self.user_auth_state_key
        ) or {}
        return info

    async def enter(self, model: dict[str, Any]) -> None:
        """Note the account. ``groups`` are the provider's claims here, still without ours."""
        info = self._info(model)
        subject = info.get("sub") or info.get("id")
        if not subject:
            self.log.error("The provider named no account: neither sub nor id in %s", sorted(info))
            raise LoginRefused("provider-error", 502)
        try:
            await self.people.store.run(
                self.people.enter_by_oauth,
                model["name"],
                f"{self.provider}:{subject}",
                model.get("groups") or (),
            )
        except RevokedError:
            raise LoginRefused("revoked") from None
        except AccessOverError:
            raise LoginRefused("over") from None
        except SubjectTakenError as error:
            self.log.warning("%s", error)
            raise LoginRefused("taken") from None


class RoomGitHub(ProviderLogin, GitHubOAuthenticator):
    """Tokens, and GitHub."""


class RoomGitLab(ProviderLogin, GitLabOAuthenticator):
    """Tokens, and GitLab: gitlab.com or a school's own."""


class RoomGoogle(ProviderLogin, GoogleOAuthenticator):
    """Tokens, and Google."""


class RoomOIDC(ProviderLogin, GenericOAuthenticator):
    """Tokens, and any OpenID Connect provider, found by its issuer."""

    issuer = Unicode(config=True, help="The provider's issuer: the address it calls itself.")

    @default("userdata_token_method")
    def _default_userdata_token_method(self) -> str:
        return "header"

    async def ready(self) -> None:
        """Ask the provider for its endpoints at the first login, not while the hub starts.

        A provider that is down keeps nobody from logging in with a token.
        OpenID Connect Discovery 1.0, section 4.
        """
        if self.authorize_url and self.token_url and self.userdata_url:
            return
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = await asyncio.wait_for(self.httpfetch(url, "OpenID configuration"), 15)
            if found["issuer"].rstrip("/") != self.issuer.rstrip("/"):
                raise ValueError(f"{url} is about {found['issuer']!r}")
            endpoints = [
                found[key]
                for key in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
            ]
        except (*_UNUSABLE, asyncio.TimeoutError) as error:
            self.log.error("No OpenID configuration from %s: %s", url, error)
            raise LoginRefused("provider-silent", 503) from error
        self.authorize_url, self.token_url, self.userdata_url = endpoints


_CLASSES: Mapping[str, type[ProviderLogin]] = {
    "github": RoomGitHub,
    "gitlab": RoomGitLab,
    "google": RoomGoogle,
    "oidc": RoomOIDC,
}


def configure(c: Any, settings: Settings, oauth: OAuth) -> None:
    """Set the provider, and who of its people may come in."""
    c.JupyterHub.authenticator_class = _CLASSES[oauth.provider]
    _update_provider(c, oauth, settings)
    _update_allowed(c, oauth)


def _client_secret(oauth: OAuth, settings: Settings) -> str:
    """Return the provider's secret: ``room up`` has put a copy where the hub may read it."""
    copy = settings.data_root / "state" / "secrets" / "oauth_client_secret"
    source = copy if copy.exists() else oauth.client_secret_file
    return source.read_text("utf-8").strip()


def _update_provider(c: Any, oauth: OAuth, settings: Settings) -> None:
    """Which provider, and who we are to it."""
    c.ProviderLogin.provider = oauth.provider
    c.OAuthenticator.client_id = oauth.client_id
    c.OAuthenticator.client_secret = _client_secret(oauth, settings)
    callback = f"{settings.address.rstrip('/')}/hub/oauth_callback"
    c.OAuthenticator.oauth_callback_url = callback
    c.OAuthenticator.login_service = oauth.label or NAMES[oauth.provider]
    c.OAuthenticator.enable_pkce = True
    # Nothing of the provider is kept: no token of it is needed after the login.
    c.Authenticator.enable_auth_state = False
    scopes = list(oauth.scopes) or _scopes(oauth)
    if scopes:
        c.OAuthenticator.scope = scopes
    if oauth.provider == "oidc":
        c.RoomOIDC.issuer = oauth.issuer
        c.OAuthenticator.username_claim = oauth.username_claim or "preferred_username"
        c.OAuthenticator.auth_state_groups_key = _groups_of(oauth.groups_claim)
    else:
        c.OAuthenticator.auth_state_groups_key = lambda auth_state: ()
    if oauth.provider == "gitlab" and oauth.issuer:
        c.GitLabOAuthenticator.gitlab_url = oauth.issuer.rstrip("/")


def _update_allowed(c: Any, oauth: OAuth) -> None:
    """Who of the provider's accounts may come in."""
    c.OAuthenticator.allow_all = oauth.allow_all
    # Whoever has a token is a known user of the hub; that lets no account of that name in.
    c.OAuthenticator.allow_existing_users = False
    c.OAuthenticator.allowed_users = {name.strip().lower() for name in oauth.allowed_users}
    c.ProviderLogin.open_to_all = oauth.allow_all and is_public(oauth)
    c.ProviderLogin.allowed_domains = {domain.strip().lower() for domain in oauth.allowed_domains}
    if oauth.provider == "oidc":
        c.OAuthenticator.allowed_groups = set(oauth.allowed_groups)
    elif oauth.provider == "gitlab":
        c.GitLabOAuthenticator.allowed_gitlab_groups = set(oauth.allowed_groups)
    elif oauth.provider == "github":
        c.GitHubOAuthenticator.allowed_organizations = set(oauth.allowed_organizations)
    elif oauth.allowed_domains:
        # With one domain alone alice@school.example is alice, as on the roster.
        c.GoogleOAuthenticator.hosted_domain = list(oauth.allowed_domains)


def _scopes(oauth: OAuth) -> list[str]:
    if oauth.provider == "oidc":
        return ["openid", "profile", "email"]
    if oauth.provider == "github":
        return ["read:org"] if oauth.allowed_organizations else []
    if oauth.provider == "gitlab":
        return ["read_api"] if oauth.allowed_groups else ["read_user"]
    return []


def _groups_of(claim: str) -> Any:
    """Return what reads the groups claim: ``groups``, or ``realm.roles`` for a nested one."""

    def groups(auth_state: Mapping[str, Any]) -> list[str]:
        found: Any = auth_state.get(RoomOIDC.user_auth_state_key)
        for part in claim.split(".") if claim else ():
            found = found.get(part) if isinstance(found, Mapping) else None
        if not claim or found is None:
            return []
        # One group may come as a plain text, and is not its letters.
        found = [found] if isinstance(found, str) else found
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []

    return groups


def _domain(info: Mapping[str, Any]) -> str:
    """Return the domain that the provider answers for, or an empty text."""
    if info.get("hd"):
        return str(info["hd"]).lower()
    verified = info.get("email_verified", info.get("verified_email"))
    email = str(info.get("email") or "")
    return email.rpartition("@")[2].lower() if verified is True else ""
