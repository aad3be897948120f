"""``room gpu``: what it prints, what it asks for, and what the hub's refusals become."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import context, main
from cli.errors import Problem
from cli.gpu import chosen, chosen_waiter, named, since, undrained, until, use

ALICE = {
    "id": "17", "user": "alice", "server": "", "granted": "2026-11-24T05:00:00+00:00",
    "ends": "2099-11-24T07:00:00+00:00", "ready": True,
}  # fmt: skip
BOB = {**ALICE, "id": "18", "user": "bob[b]", "server": "lab", "ends": None, "ready": False}


def unit(uuid: str, lease: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid, "index": 0, "model": "NVIDIA L4", "kind": "gpu", "parent": "",
        "memory_mib": 24576, "health": "ok", "why": "", "lease": lease, "use": None,
    } | more  # fmt: skip


BUSY = {"utilisation": 97.4, "memory_used_mib": 20480, "held_mib": 512}
UNITS = [
    unit(
        "GPU-aaaa1111", ALICE, use={"utilisation": 97.4, "memory_used_mib": 20480, "held_mib": 512}
    ),
    unit("GPU-aaaa2222", BOB),
    unit("GPU-bbbb1111/1", kind="seat", parent="GPU-bbbb1111", memory_mib=12288),
    unit("MIG-cccc", kind="mig", health="quarantined", why="Xid 79"),
]
QUEUE = [
    {
        "id": "19", "user": "carol", "server": "", "class": "ml101", "request": "1 GPU",
        "arrived": "2026-11-24T05:50:00+00:00", "position": 1, "of": 1,
        "at": "2099-11-24T06:40:00+00:00", "basis": "2 leases end before 06:40.", "overdue": True,
    }
]  # fmt: skip


class Hub(http.server.ThreadingHTTPServer):
    """Answers like the hub's admin addresses; ``reply`` replaces the answer of a POST."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[tuple[str, Any]] = []
        answer = {"units": UNITS, "queue": QUEUE, "use_problem": ""}
        self.gpus: tuple[int, Any] = (200, answer)
        self.reply: tuple[int, Any] = (200, {})
        # It is told to end at most this many seconds late.
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "token of-the-room"
        right = self.path == "/hub/room/admin/gpus"
        self.say(*(self.server.gpus if known and right else (403, {"message": "Sign in."})))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path.rpartition("/admin/")[2], json.loads(body)))
        self.say(*self.server.reply)

    def say(self, status: int, what: Any) -> None:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    made = Hub()
    secrets = tmp_path / "state" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "hub_token").write_text("of-the-room\n")
    settings = SimpleNamespace(
        address=f"http://127.0.0.1:{made.server_port}",
        data_root=tmp_path,
        tls=SimpleNamespace(mode="acme"),
    )
    monkeypatch.setattr(context, "settings", lambda: settings)
    yield made
    made.shutdown()
    made.server_close()


def room_gpu(*arguments: str, status: int = 0, **more: Any) -> Result:
    result = CliRunner().invoke(main.main, ["gpu", *arguments], **more)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def line(output: str, begins: str) -> str:
    return next(text for text in output.splitlines() if text.startswith(begins))


def test_list_shows_health_holder_times_and_use(hub: Hub) -> None:
    said = room_gpu("list").output
    alice = line(said, "GPU-aaaa1111")
    assert "alice" in alice
    assert "97 %, 20.0 GiB, holder's 0.5 GiB" in alice
    assert "bob[b]/lab (starting)" in line(said, "GPU-aaaa2222")
    seat = line(said, "GPU-bbbb1111/1")
    assert "NVIDIA L4, 12 GiB, seat (cooperative)" in seat
    assert "free" in seat
    assert "quarantined: Xid 79" in line(said, "MIG-cccc")


def test_json_is_the_hubs_answer(hub: Hub) -> None:
    assert json.loads(room_gpu("list", "--json").stdout) == {"units": UNITS, "use_problem": ""}
    assert json.loads(room_gpu("queue", "--json").stdout) == {"queue": QUEUE}


def test_queue_shows_the_order_and_why(hub: Hub) -> None:
    carol = line(room_gpu("queue").output, "1 ")
    for words in ("carol", "ml101", "1 GPU", "2 leases end before 06:40.", "longer than the rule"):
        assert words in carol


def test_an_empty_room_says_so(hub: Hub) -> None:
    hub.gpus = (200, {"units": [], "queue": []})
    assert "has no GPU" in room_gpu("list").output
    assert "Nobody waits" in room_gpu("queue").output


