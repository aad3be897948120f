"""Whose server boots next: tables, a machine, and the gate that carries it out."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from room.admission import Line, Memory, Place, Rules, memory, slots
from room.models import Owner
from spawner.admission import Gate

GIB = 1024**3
PLENTY = 1000 * GIB


def line(count: int, *asking: str, reserve: int = 0, headroom: int = 0) -> Line:
    """Return a line in which these ask, as ``user`` or ``user/class``."""
    made = Line(Rules(count, reserve, headroom))
    for each in asking:
        user, _, group = each.partition("/")
        made.ask(Owner(user), group.split("+"))
    return made


def users(owners: list[Owner]) -> str:
    return " ".join(owner.user for owner in owners)


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        pytest.param("a b c", "a b c", id="who came first"),
        pytest.param("a/x b/x c/x d/y", "a d b c", id="classes in turn"),
        pytest.param("a/x b/y c/x d/y e/x", "a b c d e", id="classes that are alike"),
        pytest.param("a/x b/x c/y d/z", "a c d b", id="three classes"),
        pytest.param("a b a", "a b", id="who asks twice stands once"),
        pytest.param("a/x b/x c/x d/x e/y f/y", "a e b f c d", id="until one class is through"),
        pytest.param("a/x b/x c/x+y", "a c b", id="of two classes the one whose turn is first"),
        pytest.param("a/y b/y c/x+y", "a c b", id="whatever the names"),
        pytest.param("a/x b/x c/x+y d/x+y", "a c b d", id="who waits in a class counts"),
    ],
)
def test_servers_boot_in_the_order(asking: str, expected: str):
    made, found = line(1, *asking.split()), []
    while admitted := made.admit(PLENTY):
        found += admitted
        made.leave(admitted[0])
    assert users(found) == expected


def test_a_class_that_comes_later_has_no_turns_to_catch_up():
    made = line(1, *(f"x{n}/x" for n in range(9)))
    for _ in range(4):
        (owner,) = made.admit(PLENTY)
        made.leave(owner)
    for n in range(4):
        made.ask(Owner(f"y{n}"), ["y"])
    found = []
    while admitted := made.admit(PLENTY):
        found += admitted
        made.leave(admitted[0])
    assert users(found) == "x4 y0 x5 y1 x6 y2 x7 y3 x8"


def test_a_class_that_boots_already_comes_after_one_that_does_not():
    made = line(1, "a/x", "b/x", "c/y")
    assert users(made.admit(PLENTY)) == "a"
    made.rules = Rules(2, 0, 0)
    assert users(made.admit(PLENTY)) == "c"


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        pytest.param(1.4, "", id="the reserve alone"),
        pytest.param(1.5, "a", id="one fits"),
        pytest.param(2.4, "a b", id="a boot counts with its headroom"),
        pytest.param(9.0, "a b c", id="never more than slots"),
    ],
)
def test_a_boot_needs_memory_beyond_the_reserve(free: float, expected: str):
    made = line(3, *"abcd", reserve=GIB, headroom=GIB // 2)
    assert users(made.admit(int(free * GIB))) == expected


def test_places_count_who_waits_and_say_what_lacks():
    made = line(1, *"abc", reserve=GIB)
    assert made.admit(PLENTY) == [Owner("a")]
    assert made.places(0) == {Owner("b"): Place(1, 2), Owner("c"): Place(2, 2)}
    made.leave(Owner("a"))
    assert made.places(GIB - 5) == {Owner("b"): Place(1, 2, 5), Owner("c"): Place(2, 2, 5)}


def test_where_nobody_can_tell_the_memory_slots_alone_decide():
    made = line(2, *"abc", reserve=GIB)
    assert users(made.admit(None)) == "a b"
    made.leave(Owner("a"))
    assert made.places(None) == {Owner("c"): Place(1, 1)}


def test_memory_is_what_the_host_has():
    found = memory("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\n")
    assert found == Memory(9 * 1024, 2 * 1024**2)


@pytest.mark.parametrize("meminfo", ["", "MemTotal: 9 kB\n", "MemTotal: x kB\nMemAvailable: 1 kB"])
def test_what_tells_no_memory_is_refused(meminfo: str):
    with pytest.raises(ValueError, match=r"MemTotal|invalid"):
        memory(meminfo)


@pytest.mark.parametrize(("total", "never"), [(3 * GIB - 1, True), (3 * GIB, False)])
def test_a_boot_never_fits_where_reserve_and_headroom_are_more_than_all(total: int, never: bool):
    assert Rules(9, 2 * GIB, GIB).never(total) is never


def test_one_more_boots_than_there_are_cores():
    assert [slots(cores) for cores in (1, 2, 64)] == [2, 3, 65]


class Boots(RuleBasedStateMachine):
    """People come, boot, give up, and memory comes and goes."""

    OWNERS = st.sampled_from([Owner(name) for name in "abcdefgh"])

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(Rules(2, 1, 1))
        self.memory = 9
        self.came: dict[Owner, int] = {}
        self.count = 0

    @rule(owner=OWNERS, group=st.sampled_from("xy"))
    def ask(self, owner: Owner, group: str) -> None:
        known = owner in self.line.waiting or owner in self.line.booting
        self.line.ask(owner, [group])
        if not known:
            self.count += 1
            self.came[owner] = self.count

    @rule(owner=OWNERS)
    def leave(self, owner: Owner) -> None:
        self.line.leave(owner)

    @rule(memory=st.integers(0, 9))
    def memory_is(self, memory: int) -> None:
        self.memory = memory

    @rule()
    def admit(self) -> None:
        before = dict(self.line.waiting)
        admitted = self.line.admit(self.memory)
        for owner in admitted:
            group = before[owner].group
            older = [o for o, b in before.items() if b.group == group and o not in admitted]
            assert all(self.came[o] > self.came[owner] for o in older), "first come, first served"
        if admitted:
            assert self.memory >= 1 + len(self.line.booting), "memory for all that boot"

    @invariant()
    def never_more_than_slots(self) -> None:
        assert len(self.line.booting) <= 2
        assert not self.line.waiting.keys() & self.line.booting.keys()

    @precondition(lambda self: self.line.waiting)
    @rule()
    def everybody_boots_in_the_end(self) -> None:
        for _ in range(len(self.line.waiting) + len(self.line.booting)):
            for owner in list(self.line.booting):
                self.line.leave(owner)
            self.line.admit(9)
        assert not self.line.waiting


TestBoots = Boots.TestCase
TestBoots.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class Host:
    """What the gate reads the memory of; ``error`` is raised in its place."""

    def __init__(self, available: int = PLENTY) -> None:
        self.available = available
        self.error: Exception | None = None
        self.looks = 0

    def __call__(self) -> Memory:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Memory(PLENTY, self.available)


def gate_of(rules: Rules, host: Host | None = None) -> Gate:
    return Gate(rules, host or Host(), log=logging.getLogger("gate"))


class Student:
    """Somebody at the gate; ``places`` are those that they were told."""

    def __init__(self, gate: Gate, name: str) -> None:
        self.places: list[Place] = []
        self.in_turn = asyncio.Event()
        self.over = asyncio.Event()
        self.task = asyncio.ensure_future(self._go(gate, Owner(name)))

    async def _go(self, gate: Gate, owner: Owner) -> None:
        async with gate.turn(owner, [], self.places.append):
            self.in_turn.set()
            await self.over.wait()


async def test_the_gate_lets_the_next_in_when_one_is_over():
    gate = gate_of(Rules(1, 0, 0))
    ann, bob, cy = (Student(gate, name) for name in ("ann", "bob", "cy"))
    await ann.in_turn.wait()
    assert (bob.places[-1], cy.places[-1]) == (Place(1, 2), Place(2, 2))
    ann.over.set()
    await bob.in_turn.wait()
    assert cy.places[-1] == Place(1, 1)
    bob.over.set()
    cy.over.set()
    await asyncio.gather(ann.task, bob.task, cy.task)
    assert not ann.places, "who does not wait is told no place"


async def test_who_gives_up_leaves_the_line_and_a_boot_that_fails_its_slot():
    gate = gate_of(Rules(1, 0, 0))
    ann, bob, cy = (Student(gate, name) for name in ("ann", "bob", "cy"))
    await ann.in_turn.wait()
    bob.task.cancel()
    ann.task.cancel()
    await cy.in_turn.wait()
    cy.over.set()
    await asyncio.gather(ann.task, bob.task, cy.task, return_exceptions=True)
    assert not bob.in_turn.is_set()


async def test_who_gives_up_in_the_moment_of_their_turn_passes_it_on():
    gate = gate_of(Rules(1, 0, 0))
    ann, bob, cy = (Student(gate, name) for name in ("ann", "bob", "cy"))
    await ann.in_turn.wait()
    ann.task.cancel()
    bob.task.cancel()
    await asyncio.wait_for(cy.in_turn.wait(), 5)
    cy.over.set()
    found = await asyncio.gather(ann.task, bob.task, cy.task, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError] * 2 + [type(None)]


async def test_the_gate_looks_again_while_memory_lacks(monkeypatch):
    monkeypatch.setattr("spawner.admission.LOOK_EVERY", 0.001)
    host = Host(0)
    gate = gate_of(Rules(1, GIB, 0), host)
    ann = Student(gate, "ann")
    await asyncio.sleep(0)
    assert ann.places == [Place(1, 1, GIB)]
    host.available = GIB
    await ann.in_turn.wait()
    ann.over.set()
    await ann.task


async def looked_again(host: Host) -> bool:
    """Say whether the gate looks while the loop goes round, with a pause of none between looks."""
    seen = host.looks
    for _ in range(10):
        await asyncio.sleep(0)
    return host.looks > seen


async def test_the_gate_looks_again_only_while_somebody_waits_for_memory(monkeypatch):
    monkeypatch.setattr("spawner.admission.LOOK_EVERY", 0)
    host = Host()
    gate = gate_of(Rules(2, GIB, 0), host)
    ann = Student(gate, "ann")
    await ann.in_turn.wait()
    assert not await looked_again(host), "nobody waits"
    host.available = 0
    bob = Student(gate, "bob")
    assert await looked_again(host), "memory lacks"
    host.available = PLENTY
    await bob.in_turn.wait()
    cy = Student(gate, "cy")
    await asyncio.sleep(0)
    host.available = 0
    assert cy.places == [Place(1, 1)]
    assert not await looked_again(host), "a turn is waited for, whose end is told"
    for student in (ann, bob):
        student.over.set()
    assert await looked_again(host), "the turn is there, and no memory"
    cy.task.cancel()
    await asyncio.wait([ann.task, bob.task, cy.task])
    assert not await looked_again(host), "who waited has left"


async def test_memory_that_cannot_be_read_fails_no_start_and_is_logged_once(caplog):
    host = Host(0)
    gate = gate_of(Rules(1, GIB, 0), host)
    host.error = OSError("no /proc")
    ann, bob = Student(gate, "ann"), Student(gate, "bob")
    await ann.in_turn.wait()
    host.error = ValueError("no MemAvailable")
    ann.over.set()
    await ann.task
    await bob.in_turn.wait()
    assert [record.getMessage() for record in caplog.records] == [
        "Cannot tell the host's memory, so starts do not wait for it: no /proc"
    ]
    host.error = None
    bob.over.set()
    await bob.task
    host.error = OSError("gone again")
    assert gate.never() is None
    assert len(caplog.records) == 2, "once for each time that it cannot be read"


async def test_a_server_that_asks_twice_has_its_second_turn_after_the_first():
    gate = gate_of(Rules(2, 0, 0))
    first, second, third = (Student(gate, "ann") for _ in range(3))
    await first.in_turn.wait()
    second.task.cancel()
    await asyncio.wait([second.task])
    first.over.set()
    await third.in_turn.wait()
    third.over.set()
    await asyncio.gather(first.task, third.task)
    assert second.task.cancelled()


@pytest.mark.parametrize("reserve", [PLENTY, PLENTY + 1])
def test_a_host_that_is_too_small_is_said_with_its_numbers(reserve: int):
    said = gate_of(Rules(1, reserve, GIB)).never()
    assert said is not None
    assert "the host has 1000 GiB in all" in said.message
    assert gate_of(Rules(1, PLENTY - GIB, GIB)).never() is None
