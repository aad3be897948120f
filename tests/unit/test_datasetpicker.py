"""What the start page's list of datasets shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from room.datasets.model import Dataset, Version
from spawner.datasetpicker import LONGEST, Preselection, offers

NOW = datetime(2026, 9, 1, tzinfo=timezone.utc)


def dataset(name: str, *numbers: int, retired: tuple[int, ...] = (), about: str = "") -> Dataset:
    """Return a dataset with these versions, newest first; each has its number of files."""
    versions = tuple(
        Version(n, "d" * 64, 1000 * n, n, NOW, "root", retired_at=NOW if n in retired else None)
        for n in numbers
    )
    return Dataset(name, about, "CC-BY-4.0", "", "root", NOW, (), versions)


FLOWERS = dataset("flowers", 4, 3, 2, 1, retired=(4, 2), about="Petals\n  and more")
PROFILES = [
    {"display_name": "CPU"},
    {"display_name": "One GPU", "datasets": ["flowers@1"]},
    {"display_name": "Two", "datasets": ["cifar10", "flowers"]},
]


def test_a_row_says_what_a_server_would_start_with() -> None:
    (found,) = offers([FLOWERS, dataset("gone", 1, retired=(1,))], {}, PROFILES)
    assert (found.name, found.description) == ("flowers", "Petals and more")
    assert (found.newest, found.size, found.files) == (3, 3000, 3)
    assert found.licence == "CC-BY-4.0"
    assert found.older == (1,), "a retired one cannot be chosen"
    assert not found.ticked
    assert found.preselected == (Preselection("One GPU", 1), Preselection("Two", 0))


def test_what_no_server_starts_with_is_not_offered() -> None:
    _, three, two, one = FLOWERS.versions
    there = replace(FLOWERS, versions=(replace(three, damaged=1), two, replace(one, number=1)))
    (found,) = offers([there], {}, [])
    assert (found.newest, found.older) == (1, ())
    assert offers([replace(FLOWERS, versions=(replace(three, here=False),))], {}, []) == []


@pytest.mark.parametrize(
    ("saved", "ticked", "number"),
    [
        pytest.param(["flowers"], True, 0, id="the-newest"),
        pytest.param(["flowers@1"], True, 1, id="an-older-one"),
        pytest.param(["flowers@3"], True, 0, id="the-newest-by-its-number"),
        pytest.param(["flowers@2"], False, 0, id="a-retired-one-is-forgotten"),
        pytest.param(["cifar10"], False, 0, id="another"),
        pytest.param(["../x", 3, "flowers"], True, 0, id="what-was-saved-before-it-was-refused"),
        pytest.param("flowers", False, 0, id="no-list"),
        pytest.param(None, False, 0, id="nothing"),
    ],
)
def test_what_was_chosen_last_time_is_ticked(saved: Any, ticked: bool, number: int) -> None:
    (found,) = offers([FLOWERS], {"datasets": saved}, [])
    assert (found.ticked, found.number) == (ticked, number)


def test_a_long_description_is_cut() -> None:
    (found,) = offers([dataset("long", 1, about="word " * 500)], {}, [])
    assert len(found.description) <= LONGEST
    assert found.description.endswith("word…")
