"""The hub's pages: where their templates and files are, and what the templates call."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, pass_context
from jinja2.ext import Extension
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from tornado.httputil import url_concat

from room.datasets.choice import MOST
from room.values import readable_size
from spawner import giveback, handlers, i18n, lessons, ownroom, stages
from spawner.availability import Availability, rough
from spawner.datasetpicker import Offer
from spawner.homepage import HomeUsageHandler
from spawner.words import bases, translate

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"


def configure(c: Any, settings: Any) -> None:
    """Put our templates before JupyterHub's, and name the room in them."""
    c.JupyterHub.template_paths = [str(TEMPLATES)]
    c.JupyterHub.jinja_environment_options = {"extensions": [i18n.Translations, Tools]}
    c.JupyterHub.template_vars.update({"room_title": title(settings.name)})


def title(name: str) -> str:
    """Return what the pages call the room: the product, and the room's own name if it has one."""
    return "Torchroom" if name == "torchroom" else f"Torchroom {name}"


def routes() -> list[tuple[Any, ...]]:
    """Return the handlers that the pages need, under the hub's prefix."""
    return [
        (r"/room/static/(.*)", CacheControlStaticFilesHandler, {"path": str(STATIC)}),
        (r"/room/language/([A-Za-z_]+)", i18n.LanguageHandler),
        (r"/home-usage", HomeUsageHandler),
        *handlers.routes(),
        *ownroom.routes(),
        *giveback.routes(),
        *lessons.routes(),
    ]


@lru_cache
def asset(name: str) -> str:
    """Return a file's path below the hub's prefix, with its content's hash against old caches."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"room/static/{name}?v={digest}"


# -- the start page's cards --------------------------------------------------------------------


async def start_form(spawner: Any) -> str:
    """Return the start page's cards as HTML, for ``Spawner.options_form``; nothing without any."""
    gpus = await _availability(spawner)
    cards = spawner.cards()
    if not cards:
        return ""
    warned = await spawner.home_warning()
    handler = getattr(spawner, "handler", None)
    return (
        _environment()
        .get_template("cards.html")
        .render(
            cards=cards,
            gpus=gpus,
            home=warned.message if warned else "",
            home_page=_home_page(spawner, handler),
            chosen=chosen([card for card in cards if not _forbidden(card, gpus)]),
            handler=handler,
            room_language=_room_language(handler),
            style=_style("cards.css"),
            offers=await _offers(spawner),
            environments=await _environments(spawner),
            most=MOST,
            datasets_style=_style("datasets.css"),
        )
    )


async def _availability(spawner: Any) -> Mapping[str, Availability]:
    try:
        found: Mapping[str, Availability] = await spawner.availability()
    except SQLAlchemyError as error:
        # How many are free is a help, and no reason to have no page.
        spawner.log.warning("The start page cannot say which GPUs are free: %s", error)
        return {}
    return found


async def _offers(spawner: Any) -> Sequence[Offer]:
    try:
        found: Sequence[Offer] = await spawner.dataset_offers()
    except SQLAlchemyError as error:
        # Who chooses none gets what there is when the server starts.
        spawner.log.warning("The start page cannot list the datasets: %s", error)
        return ()
    return found


async def _environments(spawner: Any) -> Sequence[Any]:
    try:
        found: Sequence[Any] = await spawner.environment_offers()
    except SQLAlchemyError as error:
        # Who chooses none gets that of their first class.
        spawner.log.warning("The start page cannot list the environments: %s", error)
        return ()
    return found


def _style(name: str) -> Markup:
    return Markup((STATIC / name).read_text("utf-8"))  # noqa: S704  (our own file)


def _home_page(spawner: Any, handler: Any) -> str:
    """Return the address of the page that shows what fills the home."""
    base = handler.hub.base_url if handler else "/hub/"
    return url_concat(f"{base}home-usage", {"user": spawner.user.name})


def _forbidden(card: Any, gpus: Mapping[str, Availability]) -> bool:
    return card.slug in gpus and bool(gpus[card.slug].forbidden)


def chosen(cards: Sequence[Any]) -> str | None:
    """Return the card to preselect: the selected one, or the first that can be had."""
    able = [card for card in cards if card.available]
    best = next((card for card in able if card.selected), able[0] if able else None)
    return None if best is None else best.slug


def _room_language(handler: Any) -> str:
    variables = handler.settings.get("template_vars", {}) if handler else {}
    return str(variables.get("room_language", "en"))


@lru_cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, extensions=[i18n.Translations, Tools]
    )


# -- what templates call -----------------------------------------------------------------------


