"""The hub's pages in the reader's language: gettext, chosen anew for each rendering.

JupyterHub has no translations, and one Jinja environment for everybody. The functions
that its templates call therefore look up the request: the language of the cookie that
the switch in the footer sets, else the browser's, else the room's.
"""

from __future__ import annotations

import gettext as gnu
from pathlib import Path
from typing import Any

from jinja2 import Environment, pass_context
from jinja2.ext import InternationalizationExtension
from jupyterhub.handlers.base import BaseHandler

from room import languages
from room.languages import COOKIE, LANGUAGES, choose

LOCALE = Path(__file__).parent / "locale"


def configure(c: Any, settings: Any) -> None:
    """Set the room's language; ``pages.configure`` sets the extension that translates."""
    c.JupyterHub.template_vars.update({"room_language": settings.language})


def catalogue(language: str) -> gnu.NullTranslations:
    """Return a language's catalogue of the hub's pages."""
    return languages.catalogue(LOCALE, language)


def language_of(handler: Any, default: str) -> str:
    """Return the language for who sent a request; the room's when there is none."""
    request = getattr(handler, "request", None)
    if request is None:
        return choose(None, "", default)
    cookie = handler.get_cookie(COOKIE)
    return choose(cookie, request.headers.get("Accept-Language", ""), default)


def handler_of(context: Any) -> Any:
    """Return the handler whose page is being rendered, or None.

    ``static_url`` is a bound method of it, and the only way from JupyterHub's template
    variables to the request.
    """
    return getattr(context.get("static_url"), "__self__", None) or context.get("handler")


def page_language(context: Any) -> str:
    """Return the language of the page that is being rendered."""
    return language_of(handler_of(context), context.get("room_language") or "en")


@pass_context
def _gettext(context: Any, message: str) -> str:
    return catalogue(page_language(context)).gettext(message)


@pass_context
def _ngettext(context: Any, singular: str, plural: str, n: int) -> str:
    return catalogue(page_language(context)).ngettext(singular, plural, n)


@pass_context
def _translated(context: Any, text: str) -> str:
    """Translate a text that is no format: a profile's title may hold a per cent sign."""
    return catalogue(page_language(context)).gettext(text) if text else ""


@pass_context
def _html_language(context: Any) -> str:
    return LANGUAGES[page_language(context)][0]


@pass_context
def _here(context: Any) -> str:
    """Return where to come back to after the language was switched."""
    request = getattr(handler_of(context), "request", None)
    if request is None:
        return ""
    return str(request.uri if request.method == "GET" else request.path)


class Translations(InternationalizationExtension):
    """Jinja's ``{% trans %}`` and ``_()``, with the catalogue found at each call."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            _gettext, _ngettext, newstyle=True
        )
        environment.filters["translated"] = _translated
        environment.globals.update(
            html_language=_html_language,
            page_language=pass_context(page_language),
            here=_here,
            languages={code: name for code, (_, name) in LANGUAGES.items()},
        )


class LanguageHandler(BaseHandler):
    """``/hub/room/language/<language>``: remember the choice, and go back."""

    def get(self, language: str) -> None:
        if language in LANGUAGES:
            self._set_cookie(COOKIE, language, encrypted=False, expires_days=365)
        target = self._validate_next_url(self.get_argument("next", ""))
        self.redirect(target or self.hub.base_url)
