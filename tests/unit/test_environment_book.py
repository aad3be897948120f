"""Which environment a class has, what it can go back to, and what the audit says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from room import audit
from room.environments.book import KEPT, Environments, NoSuchEnvironmentError
from room.environments.model import Build
from room.store import Store
from room.store.migrate import upgrade

BUILD = Build(
    "1", "ml101", "tina", "einops\n", 0.0, state="built", base="b", lock="l", tag="t:1", size=7
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Environments]:
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(store)
    yield Environments(store, actor="tina", origin="console page 10.0.0.7")
    store.close()


def announced(book: Environments, *numbers: int, class_name: str = "ml101") -> None:
    for number in numbers:
        build = replace(BUILD, id=f"{class_name}{number}", class_name=class_name, tag=f"t:{number}")
        assert book.announce(build)


def tags(book: Environments, class_name: str = "ml101") -> tuple[str, list[str]]:
    holds, others = book.of(class_name)
    return holds.tag if holds else "", [each.tag for each in others]


def test_what_was_built_last_holds_and_the_former_ones_can_be_gone_back_to(
    book: Environments,
) -> None:
    announced(book, 1, 2, 3, 4)
    assert tags(book) == ("t:4", ["t:3", "t:2"])
    assert len(tags(book)[1]) + 1 == KEPT
    holds, others = book.of("ml101")
    book.go_back("ml101", others[1].id)
    assert tags(book) == ("t:2", ["t:4", "t:3"])
    assert holds is not None
    with pytest.raises(NoSuchEnvironmentError):
        book.go_back("dl202", holds.id)
    assert [each.tag for each in book.in_force()] == ["t:2"]


def test_the_same_image_again_is_one_to_go_back_to(book: Environments) -> None:
    announced(book, 1)
    book.announce(replace(BUILD, id="again", tag="t:1"))
    assert tags(book) == ("t:1", [])
    assert book.kept() == {"t:1"}


def test_a_build_is_announced_once(book: Environments) -> None:
    assert book.announce(BUILD)
    announced(book, 2)
    # A console that was cut short asks again: what came since stays.
    assert book.announce(BUILD)
    assert tags(book) == ("t:2", ["t:1"])


def test_what_was_built_anew_holds_only_where_it_stands_for_what_holds(book: Environments) -> None:
    announced(book, 1)
    holds, _ = book.of("ml101")
    assert holds is not None
    anew = replace(BUILD, id="anew", tag="t:9", replaces=holds.id)
    announced(book, 2)
    assert not book.announce(anew)
    assert tags(book) == ("t:2", ["t:1"])
    book.go_back("ml101", holds.id)
    assert book.announce(anew)
    assert tags(book)[0] == "t:9"


def test_switched_off_a_class_has_none_and_its_images_stay(book: Environments) -> None:
    announced(book, 1, 2)
    book.switch_off("ml101")
    assert tags(book) == ("", ["t:2", "t:1"])
    assert book.in_force() == []
    assert book.kept() == {"t:1", "t:2"}
    with pytest.raises(NoSuchEnvironmentError):
        book.switch_off("ml101")


def test_somebody_is_told_of_their_own_classes_by_name(book: Environments) -> None:
    announced(book, 1)
    announced(book, 2, class_name="dl202")
    assert [each.class_name for each in book.in_force(["ml101", "dl202"])] == ["dl202", "ml101"]
    assert [each.class_name for each in book.in_force(["ml101"])] == ["ml101"]
    assert book.in_force([]) == []


def test_each_change_is_in_the_audit(book: Environments) -> None:
    announced(book, 1, 2)
    book.go_back("ml101", book.of("ml101")[1][0].id)
    book.switch_off("ml101")
    with book.store.read() as connection:
        entries, _ = audit.read(connection)
    assert [(each.action, each.detail) for each in entries] == [
        ("environment-off", "t:1"),
        ("environment-back", "t:1"),
        ("environment", "t:2"),
        ("environment", "t:1"),
    ]
    assert {(each.actor, each.subject) for each in entries} == {("tina", "ml101")}
