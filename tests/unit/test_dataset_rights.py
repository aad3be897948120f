"""Who may see, publish and share which datasets: tables of the rule."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from room.datasets import rights
from room.datasets.model import Dataset, Version
from room.datasets.rights import MOST, UnderWay, Who

NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)
ROOT = Who("root", admin=True)
TINA = Who("tina", classes=frozenset({"a", "b", "c"}), teaches=frozenset({"a", "b"}))
ALICE = Who("alice", classes=frozenset({"a"}))
NOBODY = Who("nobody")


def dataset(*classes: str, owner: str = "otto", retired: bool = False) -> Dataset:
    version = Version(1, "d" * 64, 10, 1, NOW, owner, NOW if retired else None)
    return Dataset("cats", "", "", "", owner, NOW, classes, (version,))


@pytest.mark.parametrize(
    ("who", "known", "sees", "manages"),
    [
        pytest.param(ROOT, dataset(), True, True, id="admin, nobody's"),
        pytest.param(ROOT, dataset("z", retired=True), True, True, id="admin, retired"),
        pytest.param(TINA, dataset("a"), True, True, id="own class"),
        pytest.param(TINA, dataset("a", "b"), True, True, id="own classes"),
        pytest.param(TINA, dataset("a", "z"), True, False, id="another class, too"),
        pytest.param(TINA, dataset("c"), True, False, id="a class she only attends"),
        pytest.param(TINA, dataset("*"), True, False, id="everybody's"),
        pytest.param(TINA, dataset("a", "*"), True, False, id="own class and everybody"),
        pytest.param(TINA, dataset("z"), False, False, id="another's"),
        pytest.param(TINA, dataset(), False, False, id="for nobody yet"),
        pytest.param(TINA, dataset(owner="tina"), True, True, id="own, for nobody yet"),
        pytest.param(TINA, dataset("z", owner="tina"), True, True, id="own, of another class"),
        pytest.param(TINA, dataset("*", owner="tina"), True, True, id="own, everybody's"),
        pytest.param(TINA, dataset("a", retired=True), True, True, id="own class, retired"),
        pytest.param(ALICE, dataset("a"), True, False, id="student"),
        pytest.param(ALICE, dataset("a", retired=True), False, False, id="student, retired"),
        pytest.param(ALICE, dataset("*"), True, False, id="student, everybody's"),
        pytest.param(ALICE, dataset("z"), False, False, id="student, another's"),
        pytest.param(ALICE, dataset(owner="alice"), False, False, id="taught once"),
        pytest.param(NOBODY, dataset(), False, False, id="in no class"),
        pytest.param(NOBODY, dataset("*"), True, False, id="in no class, everybody's"),
    ],
)
def test_who_sees_and_manages_a_dataset(
    who: Who, known: Dataset, sees: bool, manages: bool
) -> None:
    assert rights.sees(who, known) is sees
    assert rights.manages(who, known) is manages


@pytest.mark.parametrize(
    ("who", "classes", "known", "under_way", "reason"),
    [
        pytest.param(TINA, ["a"], None, [], "", id="new, own class"),
        pytest.param(TINA, [], None, [], "", id="new, for nobody yet"),
        pytest.param(TINA, ["a", "b"], dataset("a"), [], "", id="new version"),
        pytest.param(TINA, ["a"], dataset("z", owner="tina"), [], "", id="own"),
        pytest.param(ROOT, ["*"], dataset("z"), [], "", id="admin, everybody"),
        pytest.param(ROOT, ["z"], None, [UnderWay("dogs", "root")], "", id="another name"),
        pytest.param(ALICE, [], None, [], "no-instructor", id="student"),
        pytest.param(NOBODY, [], None, [], "no-instructor", id="in no class"),
        pytest.param(TINA, ["*"], None, [], "everyone", id="everybody"),
        pytest.param(TINA, ["a", "*"], dataset("a"), [], "everyone", id="and everybody"),
        pytest.param(TINA, ["a", "c"], None, [], "not-your-class", id="only attends"),
        pytest.param(TINA, ["z"], None, [], "not-your-class", id="another class"),
        pytest.param(TINA, ["a"], dataset("a", "z"), [], "not-yours", id="shared further"),
        pytest.param(TINA, ["a"], dataset("*"), [], "not-yours", id="everybody's"),
        pytest.param(TINA, ["a"], dataset("z"), [], "taken", id="unseen"),
        pytest.param(TINA, ["a"], dataset(), [], "taken", id="unseen, nobody's"),
        pytest.param(TINA, ["a"], None, [UnderWay("cats", "otto")], "taken", id="begun by another"),
        pytest.param(TINA, ["a"], None, [UnderWay("cats", "tina")], "under-way", id="twice"),
        pytest.param(ROOT, ["a"], None, [UnderWay("cats", "otto")], "under-way", id="admin waits"),
    ],
)
def test_who_publishes_under_which_name(
    who: Who, classes: list[str], known: Dataset | None, under_way: list[UnderWay], reason: str
) -> None:
    found = rights.publish(who, "cats", classes, known, under_way)
    assert (found.reason if found else "") == reason


@pytest.mark.parametrize(
    ("known", "under_way"),
    [
        pytest.param(dataset("z"), [], id="another's"),
        pytest.param(dataset(), [], id="nobody's"),
        pytest.param(None, [UnderWay("cats", "otto")], id="begun"),
    ],
)
def test_a_name_that_is_taken_is_refused_without_saying_whose(
    known: Dataset | None, under_way: list[UnderWay]
) -> None:
    found = rights.publish(TINA, "cats", ["a"], known, under_way)
    assert found is not None
    assert found.message == "The name cats is taken. Choose another name."


@pytest.mark.parametrize(
    ("who", "classes", "reason"),
    [
        pytest.param(TINA, ["a", "b"], "", id="own"),
        pytest.param(ROOT, ["*", "z"], "", id="admin"),
        pytest.param(TINA, [], "no-class", id="none"),
        pytest.param(ROOT, [], "no-class", id="admin, none"),
        pytest.param(TINA, ["c"], "not-your-class", id="attends"),
        pytest.param(TINA, ["*"], "everyone", id="everybody"),
    ],
)
def test_a_dataset_is_given_to_own_classes_only(who: Who, classes: list[str], reason: str) -> None:
    found = rights.share(who, classes)
    assert (found.reason if found else "") == reason


def test_what_is_said_of_a_dataset_is_tidied_and_not_too_long() -> None:
    told = rights.about(" one \r\n two\x00 ", " MIT\n ", " https://example.org ")
    assert (told.description, told.licence, told.source) == (
        "one\ntwo", "MIT", "https://example.org",
    )  # fmt: skip
    for key, most in MOST.items():
        texts = {"description": "", "licence": "", "source": ""}
        assert getattr(rights.about(**{**texts, key: "x" * most}), key) == "x" * most
        with pytest.raises(ValueError, match=f"at most {most} characters, and this one has"):
            rights.about(**{**texts, key: "x" * (most + 1)})
