"""A lesson in this server: the page that brings its files, and then opens the one that is meant.

Its address names a lesson of the room's and no repository: a link from elsewhere brings nothing
that an instructor of the user's class has not put together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import template, web

from server import lessonwords
from server.lessonfiles import NotBroughtError, bring

#: (method, URL, headers) → (HTTP status, body). Raises ``OSError`` when nobody answers.
Fetch = Callable[[str, str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]

#: The cookie with which the room's pages remember their language.
_LANGUAGE = "room-lang"


class Lessons:
    """The way to the hub, which knows what a lesson is, and one pull at a time."""

    def __init__(self, url: str, token: str, fetch: Fetch) -> None:
        """``url``: of the room's own pages at the hub; empty where there is no hub."""
        self._url, self._token, self._fetch = url, token, fetch
        self._turn = asyncio.Lock()

    async def bring(self, identity: str, home: Path) -> str:
        """Return the path of what opens, once it is there. Raises ``LookupError``: no such lesson.

        Raises ``OSError`` when the hub does not answer, and ``NotBroughtError``.
        """
        headers = {"Authorization": f"token {self._token}", "Accept": "application/json"}
        url = f"{self._url}/lesson/{quote(identity, safe='')}/files"
        status, body = await self._fetch("GET", url, headers)
        if status in (403, 404):
            raise LookupError(identity)
        if status != 200:
            raise OSError(f"the hub answered {status}")
        async with self._turn:
            return await asyncio.to_thread(bring, json.loads(body), home)


class LessonHandler(JupyterHandler):
    """``GET room/lesson/<id>``: a page that asks at once. ``POST``: bring the files, and go on."""

    def initialize(self, lessons: Lessons) -> None:
        self.lessons = lessons

    @property
    def words(self) -> Mapping[str, str]:
        accepted = self.request.headers.get("Accept-Language", "")
        return lessonwords.pick(self.get_cookie(_LANGUAGE) or "", accepted)

    @web.authenticated
    async def get(self, identity: str) -> None:
        self._show()

    @web.authenticated
    async def post(self, identity: str) -> None:
        home = Path(self.settings["server_root_dir"])
        try:
            path = await self.lessons.bring(identity, home)
        except LookupError:
            self._show(self.words["gone"])
        except NotBroughtError as error:
            self.log.warning("Lesson %s: %s %s %s", identity, error.why, error.what, error.told)
            self._show(self.words[error.why].format(what=error.what), error.told)
        except ValueError:
            self._show(self.words["silent"])
        except OSError as error:
            # A file's error has its name; the hub's silence has none.
            name = error.filename
            said = self.words["other"].format(what=name) if name else self.words["silent"]
            self._show(said)
        else:
            self.redirect(url_path_join(self.base_url, "lab/tree", quote(path)), status=303)

    def _show(self, failed: str = "", told: str = "") -> None:
        self.set_header("Cache-Control", "no-store")
        page = template.Loader(str(Path(__file__).parent)).load("lesson.html")
        values: dict[str, Any] = {
            "words": self.words,
            "title": self.words["failed"] if failed else "",
            "failed": failed,
            "told": told,
            "xsrf": self.xsrf_token.decode(),
            "lab": url_path_join(self.base_url, "lab"),
        }
        self.finish(page.generate(**values))
