"""``room status``: what containers and leases mean."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from cli.status import SERVICES, Server, Status, age, server, services, units
from room.gpus.inventory import simulated
from room.models import Lease, Owner


def part(name: str, state: str = "running", words: str = "Up 2 minutes (healthy)") -> dict:
    return {"Labels": {"com.docker.compose.service": name}, "State": state, "Status": words}


@pytest.mark.parametrize(
    ("state", "words", "healthy"),
    [
        pytest.param("running", "Up 2 minutes (healthy)", True, id="healthy"),
        pytest.param("running", "Up 2 minutes", True, id="no-check-of-its-own"),
        pytest.param("running", "Up 1 second (health: starting)", False, id="starting"),
        pytest.param("running", "Up 2 minutes (unhealthy)", False, id="unhealthy"),
        pytest.param("exited", "Exited (1) 5 seconds ago", False, id="ended"),
        pytest.param("restarting", "Restarting (1) 1 second ago", False, id="restarting"),
    ],
)
def test_part_is_healthy_when_it_runs_and_its_check_does_not_deny_it(state, words, healthy):
    found = {s.name: s for s in services([part("hub", state, words)])}
    assert (found["hub"].state, found["hub"].healthy) == (state, healthy)
    assert found["proxy"].state == "missing"


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        pytest.param([part(name) for name in SERVICES], 0, id="all"),
        pytest.param([part(name) for name in SERVICES[1:]], 1, id="one-missing"),
        pytest.param([], 2, id="none"),
        pytest.param([part(name, "exited", "Exited (0)") for name in SERVICES], 2, id="all-ended"),
    ],
)
def test_exit_status(parts, result):
    assert Status(services(parts), (), ()).exit_status == result


def test_every_part_of_the_compose_file_is_looked_at():
    from pathlib import Path

    import yaml

    compose = Path(__file__).resolve().parents[2] / "docker-compose.yml"
    assert set(yaml.safe_load(compose.read_text())["services"]) == set(SERVICES)


def test_server_is_read_from_its_labels():
    found = server(
        {
            "Labels": {
                "torchroom.user": "ada",
                "torchroom.server": "exam",
                "torchroom.profile": "gpu",
                "torchroom.gpus": "GPU-a,GPU-b",
            },
            "State": "running",
            "Created": time.time() - 90,
        }
    )
    assert (found.user, found.server, found.profile) == ("ada", "exam", "gpu")
    assert found.gpus == ("GPU-a", "GPU-b")
    assert found.age == pytest.approx(90, abs=5)


def test_units_name_their_holder_and_leases_without_a_server():
    one, two, three = simulated(3).units
    now = datetime.now(timezone.utc)
    leases = [
        Lease("a", Owner("ada"), (one.uuid,), now),
        Lease("b", Owner("bob", "exam"), (two.uuid,), now),
    ]
    found = units([one, two, three], leases, [Server("ada", "", "gpu", (), "running", 1.0)])
    assert [(u.holder, u.orphan) for u in found] == [
        ("ada", False),
        ("bob/exam", True),
        ("", False),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (65, "1 min"), (3 * 3600 + 300, "3 h 5 min"), (25 * 3600, "1 d 1 h")],
)
def test_age_is_said_in_its_largest_units(seconds, words):
    assert age(seconds) == words
