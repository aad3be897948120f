"""Which versions a server starts with, and how it is told of them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from publishing.shelf import README, Shelf
from room.datasets import pinned
from room.datasets.choice import MOST, Choice, choose
from room.datasets.model import Dataset, Version
from room.datasets.names import from_label, label
from room.models import Bind, Pinned, Reject
from room.said import Said

NOW = datetime(2026, 9, 1, tzinfo=timezone.utc)


def dataset(name: str, numbers: str) -> Dataset:
    """Return a dataset with versions, newest first: ``4! 3? 2 1-`` has four, the first retired, the
    third on another host, and the last damaged.
    """
    versions = [
        Version(
            int(text.rstrip("-?!")),
            f"{name}-{text.rstrip('-?!')}",
            10,
            1,
            NOW,
            "root",
            retired_at=NOW if text.endswith("-") else None,
            here=not text.endswith("?"),
            damaged=3 if text.endswith("!") else 0,
        )
        for text in numbers.split()
    ]
    return Dataset(name, "", "", "", "root", NOW, ("ml101",), tuple(versions))


VISIBLE = [dataset("cifar10", "1"), dataset("flowers", "3 2 1-"), dataset("birds", "5- 4")]


def names(choice: Choice | Reject) -> list[str]:
    assert isinstance(choice, Choice), choice
    return [f"{each.name}@{each.number}" for each in choice.pinned]


@pytest.mark.parametrize(
    ("asked", "preselected", "expected"),
    [
        pytest.param([], [], ["birds@4", "cifar10@1", "flowers@3"], id="none-is-the-newest-of-all"),
        pytest.param(["flowers"], [], ["flowers@3"], id="a-name-is-its-newest"),
        pytest.param(["birds"], [], ["birds@4"], id="which-is-none-that-is-retired"),
        pytest.param(["flowers@2"], [], ["flowers@2"], id="a-version"),
        pytest.param(["flowers@3"], [], ["flowers@3"], id="the-newest-by-its-number"),
        pytest.param([" Flowers "], [], ["flowers@3"], id="as-people-write"),
        pytest.param(["flowers", "flowers@3"], [], ["flowers@3"], id="the-same-twice"),
        pytest.param(
            ["flowers", "cifar10"], [], ["cifar10@1", "flowers@3"], id="several-in-their-order"
        ),
        pytest.param([], ["flowers@2"], ["flowers@2"], id="preselected"),
        pytest.param(["cifar10"], ["flowers@2"], ["cifar10@1"], id="a-choice-is-instead-of-it"),
        pytest.param([], ["other", "flowers"], ["flowers@3"], id="of-another-class-is-passed-over"),
        pytest.param(
            [], ["other"], ["birds@4", "cifar10@1", "flowers@3"], id="and-nothing-left-is-none"
        ),
    ],
)
def test_what_is_mounted(asked: list[str], preselected: list[str], expected: list[str]) -> None:
    assert names(choose(VISIBLE, asked, preselected)) == expected


def test_who_has_no_dataset_gets_none() -> None:
    assert choose([]) == Choice(())
    assert choose([dataset("gone", "2- 1-")]) == Choice(())


@pytest.mark.parametrize(
    ("versions", "asked", "given"),
    [
        pytest.param("2? 1", "d", "d@1", id="elsewhere-the-newest-that-is-here"),
        pytest.param("2! 1", "d", "d@1", id="damaged-the-newest-that-is-whole"),
        pytest.param("3! 2? 1", "", "d@1", id="of-all"),
        pytest.param("2 1?", "d@2", "d@2", id="another-is-elsewhere"),
        pytest.param("2? 1", "d@2", "Version 2 of d is not on the machine", id="elsewhere"),
        pytest.param("2? 1", "d@2", "Choose version 1", id="elsewhere-which-is-not"),
        pytest.param("2! 1", "d@2", "Files of version 2 of d are damaged", id="damaged"),
        pytest.param("2! 1", "d@2", "Choose version 1", id="damaged-which-is-not"),
        pytest.param("2! 1?", "d", "Ask who published it", id="none-is-left"),
        pytest.param("2? 1!", "d@1", "Files of version 1 of d are damaged", id="none-by-number"),
        pytest.param("2? 1-", "d@1", "is retired", id="retired"),
    ],
)
def test_a_version_is_had_where_its_files_are_and_whole(
    versions: str, asked: str, given: str
) -> None:
    found = choose([dataset("d", versions)], [asked] if asked else [])
    if isinstance(found, Reject):
        assert given in found.message
        assert found.reason.startswith("dataset-version-")
        assert isinstance(found.message, Said)
    else:
        assert names(found) == [given]


def test_what_is_nowhere_whole_keeps_nobody_and_is_said() -> None:
    """Neither among all of a class nor where a profile preselects it."""
    lost = dataset("lost", "2? 1!")
    for preselected in ([], ["lost", "cifar10"], ["lost@1", "cifar10"], ["lost"]):
        found = choose([VISIBLE[0], lost], [], preselected)
        assert names(found) == ["cifar10@1"]
        assert isinstance(found, Choice)
        assert ["of lost" in each for each in found.left_out] == [True]


@pytest.mark.parametrize(
    ("preselected", "why"),
    [
        pytest.param("flowers@1", "Version 1 of flowers is retired", id="retired"),
        pytest.param("flowers@9", "flowers has no version 9", id="no-such-version"),
        pytest.param("../etc", "names no dataset", id="no-name"),
    ],
)
def test_what_a_profile_cannot_have_keeps_nobody_and_is_said(preselected: str, why: str) -> None:
    found = choose(VISIBLE, [], ["cifar10", preselected])
    assert names(found) == ["cifar10@1"]
    assert isinstance(found, Choice)
    assert [why in each for each in found.left_out] == [True]


def test_what_another_class_has_is_not_even_said() -> None:
    found = choose(VISIBLE, [], ["other", "cifar10"])
    assert isinstance(found, Choice)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("asked", "reason", "told"),
    [
        pytest.param(["dogs"], "dataset-unknown", "There is no dataset 'dogs'.", id="unknown"),
        pytest.param(["dogs@1"], "dataset-unknown", "no dataset 'dogs'", id="unknown-version"),
        pytest.param(
            ["flowers@1"],
            "dataset-version-retired",
            "Version 1 of flowers is retired, and no server starts with it. Choose version 3",
            id="retired",
        ),
        pytest.param(
            ["flowers@7"],
            "dataset-version-unknown",
            "flowers has no version 7. Choose version 3",
            id="no-such-version",
        ),
        pytest.param(
            ["flowers@2", "flowers"],
            "dataset-twice",
            "versions 2 and 3 of flowers",
            id="two-of-one",
        ),
        pytest.param(["flowers@"], "dataset-name", "cifar10@2", id="no-number"),
        pytest.param(["flowers@0"], "dataset-name", "cifar10@2", id="number-zero"),
        pytest.param(["../../etc"], "dataset-name", "'../../etc' names no dataset", id="path"),
        pytest.param([""], "dataset-name", "'' names no dataset", id="empty"),
        pytest.param(["x" * 500], "dataset-name", "xxx...' names", id="long"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(asked: list[str], reason: str, told: str) -> None:
    found = choose(VISIBLE, asked)
    assert isinstance(found, Reject)
    assert found.reason == reason
    assert told in found.message
    assert isinstance(found.message, Said), "a page says it in another language"
    assert len(found.message) < 250


def test_what_one_may_not_see_is_refused_as_what_does_not_exist() -> None:
    """Whichever version is asked for, also of a dataset of which all are retired."""
    hidden = dataset("secret", "2 1-")
    for text in ("secret", "secret@1", "secret@2", "secret@9"):
        seen = choose([*VISIBLE, dataset("secret", "2- 1-")], [text])
        unknown = choose(VISIBLE, [text.replace("secret", "nosuch")])
        assert isinstance(unknown, Reject)
        assert choose(VISIBLE, [text]) == seen
        assert isinstance(seen, Reject)
        assert seen.message == unknown.message.replace("nosuch", "secret")
    assert names(choose([hidden], ["secret"])) == ["secret@2"]


@pytest.mark.parametrize("asking", [True, False])
def test_a_server_has_only_so_many(asking: bool) -> None:
    many = [dataset(f"d{number}", "1") for number in range(MOST + 1)]
    asked = [each.name for each in many] if asking else []
    found = choose(many, asked)
    assert isinstance(found, Reject)
    assert f"{MOST + 1} datasets, and a server has {MOST} at most" in found.message
    assert len(names(choose(many[1:], asked[1:]))) == MOST


def test_the_longest_variable_is_one_that_the_kernel_takes() -> None:
    """A single one has to be shorter than 128 KiB (MAX_ARG_STRLEN in execve(2))."""
    all_of_them = [Pinned(f"{number:064}", 10**9 - 1, "f" * 64) for number in range(MOST)]
    assert len(pinned.VARIABLE) + 1 + len(pinned.variable(all_of_them)) < 128 * 1024


FLOWERS, CIFAR = Pinned("flowers", 3, "a" * 64), Pinned("cifar10", 1, "b" * 64)


def test_files_and_page_are_mounted_from_where_they_were_published_read_only() -> None:
    shelf = Shelf(Path("/data/datasets"))
    version = shelf.version("flowers", FLOWERS.digest)
    assert pinned.binds("/data/datasets", [FLOWERS]) == (
        Bind(str(shelf.tree("flowers", FLOWERS.digest)), "/datasets/flowers", True),
        Bind(str(version / README), "/datasets/README/flowers.md", True),
    )
    assert str(pinned.directory("/data/datasets", FLOWERS)) == str(version)


def test_a_server_is_told_where_what_it_has_is() -> None:
    assert json.loads(pinned.variable([FLOWERS, CIFAR])) == {
        "flowers": {"path": "/datasets/flowers", "version": 3, "digest": "a" * 64},
        "cifar10": {"path": "/datasets/cifar10", "version": 1, "digest": "b" * 64},
    }
    assert pinned.variable([]) == "{}"


def test_a_label_is_read_as_it_was_written() -> None:
    pairs = [(each.name, each.digest) for each in (FLOWERS, CIFAR)]
    assert label(pairs) == f"flowers={'a' * 64},cifar10={'b' * 64}"
    assert from_label(label(pairs)) == pairs
    assert from_label(label([])) == []
