"""Version numbers, drivers and cards against the builds of PyTorch."""

from __future__ import annotations

import pytest

from room.doctor.versions import WHEELS, driver_needed, fitting, older, version


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("v2.36.0", (2, 36, 0)),
        ("2.26.1-4", (2, 26, 1)),
        ("525.60.13", (525, 60, 13)),
        ("1.18.0-rc.1", (1, 18, 0)),
        ("", ()),
        ("dev", ()),
    ],
)
def test_version_is_its_leading_numbers(text, numbers):
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        pytest.param("20.10.9", "20.10.10", True, id="as-numbers-not-text"),
        pytest.param("25", "25.0", False, id="missing-parts-are-zero"),
        pytest.param("26.1.5+dfsg1", "26.1.5", False, id="suffix"),
        pytest.param("", "25.0", False, id="unknown-is-not-old"),
        pytest.param("525.60.12", "525.60.13", True, id="driver"),
    ],
)
def test_which_version_is_older(one, other, verdict):
    assert older(one, other) is verdict


@pytest.mark.parametrize(
    ("capability", "runs"),
    [
        pytest.param("3.5", {}, id="Kepler"),
        pytest.param("5.2", {"cu126"}, id="Maxwell"),
        pytest.param("6.1", {"cu126"}, id="Pascal-6.1-runs-6.0"),
        pytest.param("7.0", {"cu126", "cu128"}, id="Volta"),
        pytest.param("7.5", {"cu126", "cu128", "cu130"}, id="Turing"),
        pytest.param("8.9", {"cu126", "cu128", "cu130"}, id="Ada-8.9-runs-8.6"),
        pytest.param("9.0", {"cu126", "cu128", "cu130"}, id="Hopper"),
        pytest.param("10.0", {"cu128", "cu130"}, id="Blackwell"),
        pytest.param("10.3", {"cu128", "cu130"}, id="Blackwell-10.3-runs-10.0"),
        pytest.param("11.0", {}, id="Thor-runs-none"),
        pytest.param("12.1", {"cu128", "cu130"}, id="Blackwell-12.1-runs-12.0"),
        pytest.param("13.0", {"cu130"}, id="later-card-compiles-PTX"),
        pytest.param("", {"cu126", "cu128", "cu130"}, id="unknown-is-not-held-against-it"),
    ],
)
def test_card_runs_code_of_its_own_major_version(capability, runs):
    assert {cuda for cuda, wheel in WHEELS.items() if wheel.runs_on(capability)} == set(runs)


@pytest.mark.parametrize(
    ("cuda", "capability", "driver"),
    [
        pytest.param("cu128", "8.6", "525.60.13", id="floor-of-the-major-not-of-the-minor"),
        pytest.param("cu126", "6.1", "525.60.13", id="cu126"),
        pytest.param("cu130", "8.6", "580.65.06", id="cu130"),
        pytest.param("cu128", "12.0", "570.26", id="blackwell-needs-its-first-driver"),
        pytest.param("cu130", "12.0", "580.65.06", id="blackwell-on-cu130"),
    ],
)
def test_driver_that_is_needed(cuda, capability, driver):
    assert driver_needed(WHEELS[cuda], [capability]) == driver


@pytest.mark.parametrize(
    ("driver", "cards", "builds"),
    [
        pytest.param("535.0", ["8.6"], ["cu126", "cu128"], id="middle-aged-driver"),
        pytest.param("580.65.06", ["8.6"], ["cu126", "cu128", "cu130"], id="new-driver"),
        pytest.param("470.0", ["8.6"], [], id="old-driver"),
        pytest.param("580.65.06", ["6.1", "8.6"], ["cu126"], id="old-and-new-card"),
        pytest.param("580.65.06", ["6.1", "12.0"], [], id="no-build-for-both"),
        pytest.param("550.54", ["12.0"], [], id="blackwell-with-an-old-driver"),
    ],
)
def test_builds_that_fit(driver, cards, builds):
    assert fitting(driver, cards) == builds
