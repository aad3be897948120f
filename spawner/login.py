"""The login page: by link, by pasting, and what it says when it does not work."""

from __future__ import annotations

import secrets
from typing import Any

from jupyterhub.handlers.login import LoginHandler as HubLoginHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from room.person import Accepted, Refused

#: For how many seconds a login form can be sent; JupyterHub's own page says the same.
ANONYMOUS_FORM = 3600


class LoginRefused(web.HTTPError):
    """A login that does not go through. ``code`` picks the words: see ``login_reason.html``."""

    def __init__(self, code: str, status_code: int = 403) -> None:
        super().__init__(status_code, code)
        self.code = code
        # JupyterHub puts ``reason`` before its own words; there is none for people here.
        self.jupyterhub_message = ""


class LoginHandler(HubLoginHandler):
    """``/hub/login``.

    A link carries its token in the fragment, which no browser sends: the page's script
    takes it out of the address bar and posts it. Without a script it is pasted.
    """

    #: Set when the attempt is over the limit: then the request is not logged either.
    _quiet = False

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")

    async def get(self) -> None:
        """Show the login page; who is logged in goes on, unless the link is somebody else's.

        The server cannot see whose link it is, so the page's script decides which it is.
        """
        if self.current_user:
            self.set_login_cookie(self.current_user)
        # After that, which sets another one than the form below carries.
        self._fresh_xsrf_cookie()
        self.finish(await self._page(going_on=bool(self.current_user)))

    async def post(self) -> None:
        pasted = self.get_body_argument("token", "", strip=False)
        name = self.get_body_argument("username", "")
        verdict = await self.authenticator.attempt(self, pasted, name)
        if not isinstance(verdict, Accepted):
            await self._refuse(verdict, pasted)
            return
        before = self.current_user
        if before and before.name == verdict.login:
            self.redirect(self.get_next_url(before))
            return
        if before and not self.get_body_argument("switch", ""):
            self.finish(await self._page(switch_to=verdict.login, pasted=pasted))
            return
        await self._enter(verdict, pasted)

    async def _enter(self, accepted: Accepted, pasted: str) -> None:
        if self.current_user:
            # The other person's session ends with its tokens; ours begins with an id of its own.
            self.clear_login_cookie()
            self._session_id = secrets.token_hex(16)
            self.set_session_cookie()
        user = await self.login_user({"accepted": accepted, "username": accepted.login})
        if user is None:
            await self._refuse(Refused("used", accepted.login), pasted)
            return
        self._jupyterhub_user = user
        self.redirect(self.get_next_url(user))

    async def _refuse(self, verdict: Any, pasted: str) -> None:
        seconds = getattr(verdict, "seconds", 0)
        self._quiet = bool(seconds)
        self.set_status(429 if seconds else 403)
        if seconds:
            self.set_header("Retry-After", str(seconds))
        reason = "limited" if seconds else verdict.reason
        # What cannot be a token is shown again, to be corrected; a used up one is not.
        again = pasted if reason == "unreadable" and len(pasted) < 200 else ""
        self.finish(await self._page(reason=reason, seconds=seconds, pasted=again))

    def _page(self, **ns: Any) -> Any:
        """Return the page, or an awaitable of it: the caller knows from ``sync``."""
        target = self.get_argument("next", "")
        words = {"reason": "", "seconds": 0, "pasted": "", "switch_to": "", "going_on": False}
        return super().render_template(
            "login.html",
            **{**words, **ns},
            action=url_concat(self.settings["login_url"], {"next": target} if target else {}),
            next_url=self.get_next_url(self.current_user) if self.current_user else "",
            provider=self._provider(target),
            xsrf=self.xsrf_token.decode("ascii"),
        )

    def _provider(self, target: str) -> dict[str, str] | None:
        """Return the button to the provider, when there is one beside the tokens."""
        url = self.authenticator.login_url(self.hub.base_url)
        if url == url_path_join(self.hub.base_url, "login"):
            return None
        url = url_concat(url, {"next": target} if target else {})
        return {"url": url, "name": self.authenticator.login_service}

    def _fresh_xsrf_cookie(self) -> None:
        """Restart the hour that an anonymous form is good for, as JupyterHub's own page does."""
        token = self.xsrf_token
        if self.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate":
            kwargs = dict(self.settings.get("xsrf_cookie_kwargs", {}))
            if not self.current_user:
                kwargs["max_age"] = ANONYMOUS_FORM
            self.set_cookie("_xsrf", token, **kwargs)

    def check_xsrf_cookie(self) -> None:
        try:
            super(HubLoginHandler, self).check_xsrf_cookie()
        except web.HTTPError as error:
            self.log.info("Login form refused: %s", error)
            raise LoginRefused("stale") from None

    def render_template(self, name: str, sync: bool = False, **ns: Any) -> Any:
        """Show what went wrong with a form on the form itself, ready to be sent again."""
        exception = ns.get("exception")
        if name == "error.html" and isinstance(exception, LoginRefused):
            pasted = self.get_body_argument("token", "", strip=False)[:200]
            return self._page(sync=sync, reason=exception.code, pasted=pasted)
        return super(HubLoginHandler, self).render_template(name, sync=sync, **ns)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, LoginRefused):
            super().log_exception(typ, value, tb)

    def _log(self) -> None:
        if not self._quiet:
            super()._log()
