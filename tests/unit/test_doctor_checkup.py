"""What the console's Doctor says: of the room now, and of the host as root saw it before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from room.doctor import Facts, live, report
from room.doctor.checkup import ROOM, Checkup, checkup
from room.doctor.facts import Certificate, Engine, GPUs, Mirror
from room.doctor.live import Host, Live
from room.doctor.report import Report
from room.gpus.inventory import simulated
from room.gpus.seats import Sharing, split
from room.models import GPUUnit, Xid
from room.settings import Settings
from tests.unit.test_doctor_rules import ids_in_the_rules
from tests.utils.facts import CARD, GB, NOW, card, change, healthy, with_gpu

DAY = 24 * 3600.0
DEFAULT = Settings()
GPU_PROFILE = Settings.model_validate(
    {"profiles": [{"display_name": "g", "spawner_override": {"gpus": 1}}]}
)
OTHER = replace(CARD, uuid="GPU-bbbb", index=1)


def room(facts: Facts | None = None, **changes: Any) -> Live:
    """Return what is known of a room that has nothing to say about, on such a machine."""
    there = with_gpu() if facts is None else facts
    found = Live(
        at=NOW + DAY,
        host=Host(replace(there.gpus, pci=(), toolkit="", hook=False), there.data.data),
        engine=there.engine,
        machine=there.machine,
        units=there.gpus.cards,
        compared_at=NOW + DAY - 30,
    )
    return replace(found, **changes)


def left(facts: Facts | None = None) -> Report:
    return Report(NOW, "doctor", with_gpu() if facts is None else facts)


def unwell(health: str, why: str = "fan broken", unit: GPUUnit = CARD) -> GPUUnit:
    return replace(unit, health=health, why=why)


def ids(found: Checkup, part: str, level: str = "") -> list[str]:
    groups = getattr(found, part).values()
    return [each.id for group in groups for each in group if level in ("", each.level)]


def test_of_a_room_that_is_well_nothing_is_said_but_that() -> None:
    found = checkup(room(), left(), DEFAULT)
    assert found.count("fatal") == found.count("warning") == 0
    assert found.now[ROOM]
    assert (found.looked_at, found.by) == (NOW, "doctor")


#: what is known now, id, level, words
ROOM_TROUBLES = [
    pytest.param(
        room(host=None, silent="refused"), "agent-silent", "fatal", "It says: refused.", id="agent"
    ),
    pytest.param(
        room(compared_at=None), "leases-not-compared", "warning", "since the hub started",
        id="never-compared",
    ),
    pytest.param(
        room(compared_at=NOW + DAY - 151), "leases-not-compared", "warning", "since 2027-01-16",
        id="compared-long-ago",
    ),
    pytest.param(
        room(compare_problem="locked"), "leases-not-compared", "warning", "It says: locked.",
        id="not-compared",
    ),
    pytest.param(
        room(doubled=("alice/lab",)), "lease-doubled", "warning", "alice/lab runs on a GPU",
        id="doubled",
    ),
    pytest.param(
        room(units=(unwell("quarantined"),)), "gpu-quarantined", "warning",
        "room gpu undrain GPU-aaaa", id="quarantine",
    ),
    pytest.param(
        room(units=(unwell("sick"),)), "gpu-unwell", "warning", "fan broken. No server", id="sick"
    ),
    pytest.param(
        room(use_problem="no engine"), "gpu-use-unknown", "warning", "It says: no engine.",
        id="use",
    ),
    pytest.param(
        room(host=Host(GPUs(), healthy().data.data)), "gpu-unseen", "warning",
        "does not see 1 GPU", id="unseen",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("known", "name", "level", "words"), ROOM_TROUBLES)
def test_what_the_running_room_knows_is_told_with_the_remedy(
    known: Live, name: str, level: str, words: str
) -> None:
    found = checkup(known, left(), DEFAULT)
    (finding,) = [each for each in found.now[ROOM] if each.level != "ok"]
    assert (finding.id, finding.level) == (name, level)
    assert finding.remedy
    assert words in f"{finding.title}. {finding.meaning} {finding.remedy}"


def test_each_finding_of_the_room_is_in_the_table() -> None:
    table = {each.values[1] for each in ROOM_TROUBLES}
    assert table - {"gpu-unwell"} == ids_in_the_rules("running")


def test_a_silent_agent_is_one_finding_and_not_one_for_each_unit() -> None:
    lost = tuple(unwell("unknown", "the agent has not answered") for _ in range(8))
    found = checkup(room(host=None, silent="refused", units=lost), left(), DEFAULT)
    assert ids(found, "now", "fatal") == ["agent-silent"]
    assert ids(found, "now", "warning") == []
    assert "gpu-driver" in ids(found, "before"), "the cards are as root saw them"


def test_a_hub_without_an_agent_is_no_trouble() -> None:
    found = checkup(room(host=None, silent=""), left(), DEFAULT)
    assert "agent-silent" not in ids(found, "now")
    assert "agent" not in ids(found, "now")


def test_the_seats_of_a_sick_card_are_one_finding() -> None:
    seats = split((unwell("sick"), OTHER), (Sharing(seats=4, model="A10"),))
    found = checkup(room(units=seats), left(), DEFAULT)
    assert ids(found, "now", "warning") == ["gpu-unwell"]


def test_what_an_admin_drained_is_no_trouble() -> None:
    found = checkup(room(units=(unwell("drained", ""),)), left(), DEFAULT)
    (finding,) = [each for each in found.now[ROOM] if each.id == "gpu-drained"]
    assert finding.level == "ok"
    assert finding.title == "1 GPU drained: GPU-aaaa"


# --- each rule speaks once, of the newest facts -----------------------------------------------

LOW = replace(healthy().data.data, free=3 * GB)  # type: ignore[type-var]
FULL = replace(healthy().data.images, free=GB // 10)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("known", "report_", "now", "before"),
    [
        pytest.param(
            room(host=Host(with_gpu().gpus, LOW)), left(), ["data-low"], [], id="disk-got-low"
        ),
        pytest.param(
            room(), left(change(with_gpu(), "data", data=LOW)), [], [], id="disk-was-low"
        ),
        pytest.param(
            room(), left(change(with_gpu(), "data", images=FULL)), [], ["images-full"],
            id="images-are-seen-by-root-alone",
        ),
        pytest.param(
            room(host=None, silent="down"), left(change(with_gpu(), "data", data=LOW)),
            ["agent-silent"], ["data-low"], id="disk-of-a-silent-agent",
        ),
        pytest.param(
            room(host=Host(replace(with_gpu().gpus, problem="mismatch"), LOW)), left(),
            ["gpu-driver-mismatch", "data-low"], [], id="driver-was-upgraded",
        ),
        pytest.param(
            room(), left(with_gpu(problem="mismatch")), [], [], id="driver-is-well-again"
        ),
        pytest.param(
            room(host=Host(GPUs(problem="not-loaded"), healthy().data.data)),
            left(with_gpu(problem="mismatch")),
            ["gpu-unseen"], ["gpu-driver-mismatch"], id="an-agent-without-cards-knows-nothing",
        ),
        pytest.param(
            room(engine=Engine(answer="stopped")), left(), ["engine-stopped"], [], id="engine"
        ),
        pytest.param(
            room(), left(with_gpu(toolkit="")), [], ["toolkit-missing"], id="toolkit"
        ),
        pytest.param(
            room(), left(change(with_gpu(), "network", mirrors=(Mirror("npm", "", "gone"),))),
            [], ["mirror-unreachable"], id="mirror",
        ),
        pytest.param(
            room(with_gpu(cards=(card("3.5"),))), left(), ["gpu-unsupported"], [], id="other-card"
        ),
    ],
)  # fmt: skip
def test_each_rule_speaks_once_of_the_newest_facts(
    known: Live, report_: Report, now: list[str], before: list[str]
) -> None:
    found = checkup(known, report_, DEFAULT)
    assert [*ids(found, "now", "fatal"), *ids(found, "now", "warning")] == now
    assert [*ids(found, "before", "fatal"), *ids(found, "before", "warning")] == before


def test_a_certificate_that_has_ended_since_is_told() -> None:
    valid = Certificate(names=("localhost",), not_after=NOW + 100 * DAY, key_fits=True)
    facts = change(with_gpu(), "data", certificate=valid)
    for days, name in ((0, []), (90, ["certificate-ending"]), (101, ["certificate-expired"])):
        at = NOW + days * DAY
        settings = Settings.model_validate({"address": "http://localhost"})
        found = checkup(room(at=at, compared_at=at), left(facts), settings)
        told = [each for each in ids(found, "before") if each.startswith("certificate-")]
        assert told == name


def test_without_a_look_of_root_s_only_the_room_is_told_of() -> None:
    found = checkup(room(), None, GPU_PROFILE)
    assert found.before == {}
    assert found.looked_at is None
    assert "gpu-driver" in ids(found, "now")


def test_simulated_cards_are_called_so_and_their_troubles_are_told() -> None:
    units = (unwell("sick", unit=simulated(4).units[0]), *simulated(4).units[1:])
    known = room(host=Host(GPUs(simulated=4), healthy().data.data), units=units)
    found = checkup(known, left(), DEFAULT)
    assert ids(found, "now", "warning") == ["gpu-unwell"]
    (gpus,) = [each for each in found.now["GPUs"] if each.id == "gpu"]
    assert gpus.title == "4 GPUs, simulated"


# --- as JSON ----------------------------------------------------------------------------------


def test_what_is_known_comes_back_from_json_as_it_was() -> None:
    xid = replace(unwell("sick"), xid=Xid(79, "monday"), links=("GPU-bbbb",))
    known = room(units=(xid, OTHER), doubled=("a", "b/c"), silent="why")
    assert live.loads(live.dumps(known)) == known
    assert live.loads_host(live.dumps_host(known.host)) == known.host


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"at": "yesterday"}', "null"])
def test_what_is_no_answer_of_the_hub_s_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        live.loads(text)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    certificate = Certificate(names=("a", "b"), not_after=NOW, key_mode=0o600, key_fits=True)
    facts = change(with_gpu(), "data", certificate=certificate, unreadable=(("tls.key", "no"),))
    made = Report(NOW, "up", facts)
    (tmp_path / report.NAME).write_text(report.dumps(made))
    assert report.read(tmp_path) == made


@pytest.mark.parametrize(
    "text", [None, "", "{", '{"at": 1}', '{"at": 1, "by": "cron", "facts": {}}']
)
def test_a_report_that_cannot_be_read_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / report.NAME).write_text(text)
    assert report.read(tmp_path) is None


def test_a_report_of_another_release_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    text = report.dumps(left()).replace('"facts": {', '"facts": {"weather": {"rain": true},', 1)
    (tmp_path / report.NAME).write_text(text)
    assert report.read(tmp_path) == left()
