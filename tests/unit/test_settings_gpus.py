"""What room.yaml says of GPUs: shared ones, and what a profile asks for."""

from __future__ import annotations

import textwrap

import pytest

from room.gpus.seats import Sharing
from room.settings import Settings, SettingsError, parse, settings_warnings


def settings(text: str) -> Settings:
    return parse(textwrap.dedent(text).encode()).settings


def said(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(text)
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_seats_are_named_by_uuid_number_or_model():
    found = settings(
        """
        gpus:
          seats:
            - {gpus: [GPU-5a1b4c5e-0000-4000-8000-000000000000, 3], seats: 2}
            - {model: T4, seats: 4}
        """
    )
    assert found.gpus.sharing == (
        Sharing(2, ("GPU-5a1b4c5e-0000-4000-8000-000000000000", 3)),
        Sharing(4, model="T4"),
    )


def test_nothing_is_shared_unless_it_is_said():
    assert Settings().gpus.sharing == ()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        pytest.param("{seats: 4}", "by gpus or by model", id="neither"),
        pytest.param("{seats: 4, gpus: [0], model: T4}", "by gpus or by model", id="both"),
        pytest.param("{model: T4}", "seats", id="how-many"),
        pytest.param("{model: T4, seats: 1}", "2", id="one-seat-is-none"),
        pytest.param("{model: T4, seats: 65}", "64", id="too-many"),
        pytest.param("{gpus: [MIG-1], seats: 2}", "'MIG-1' is no GPU", id="mig"),
        pytest.param("{gpus: ['0'], seats: 2}", "'0' is no GPU", id="a-number-in-quotes"),
        pytest.param("{gpus: [-1], seats: 2}", "-1 is no GPU", id="negative"),
        pytest.param("{gpus: [0, 0], seats: 2}", "0 is shared already", id="twice"),
        pytest.param(
            "{gpus: [1], seats: 2}, {gpus: [1], seats: 3}", "1 is shared already", id="by-two-rules"
        ),
    ],
)
def test_a_wrong_rule_of_sharing_is_refused(rule, problem):
    assert problem in said(f"gpus: {{seats: [{rule}]}}")


PROFILE = "profiles: [{{display_name: A, spawner_override: {{{}}}}}]"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param("gpu_kind: seat, gpus: 1", {"gpu_kind": "seat", "gpus": 1}, id="seat"),
        pytest.param("gpu_memory: 20G", {"gpu_memory": 20 * 1024**3}, id="memory-in-bytes"),
        pytest.param("gpu_model: A100", {"gpu_model": "A100"}, id="model"),
        pytest.param("mig_profile: 1g.10gb+me", {"mig_profile": "1g.10gb+me"}, id="mig"),
        pytest.param("lease: 4h", {"lease": 14400.0}, id="lease"),
        pytest.param("lease: none", {"lease": 0.0}, id="a-lease-without-an-end"),
        pytest.param("session: 90m", {"session": 5400.0}, id="session"),
        pytest.param("session: none", {"session": 0.0}, id="a-session-without-an-end"),
    ],
)
def test_a_profile_says_which_gpus(override, expected):
    (found,) = settings(PROFILE.format(override)).profile_list(has_gpus=True)
    assert found["spawner_override"] == expected


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        pytest.param("gpu_kind: card", "gpu_kind", id="no-such-kind"),
        pytest.param("mig_profile: a100", "is no MIG profile", id="no-mig-profile"),
        pytest.param(
            "mig_profile: 1g.5gb, gpu_kind: seat", "gpu_kind seat is none", id="mig-and-seat"
        ),
        pytest.param("gpus: 0, gpu_model: A100", "gpus: 0 asks for none", id="which-of-none"),
        pytest.param("lease: 10s", "would end before the server is ready", id="short-lease"),
        pytest.param("session: 59", "a session of 59 would end before", id="short-session"),
        pytest.param("lease: soon", "is no duration", id="no-duration"),
        pytest.param("gpu_memory: much", "is no size", id="no-size"),
    ],
)
def test_what_a_profile_cannot_ask_for_is_refused(override, problem):
    assert problem in said(PROFILE.format(override))


def test_what_contradicts_itself_in_a_choice_is_refused_there():
    text = """
        profiles:
          - display_name: A
            profile_options:
              size:
                choices:
                  small:
                    display_name: Small
                    spawner_override: {gpus: 0, gpu_kind: mig}
    """
    assert "profile_options.size.choices.small" in said(text)


@pytest.mark.parametrize(
    ("shared", "warned"),
    [
        pytest.param("", True, id="nothing-is-shared"),
        pytest.param("gpus: {seats: [{model: T4, seats: 4}]}", False, id="something-is"),
    ],
)
def test_a_profile_that_asks_for_a_seat_needs_one(shared, warned):
    found = settings(f"{PROFILE.format('gpus: 1, gpu_kind: seat')}\n{shared}")
    assert warned == any("shares none" in each for each in settings_warnings(found))
