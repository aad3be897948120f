# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""What the hub tells of GPUs and the queue is plain text: the console says it in Chinese, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent import known, nvml, xid
from agent.reading import Reading
from console.render import in_words
from console.words import TOLD
from room.gpus import forecast, inventory
from room.gpus.requests import GPURequest
from room.said import Phrasebook, said
from spawner import admin, use_feed, words
from tests.unit.test_agent_nvml import read
from tests.unit.test_agent_use import looks
from tests.unit.test_console import PREFIX, Console, console, store  # noqa: F401  (fixtures)
from tests.unit.test_console_fleet import TICKET, UNIT, answer
from tests.unit.test_inventory_feed import Agent as Feeding
from tests.unit.test_use_feed import Agent as Using
from tests.utils.fake_nvml import Device, FakeNvml

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc).timestamp()
ONE = inventory.simulated(1).units
#: What stays as it is: names of things, commands, numbers with their unit.
SAME = re.compile(
    r"nvidia-smi --gpu-reset|room (?:gpu undrain|doctor|up)|NVML|NVIDIA|NVLink|GPU|MIG|Xid|UTC|GiB"
    r"|A100|1g\.5gb|\[.*?\]"
)


def healths() -> Iterator[str]:
    yield from map(xid.words, [*xid.FATAL, 999])
    yield from map(known.silence, ("mismatch", "permission", "not-loaded", "[Unknown Error]"))
    yield known.complete(Reading(), ONE, same_boot=True)[0].why
    yield from (nvml.fault(number, "[words]")[1] for number in (15, 16, 999))
    yield read(FakeNvml([Device("GPU-a", ecc=3)])).units[0].why


def requests() -> Iterator[str]:
    for kind, profile in (("any", ""), ("seat", ""), ("mig", ""), ("mig", "1g.5gb")):
        for count in (1, 2):
            for model in ("", "A100"):
                for memory in (0, 40960):
                    yield str(GPURequest(count, kind, model, memory, profile))


def bases() -> Iterator[str]:
    for count in (1, 2):
        for at in (NOON, NOON + 90_000):
            yield forecast._ends_before(count, at, NOON)
    for hours in (1, 2):
        trial = forecast._Trial.__new__(forecast._Trial)
        trial.began, trial.granted = NOON, [None] * 5  # type: ignore[list-item]
        trial.state = type("State", (), {"now": NOON + hours * 3600})()
        yield forecast._rate(trial, 720.0)


def refusals() -> Iterator[str]:
    """Yield what the hub answers when it does not do what an admin wants: read from its source."""
    for node in ast.walk(ast.parse(Path(admin.__file__).read_text())):
        called = isinstance(node, ast.Call) and ast.unparse(node.func) == "web.HTTPError"
        if called and ast.unparse(node.args[0]) == "409":
            parts = getattr(node.args[1], "values", [node.args[1]])
            yield "".join(
                str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "[x]"
                for part in parts
            )


@pytest.mark.parametrize("text", [*healths(), *requests(), *bases(), *refusals()])
def test_it_is_said_in_chinese_to_who_reads_it(text: str) -> None:
    assert in_words(text, "en") == text
    translated = in_words(text, "zh_CN")
    assert re.search(r"[\u4e00-\u9fff]", translated), translated
    assert not re.search(r"[A-Za-z]{2}", SAME.sub("", translated)), translated


async def test_what_silence_means_is_said_in_chinese() -> None:
    never, once = Feeding(), Feeding()
    never.answer = None
    feeds = never.feed(), once.feed()
    await feeds[1].once()
    once.answer, once.seconds = None, 100.0
    never_heard = replace(inventory.simulated(1))
    feeds[0]._good = never_heard
    for feed in feeds:
        await feed.once()
    use = [await Using(answer).feed.latest() for answer in (None, use_feed.Use())]
    clock = [0.0]
    sampler = looks(FakeNvml([Device("GPU-a")]), clock=lambda: clock[0])
    sampler.sample()
    clock[0] = 100.0
    texts = [
        *(feed.latest.units[0].why for feed in feeds),
        *(each.problem for _at, each in use),
        use_feed.NO_AGENT.problem,
        sampler.latest().problem,
    ]
    for text in texts:
        test_it_is_said_in_chinese_to_who_reads_it(text.replace("connection refused", "[x]"))


def test_pages_of_who_reads_chinese_have_it(console: Console) -> None:
    why, basis = xid.words(79), forecast._ends_before(2, NOON + 90_000, NOON)
    ticket = {**TICKET, "request": "2 GPUs with A100", "basis": basis}
    console.hub.fleet_answer = replace(
        answer({**UNIT, "health": "sick", "why": why}, queue=(ticket,)),
        use_problem="the agent has not looked at the GPUs yet",
    )
    session = console.sign_in("root")
    chinese = {"accept-language": "zh"}
    page = console.get("admin/gpus", headers=chinese)
    assert in_words(why, "zh_CN") in page
    assert "代理尚未查看 GPU" in page
    page = console.get("admin/queue", headers=chinese)
    assert "2 个 GPU（A100）" in page  # noqa: RUF001
    assert in_words(basis, "zh_CN") in page
    console.hub.refusal = "That lease has ended already."
    form = {"_csrf": session.csrf, "lease": "l1"}
    refused = console.client.post(f"{PREFIX}admin/gpus/release", data=form, headers=chinese)
    assert "该租约已经结束。" in refused.text


def test_a_text_that_is_nobody_s_rule_stays_as_it_is() -> None:
    for text in ("fan broken", "the card smells of %(x)s", "<b>风扇坏了</b>", "100 %"):
        assert in_words(text, "zh_CN") == text


def test_what_the_queue_s_times_rest_on_is_the_same_for_hub_and_console() -> None:
    assert set(words.BASES) <= set(TOLD)


def test_a_phrasebook_prefers_the_pattern_that_says_most_and_looks_into_values() -> None:
    book = Phrasebook(["%(a)s of %(b)s", "%(n)s of 7", "none of it"])
    assert book.find("2 of 7").pattern == "%(n)s of 7"  # type: ignore[union-attr]
    assert book.find("nothing at all") is None
    whole = book.whole("x of 2 of 7")
    assert whole == "x of 2 of 7"
    assert book.whole("nothing at all") == "nothing at all"
    assert isinstance(whole.values["n"], str)  # type: ignore[attr-defined]
    assert said("%(a)s", a=book.whole("none of it")).values["a"].pattern == "none of it"  # type: ignore[attr-defined]
