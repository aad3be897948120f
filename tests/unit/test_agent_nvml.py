"""NVML's answers → units, health, use and processes; and the Xids that cards report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from agent import cdi
from agent.known import Known, complete
from agent.nvml import NvmlSource, problem
from agent.reading import Fault, Process, Reading
from agent.xid import FATAL, XidWatch
from room.models import GPUUnit, Xid
from tests.utils.fake_nvml import Device, FakeNvml, NVMLError, eight, lost, not_supported, parted
from tests.utils.wait import wait_until

LOG = logging.getLogger("test")


def read(nvml: FakeNvml, *names: str, xids: dict[str, Xid] | None = None) -> Reading:
    return NvmlSource(nvml, lambda: frozenset(names), lambda: xids or {}).read()


def test_eight_cards_are_eight_units_by_uuid() -> None:
    reading = read(eight(), "nvidia.com/gpu=GPU-0003", "nvidia.com/gpu=all")
    assert [unit.uuid for unit in reading.units] == [f"GPU-{n:04d}" for n in range(8)]
    assert reading.units[3] == GPUUnit(
        "GPU-0003", 3, "NVIDIA A100-SXM4-40GB", 40960, "8.0", "nvidia.com/gpu=GPU-0003"
    )
    assert reading.units[0].cdi_name == ""
    assert (reading.driver_version, reading.cuda_version) == ("570.86.10", "12.8")
    assert (reading.problem, reading.faults) == ("", ())


def test_use_is_told_in_mib_watts_and_percent() -> None:
    use = read(eight(used_mib=1024, power=250_000)).uses[0]
    assert (use.utilisation, use.memory_used_mib, use.memory_total_mib) == (7.0, 1024, 40960)
    assert (use.temperature, use.power) == (41.0, 250.0)


def test_what_a_card_does_not_tell_is_none_and_no_fault() -> None:
    refusals = dict.fromkeys(("power", "utilisation", "mig", "ecc"), not_supported())
    reading = read(FakeNvml([Device("GPU-a", fails=refusals)]))
    assert reading.units[0].health == "ok"
    assert (reading.uses[0].power, reading.uses[0].utilisation) == (None, None)


def test_a_card_in_mig_mode_is_its_instances() -> None:
    card = parted("GPU-a", "1g.5gb", "3g.20gb")
    assert card.parts[1] is not None
    card.parts[1].processes = [(4711, 800)]
    name = "nvidia.com/gpu=MIG-GPU-a-1"
    reading = read(FakeNvml([card, Device("GPU-b")]), name)
    assert [(u.uuid, u.kind, u.mig_profile, u.parent) for u in reading.units] == [
        ("MIG-GPU-a-0", "mig", "1g.5gb", "GPU-a"),
        ("MIG-GPU-a-1", "mig", "3g.20gb", "GPU-a"),
        ("GPU-b", "gpu", "", ""),
    ]
    assert [u.memory_mib for u in reading.units] == [5000, 20000, 40960]
    assert [u.index for u in reading.units] == [0, 0, 1]
    assert reading.units[0].model == "NVIDIA A100-SXM4-40GB"
    assert [u.cdi_name for u in reading.units] == ["", name, ""]
    assert reading.processes == (Process(4711, "MIG-GPU-a-0", 800),)
    assert [u.uuid for u in reading.uses] == ["GPU-a", "MIG-GPU-a-0", "MIG-GPU-a-1", "GPU-b"]


def test_a_card_in_mig_mode_without_instances_has_no_unit() -> None:
    reading = read(FakeNvml([parted("GPU-a")]))
    assert reading.units == ()
    assert reading.cards == {"GPU-a"}


def test_processes_are_the_hosts_and_may_not_tell_their_memory() -> None:
    reading = read(FakeNvml([Device("GPU-a", processes=[(11, 300), (12, None)])]))
    assert reading.processes == (Process(11, "GPU-a", 300), Process(12, "GPU-a", None))


# --- health -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "health", "said"),
    [
        pytest.param(Device("GPU-a"), "ok", "", id="well"),
        pytest.param(Device("GPU-a", ecc=3), "sick", "3 uncorrectable memory errors", id="ecc"),
        pytest.param(Device("GPU-a", ecc=None), "ok", "", id="no-ecc"),
        pytest.param(
            Device("GPU-a", fails={"utilisation": lost()}), "sick", "off the bus", id="lost"
        ),
        pytest.param(
            Device("GPU-a", fails={"memory": NVMLError(16, "GPU requires restart")}),
            "sick",
            "needs a reset",
            id="reset-required",
        ),
        pytest.param(
            Device("GPU-a", fails={"power": NVMLError(999)}), "unknown", "Unknown Error", id="999"
        ),
        pytest.param(
            Device("GPU-a", fails={"name": NVMLError(999)}), "unknown", "Unknown", id="nameless"
        ),
    ],
)
def test_a_cards_health_is_what_it_answers(device: Device, health: str, said: str) -> None:
    nvml = FakeNvml([device, Device("GPU-b")])
    units = {unit.uuid: unit for unit in complete(read(nvml), (), same_boot=True)}
    assert units["GPU-a"].health == health
    assert said in units["GPU-a"].why
    assert units["GPU-b"].health == "ok"


def test_all_instances_of_a_sick_card_are_sick() -> None:
    reading = read(FakeNvml([replace(parted("GPU-a", "1g.5gb", "1g.5gb"), ecc=1)]))
    assert {unit.health for unit in reading.units} == {"sick"}


FELL = Xid(79, "monday")


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(Device("GPU-a"), id="answers"),
        pytest.param(Device("GPU-a", ecc=3), id="memory-errors-too"),
        pytest.param(Device("GPU-a", fails={"memory": lost()}), id="lost-too"),
        pytest.param(Device("GPU-a", fails={"name": NVMLError(999)}), id="nameless"),
        pytest.param(parted("GPU-a", "1g.5gb", "1g.5gb"), id="all-its-instances"),
    ],
)
def test_a_fatal_xid_makes_a_card_sick_and_says_so_whatever_else_it_is(device: Device) -> None:
    reading = read(FakeNvml([device, Device("GPU-b")]), xids={"GPU-a": FELL})
    units = complete(reading, (), same_boot=True)
    mine = [unit for unit in units if unit.index == 0]
    assert mine
    assert {(unit.health, unit.xid) for unit in mine} == {("sick", FELL)}
    assert all(unit.why.startswith("Xid 79 (GPU has fallen off the bus): ") for unit in mine)
    assert [(u.health, u.xid) for u in units if u.index == 1] == [("ok", None)]


def test_a_driver_that_stops_answering_hides_no_fatal_xid() -> None:
    nvml, known = eight(), Known()
    source = NvmlSource(nvml, frozenset, lambda: {"GPU-0002": FELL})
    known.complete(source.read())
    nvml.refuses = NVMLError(18, "mismatch")
    units = {unit.uuid: unit for unit in known.complete(source.read())}
    assert (units["GPU-0002"].health, units["GPU-0002"].xid) == ("sick", FELL)
    assert units["GPU-0003"].health == "unknown"


@pytest.mark.parametrize(
    ("number", "said"),
    [(4, "permission"), (9, "not-loaded"), (12, "not-loaded"), (18, "mismatch"), (15, "its words")],
)
def test_nvmls_refusal_has_a_meaning(number: int, said: str) -> None:
    assert problem(number, "its words") == said


def test_nvml_as_a_whole_failing_leaves_all_units_unknown_and_is_opened_anew() -> None:
    nvml = eight()
    source, known = NvmlSource(nvml, frozenset), Known()
    assert {u.health for u in known.complete(source.read())} == {"ok"}
    nvml.refuses = NVMLError(18, "RM has detected an NVML/RM version mismatch.")
    failed = source.read()
    assert failed.problem == "mismatch"
    units = known.complete(failed)
    assert len(units) == 8
    assert {u.health for u in units} == {"unknown"}
    assert "reboot" in units[0].why
    nvml.refuses = None
    assert {u.health for u in known.complete(source.read())} == {"ok"}
    assert (nvml.inits, nvml.open) == (2, 1)


# --- what is remembered -------------------------------------------------------------------------


A = GPUUnit("GPU-a", 0, "A100", 40960)
B = GPUUnit("GPU-b", 1, "A100", 40960)
PART = replace(A, uuid="MIG-1", kind="mig", parent="GPU-a")
BOTH = frozenset(("GPU-a", "GPU-b"))


@pytest.mark.parametrize(
    ("reading", "known", "same_boot", "expected"),
    [
        pytest.param(Reading(problem="not-loaded"), (), True, {}, id="no-driver-no-card"),
        pytest.param(
            Reading(problem="not-loaded"), (A,), False, {"GPU-a": "unknown"}, id="driver-gone"
        ),
        pytest.param(Reading((A,), cards=BOTH - {"GPU-b"}), (A, B), True,
                     {"GPU-a": "ok", "GPU-b": "sick"}, id="missing-is-lost"),
        pytest.param(Reading((A,), cards=BOTH - {"GPU-b"}), (A, B), False,
                     {"GPU-a": "ok"}, id="missing-after-a-reboot-was-taken-out"),
        pytest.param(Reading((A,), cards=frozenset(("GPU-a",)), faults=(Fault(1, "sick", "lost"),)),
                     (A, B), False, {"GPU-a": "ok", "GPU-b": "sick"}, id="nameless-by-its-index"),
        pytest.param(Reading((PART, B), cards=BOTH), (A, B), True,
                     {"MIG-1": "ok", "GPU-b": "ok"}, id="parted-is-not-lost"),
        pytest.param(Reading((A, B), cards=BOTH), (PART, B), True,
                     {"GPU-a": "ok", "GPU-b": "ok"}, id="made-whole-again"),
        pytest.param(Reading((B,), cards=BOTH, faults=(Fault(0, "unknown", "?", "GPU-a"),)),
                     (PART, B), True, {"MIG-1": "unknown", "GPU-b": "ok"}, id="part-of-a-fault"),
        pytest.param(Reading(cards=BOTH, faults=(Fault(0, "unknown", "?", "GPU-a"),)), (), True,
                     {"GPU-a": "unknown"}, id="never-seen-well"),
    ],
)  # fmt: skip
def test_a_unit_that_does_not_answer_is_not_dropped(
    reading: Reading, known: tuple[GPUUnit, ...], same_boot: bool, expected: dict[str, str]
) -> None:
    found = complete(reading, known, same_boot)
    assert {unit.uuid: unit.health for unit in found} == expected
    assert all(unit.why for unit in found if unit.health != "ok")


def test_units_are_remembered_over_a_restart_of_the_agent(tmp_path) -> None:
    file, boot = tmp_path / "inventory.json", tmp_path / "boot"
    boot.write_text("one\n")
    Known(file, boot).complete(Reading((A, B), cards=BOTH))
    after = Known(file, boot)
    assert {u.health for u in after.complete(Reading(problem="mismatch"))} == {"unknown"}
    lone = Reading((A,), cards=frozenset(("GPU-a",)))
    assert [u.health for u in after.complete(lone)] == ["ok", "sick"]
    boot.write_text("two\n")
    rebooted = Known(file, boot)
    assert [u.uuid for u in rebooted.complete(lone)] == ["GPU-a"]
    # From then on it is known again, in this boot.
    assert [u.health for u in rebooted.complete(Reading(cards=frozenset(("GPU-x",))))] == ["sick"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": "x"}'])
def test_a_broken_memory_is_none(tmp_path, text: str) -> None:
    file = tmp_path / "inventory.json"
    file.write_text(text)
    assert Known(file).complete(Reading(problem="not-loaded")) == ()


def test_cards_are_remembered_while_the_agent_runs_when_the_disk_is_full(tmp_path) -> None:
    known = Known(tmp_path / "absent" / "inventory.json")
    assert known.complete(Reading((A,), cards=frozenset(("GPU-a",))))
    assert [u.health for u in known.complete(Reading(problem="mismatch"))] == ["unknown"]


# --- NVLink -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        pytest.param([[], [], []], [(), (), ()], id="none"),
        pytest.param([[1, 1], [0, 0], []], [("GPU-1",), ("GPU-0",), ()], id="a-pair"),
        pytest.param([[None, 1], [0], []], [("GPU-1",), ("GPU-0",), ()], id="one-link-down"),
        pytest.param(
            [["switch"], ["switch"], []], [("GPU-1",), ("GPU-0",), ()], id="through-a-switch"
        ),
        pytest.param([[7], [], []], [(), (), ()], id="to-a-card-that-is-not-ours"),
    ],
)
def test_links_are_the_cards_that_each_reaches(links, expected) -> None:
    nvml = FakeNvml([Device(f"GPU-{n}", links=each) for n, each in enumerate(links)])
    assert [unit.links for unit in read(nvml).units] == expected


def test_links_are_asked_for_once_while_the_cards_are_the_same() -> None:
    nvml = FakeNvml([Device("GPU-0", links=[1]), Device("GPU-1", links=[0])])
    source = NvmlSource(nvml, frozenset)
    source.read()
    asked = nvml.link_questions
    assert source.read().units[0].links == ("GPU-1",)
    assert nvml.link_questions == asked


# --- Xids -------------------------------------------------------------------------------------


@pytest.fixture
def watching() -> Iterator[Callable[[FakeNvml], XidWatch]]:
    started: list[XidWatch] = []

    def start(nvml: FakeNvml) -> XidWatch:
        started.append(XidWatch(nvml, LOG))
        started[-1].start()
        return started[-1]

    yield start
    for watch in started:
        watch.stop()


def test_a_fatal_xid_is_heard_and_a_programs_own_is_not(watching) -> None:
    nvml = eight()
    watch = watching(nvml)
    nvml.report(nvml.devices[0], 31)
    nvml.report(nvml.devices[1], 79)
    wait_until(watch.reported, timeout=10)
    assert watch.reported().keys() == {"GPU-0001"}
    assert watch.reported()["GPU-0001"].number == 79
    assert nvml.registered == 8


def test_a_report_is_the_same_until_the_card_reports_again(watching) -> None:
    nvml = eight()
    watch = watching(nvml)
    nvml.report(nvml.devices[1], 79)
    first = wait_until(lambda: watch.reported().get("GPU-0001"), timeout=10)
    assert watch.reported()["GPU-0001"] == first
    nvml.report(nvml.devices[1], 79)
    wait_until(lambda: watch.reported()["GPU-0001"].report != first.report, timeout=10)


def test_a_card_that_does_not_say_who_it_is_any_more_is_known_by_that(watching) -> None:
    nvml = eight()
    watch = watching(nvml)
    wait_until(lambda: nvml.registered == 8, timeout=10)
    nvml.report(nvml.devices[6], 31)
    nvml.devices[3].fails["uuid"] = lost()
    nvml.report(nvml.devices[3], 79)
    wait_until(watch.reported, timeout=10)
    assert {name: xid.number for name, xid in watch.reported().items()} == {"GPU-0003": 79}


def test_a_card_without_xids_does_not_hide_those_of_the_others(watching) -> None:
    nvml = eight()
    nvml.devices[0].fails["register"] = not_supported()
    watch = watching(nvml)
    nvml.report(nvml.devices[5], 48)
    wait_until(watch.reported, timeout=10)
    assert nvml.registered == 7


@pytest.mark.parametrize("number", [13, 31, 43, 45, 68, 94, 109])
def test_what_a_students_program_can_cause_takes_no_card_away(number: int) -> None:
    assert number not in FATAL


@pytest.mark.parametrize("number", [46, 62, 64, 79, 95, 110, 119, 120, 136, 140, 143, 156, 158])
def test_what_the_catalog_answers_with_a_reset_or_a_reboot_is_fatal(number: int) -> None:
    assert FATAL[number]


# --- CDI specs --------------------------------------------------------------------------------


def test_names_in_cdi_specs_are_read_and_broken_specs_passed_over(tmp_path) -> None:
    (tmp_path / "nvidia.yaml").write_text(
        "kind: nvidia.com/gpu\ndevices:\n- name: '0'\n- name: GPU-a\n"
    )
    (tmp_path / "sim.json").write_text('{"kind": "room.sim/gpu", "devices": [{"name": "x"}]}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [")
    found = set(cdi.names([tmp_path, tmp_path / "absent"]))
    assert found == {"nvidia.com/gpu=0", "nvidia.com/gpu=GPU-a", "room.sim/gpu=x"}


def test_specs_are_read_again_when_one_changes(tmp_path) -> None:
    read_names = cdi.reader([tmp_path])
    assert read_names() == frozenset()
    (tmp_path / "a.json").write_text('{"kind": "k", "devices": [{"name": "x"}]}')
    assert read_names() == {"k=x"}
    (tmp_path / "a.json").unlink()
    assert read_names() == frozenset()
