"""What a user's server knows of its lease: when it asks the hub, and what it then says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from server import lease

NOW = 1_795_500_000.0  # 2026-11-24 06:00 UTC
ENDS = "2026-11-24T07:00:00+00:00"
HOUR = {"ends": ENDS, "extend": True, "extend_seconds": 3600, "units": [{"uuid": "GPU-1"}]}

#: Of a seat without an end, whose server was warned.
WATCHED = {"keep": 5, "notices": [{"id": "seat-1", "level": "warning", "text": "Free some."}]}


class Hub:
    """Answers what ``replies`` holds, the last one again and again; OSError as its exceptions."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.time = 1000.0
        self.warnings: list[str] = []
        self.lease = lease.Lease(
            "http://hub/hub/room/lease", "secret", self.fetch, self.warnings.append,
            clock=lambda: self.time, now=lambda: NOW,
        )  # fmt: skip

    async def fetch(self, method: str, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append((method, url, headers))
        await asyncio.sleep(0)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        status, body = reply
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(
    ("api", "found"),
    [
        pytest.param("http://hub:8081/hub/api", "http://hub:8081/hub/room/lease", id="usual"),
        pytest.param("http://hub/api/hub/api/", "http://hub/api/hub/room/lease", id="slash"),
        pytest.param("", "", id="no-hub"),
    ],
)
def test_the_address_is_beside_the_hubs_api(api: str, found: str) -> None:
    assert lease.address(api) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param(HOUR, HOUR, id="whole"),
        pytest.param({}, {}, id="nothing"),
        pytest.param({"more": 1}, {}, id="a-newer-hub's"),
        pytest.param({"ends": None, "units": None, "why": None}, {}, id="null"),
        pytest.param({"ends": "soon"}, {}, id="no-time"),
        pytest.param({"ends": "2026-11-24T07:00:00"}, {}, id="a-time-of-no-zone"),
        pytest.param({"extend": "no", "extend_seconds": "1"}, {}, id="other-kinds"),
        pytest.param({"notices": ["x", {"id": "1"}]}, {"notices": [{"id": "1"}]}, id="entries"),
        pytest.param({"keep": 5}, {"keep": 5}, id="a-shared-card"),
        pytest.param({"keep": 0}, {"keep": lease.KEEP_FRESH}, id="too-often"),
        pytest.param({"keep": 9999}, {"keep": lease.KEEP}, id="too-seldom"),
    ],
)
def test_an_answer_has_every_key_of_its_kind(said: Any, found: dict[str, Any]) -> None:
    assert lease.shaped(json.dumps(said).encode()) == {**lease.NOTHING, **found}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null"])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json's or ours
        lease.shaped(body)


async def test_the_answer_counts_from_the_servers_clock_and_shows_the_token() -> None:
    hub = Hub((200, HOUR))
    said = await hub.lease.answer("zh-CN")
    assert said == {**lease.NOTHING, **HOUR, "left": 3600.0, "again": 30.0}
    ((method, url, headers),) = hub.asked
    assert (method, url) == ("GET", "http://hub/hub/room/lease")
    assert headers["Authorization"] == "token secret"
    assert headers["Accept-Language"] == "zh-CN"


@pytest.mark.parametrize(
    ("first", "after", "fresh", "language", "asks"),
    [
        pytest.param((200, HOUR), 29, False, "", 1, id="kept"),
        pytest.param((200, HOUR), 30, False, "", 2, id="old"),
        pytest.param((200, HOUR), 1, True, "", 1, id="fresh-too-soon"),
        pytest.param((200, HOUR), 2, True, "", 2, id="fresh"),
        pytest.param((200, HOUR), 1, False, "zh", 2, id="another-language"),
        pytest.param((200, WATCHED), 4, False, "", 1, id="a-seat"),
        pytest.param((200, WATCHED), 5, False, "", 2, id="a-seat-old"),
        pytest.param((200, WATCHED), 1, False, "zh", 2, id="a-notice-in-another-language"),
        pytest.param((200, {}), 1, False, "zh", 1, id="nothing-to-translate"),
        pytest.param((200, {}), 29, True, "", 1, id="no-lease"),
        pytest.param((200, {}), 30, True, "", 2, id="no-lease-old"),
        pytest.param((404, {}), 599, True, "", 1, id="another-kind-of-hub"),
        pytest.param((404, {}), 600, False, "", 2, id="another-kind-of-hub-later"),
        pytest.param(OSError("away"), 29, False, "", 1, id="away"),
        pytest.param(OSError("away"), 30, True, "", 2, id="away-later"),
    ],
)
async def test_the_hub_is_asked_when_the_answer_is_old(
    first: Any, after: float, fresh: bool, language: str, asks: int
) -> None:
    hub = Hub(first)
    await hub.lease.answer()
    hub.time += after
    await hub.lease.answer(language, fresh)
    assert len(hub.asked) == asks


async def test_pages_are_told_when_there_may_be_news() -> None:
    hub = Hub((200, WATCHED))
    assert (await hub.lease.answer())["again"] == 5.0
    hub.time += 3
    assert (await hub.lease.answer())["again"] == 2.0
    assert len(hub.asked) == 1


