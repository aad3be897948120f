"""The page that a lesson's link leads to: it starts what the lesson needs, and opens it.

A link can be followed from any site, so following it only shows: a server is started or stopped by
a form of the page's own, which JupyterHub checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from room.datasets.rights import Who
from room.lessons import starting
from room.lessons.model import Lesson
from room.lessons.rules import follows
from spawner import options
from spawner.giveback import begin_restart, restart_page
from spawner.handlers import OwnLease

if TYPE_CHECKING:
    # At run time it comes the other way round: the spawner's parts import the pages.
    from spawner.classstart import Runs


class _LessonHandler(BaseHandler):
    """What all pages of a lesson do first: see who asks, and whether it is theirs."""

    def viewer(self) -> Any:
        """Return who asks; a program has no lessons."""
        if self.current_user.kind != "user":
            raise web.HTTPError(404)
        return self.current_user

    async def lesson(self, user: Any, identity: str) -> Lesson:
        return await _lesson_of(user, identity)

    def address(self, lesson: Lesson, *parts: str) -> str:
        return url_path_join(self.hub.base_url, "room/lesson", lesson.id, *parts)


class LessonHandler(_LessonHandler):
    """``GET room/lesson/<id>``: what it starts, and one button. ``POST``: start it instead."""

    @web.authenticated
    async def get(self, identity: str) -> None:
        await self._get(user_name=self.viewer().name, identity=identity)

    @needs_scope("servers")
    async def _get(self, user_name: str, identity: str) -> None:
        user = self.find_user(user_name)
        lesson = await self.lesson(user, identity)
        spawner = user.spawners[""]
        if lesson.retired_at is not None:
            await self._show(user, lesson, over=True)
        elif spawner.owner in spawner.services.restarting:
            self._to_restart(spawner, lesson)
        elif spawner.ready:
            wanted, runs = await spawner.lesson_options(lesson), await spawner.what_runs()
            lack = _lack(lesson, wanted, runs)
            if not lack:
                self.redirect(self.address(lesson, "open"))
                return
            await self._show(user, lesson, lack=lack)
        elif spawner.pending == "spawn":
            parts = (self.hub.base_url, "spawn-pending", user.escaped_name)
            onward = {"next": self.address(lesson, "open")}
            self.redirect(url_concat(url_path_join(*parts), onward))
        else:
            await self._show(user, lesson)

    @web.authenticated
    async def post(self, identity: str) -> None:
        await self._post(user_name=self.viewer().name, identity=identity)

    @needs_scope("servers")
    async def _post(self, user_name: str, identity: str) -> None:
        """Stop what runs, and start what the lesson needs, unless that is refused before."""
        user = self.find_user(user_name)
        lesson = await self.lesson(user, identity)
        spawner = user.spawners[""]
        refused = await spawner.lesson_refused(lesson)
        wanted, runs = await spawner.lesson_options(lesson), await spawner.what_runs()
        # Nothing is awaited from here on: of two clicks at once one is first.
        restarting, owner = spawner.services.restarting, spawner.owner
        busy = spawner.pending or not spawner.ready or owner in restarting
        if busy or lesson.retired_at is not None:
            self.redirect(self.address(lesson))
        elif refused is not None:
            lack = _lack(lesson, wanted, runs)
            await self._show(user, lesson, lack=lack, refused=refused.message)
        else:
            restarting.add(owner)
            begin_restart(self, spawner, wanted)
            self._to_restart(spawner, lesson)

    def _to_restart(self, spawner: Any, lesson: Lesson) -> None:
        onward = {"next": self.address(lesson, "open"), "for": "lesson"}
        self.redirect(url_concat(restart_page(self.hub.base_url, spawner), onward))

    async def _show(self, user: Any, lesson: Lesson, **more: Any) -> None:
        spawner = user.spawners[""]
        if not more:
            refused = await spawner.lesson_refused(lesson)
            more = {"refused": refused.message if refused else ""}
        titles = {card.slug: card.display_name for card in spawner.cards()}
        slug = lesson.content.profile
        self.set_header("Cache-Control", "no-store")
        self.finish(
            await self.render_template(
                "lesson.html",
                user=user,
                lesson=lesson,
                profile=titles.get(slug, slug),
                chosen=await spawner.lesson_options(lesson),
                datasets_field=options.DATASETS,
                spawn=url_concat(
                    url_path_join(self.hub.base_url, "spawn", user.escaped_name),
                    {"next": self.address(lesson, "open")},
                ),
                address=self.address(lesson),
                **{"over": False, "lack": None, "refused": "", **more},
            )
        )


class OpenHandler(_LessonHandler):
    """``GET room/lesson/<id>/open``: on to the server, which brings the files; it has to run."""

    @web.authenticated
    async def get(self, identity: str) -> None:
        user = self.viewer()
        lesson = await self.lesson(user, identity)
        if lesson.retired_at is not None or not user.spawners[""].ready:
            self.redirect(self.address(lesson))
            return
        self.redirect(url_path_join(user.server_url(""), "room/lesson", lesson.id))


class FilesHandler(OwnLease):
    """``GET room/lesson/<id>/files`` with a server's own token: what to bring, and what opens."""

    async def get(self, identity: str) -> None:
        lesson = await _lesson_of(self.own_spawner().user, identity)
        if lesson.retired_at is not None:
            raise web.HTTPError(404)
        source = lesson.content.source
        self.say(
            {
                "title": lesson.content.title,
                "class": lesson.class_name,
                "kind": source.kind,
                "repository": source.repository,
                "branch": source.branch,
                "path": source.path,
                "place": lesson.place,
                "page": lesson.content.page,
            }
        )


def _lack(lesson: Lesson, wanted: Mapping[str, Any], runs: Runs) -> starting.Lack:
    """Return what a server that runs lacks for a lesson."""
    return starting.lack(lesson, wanted, runs.chosen, runs.datasets, runs.environment)


async def _lesson_of(user: Any, identity: str) -> Lesson:
    """Return a lesson that somebody may follow; any other is not there."""
    lesson: Lesson | None = await user.spawners[""].find_lesson(identity)
    who = Who(user.name, bool(user.admin), frozenset(group.name for group in user.groups))
    if lesson is None or not follows(who, lesson.class_name):
        raise web.HTTPError(404)
    return lesson


def routes() -> list[tuple[str, type[BaseHandler]]]:
    """Return the handlers, under the hub's prefix."""
    return [
        (r"/room/lesson/([a-z0-9]{1,16})", LessonHandler),
        (r"/room/lesson/([a-z0-9]{1,16})/open", OpenHandler),
        (r"/room/lesson/([a-z0-9]{1,16})/files", FilesHandler),
    ]
