"""What a role allows, and in which of the hub's scopes: tables, and what holds for any room."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyterhub.roles import _validate_role_name
from jupyterhub.scopes import expand_scopes, parse_scopes

from room import access
from room.person import Membership, Person
from room.roles import MAY, ROLES, openable, staff
from room.roster import normalize_class
from spawner.class_roles import SCOPES, role_name, scopes, wanted
from spawner.closing import over
from spawner.pages import kept_from

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
BEFORE, LATER = NOW - timedelta(seconds=1), NOW + timedelta(days=1)


def person(login: str, /, *member: Membership, **more) -> Person:
    return Person(login, memberships=member, **more)


def member(class_name: str, role: str = "student", **more) -> Membership:
    return Membership(class_name, role, **more)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        pytest.param("student", set(), id="student"),
        pytest.param("assistant", {"see", "open", "stop", "collect"}, id="assistant"),
        pytest.param(
            "instructor",
            {"see", "open", "stop", "start", "give", "collect", "publish", "link"},
            id="instructor",
        ),
    ],
)
def test_what_each_role_may(role, may) -> None:
    assert MAY[role] == may


def test_each_role_may_what_the_one_below_it_may() -> None:
    for less, more in pairwise(ROLES):
        assert MAY[less] < MAY[more]
    assert {act for acts in MAY.values() for act in acts} == set(SCOPES)


@pytest.mark.parametrize(
    ("who", "closed"),
    [
        pytest.param(person("a"), "", id="in no class"),
        pytest.param(person("a", member("x")), "", id="in a class"),
        pytest.param(person("a", member("x", until=NOW)), "classes-over", id="its last moment"),
        pytest.param(person("a", member("x", until=LATER)), "", id="still to come"),
        pytest.param(person("a", member("x", archived_at=BEFORE)), "classes-over", id="archived"),
        pytest.param(
            person("a", member("x", archived_at=BEFORE), member("y")), "", id="in another class"
        ),
        pytest.param(
            person("a", member("x", archived_at=BEFORE), admin=True), "", id="an admin stays in"
        ),
        pytest.param(person("a", member("x"), until=NOW), "expired", id="their own time"),
        pytest.param(
            person("a", admin=True, until=BEFORE), "expired", id="an admin's own time ends, too"
        ),
        pytest.param(
            person("a", member("x"), revoked_at=BEFORE, until=NOW), "revoked", id="revoked first"
        ),
    ],
)
def test_who_is_kept_out_and_why(who, closed) -> None:
    assert access.closed(who, NOW) == closed
    ends = closed in ("expired", "classes-over")
    assert over([who], NOW) == ({"a"} if ends else set())


@pytest.mark.parametrize(
    ("members", "roles"),
    [
        pytest.param([member("x"), member("x", "instructor")], {"x": "instructor"}, id="claimed"),
        pytest.param([member("x", "instructor"), member("x")], {"x": "instructor"}, id="either"),
        pytest.param(
            [member("x", "instructor", until=NOW), member("x", source="provider")],
            {"x": "student"},
            id="the role is over, the claim is not",
        ),
        pytest.param(
            [member("x", "instructor", archived_at=BEFORE), member("y")],
            {"y": "student"},
            id="archived",
        ),
    ],
)
def test_the_role_somebody_has_in_a_class(members, roles) -> None:
    assert access.roles(person("a", *members), NOW) == roles


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(person("b", member("x", "assistant")), id="the class's own assistant"),
        pytest.param(person("b", member("x"), member("y", "instructor")), id="staff elsewhere"),
        pytest.param(person("b", member("x"), admin=True), id="an admin"),
        pytest.param(person("b", member("y")), id="of another class"),
        pytest.param(person("b", member("x", until=NOW)), id="not in it any more"),
    ],
)
def test_whose_server_the_staff_of_x_may_not_open(who) -> None:
    alice = person("alice", member("x"))
    assert openable([who, alice], "x", NOW) == ("alice",)


def test_a_former_role_elsewhere_keeps_nobody_from_being_helped() -> None:
    former = person("b", member("x"), member("y", "instructor", until=NOW))
    assert openable([former], "x", NOW) == ("b",)


def test_who_is_kept_out_has_no_role() -> None:
    assert staff(person("b", member("x", "instructor"), revoked_at=BEFORE), NOW) == {}
    assert wanted([person("b", member("x", "instructor"), until=NOW)], NOW).roles == {}


def test_an_instructor_of_two_classes_has_a_role_in_each_and_none_where_they_study() -> None:
    bob = person("bob", member("x", "instructor"), member("y", "instructor"), member("z"))
    found = wanted([bob, person("alice", member("z"))], NOW)
    assert {name: role.users for name, role in found.roles.items()} == {
        "class-x-instructor": {"bob"},
        "class-y-instructor": {"bob"},
    }
    assert found.groups_of("bob") == {"x", "y", "z"}
    assert found.groups_of("somebody else") == frozenset()


def test_the_scopes_of_an_assistant() -> None:
    assert set(scopes("ml101", "assistant", ["alice"])) == {
        "admin-ui",
        "list:users!group=ml101",
        "read:users:name!group=ml101",
        "read:users:activity!group=ml101",
        "read:servers!group=ml101",
        "list:groups!group=ml101",
        "read:groups!group=ml101",
        "access:servers!user=alice",
        "delete:servers!group=ml101",
    }
    assert scopes("ml101", "student", ["alice"]) == ()


#: What provider or roster may call a class: to get into a filter, or out of it.
HOSTILE = [
    "ml 101",
    "课程",
    "ml101!group=dl202",
    "ml101,dl202",
    "=",
    "!user",
    "ml101\nadmin",
    "ML101",
    "../dl202",
    "*",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_no_role_whoever_says_it(name) -> None:
    claimed = person("eve", Membership(name, "instructor", "provider"))
    assert wanted([claimed], NOW).roles == {}
    if name.lower() != "ml101":
        with pytest.raises(ValueError, match="is no class name"):
            normalize_class(name)


CLASSES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
LOGINS = st.from_regex(r"[a-z0-9][a-z0-9._@+-]{0,63}", fullmatch=True)
MEMBERSHIPS = st.builds(
    Membership,
    st.one_of(CLASSES, st.sampled_from(["x", "x-assistant", "y", *HOSTILE])),
    st.sampled_from(ROLES),
    st.sampled_from(["roster", "provider"]),
    st.sampled_from([None, BEFORE, LATER]),
    st.sampled_from([None, None, BEFORE]),
)
PEOPLE = st.lists(
    st.builds(
        Person,
        st.one_of(LOGINS, st.sampled_from(["class-x-instructor", "x", "root"])),
        admin=st.booleans(),
        memberships=st.lists(MEMBERSHIPS, max_size=4).map(tuple),
        until=st.sampled_from([None, None, BEFORE, LATER]),
    ),
    max_size=6,
    unique_by=lambda each: each.login,
)


@settings(deadline=None)
@given(PEOPLE)
def test_no_role_reaches_beyond_its_class(people) -> None:
    """Every scope is filtered, to this class or to students of it that have no rights of theirs."""
    by_login = {each.login: each for each in people}
    found = wanted(people, NOW)
    for name, role in found.roles.items():
        _validate_role_name(name)
        match = re.fullmatch(r"class-(.+)-(assistant|instructor)", name)
        class_name, kind = match.groups()
        for login in role.users:
            assert access.roles(by_login[login], NOW)[class_name] == kind
            assert not access.closed(by_login[login], NOW)
        parsed = dict(parse_scopes(expand_scopes(role.scopes)))
        assert parsed.pop("admin-ui") is not None
        opened = parsed.pop("access:servers", {"user": set()})
        assert opened.keys() == {"user"}
        for login in opened["user"]:
            student = by_login[login]
            assert access.roles(student, NOW)[class_name] == "student"
            assert not student.admin
            assert not any(login in other.users for other in found.roles.values())
        for filters in parsed.values():
            assert filters == {"group": {class_name}}


@settings(deadline=None)
@given(CLASSES, CLASSES, st.sampled_from(ROLES), st.sampled_from(ROLES))
def test_two_roles_never_have_one_name(first, second, role, other) -> None:
    same = (first, role) == (second, other)
    assert (role_name(first, role) == role_name(second, other)) == same


@pytest.mark.parametrize(
    ("may", "kept"),
    [
        pytest.param({"admin-ui"}, ["no-hub", "no-people", "no-start"], id="nothing else"),
        pytest.param(scopes("x", "assistant", []), ["no-hub", "no-people", "no-start"], id="helps"),
        pytest.param(scopes("x", "instructor", []), ["no-hub", "no-people"], id="instructs"),
        pytest.param(["shutdown", "admin:users", "admin:servers"], [], id="an admin"),
    ],
)
def test_what_the_page_of_people_leaves_out(may, kept) -> None:
    own = ["start:servers!user=bob"]
    assert kept_from(parse_scopes(expand_scopes([*may, *own]))) == kept
