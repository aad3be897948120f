"""A class's environment in the whole room: built by the real agent, imported by a student."""

from __future__ import annotations

import asyncio
import json
import re
import stat

import pytest

from cli.student import Student
from tests.utils.room import ComposedRoom

pytestmark = pytest.mark.room

PAGE = "services/console/class/en101/environment"


async def build(student: Student, text: str) -> str:
    """Ask for an environment on the class's page; return the page once nothing is under way."""
    page = (await student.send("The page", "GET", PAGE)).text
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf is not None, page
    form = {"_csrf": csrf[1], "act": "build", "requirements": text}
    answer = await student.send("Building", "POST", PAGE, data=form)
    assert answer.status_code in (200, 303), answer.text
    for _ in range(120):
        page = (await student.send("The page", "GET", PAGE)).text
        if "hx-trigger" not in page:
            return page
        await asyncio.sleep(1)
    raise AssertionError(page)


def test_what_an_instructor_builds_a_student_imports(running_room: ComposedRoom) -> None:
    room = running_room
    for login, role in {"enines": "instructor", "enanna": "student"}.items():
        room.run("user", "add", login, "--no-link", "--class", "en101", "--role", role)

    async def lesson() -> tuple[str, str]:
        async with Student(room.address) as ines, Student(room.address) as anna:
            await ines.log_in(room.token("enines"), "enines")
            page = await build(ines, "einops\n")
            await anna.log_in(room.token("enanna"), "enanna")
            server = anna.server()
            await server.ready({"profile": "cpu"})
            async with server.kernel() as kernel:
                look = "import einops, os, torch; print(einops.__file__, os.environ[{!r}])"
                seen = await kernel.execute(look.format("ROOM_ENVIRONMENT"))
            await server.stop()
            return page, seen.stdout

    page, seen = asyncio.run(lesson())
    where, _, told = seen.partition(" ")
    assert where.startswith("/usr/local/lib/")
    tag = json.loads(told)["image"]
    assert json.loads(told)["class"] == "en101"
    assert tag in page
    assert tag.startswith(f"torchroom/class-{room.name}:")
    # Where packages come from is root's to read: passwords may be in it.
    written = room.data_root / "state" / "agent" / "builds.json"
    assert (written.stat().st_uid, stat.S_IMODE(written.stat().st_mode)) == (0, 0o600)
    assert room.service("hub").exec_run(["cat", str(written)]).exit_code != 0
