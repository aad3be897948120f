"""A class's folder in the whole room: from `room user` to JupyterLab's files, by the real agent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from cli.student import Student
from cli.studentserver import Server
from tests.utils.room import ComposedRoom

pytestmark = pytest.mark.room


def test_what_an_instructor_writes_is_read_and_what_a_student_hands_in_is_the_staffs(
    running_room: ComposedRoom,
) -> None:
    room = running_room
    people = {"cdines": "instructor", "cdanna": "student", "cdbela": "student"}
    for login, role in people.items():
        room.run("user", "add", login, "--no-link", "--class", "cd101", "--role", role)

    async def lesson() -> None:
        async with AsyncExitStack() as stack:
            servers: dict[str, Server] = {}
            for login in people:
                student = await stack.enter_async_context(Student(room.address))
                await student.log_in(room.token(login), login)
                servers[login] = student.server()
                await servers[login].ready({"profile": "cpu"})
            ines, anna, bela = servers.values()
            await ines.write("class/cd101/lesson.txt", "one")
            assert (await anna.read("class/cd101/lesson.txt"))["content"] == "one"
            await anna.write("class/cd101/hand-in/work.txt", "anna's")
            found = await ines.read("class/cd101/hand-in/cdanna/work.txt")
            assert found["content"] == "anna's"
            handed_in = (await ines.read("class/cd101/hand-in"))["content"]
            assert {each["name"] for each in handed_in} == {"cdanna", "cdbela"}
            assert (await bela.read("class/cd101/hand-in"))["content"] == []
            for server in servers.values():
                await server.stop()

    asyncio.run(lesson())
    folder = room.data_root / "classes" / "cd101" / "folder"
    assert (folder / "lesson.txt").read_text() == "one"
    assert (room.data_root / "classes").stat().st_mode & 0o777 == 0o700
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (0, 0o1775)
