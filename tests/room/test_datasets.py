"""A dataset in the whole room: from the command on the host to a student's files, and its end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cli.errors import Problem
from cli.student import Student
from tests.utils.room import ComposedRoom

pytestmark = pytest.mark.room


def test_what_the_command_publishes_is_a_student_s_until_it_is_retired(
    running_room: ComposedRoom, tmp_path: Path
) -> None:
    room = running_room
    for login, class_name in (("dsanna", "ds101"), ("dsotto", "ds102")):
        room.run("user", "add", login, "--no-link", "--class", class_name)
    source = tmp_path / "cats"
    source.mkdir()
    (source / "labels.csv").write_text("1,tabby\n" * 1000)
    said = room.run("dataset", "publish", "dscats", str(source), "--class", "ds101").stdout
    assert "dscats@1 is published: 1 file" in said

    async def look() -> None:
        async with Student(room.address) as student:
            await student.log_in(room.token("dsotto"), "dsotto")
            with pytest.raises(Problem, match="There is no dataset 'dscats'"):
                await student.server().ready({"profile": "cpu", "datasets": ["dscats"]})
        async with Student(room.address) as student:
            await student.log_in(room.token("dsanna"), "dsanna")
            server = student.server()
            await server.ready({"profile": "cpu", "datasets": ["dscats"]})
            labels = await server.read("datasets/dscats/labels.csv")
            assert labels["content"] == (source / "labels.csv").read_text()
            page = (await server.read("datasets/README/dscats.md"))["content"]
            assert 'pandas.read_csv("/datasets/dscats/labels.csv")' in page
            (container,) = room.containers("dsanna")
            told = dict(each.split("=", 1) for each in container.attrs["Config"]["Env"])
            assert json.loads(told["ROOM_DATASETS"])["dscats"]["version"] == 1
            written = container.exec_run("touch /datasets/dscats/mine", user="0:0")
            assert "Read-only file system" in written.output.decode()
            room.run("dataset", "retire", "dscats")
            kept = room.run("dataset", "prune", "--older-than", "1m", "--yes").stdout
            assert "Nothing to remove" in kept
            assert (await server.read("datasets/dscats/labels.csv"))["size"] > 0
            await server.stop()
            with pytest.raises(Problem, match="There is no dataset 'dscats'"):
                await server.ready({"profile": "cpu", "datasets": ["dscats"]})

    asyncio.run(look())
    (stored,) = (room.data_root / "datasets/versions/dscats").iterdir()
    assert "1 file" not in room.run("dataset", "verify", "dscats").stdout
    assert (stored / "tree/labels.csv").exists()
