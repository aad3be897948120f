"""Names are injective, and fit where they are used."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room import names

anything = st.text(min_size=1, max_size=80)
servers = st.one_of(st.just(""), st.text(min_size=1, max_size=60))


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        pytest.param("alice", "alice", id="plain"),
        pytest.param("a-b", "a-2db", id="dash"),
        pytest.param("a_b", "a-5fb", id="underscore"),
        pytest.param("a-2db", "a-2d2db", id="looks-like-an-escape"),
        pytest.param("A-B", "-41-2d-42", id="upper-case"),
        pytest.param("é", "-c3-a9", id="two-bytes"),
    ],
)
def test_escape_is_one_to_one_on_names_that_look_alike(login: str, expected: str) -> None:
    assert names.escape(login) == expected


def test_the_four_logins_of_the_issue_are_four_homes() -> None:
    homes = {names.home_directory(login) for login in ("a-b", "a_b", "a-2db", "A-B")}
    assert len(homes) == 4


@given(anything, servers, anything, servers)
def test_two_servers_share_a_name_only_when_they_are_one(
    user: str, server: str, other: str, another: str
) -> None:
    same = names.container("room", user, server) == names.container("room", other, another)
    assert same == ((user, server) == (other, another))


@given(st.text(min_size=1, max_size=400), st.text(max_size=400))
def test_a_container_name_is_a_dns_label(user: str, server: str) -> None:
    name = names.container("abcdefghijklmno", user, server)
    assert len(name) <= names.MAX_LENGTH
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)


@given(st.text(min_size=48, max_size=300), st.text(min_size=48, max_size=300))
def test_long_names_stay_apart(user: str, other: str) -> None:
    assert (names.key(user) == names.key(other)) == (user == other)


def test_a_default_server_and_a_named_one_never_meet() -> None:
    assert names.key("a", "b") != names.key("a--sb")
    assert names.key("a", "b") != names.key("ab")


@pytest.mark.parametrize(
    ("text", "login"),
    [
        pytest.param("alice", "alice", id="plain"),
        pytest.param("  Alice ", "alice", id="spaces-and-case"),
        pytest.param("a.b_c-d@school.edu", "a.b_c-d@school.edu", id="mail-address"),
    ],
)
def test_a_login_is_trimmed_and_lower_case(text: str, login: str) -> None:
    assert names.normalize_login(text) == login


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("../../etc", id="path"),
        pytest.param("alice smith", id="space"),
        pytest.param("a" * 300, id="300-characters"),
        pytest.param("😀", id="emoji"),
        pytest.param("\u0430lice", id="cyrillic-a"),
        pytest.param("-alice", id="leading-dash"),
    ],
)
def test_a_hostile_login_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="at most 64 characters"):
        names.normalize_login(text)
