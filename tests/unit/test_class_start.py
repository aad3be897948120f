"""The profile of a class: whose start page and whose start without a choice it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from room.environments.book import Environments
from room.environments.model import Build
from room.lessons.book import Lessons
from room.lessons.model import Content, Source
from room.models import Reject, SpawnOptions
from spawner import options
from spawner.spawner import RoomSpawner

PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "Large", "slug": "large"},
    {"display_name": "Larger", "slug": "larger"},
    {"display_name": "Imaged", "slug": "imaged", "spawner_override": {"image": "other:1"}},
]
#: Who is in class c may not start the largest.
PLANS = [{"who": ["class/c"], "limits": {"profiles": "cpu, large"}}]
SOURCE = Source("git", "https://git.example.org/x")


@pytest.fixture
def spawner(tmp_path: Path) -> Iterator[RoomSpawner]:
    traits = {
        "store_url": f"sqlite:///{tmp_path / 'room.sqlite'}",
        "profile_list": PROFILES,
        "plans": PLANS,
    }
    made = RoomSpawner(config=Config(RoomSpawner=traits))
    made.orm_spawner = SimpleNamespace(user_options={}, server=None, name="")
    yield made
    made.shared_services().store.close()


def within(spawner: RoomSpawner, *classes: str) -> RoomSpawner:
    groups = [SimpleNamespace(name=name) for name in classes]
    spawner.user = SimpleNamespace(name="alice", groups=groups, spawners={})
    return spawner


def book(spawner: RoomSpawner) -> Lessons:
    return Lessons(spawner.shared_services().store, actor="test")


def usual(spawner: RoomSpawner) -> str:
    """Return what a start without a choice gets."""
    parsed = options.parse({}, asyncio.run(spawner.load_profiles()))
    assert isinstance(parsed, SpawnOptions)
    return str(parsed.profile)


@pytest.mark.parametrize(
    ("said", "classes", "expected"),
    [
        pytest.param({}, ["a"], "cpu", id="nothing-said"),
        pytest.param({"a": "large"}, ["a"], "large", id="said"),
        pytest.param({"a": "large"}, ["b"], "cpu", id="another-class"),
        pytest.param({"a": "large"}, [], "cpu", id="no-class"),
        pytest.param({"a": "large", "b": "larger"}, ["b", "a"], "large", id="first-by-name"),
        pytest.param({"a": "nosuch", "b": "larger"}, ["a", "b"], "larger", id="gone-from-the-room"),
        pytest.param({"c": "larger"}, ["c"], "cpu", id="not-in-the-plan"),
        pytest.param({"b": "large", "c": "larger"}, ["b", "c"], "large", id="the-one-that-is"),
    ],
)
def test_a_start_without_a_choice_is_the_class_s(
    spawner: RoomSpawner, said: dict[str, str], classes: list[str], expected: str
) -> None:
    for name, profile in said.items():
        book(spawner).set_default(name, profile)
    assert usual(within(spawner, *classes)) == expected


def test_what_was_chosen_last_is_selected_before_it(spawner: RoomSpawner) -> None:
    book(spawner).set_default("a", "large")
    usual(within(spawner, "a"))
    assert [card.slug for card in spawner.cards() if card.selected] == ["large"]
    spawner.orm_spawner.user_options = {"profile": "larger"}
    assert [card.slug for card in spawner.cards() if card.selected] == ["larger"]


def test_a_database_that_does_not_answer_keeps_nobody_from_starting(
    spawner: RoomSpawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: Any) -> dict[str, str]:
        raise OperationalError("select", {}, Exception("the disk is gone"))

    monkeypatch.setattr(Lessons, "defaults", broken)
    assert usual(within(spawner, "a")) == "cpu"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(Content("x", SOURCE, "large"), "", id="there"),
        pytest.param(Content("x", SOURCE), "", id="the-usual-one"),
        pytest.param(Content("x", SOURCE, "nosuch"), "profile-unknown", id="gone-profile"),
        pytest.param(Content("x", SOURCE, "larger"), "plan-profile", id="not-in-the-plan"),
    ],
)
def test_what_cannot_be_started_is_said_before(
    spawner: RoomSpawner, content: Content, reason: str
) -> None:
    lesson = book(spawner).add("c", content)
    found = asyncio.run(within(spawner, "c").lesson_refused(lesson))
    assert (found.reason if isinstance(found, Reject) else "") == reason


@pytest.mark.parametrize(
    ("profile", "classes", "expected"),
    [
        pytest.param("cpu", ["c"], {"profile": "cpu", "environment": "c"}, id="own-image"),
        pytest.param("", ["c"], {"profile": "large", "environment": "c"}, id="the-class-s-profile"),
        pytest.param("imaged", ["c"], {"profile": "imaged"}, id="a-profile-with-an-image"),
        pytest.param("cpu", [], {"profile": "cpu"}, id="an-admin-in-no-class"),
        pytest.param("cpu", ["b"], {"profile": "cpu"}, id="another-class"),
    ],
)
def test_a_lesson_starts_with_its_class_s_packages_and_profile(
    spawner: RoomSpawner, profile: str, classes: list[str], expected: dict[str, str]
) -> None:
    book(spawner).set_default("c", "large")
    built = Build("1", "c", "tina", "einops", 0.0, state="built", lock="einops==1", tag="t:1")
    Environments(spawner.shared_services().store, actor="test").announce(built)
    lesson = book(spawner).add("c", Content("x", SOURCE, profile))
    assert asyncio.run(within(spawner, *classes).lesson_options(lesson)) == expected


def test_a_link_names_a_lesson_or_none(spawner: RoomSpawner) -> None:
    lesson = book(spawner).add("a", Content("x", SOURCE))
    assert asyncio.run(spawner.find_lesson(lesson.id)) == lesson
    assert asyncio.run(spawner.find_lesson("nowhere")) is None