@pytest.mark.parametrize(
    ("arguments", "told", "words"),
    [
        pytest.param(
            ("drain", "GPU-aaaa1"), ("drain", {"unit": "GPU-aaaa1111", "why": ""}),
            "alice keeps it until", id="drain-by-a-prefix",
        ),
        pytest.param(
            ("undrain", "GPU-aaaa1111"), ("undrain", {"unit": "GPU-aaaa1111", "why": ""}),
            "can be leased again", id="undrain",
        ),
        pytest.param(
            ("quarantine", "MIG-cccc", "--why", " fan "),
            ("quarantine", {"unit": "MIG-cccc", "why": "fan"}), "nobody gets it", id="quarantine",
        ),
        pytest.param(
            ("release", "alice", "--yes"), ("release", {"lease": "17"}), "alice", id="by-user"
        ),
        pytest.param(
            ("release", "18", "--yes"), ("release", {"lease": "18"}), "bob[b]/lab", id="by-lease"
        ),
        pytest.param(
            ("release", "bob[b]/lab", "--yes"), ("release", {"lease": "18"}), "bob[b]/lab",
            id="by-server",
        ),
        pytest.param(
            ("dequeue", "carol", "--yes"), ("dequeue", {"ticket": "19"}),
            "carol is out of the queue", id="dequeue",
        ),
        pytest.param(
            ("dequeue", "19", "--yes"), ("dequeue", {"ticket": "19"}), "carol", id="by-ticket"
        ),
    ],
)  # fmt: skip
def test_the_hub_is_told_what_was_asked_for(
    hub: Hub, arguments: tuple[str, ...], told: Any, words: str
) -> None:
    assert words in room_gpu(*arguments).output
    assert hub.told == [told]


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("n\n", False), ("", False)])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("release", "alice"), "Stop the server of alice and free GPU-aaaa1111?"),
        (("dequeue", "carol"), "Take carol out of the queue?"),
    ],
)
def test_what_costs_somebody_something_is_asked_first(
    hub: Hub, command: tuple[str, str], words: str, answer: str, done: bool
) -> None:
    said = room_gpu(*command, status=0 if done else 1, input=answer)
    assert words in said.output
    assert bool(hub.told) == done


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param((409, {"message": "It is drained."}), ["It is drained."], id="a-rule"),
        pytest.param((403, {"message": "Sign in."}), ["own token", "make up"], id="token"),
        pytest.param((404, b"<html>"), ["older release", "make up"], id="an-older-hub"),
        pytest.param((500, b""), ["broke", "room logs hub"], id="broken"),
        pytest.param((503, b""), ["hub does not answer", "room status"], id="away"),
        pytest.param((200, b"<html>"), ["no hub of a room"], id="something-else"),
    ],
)
def test_a_refusal_is_in_words(hub: Hub, reply: Any, words: list[str]) -> None:
    hub.reply = reply
    said = room_gpu("drain", "MIG-cccc", status=2).output
    for text in words:
        assert text in said
    assert str(reply[0]) not in said


def test_nobody_at_the_address(hub: Hub) -> None:
    hub.shutdown()
    hub.server_close()
    assert "make up" in room_gpu("list", status=2).output


def test_a_room_without_a_token_is_told_what_to_do(hub: Hub, tmp_path) -> None:
    (tmp_path / "state" / "secrets" / "hub_token").unlink()
    assert "make up" in room_gpu("list", status=2).output


@pytest.mark.parametrize("why", ["", "  "])
def test_a_quarantine_needs_a_reason(hub: Hub, why: str) -> None:
    assert "--why" in room_gpu("quarantine", "MIG-cccc", "--why", why, status=2).output
    assert hub.told == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("GPU-aaaa", "2 units", id="several"),
        pytest.param("GPU-aaa", "no GPU unit", id="too-short"),
        pytest.param("GPU-dddd1111", "no GPU unit", id="unknown"),
        pytest.param("0", "no GPU unit", id="an-index"),
    ],
)
def test_a_unit_that_is_not_one_is_refused(text: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        named(text, UNITS)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        pytest.param({}, "can be leased again", id="well"),
        pytest.param(
            {"health": "sick", "why": "Xid 79: reboot"}, "is sick still, and", id="sick-still"
        ),
        pytest.param(
            {"health": "quarantined", "why": "Xid 79", "parent": "GPU-bbbb1111"},
            "a part of GPU-bbbb1111, which is quarantined: Xid 79. "
            "See: room gpu undrain GPU-bbbb1111",
            id="its-gpu-is-marked",
        ),
    ],
)
def test_undrain_says_what_became_of_the_unit(left: Any, words: str) -> None:
    assert words in undrained(unit("GPU-bbbb1111/1", **left))