async def test_pages_that_ask_together_are_one_question() -> None:
    hub = Hub((200, HOUR))
    said = await asyncio.gather(*(hub.lease.answer() for _ in range(20)))
    assert len(hub.asked) == 1
    assert all(entry == said[0] for entry in said)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(OSError("refused"), id="away"),
        pytest.param((500, {}), id="failing"),
        pytest.param((403, {}), id="refusing"),
        pytest.param((200, b"<html>"), id="a-page"),
    ],
)
async def test_a_hub_that_fails_leaves_what_is_known_and_is_logged_once(failure: Any) -> None:
    hub = Hub((200, HOUR), failure)
    await hub.lease.answer()
    for _ in range(3):
        hub.time += 60
        assert (await hub.lease.answer())["ends"] == ENDS
    assert len(hub.asked) == 4
    assert len(hub.warnings) == 1
    assert "secret" not in hub.warnings[0]


async def test_a_hub_that_knows_leases_no_more_takes_the_countdown_away() -> None:
    hub = Hub((200, HOUR), (404, {}))
    await hub.lease.answer()
    hub.time += 60
    assert (await hub.lease.answer())["left"] is None
    assert hub.warnings == []


async def test_without_a_hub_nobody_is_asked() -> None:
    async def never(*_: Any) -> tuple[int, bytes]:
        raise AssertionError("asked")

    known = lease.Lease("", "", never, pytest.fail)
    assert await known.answer() == {**lease.NOTHING, "left": None, "again": 0.0}


LATER = {**HOUR, "ends": "2026-11-24T08:00:00+00:00"}


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        pytest.param((200, LATER), 200, {"left": 7200.0}, id="given"),
        pytest.param((409, {"message": "2 wait."}), 409, {"message": "2 wait."}, id="refused"),
        pytest.param((409, b"<html>"), 503, {"message": ""}, id="refused-by-a-page"),
        pytest.param((404, {}), 503, {"message": ""}, id="another-kind-of-hub"),
        pytest.param((500, {}), 503, {"message": ""}, id="failing"),
        pytest.param(OSError("away"), 503, {"message": ""}, id="away"),
    ],
)
async def test_more_time_is_given_refused_or_not_answered(
    reply: Any, status: int, said: dict[str, Any]
) -> None:
    hub = Hub(reply)
    found, body = await hub.lease.extend()
    assert hub.asked[0][:2] == ("POST", "http://hub/hub/room/lease/extend")
    assert found == status
    assert said.items() <= body.items()


async def test_given_time_is_known_at_once_and_a_refusal_asks_for_its_reason() -> None:
    hub = Hub((200, LATER), (409, {"message": "2 wait."}), (200, {**LATER, "extend": False}))
    await hub.lease.extend()
    assert (await hub.lease.answer())["left"] == 7200.0
    assert len(hub.asked) == 1
    await hub.lease.extend()
    assert (await hub.lease.answer(fresh=True))["extend"] is False


async def test_the_hub_hears_that_a_page_was_used_with_its_next_question_and_once() -> None:
    hub = Hub((200, {}))
    await hub.lease.answer()
    await hub.lease.answer(here=True)
    assert len(hub.asked) == 1, "no question for that alone"
    hub.time += 30
    await hub.lease.answer()
    hub.time += 30
    await hub.lease.answer()
    address = "http://hub/hub/room/lease"
    assert [url for _, url, _ in hub.asked] == [address, f"{address}?here=1", address]


async def test_who_says_that_somebody_is_there_has_the_new_answer() -> None:
    hub = Hub((200, {"notices": [{"id": "idle-1"}]}), (200, {}))
    assert (await hub.lease.answer())["notices"]
    status, said = await hub.lease.stay()
    assert (status, said["notices"]) == (200, [])
    assert hub.asked[-1][:2] == ("POST", "http://hub/hub/room/lease/stay")
    hub.time += 1
    assert (await hub.lease.answer())["notices"] == []


async def test_who_keeps_an_unused_gpu_has_the_new_answer() -> None:
    hub = Hub((200, {"notices": [{"id": "gpu-1"}]}), (200, {}))
    assert (await hub.lease.answer())["notices"]
    status, said = await hub.lease.keep()
    assert (status, said["notices"]) == (200, [])
    assert hub.asked[-1][:2] == ("POST", "http://hub/hub/room/lease/keep")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        pytest.param((200, {"page": "/hub/r"}), (200, {"page": "/hub/r"}), id="it-restarts"),
        pytest.param((409, {"message": "In use."}), (409, {"message": "In use."}), id="refused"),
        pytest.param((200, {"ends": None}), (503, {"message": ""}), id="says-no-page"),
        pytest.param((404, {}), (503, {"message": ""}), id="knows-no-such-thing"),
        pytest.param(OSError("away"), (503, {"message": ""}), id="silent"),
    ],
)
async def test_who_gives_it_back_learns_where_the_restart_is_seen(reply: Any, told: Any) -> None:
    hub = Hub((200, HOUR), reply)
    await hub.lease.answer()
    assert await hub.lease.give_back("zh-CN") == told
    method, url, headers = hub.asked[-1]
    assert (method, url) == ("POST", "http://hub/hub/room/lease/cpu")
    assert headers["Accept-Language"] == "zh-CN"
