"""Uploads on the disk: whatever ends on the way, a connection or the machine, no byte is wrong."""

from __future__ import annotations

import asyncio
import time
from errno import EIO
from pathlib import Path

import pytest
from fastapi import HTTPException
from hypothesis import given, settings
from hypothesis import strategies as st

from console.incoming import Incoming, NoSuchUploadError, Upload
from console.tus import WRITE, Storage
from room.datasets.uploads import Limits, Sent, expired, refusal

GIB = 1024**3
STEPS = ["send", "cut", "kill", "crash", "stale"]


def incoming_at(root: Path, boot: str = "") -> Incoming:
    """Return what a console that has just been started has, of this or another start."""
    made = Incoming(root)
    made._boot = boot or made._boot
    return made


def begin(incoming: Incoming, *files: Sent) -> Upload:
    about = {"description": None, "licence": None, "source": None}
    return incoming.begin(
        actor="tina",
        name="cats",
        classes=("a",),
        about=about,
        unpack=False,
        began=time.time(),
        files=files,
    )


@pytest.mark.parametrize(
    ("files", "others", "reason"),
    [
        pytest.param([1], [], None, id="one"),
        pytest.param([], [], "no-file", id="none"),
        pytest.param([0] * 10_000, [], None, id="as many as there may be"),
        pytest.param([0] * 10_001, [], "too-many-files", id="one more"),
        pytest.param([1], [1] * 4, None, id="fifth upload"),
        pytest.param([1], [1] * 5, "too-many-uploads", id="sixth upload"),
        pytest.param([GIB], [GIB], None, id="as large as they may be"),
        pytest.param([GIB, 1], [GIB], "too-large", id="a byte more"),
    ],
)
def test_what_somebody_may_upload(files: list[int], others: list[int], reason: str | None) -> None:
    sent = [Sent(f"{number}", size) for number, size in enumerate(files)]
    refused = refusal(sent, others, Limits(2 * GIB, 7))
    assert (refused and refused.reason) == reason


@pytest.mark.parametrize(
    ("days", "over"), [pytest.param(6.9, False, id="young"), pytest.param(7.1, True, id="old")]
)
def test_how_long_one_waits(days: float, over: bool) -> None:
    assert expired(1000.0, 1000.0 + days * 86400, Limits(1, 7)) is over


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 60),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 25))),
)
def test_what_came_is_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, size: int, steps: list[tuple[str, int]]
) -> None:
    root = tmp_path_factory.mktemp("incoming")
    data = bytes(range(size))
    incoming, boots, kept = incoming_at(root, "1"), 1, 0
    upload = begin(incoming, Sent("a/b", size))
    for step, count in [*steps, ("send", size)]:
        at = incoming.offset(upload, 0)
        if step == "stale":
            # Somebody who was taken over writes what is there already.
            at = max(0, at - count)
        incoming.write(upload, 0, at, data[at : at + count])
        if step in ("send", "stale"):
            incoming.keep(upload, 0)
            kept = incoming.offset(upload, 0)
        if step == "crash":
            boots += 1
            part = root / upload.id / "parts" / "0"
            # Of what was not synced anything may be left, with anything in it.
            part.write_bytes(part.read_bytes()[:kept] + b"\xff" * (count % 7))
        if step in ("kill", "crash"):
            incoming = incoming_at(root, f"{boots}")
            upload = incoming.get(upload.id)
        assert incoming.offset(upload, 0) >= kept
    assert incoming.offset(upload, 0) == size
    incoming.finish_all(upload)
    assert (root / upload.id / "tree" / "a" / "b").read_bytes() == data
    assert incoming.arrived(upload).files == 1
    incoming.finish(upload, 0)
    assert incoming_at(root, "9").offset(incoming.get(upload.id), 0) == size


async def test_who_comes_later_takes_a_file_over(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path)
    upload = begin(incoming, Sent("a", 4 * WRITE))
    storage, uid = Storage(incoming), f"{upload.id}-0"
    cut, over = asyncio.Event(), asyncio.Event()

    async def first() -> int:
        async with storage.lock(uid):
            await storage.append(uid, b"1" * WRITE)
            cut.set()
            await over.wait()
            with pytest.raises(HTTPException) as refused:
                await storage.append(uid, b"x" * WRITE)
            return refused.value.status_code

    async def second() -> None:
        await cut.wait()
        # It does not wait for one that nobody speaks to any more.
        async with storage.lock(uid):
            assert (await storage.read_info(uid))["offset"] == WRITE  # type: ignore[index]
            await storage.append(uid, b"2" * WRITE)
            over.set()
            await storage.flush(uid)

    status, _ = await asyncio.wait_for(asyncio.gather(first(), second()), 10)
    assert status == 409
    part = tmp_path / upload.id / "parts" / "0"
    assert part.read_bytes() == b"1" * WRITE + b"2" * WRITE
    assert storage._writers == {}


async def test_what_is_removed_is_written_no_more(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path)
    upload = begin(incoming, Sent("a", 4 * WRITE))
    storage, uid = Storage(incoming), f"{upload.id}-0"
    async with storage.lock(uid):
        await storage.append(uid, b"1" * WRITE)
        await storage.release(upload)
        incoming.remove(upload.id)
        with pytest.raises(HTTPException):
            await storage.flush(uid)
    assert incoming.all() == []
    assert not await storage.exists(uid)
    with pytest.raises(NoSuchUploadError):
        incoming.find(uid)


async def test_a_disk_that_fails_is_no_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = Incoming(tmp_path)
    upload = begin(incoming, Sent("a", 4 * WRITE))
    storage, uid = Storage(incoming), f"{upload.id}-0"

    def broken(*_: object) -> None:
        raise OSError(EIO, "Input/output error")

    monkeypatch.setattr(incoming, "write", broken)
    async with storage.lock(uid):
        with pytest.raises(OSError, match="Input/output error"):
            await storage.append(uid, b"1" * WRITE)
