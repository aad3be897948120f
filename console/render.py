"""Templates → HTML in the reader's language."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from console.told_archives import ARCHIVES
from console.words import TITLES, TOLD, VALUES
from room.languages import COOKIE, LANGUAGES, catalogue, choose
from room.said import Phrasebook, Said, translated
from room.values import readable_size

HERE = Path(__file__).parent
TEMPLATES, STATIC, LOCALE = HERE / "templates", HERE / "static", HERE / "locale"
_TOLD = Phrasebook((*TOLD, *ARCHIVES))


class Pages:
    """``room_title`` is what the pages call the room; ``language`` the one of the room."""

    def __init__(self, prefix: str, room_title: str, language: str, zone: Any) -> None:
        self.prefix = prefix
        self.room_title = room_title
        self.language = language
        self.zone = zone

    def page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page, or the part of one that a script asked for."""
        language = self.language_of(request)
        html = (
            _environment(language)
            .get_template(template)
            .render(
                prefix=self.prefix,
                room_title=self.room_title,
                here=request.url.path,
                language=language,
                html_language=LANGUAGES[language][0],
                languages={code: name for code, (_html, name) in LANGUAGES.items()},
                asset=self.asset,
                when=self.when,
                **values,
            )
        )
        return HTMLResponse(html, status)

    def language_of(self, request: Request) -> str:
        accepted = request.headers.get("accept-language", "")
        return choose(request.cookies.get(COOKIE), accepted, self.language)

    def html_language_of(self, request: Request) -> str:
        return LANGUAGES[self.language_of(request)][0]

    def words(self, request: Request, text: str) -> str:
        """Return one of our sentences in the reader's language."""
        return str(catalogue(LOCALE, self.language_of(request)).gettext(text))

    def asset(self, name: str) -> str:
        """Return a file's address, with its content's hash against old caches."""
        return f"{self.prefix}static/{name}?v={_digest(name)}"

    def when(self, moment: Any) -> str:
        return "" if moment is None else f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"


def in_words(text: str, language: str) -> str:
    """Return what a rule or the hub says in a language; what is not known stays as it is."""
    known = text if isinstance(text, Said) else _TOLD.whole(text)
    return translated(known, catalogue(LOCALE, language).gettext)


@lru_cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@lru_cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        catalogue(LOCALE, language), newstyle=True
    )
    made.filters["size"] = readable_size
    made.filters["counted"] = lambda names: Counter(names).items()
    made.filters["path"] = lambda text: quote(str(text), safe="")
    made.filters["said"] = lambda text: in_words(text, language) if text else ""
    # What is ours to say among what is somebody's own words.
    made.filters["ours"] = lambda text: in_words(text, language) if isinstance(text, Said) else text
    made.filters["title_of"] = lambda name: catalogue(LOCALE, language).gettext(
        TITLES.get(name, name)
    )
    made.filters["value_of"] = lambda text: catalogue(LOCALE, language).gettext(
        VALUES.get(text, text)
    )
    return made
