"""For whom login slips are made, and what stands on them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from room import access
from room.person import Membership, Person
from room.slips import by_admin, by_staff, card, members, picked
from room.tokens import new

NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=9)
GONE = NOW - timedelta(days=1)


def person(login: str, *memberships: Membership, **more: object) -> Person:
    return Person(login, memberships=memberships, **more)  # type: ignore[arg-type]


def within(name: str = "a", **more: object) -> Membership:
    return Membership(name, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "end"),
    [
        pytest.param(person("a"), None, id="in-no-class"),
        pytest.param(person("a", until=SOON), SOON, id="their-own"),
        pytest.param(person("a", within()), None, id="class-without"),
        pytest.param(person("a", within(until=SOON)), SOON, id="class"),
        pytest.param(person("a", within(until=SOON), within("b")), None, id="another-goes-on"),
        pytest.param(
            person("a", within(until=SOON), within("b", until=LATER)), LATER, id="the-last-class"
        ),
        pytest.param(
            person("a", within(until=SOON), within("b", archived_at=GONE)), SOON, id="archived"
        ),
        pytest.param(
            person("a", within(until=SOON), within("b", until=GONE)), SOON, id="one-is-over"
        ),
        pytest.param(person("a", within(until=LATER), until=SOON), SOON, id="the-earlier"),
        pytest.param(person("a", within(until=SOON), admin=True), None, id="admin"),
    ],
)
def test_access_ends_when_time_alone_keeps_somebody_out(who: Person, end: datetime | None) -> None:
    assert access.end(who, NOW) == end
    if end is not None:
        assert not access.closed(who, end - timedelta(seconds=1))
        assert access.closed(who, end)


PEOPLE = (
    person("alice", within()),
    person("asta", within(role="assistant")),
    person("bob", within("b")),
    person("gone", within(), revoked_at=GONE),
    person("late", within(until=GONE)),
    person("otto", within(), within("b", role="instructor")),
    person("root", within(), admin=True),
    person("tina", within(role="instructor")),
)


@pytest.mark.parametrize(
    ("people", "logins"),
    [
        pytest.param(members(PEOPLE, "a", NOW), "alice asta otto root tina", id="members"),
        pytest.param(by_staff(PEOPLE, "a", NOW), "alice", id="staff"),
        pytest.param(by_staff(PEOPLE, "b", NOW), "bob", id="other-class"),
        pytest.param(by_admin(PEOPLE, NOW), "alice asta bob otto tina", id="admin"),
    ],
)
def test_slips_are_for(people: tuple[Person, ...], logins: str) -> None:
    assert [each.login for each in people] == logins.split()


@pytest.mark.parametrize(
    ("ticked", "words"),
    [
        pytest.param([], "nobody is ticked", id="nobody"),
        pytest.param(["alice", "bob"], "no slip to make for bob here", id="another-class"),
        pytest.param(["nobody"], "no slip to make for nobody here", id="unknown"),
    ],
)
def test_who_is_not_in_the_table_gets_none(ticked: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        picked(by_staff(PEOPLE, "a", NOW), ticked)


def test_who_is_ticked_twice_gets_one_slip() -> None:
    assert [each.login for each in picked(PEOPLE, ["bob", "alice", "bob"])] == ["bob", "alice"]


@pytest.mark.parametrize(
    ("token_ends", "until"),
    [
        pytest.param(None, LATER, id="the-person-s-end"),
        pytest.param(SOON, SOON, id="the-token-s-end"),
        pytest.param(LATER + timedelta(days=1), LATER, id="the-earlier"),
    ],
)
def test_a_card_tells_the_link_s_end(token_ends: datetime | None, until: datetime) -> None:
    who, token = person("alice", within(until=LATER), name="Alice"), new()
    made = card(who, token, "https://room.example/", NOW, token_ends)
    assert (made.login, made.name, made.until) == ("alice", "Alice", until)
    assert made.link == f"https://room.example/hub/login#token={token}"
    assert made.code.startswith("<svg viewBox=")
