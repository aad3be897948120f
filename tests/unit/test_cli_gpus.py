"""How the room command looks at GPUs, and what the agent's service gets of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli import gpus, state
from cli.errors import Problem
from cli.gpus import ALL, Looked
from room.gpus.inventory import simulated
from room.models import GPUUnit, Inventory
from room.settings import Settings

CARD = GPUUnit("GPU-a", 0, "NVIDIA A10", 23028, "8.6", "nvidia.com/gpu=GPU-a")
REAL = Looked(Inventory((CARD,)), cdi_names=frozenset((ALL,)))


def devices(found: Any) -> list[dict[str, Any]]:
    deploy = found["agent"].get("deploy")
    return deploy["resources"]["reservations"]["devices"] if deploy else []


@pytest.mark.parametrize(
    ("looked", "simulate", "cdi", "hook", "expected"),
    [
        pytest.param(Looked(), 0, True, True, None, id="no-card"),
        pytest.param(Looked(simulated(2)), 2, True, True, None, id="simulated"),
        pytest.param(REAL, 2, True, True, None, id="simulated-beside-real-ones"),
        pytest.param(REAL, 0, True, True, "cdi", id="cdi-where-there-is"),
        pytest.param(REAL, 0, False, True, "nvidia", id="the-hook-where-not"),
        pytest.param(REAL, 0, False, False, None, id="no-way"),
        pytest.param(
            replace(REAL, cdi_names=frozenset()), 0, True, False, None, id="no-spec-names-all"
        ),
        pytest.param(
            replace(REAL, cdi_names=frozenset()), 0, True, True, "nvidia", id="no-spec-but-the-hook"
        ),
    ],
)
def test_the_agent_gets_the_cards_by_the_way_that_there_is(
    looked: Looked, simulate: int, cdi: bool, hook: bool, expected: str | None
) -> None:
    found = gpus.for_agent(looked, simulate, cdi=cdi, hook=hook)
    drivers = [device["driver"] for device in devices(found)]
    assert drivers == ([expected] if expected else [])
    assert all(device["capabilities"] == ["utility"] for device in devices(found))
    assert found["agent"]["environment"] == {"ROOM_SIMULATE_GPUS": str(simulate)}  # type: ignore[index]


def test_with_cdi_the_agent_reads_the_specs_too() -> None:
    found: Any = gpus.for_agent(REAL, 0, cdi=True, hook=False)
    assert devices(found)[0]["device_ids"] == ["nvidia.com/gpu=all"]
    assert found["agent"]["volumes"] == ["/etc/cdi:/etc/cdi:ro", "/var/run/cdi:/var/run/cdi:ro"]


def test_the_agents_reader_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "room.yaml"
    config.write_text("gpus: {seats: [{gpus: [0], seats: 2}]}\n")
    assert gpus.look(2).inventory.units == simulated(2).units
    assert [unit.kind for unit in gpus.look(2, config).inventory.units] == ["seat", "seat", "gpu"]


def test_a_look_that_fails_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus.context, "project_root", lambda: tmp_path)
    monkeypatch.setattr(gpus.sys, "executable", "/bin/false")
    with pytest.raises(Problem, match="could not be looked at"):
        gpus.look()


def test_what_the_services_need_is_written_for_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state.os, "chown", lambda *_: None)
    settings = Settings(data_root=tmp_path)
    state.directory(settings).mkdir()
    state.write_gpus(settings, gpus.for_agent(REAL, 0, cdi=True, hook=False))
    written = json.loads((tmp_path / "state" / "compose.gpus.yml").read_text())
    assert devices(written["services"])[0]["driver"] == "cdi"
    assert (tmp_path / "state" / "agent").is_dir()