class Tools(Extension):
    """Our functions and filters, in each of JupyterHub's two environments and in our own."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(
            asset=asset,
            stages=lambda: [stage for stage in stages.STAGES if stage.id != "ready"],
            viewer=_viewer,
            query=_query,
            last_ended=last_ended,
            gpu_meter=gpu_meter,
            refusal=_refusal,
            known_refusal=_known_refusal,
            server_name=_server_name,
            failure=_failure,
            bases=_bases,
            kept_from=_kept_from,
        )
        environment.filters.update(words=_words, size=readable_size, number=number, rough=rough)


@pass_context
def _words(context: Any, text: str) -> str:
    """Say what a rule says in the reader's language."""
    return translate(str(text), i18n.page_language(context))


@pass_context
def _bases(context: Any) -> list[tuple[str, str]]:
    """Return what the waiting room needs to say estimates' reasons in the reader's language."""
    return bases(i18n.page_language(context))


@pass_context
def _viewer(context: Any) -> str:
    """Return who looks at the page. A template's ``user`` is whose server it is about."""
    user = getattr(i18n.handler_of(context), "current_user", None)
    return str(user.name) if user else ""


@pass_context
def _kept_from(context: Any) -> str:
    """Return the style classes for what the reader of the page of people may not do."""
    return " ".join(kept_from(getattr(i18n.handler_of(context), "parsed_scopes", None) or {}))


def kept_from(scopes: Mapping[str, Any]) -> list[str]:
    """Say what somebody with these parsed scopes may not do on the page of people. Pure."""
    start = scopes.get("start:servers", {})
    others = not isinstance(start, Mapping) or "group" in start
    return [
        name
        for name, may in (
            ("no-hub", "shutdown" in scopes),
            ("no-people", "admin:users" in scopes),
            ("no-start", others),
        )
        if not may
    ]


@pass_context
def _query(context: Any, name: str) -> str:
    """Return a value of the page's address."""
    handler = i18n.handler_of(context)
    return str(handler.get_query_argument(name, "")) if handler else ""


def last_ended(user: Any, server_name: str) -> str | None:
    """Return why somebody's server ended last time, from a spawner that knows."""
    if user is None or server_name not in user.orm_user.orm_spawners:
        return None
    ask = getattr(user.spawners[server_name], "last_ended", None)
    why: str | None = ask() if ask else None
    return why


def gpu_meter(user: Any) -> Any:
    """Return what somebody has used of their GPU-hours, from a spawner that knows; or None."""
    ask = getattr(user.spawner, "gpu_meter", None) if user is not None else None
    try:
        return ask() if ask else None
    except SQLAlchemyError as error:
        # A meter is a help, and no reason to have no page.
        user.spawner.log.warning("A page cannot say what GPU-hours are left: %s", error)
        return None


_ASK = "Try again in a minute; if it happens again, tell the admin, whose log says why."
#: JupyterHub's own refusals have no words for people: how to know each, and ours for it.
_OWN_REFUSALS = (
    (re.compile(r"is already running"), "Your server runs already."),
    (re.compile(r"pending (spawn|stop|check)"), "Your server is starting or stopping already."),
    (re.compile(r"HTTP 429"), f"Too many servers are starting at the same time. {_ASK}"),
    (
        re.compile(r"already has the maximum of (\d+) named servers"),
        "You have {} servers beside your own, and no more are allowed. Remove one first.",
    ),
    (
        re.compile(r"Invalid (server|display)_name"),
        "A server's name has small letters, digits, and - between them; at most 30 characters.",
    ),
    (re.compile(r"Named servers are not enabled"), "In this room everybody has one server."),
)


def own_words(message: str) -> str:
    """Return our words for a refusal of JupyterHub's, or none."""
    for pattern, words in _OWN_REFUSALS:
        found = pattern.search(message)
        if found:
            return words.format(*found.groups())
    return ""


@pass_context
def _refusal(context: Any, message: str | None, html: str | None) -> str:
    """Say why a start was refused. Words for people come with HTML beside them; the rest do not."""
    if html and message:
        return _words(context, message)
    return _words(context, own_words(message or "") or f"The server could not be started. {_ASK}")


@pass_context
def _known_refusal(context: Any, message: str | None) -> str:
    """Say what JupyterHub refused, if we have words for it."""
    return _words(context, own_words(message or ""))


@pass_context
def _server_name(context: Any) -> str:
    """Return the server that the page's address names; the default one has none."""
    parts = getattr(i18n.handler_of(context), "path_args", None) or []
    return str(parts[1] or "") if len(parts) > 1 else ""


@pass_context
def _failure(context: Any, message: str | None, exception: Any) -> str:
    """Say why a start failed."""
    if message:
        return _words(context, message)
    if getattr(exception, "reason", "") == "timeout":
        words = "Your server took too long to start, so the start was given up."
    else:
        words = "The server could not be started."
    return _words(context, f"{words} {_ASK}")


def number(value: float) -> str:
    """Return a number without decimals it does not need: 2, 0.5."""
    return f"{value:.4g}"