def test_a_gpu_in_parts_is_named_whole_and_who_has_one_keeps_it(hub: Hub) -> None:
    parts = [unit(f"GPU-bbbb1111/{n}", parent="GPU-bbbb1111", lease=who)
             for n, who in ((1, ALICE), (2, BOB), (3, None))]  # fmt: skip
    hub.gpus = (200, {"units": parts, "queue": []})
    said = room_gpu("drain", "GPU-bbbb1111").output
    assert "GPU-bbbb1111 is drained: alice, bob[b]/lab keep it until" in said
    assert hub.told == [("drain", {"unit": "GPU-bbbb1111", "why": ""})]


def test_a_whole_name_wins_over_a_longer_one() -> None:
    units = [unit("GPU-bbbb1111"), unit("GPU-bbbb1111/1")]
    assert named("GPU-bbbb1111", units) is units[0]


def test_who_holds_several_leases_has_to_be_named_by_one() -> None:
    units = [unit("GPU-1", ALICE), unit("GPU-2", {**ALICE, "id": "20", "server": "b"})]
    with pytest.raises(Problem, match="holds 2 leases") as caught:
        chosen("alice", units)
    assert "17 (alice)" in caught.value.remedy
    assert "20 (alice/b)" in caught.value.remedy
    assert chosen("alice/b", units)["id"] == "20"


def test_two_units_of_one_lease_are_one_lease() -> None:
    assert chosen("alice", [unit("GPU-1", ALICE), unit("GPU-2", ALICE)]) is ALICE


def test_who_holds_nothing_is_refused() -> None:
    with pytest.raises(Problem, match="Nobody called carol"):
        chosen("carol", UNITS)
    with pytest.raises(Problem, match="Nobody called alice waits with a ticket"):
        chosen_waiter("alice", QUEUE)


NOW = 1_795_500_000.0  # 2026-11-24 06:00 UTC


@pytest.mark.parametrize(
    ("when", "ago", "left"),
    [
        pytest.param(None, "", "", id="never"),
        pytest.param("2026-11-24T05:00:00+00:00", "1 h 0 min", "now", id="past"),
        pytest.param("2026-11-24T06:30:00+00:00", "0 s", "30 min", id="future"),
    ],
)
def test_times_are_told_from_now(when: str | None, ago: str, left: str) -> None:
    assert (since(when, NOW), until(when, NOW)) == (ago, left)


ALL = {"utilisation": 0.0, "memory_used_mib": 512, "memory_total_mib": 24576, "temperature": 41.0}


@pytest.mark.parametrize(
    ("found", "held", "words"),
    [
        pytest.param(None, True, "", id="none"),
        pytest.param({"utilisation": None, "memory_used_mib": None}, False, "", id="nothing-told"),
        pytest.param({"memory_used_mib": 512}, False, "0.5 GiB", id="no-total"),
        pytest.param(ALL, False, "0 %, 0.5 of 24.0 GiB, 41 °C", id="free"),
        pytest.param(
            {**ALL, "held_mib": 256}, True, "0 %, 0.5 of 24.0 GiB, 41 °C, holder's 0.2 GiB",
            id="held",
        ),
        pytest.param({"temperature": 41.0}, True, "41 °C, holder's not told", id="not-told"),
    ],
)  # fmt: skip
def test_use_leaves_out_what_is_not_told(found: Any, held: bool, words: str) -> None:
    assert use(found, held) == words


@pytest.mark.parametrize(
    ("problem", "uses", "words"),
    [
        pytest.param("", [None], "", id="nothing-wrong"),
        pytest.param("silence", [None], "How the GPUs are used is not known: silence", id="all"),
        pytest.param("no engine", [None, ALL], "By whom the GPUs are used is", id="owners"),
    ],
)
def test_what_is_not_known_of_the_use_is_said(
    hub: Hub, problem: str, uses: list[Any], words: str
) -> None:
    units = [unit(f"GPU-aaaa111{number}", use=each) for number, each in enumerate(uses)]
    hub.gpus = (200, {"units": units, "queue": [], "use_problem": problem})
    said = room_gpu("list").output
    assert words in said
    assert ("room status" in said) == bool(problem)
