"""What is known of containers from lists and events: tables."""

from __future__ import annotations

from typing import Any

import pytest

from engine.mirror import LAG, Event, Mirror

ALICE = {"user": "alice"}


def event(action: str, at: float, container: str = "c") -> Event:
    return Event(container, action, at, ALICE)


def entry(state: str = "running", container: str = "c") -> dict[str, Any]:
    return {"Id": container, "State": state, "Labels": ALICE}


def after(*told: Event | list[dict[str, Any]]) -> Mirror:
    """Return a mirror that was told events as they came, and lists that were read at once."""
    mirror = Mirror()
    for each in told:
        if isinstance(each, Event):
            mirror.tell(each, each.at)
        else:
            mirror.listed(mirror.begin(), each)
    return mirror


@pytest.mark.parametrize(
    ("told", "running"),
    [
        pytest.param([], None, id="nothing told"),
        pytest.param([event("start", 1)], None, id="an event, and no list yet"),
        pytest.param([[entry()]], True, id="listed as running"),
        pytest.param([[entry("created")]], False, id="listed as created"),
        pytest.param([[]], None, id="not listed: only the engine can say that it is gone"),
        pytest.param([[], event("start", 1)], True, id="started after the list"),
        pytest.param([[entry()], event("die", 1)], False, id="ended"),
        pytest.param([[entry()], event("die", 1), event("destroy", 2)], False, id="gone"),
        pytest.param([[], event("start", 1), event("start", 1)], True, id="start told twice"),
        pytest.param(
            [[], event("start", 1), event("die", 2), event("start", 1)],
            False,
            id="an old event told again",
        ),
        pytest.param(
            [[], event("start", 1), event("die", 2), event("start", 3)], True, id="started again"
        ),
        pytest.param([[entry()], event("kill", 1)], True, id="a signal is no end"),
        pytest.param([[entry()], event("die", 1), []], None, id="the next list forgets it"),
    ],
)
def test_what_is_known_of_a_container(told: list[Any], running: bool | None):
    assert after(*told).running("c", ALICE) is running


def test_a_container_of_somebody_else_is_not_known():
    assert after([entry()]).running("c", {"user": "bob"}) is None


@pytest.mark.parametrize(
    ("told", "explained"),
    [
        pytest.param([event("die", 2)], False, id="ended"),
        pytest.param([event("kill", 1), event("die", 2)], True, id="killed through the engine"),
        pytest.param([event("oom", 1), event("die", 2)], True, id="memory ran out"),
        pytest.param([event("die", 1), event("oom", 2)], True, id="told of the cause later"),
        pytest.param([event("kill", 1), event("start", 2)], False, id="began anew since"),
    ],
)
def test_why_a_container_ended_is_known(told: list[Event], explained: bool):
    assert after([entry()], *told).explained("c") is explained


def test_a_stream_that_broke_is_believed_again_after_a_list():
    mirror = after([entry()])
    mirror.broke()
    assert mirror.running("c", ALICE) is None
    mirror.listed(mirror.begin(), [entry()])
    assert mirror.running("c", ALICE) is True


def test_an_event_that_comes_late_makes_it_stale_until_the_next_list():
    mirror = after([entry(), entry(container="d")])
    assert mirror.tell(event("die", 100.0, "d"), 100.0 + LAG)
    assert mirror.fresh
    assert not mirror.tell(event("destroy", 101.0, "d"), 101.5 + LAG)
    assert mirror.running("c", ALICE) is None
    mirror.listed(mirror.begin(), [entry()])
    assert mirror.running("c", ALICE) is True


def test_an_event_told_while_a_list_is_read_is_never_older_than_it():
    mirror = after([entry(), entry("created", "d")])
    reading = mirror.begin()
    mirror.tell(event("die", 1), 1)
    mirror.tell(event("start", 1, "d"), 1)
    assert mirror.listed(reading, [entry(), entry("created", "d")]) == []
    assert mirror.running("c", ALICE) is False
    assert mirror.running("d", ALICE) is True


def test_a_list_says_what_no_event_told():
    mirror = after([entry(), entry("created", "d"), entry("exited", "e")])
    found = mirror.listed(mirror.begin(), [entry("exited"), entry("running", "d")])
    assert found == ["c", "d"]


def test_a_list_that_did_not_come_changes_nothing():
    mirror = after([entry()])
    mirror.failed(mirror.begin())
    mirror.tell(event("die", 1), 1)
    assert mirror.running("c", ALICE) is False
