"""Processes joined to servers, snapshots, and what the agent answers over HTTP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent import host, metrics
from agent.app import make_app
from agent.gpus import Options, sampler
from agent.known import Known
from agent.nvml import NvmlSource
from agent.processes import cgroup_of, container_ids, join
from agent.reading import Process
from agent.servers import ServersUnknownError
from agent.simulated import SimulatedSource
from agent.snapshot import STALE, Sampler
from room import accounting
from room.accounting import Reading
from room.doctor import live
from room.gpus import inventory, use
from room.gpus.seats import Sharing
from room.gpus.use import ServerUse, UnitUse, Use
from room.models import Owner
from tests.utils.fake_nvml import Device, FakeNvml, NVMLError, parted
from tests.utils.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = "a" * 64, "b" * 64
ALICE, BOB = Owner("alice"), Owner("bob", "two")
TOKEN = "t" * 64
SERVERS = {ONE: ALICE, TWO: BOB}


# --- host PID → container → server --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"0::/docker/{ONE}\n", (ONE,), id="cgroupfs"),
        pytest.param(f"0::/system.slice/docker-{ONE}.scope\n", (ONE,), id="systemd"),
        pytest.param(f"0::/../{ONE}\n", (ONE,), id="from-another-namespace"),
        pytest.param(f"0::/../docker-{ONE}.scope\n", (ONE,), id="from-another-namespace-systemd"),
        pytest.param(f"0::/docker/{ONE}/docker/{TWO}\n", (TWO, ONE), id="engine-in-a-container"),
        pytest.param(f"0::/docker/{ONE}/init\n", (ONE,), id="with-a-group-of-its-own"),
        pytest.param(f"12:cpu:/docker/{ONE}\n1:pids:/docker/{ONE}\n", (ONE,), id="version-1"),
        pytest.param("0::/user.slice/user-1000.slice\n", (), id="a-user-of-the-host"),
        pytest.param(f"0::/docker/{ONE}0\n", (), id="longer-than-an-id"),
        pytest.param("", (), id="gone"),
    ],
)
def test_containers_are_read_from_a_cgroup(text: str, expected: tuple[str, ...]) -> None:
    assert container_ids(text) == expected


def test_a_process_that_is_gone_has_no_cgroup(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/x\n")
    assert cgroup_of(7, tmp_path) == "0::/x\n"
    assert cgroup_of(8, tmp_path) == ""


@pytest.mark.parametrize(
    ("processes", "found", "strangers"),
    [
        pytest.param((), (), {}, id="idle"),
        pytest.param(
            (Process(1, "GPU-a", 300), Process(2, "GPU-a", 200)),
            (ServerUse(ALICE, ONE, 1, {"GPU-a": 300}), ServerUse(BOB, TWO, 1, {"GPU-a": 200})),
            {},
            id="two-servers-on-one-card",
        ),
        pytest.param(
            (Process(1, "GPU-a", 300), Process(1, "GPU-b", 50), Process(11, "GPU-a", 100)),
            (ServerUse(ALICE, ONE, 2, {"GPU-a": 400, "GPU-b": 50}),),
            {},
            id="two-processes-on-two-cards",
        ),
        pytest.param(
            (Process(1, "GPU-a", None), Process(11, "GPU-a", None)),
            (ServerUse(ALICE, ONE, 2, {"GPU-a": None}),),
            {},
            id="memory-is-not-told",
        ),
        pytest.param(
            (Process(1, "GPU-a", None), Process(11, "GPU-a", 100)),
            (ServerUse(ALICE, ONE, 2, {"GPU-a": 100}),),
            {},
            id="memory-of-one-is-told",
        ),
        pytest.param(
            (Process(3, "GPU-a", 9), Process(4, "GPU-a", 9)), (), {"GPU-a": 2}, id="strangers"
        ),
        pytest.param(
            (Process(5, "GPU-a", 9, Owner("eve")),), (), {"GPU-a": 1}, id="simulated-without-server"
        ),
    ],
)
def test_processes_are_joined_to_servers(
    processes: Any, found: Any, strangers: dict[str, int]
) -> None:
    groups = {1: f"0::/docker/{ONE}", 11: f"0::/docker/{ONE}", 2: f"0::/../docker-{TWO}.scope"}
    groups |= {3: "0::/user.slice", 4: "0::/docker/" + "c" * 64}
    assert join(processes, SERVERS, lambda pid: groups.get(pid, "")) == (found, strangers)


# --- snapshots --------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def looks(
    nvml: FakeNvml,
    clock: Callable[[], float] = time.monotonic,
    servers: Callable[[], Mapping[str, Owner]] = lambda: SERVERS,
    sharing: tuple[Sharing, ...] = (),
) -> Sampler:
    return Sampler(
        NvmlSource(nvml, frozenset),
        Known(),
        sharing=sharing,
        servers=servers,
        cgroup=lambda pid: f"0::/docker/{ONE if pid < 10 else TWO}",
        cpu=lambda containers: {ONE: 12.5} if ONE in containers else {},
        memory=lambda containers: {ONE: 3 * 1024**2} if ONE in containers else {},
        clock=clock,
    )


def test_a_snapshot_has_units_and_who_uses_them() -> None:
    found = looks(FakeNvml([Device("GPU-a", processes=[(1, 300), (12, 50)])])).sample()
    assert [unit.uuid for unit in found.inventory.units] == ["GPU-a"]
    assert [(s.owner, s.memory_mib) for s in found.use.servers] == [
        (ALICE, {"GPU-a": 300}),
        (BOB, {"GPU-a": 50}),
    ]
    assert found.inventory.read_at == found.use.read_at is not None


def test_shared_cards_are_seats_and_are_used_as_one() -> None:
    found = looks(FakeNvml([Device("GPU-a")]), sharing=(Sharing(2, model="a100"),)).sample()
    assert [unit.uuid for unit in found.inventory.units] == ["GPU-a/1", "GPU-a/2"]
    assert [each.uuid for each in found.use.units] == ["GPU-a"]


def test_an_engine_that_does_not_answer_hides_no_card() -> None:
    def silent() -> Mapping[str, Owner]:
        raise ServersUnknownError("the Docker Engine does not answer")

    found = looks(FakeNvml([Device("GPU-a")]), servers=silent).sample()
    assert [unit.health for unit in found.inventory.units] == ["ok"]
    assert found.use.problem == "the Docker Engine does not answer"
    assert [each.uuid for each in found.use.units] == ["GPU-a"]


def test_cards_that_do_not_answer_are_not_at_rest() -> None:
    nvml = FakeNvml([Device("GPU-a")])
    nvml.refuses = NVMLError(999)
    found = looks(nvml).sample().use
    assert found.problem.startswith("NVML does not answer: ")
    assert found.units == ()


IN_USE = Use((UnitUse("GPU-a", utilisation=9.0),), (ServerUse(ALICE, ONE, 1, {"GPU-a": 300}),))


@pytest.mark.parametrize(
    ("found", "owner", "device", "mib"),
    [
        pytest.param(IN_USE, ALICE, "GPU-a", 300, id="told"),
        pytest.param(IN_USE, ALICE, "GPU-b", 0, id="on-another-card"),
        pytest.param(IN_USE, BOB, "GPU-a", 0, id="does-nothing"),
        pytest.param(
            Use(servers=(ServerUse(BOB, TWO, 1, {"GPU-a": None}),)), BOB, "GPU-a", None,
            id="the-driver-does-not-tell",
        ),
        pytest.param(replace(IN_USE, problem="no engine"), BOB, "GPU-a", None, id="nobody-tells"),
    ],
)  # fmt: skip
def test_what_a_server_uses_is_looked_up(
    found: Use, owner: Owner, device: str, mib: int | None
) -> None:
    assert found.memory_of(owner, device) == mib
    assert (found.unit(device) is None) == (device not in [unit.uuid for unit in found.units])


def test_while_the_engine_is_asked_the_last_use_stands() -> None:
    nvml, during = FakeNvml([Device("GPU-a", processes=[(1, 300)])]), []
    taken: list[Sampler] = []

    def servers() -> Mapping[str, Owner]:
        during.append(taken[0].latest())
        return SERVERS

    taken.append(looks(nvml, servers=servers))
    taken[0].sample()
    nvml.refuses = NVMLError(999)
    taken[0].sample()
    assert [unit.health for unit in during[1].inventory.units] == ["unknown"]
    assert [server.owner for server in during[1].use.servers] == [ALICE]


@pytest.mark.parametrize(
    ("age", "health"), [pytest.param(STALE, "ok", id="new"), (STALE + 0.1, "unknown")]
)
def test_an_old_snapshot_is_not_believed(age: float, health: str) -> None:
    clock = Clock()
    sampler_ = looks(FakeNvml([Device("GPU-a", processes=[(1, 300)])]), clock)
    sampler_.sample()
    clock.time += age
    found = sampler_.latest()
    assert [unit.health for unit in found.inventory.units] == [health]
    assert bool(found.use.servers) == (health == "ok")
    assert ("has not answered" in found.inventory.units[0].why) == (health == "unknown")


def test_the_thread_survives_a_look_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.snapshot.EVERY", 0.0)
    asked = 0

    def servers() -> Mapping[str, Owner]:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise RuntimeError("nobody foresaw this")
        return SERVERS

    sampler_ = looks(FakeNvml([Device("GPU-a", processes=[(1, 300)])]), servers=servers)
    sampler_.start()
    wait_until(lambda: sampler_.latest().use.servers, timeout=10)
    sampler_.stop()


def test_use_survives_its_own_json() -> None:
    nvml = FakeNvml([Device("GPU-a", processes=[(1, None)])])
    found = looks(nvml).sample()
    assert use.loads(json.dumps(use.as_dict(found.use))) == found.use


@pytest.mark.parametrize("text", ["{}", "[]", '{"units": [{"x": 1}]}'])
def test_what_is_no_use_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no use of GPUs"):
        use.loads(text)


# --- simulated GPUs -----------------------------------------------------------------------------


def simulated(tmp_path: Path, marks: str) -> Sampler:
    (tmp_path / "simulated.json").write_text(marks)
    source = SimulatedSource(3, tmp_path / "simulated.json")
    return Sampler(source, Known(), servers=lambda: SERVERS)


@pytest.mark.parametrize(
    ("marks", "health"),
    [
        pytest.param("{}", ["ok", "ok", "ok"], id="well"),
        pytest.param('{"1": {"health": "sick"}}', ["ok", "sick", "ok"], id="by-index"),
        pytest.param(
            f'{{"{inventory.simulated_uuid(2)}": {{"health": "unknown"}}}}',
            ["ok", "ok", "unknown"],
            id="by-uuid",
        ),
        pytest.param('{"all": {"health": "sick"}}', ["sick", "sick", "sick"], id="all"),
        pytest.param('{"0": {"lost": true}}', ["sick", "ok", "ok"], id="lost"),
        pytest.param('{"2": {"xid": 79}}', ["ok", "ok", "sick"], id="xid"),
        pytest.param('{"2": {"xid": 79, "lost": true}}', ["ok", "ok", "sick"], id="xid-and-lost"),
        pytest.param('{"problem": "mismatch"}', ["unknown"] * 3, id="driver"),
        pytest.param('{"0": {"hea', ["ok", "ok", "ok"], id="half-written"),
    ],
)
def test_simulated_cards_fare_as_they_are_marked(
    tmp_path: Path, marks: str, health: list[str]
) -> None:
    sampler_ = simulated(tmp_path, "{}")
    sampler_.sample()
    (tmp_path / "simulated.json").write_text(marks)
    assert [unit.health for unit in sampler_.sample().inventory.units] == health


def test_simulated_cards_are_used_by_whom_the_marks_name(tmp_path: Path) -> None:
    marks = '{"0": {"utilisation": 97, "servers": {"alice": 8000, "bob/two": null, "eve": 1}}}'
    found = simulated(tmp_path, marks).sample().use
    first = found.units[0]
    assert (first.utilisation, first.memory_used_mib, first.strangers) == (97.0, 8001, 1)
    uuid = inventory.simulated_uuid(0)
    assert found.servers == (
        ServerUse(ALICE, ONE, 1, {uuid: 8000}),
        ServerUse(BOB, TWO, 1, {uuid: None}),
    )


def test_the_environment_says_what_the_agent_looks_at(tmp_path: Path) -> None:
    config = tmp_path / "room.yaml"
    config.write_text("gpus: {seats: [{gpus: [1], seats: 2}]}\n")
    options = Options.from_environment({"ROOM_CONFIG": str(config), "ROOM_SIMULATE_GPUS": "2"})
    assert options == Options(config=config, simulate=2)
    kinds = [unit.kind for unit in sampler(options, listen=False).sample().inventory.units]
    assert kinds == ["gpu", "seat", "seat"]


# --- HTTP -------------------------------------------------------------------------------------


@pytest.fixture
def agent() -> tuple[TestClient, Sampler]:
    nvml = FakeNvml(
        [Device("GPU-a", processes=[(1, 300)]), parted("GPU-b", "1g.5gb"), Device("GPU-c", ecc=2)]
    )
    sampler_ = looks(nvml, sharing=(Sharing(2, gpus=("GPU-c",)),))
    return TestClient(make_app(Path("/nowhere"), TOKEN, sampler_, counts=Counts())), sampler_


READ = Reading(ONE, "1@boot", "epoch", datetime(2026, 11, 27, tzinfo=timezone.utc), 12.5, 1e9, 60.0)


class Counts:
    stopped = False

    def readings(self) -> tuple[Reading, ...]:
        return (READ,)

    def stop(self) -> None:
        self.stopped = True


def ask(client: TestClient, path: str, token: str = TOKEN) -> Any:
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def test_the_inventory_is_what_room_reads(agent: tuple[TestClient, Sampler]) -> None:
    client, sampler_ = agent
    taken = sampler_.sample()
    answer = ask(client, "/v1/inventory")
    assert inventory.loads(answer.text) == taken.inventory
    assert [u["cooperative"] for u in answer.json()["units"]] == [False, False, True, True]
    assert use.loads(ask(client, "/v1/use").text) == taken.use


def test_before_the_first_look_there_is_no_inventory(agent: tuple[TestClient, Sampler]) -> None:
    client, _ = agent
    assert ask(client, "/v1/inventory").status_code == 503
    assert use.loads(ask(client, "/v1/use").text) == Use()


def test_what_containers_have_used_is_what_the_hub_reads(
    agent: tuple[TestClient, Sampler],
) -> None:
    assert accounting.loads(ask(agent[0], "/v1/accounting").text) == (READ,)


def test_an_agent_that_ends_lets_its_counts_know() -> None:
    counts = Counts()
    with TestClient(make_app(Path("/nowhere"), TOKEN, counts=counts)):
        assert not counts.stopped
    assert counts.stopped


def test_the_host_is_told_of_with_its_cards_whole(
    agent: tuple[TestClient, Sampler], tmp_path: Path
) -> None:
    client, sampler_ = agent
    sampler_.sample()
    found = live.loads_host(ask(client, "/v1/host").text)
    assert [(unit.kind, unit.health) for unit in found.gpus.cards] == [
        ("gpu", "ok"), ("mig", "ok"), ("gpu", "sick"),
    ]  # fmt: skip
    assert found.gpus.driver == sampler_.latest().inventory.driver_version
    assert found.data is None, "where there are no homes, nothing is said of their disk"
    (tmp_path / "homes").mkdir()
    seen = host.look(sampler_.latest(), tmp_path / "homes").data
    assert seen is not None
    assert (seen.path, seen.read_only) == (str(tmp_path / "homes"), False)
    assert seen.total >= seen.free > 0
    assert seen.kind


def test_simulated_cards_are_told_as_a_number() -> None:
    seen = host.look(sampler(Options(simulate=3), listen=False).sample(), Path("/nowhere"))
    assert (seen.gpus.simulated, seen.gpus.cards) == (3, ())


@pytest.mark.parametrize("path", ["/v1/inventory", "/v1/use", "/v1/accounting", "/v1/host"])
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1]])
def test_without_the_token_nothing_is_told(
    agent: tuple[TestClient, Sampler], path: str, token: str
) -> None:
    agent[1].sample()
    assert ask(agent[0], path, token).status_code == 401


# --- metrics ----------------------------------------------------------------------------------


def test_metrics_need_no_token_and_are_in_base_units(agent: tuple[TestClient, Sampler]) -> None:
    client, sampler_ = agent
    sampler_.sample()
    lines = client.get("/metrics").text.splitlines()
    assert 'torchroom_gpu_memory_used_bytes{gpu="GPU-a"} 5.36870912e+08' in lines
    assert 'torchroom_gpu_utilisation_ratio{gpu="GPU-a"} 0.07' in lines
    assert not [line for line in lines if line.startswith('torchroom_gpu_utilisation_ratio{gpu="M')]
    assert 'torchroom_gpu_unit_health{health="sick",unit="GPU-c/1"} 1.0' in lines
    assert 'torchroom_gpu_unit_health{health="ok",unit="GPU-c/1"} 0.0' in lines
    assert 'torchroom_server_gpu_processes{server="",user="alice"} 1.0' in lines
    memory = 'torchroom_server_gpu_memory_bytes{gpu="GPU-a",server="",user="alice"} 3.145728e+08'
    assert memory in lines
    assert 'torchroom_server_cpu_seconds_total{server="",user="alice"} 12.5' in lines
    assert 'torchroom_server_memory_bytes{server="",user="alice"} 3.145728e+06' in lines
    assert "torchroom_agent_nvml_up 1.0" in lines


def test_a_driver_that_refuses_is_seen_where_there_are_gpus() -> None:
    def up(nvml: FakeNvml, sampler_: Sampler) -> bool:
        sampler_.sample()
        text = metrics.render(sampler_.latest(), sampler_.age()).decode()
        return "torchroom_agent_nvml_up 1.0" in text

    nvml = FakeNvml([Device("GPU-a")])
    sampler_ = looks(nvml)
    assert up(nvml, sampler_)
    nvml.refuses = NVMLError(18)
    assert not up(nvml, sampler_)
    none = FakeNvml([])
    none.refuses = NVMLError(12)
    assert up(none, looks(none))


def test_the_reference_lists_the_metrics_that_there_are(
    agent: tuple[TestClient, Sampler],
) -> None:
    agent[1].sample()
    text = agent[0].get("/metrics").text
    told = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert dict(re.findall(r"^\| `(torchroom_\w+)` \|.*?\| (.+) \|$", page, re.MULTILINE)) == told


def test_the_reference_lists_each_metrics_labels(agent: tuple[TestClient, Sampler]) -> None:
    agent[1].sample()
    text = agent[0].get("/metrics").text
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(torchroom_\w+)` \| (.*?) ?\|", page, re.MULTILINE)
    assert rows
    for name, labels in rows:
        sample = re.search(rf"^{name}(?:\{{(.*)\}})? ", text, re.MULTILINE)
        assert sample, name
        there = set(re.findall(r'(\w+)="', sample[1] or ""))
        assert set(re.findall(r"`(\w+)`", labels)) == there, name
