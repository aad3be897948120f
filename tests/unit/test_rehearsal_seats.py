"""How many seats a host holds: each resource alone, which binds first, and what always holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.rehearsal import seats
from room.rehearsal.model import Host, Peaks
from room.rehearsal.seats import Need
from tests.utils.rehearsed import GIB, HOST, MIB, REHEARSAL

SMALL = Host(cores=4, memory=16 * GIB, available=11 * GIB, reserve=GIB, headroom=512 * MIB)
SHARED = replace(SMALL, available=500 * GIB, gpus=8, gpus_each=1, cards=2, gpu_memory=40 * GIB)


@pytest.mark.parametrize(
    ("host", "need", "count", "first"),
    [
        pytest.param(SMALL, Need(GIB), 10, "memory", id="memory-to-the-last-byte"),
        pytest.param(SMALL, Need(GIB + 1), 9, "memory", id="and-not-beyond"),
        pytest.param(SMALL, Need(GIB, files=1), 9, "memory", id="files-are-there-once"),
        pytest.param(SMALL, Need(100 * MIB), 98, "memory", id="the-last-one-needs-headroom"),
        pytest.param(
            replace(SMALL, available=GIB), Need(GIB), 0, "memory", id="nothing-beyond-the-reserve"
        ),
        pytest.param(
            replace(SMALL, available=0), Need(GIB), 0, "memory", id="less-than-the-reserve"
        ),
        pytest.param(replace(SMALL, gpus=4, gpus_each=1), Need(GIB), 4, "gpus", id="gpus"),
        pytest.param(replace(SMALL, gpus=5, gpus_each=2), Need(GIB), 2, "gpus", id="two-gpus-each"),
        pytest.param(
            replace(SMALL, gpus=0, gpus_each=1), Need(GIB), 0, "gpus", id="no-gpu-is-well"
        ),
        pytest.param(
            SHARED, Need(GIB, gpu=15 * GIB), 4, "gpu-memory", id="memory-of-a-shared-card"
        ),
        pytest.param(SHARED, Need(GIB, gpu=5 * GIB), 8, "gpus", id="seats-of-a-shared-card"),
        pytest.param(
            replace(SHARED, cards=8), Need(GIB, gpu=15 * GIB), 8, "gpus", id="a-card-each"
        ),
        pytest.param(SMALL, Need(GIB, cores=4.0), 10, "memory", id="cores-keep-nobody-out"),
        pytest.param(SMALL, Need(None), None, None, id="nothing-measured"),
    ],
)
def test_seats(host: Host, need: Need, count: int | None, first: str | None) -> None:
    found = seats.hold(host, need)
    assert found.count == count
    assert (found.first.resource if found.first else None) == first


def test_what_is_beyond_those_measured_is_said_to_be_reckoned() -> None:
    found = seats.hold(SMALL, Need(GIB, cores=0.5), measured=3)
    assert seats.verdict(found) == (
        "The host holds 10 seats. What runs out first: memory. 3 were measured; the 7 beyond are "
        "reckoned, and were not tried. From 8 on the cores are busy, and it goes slower."
    )
    assert "were not tried" not in seats.verdict(seats.hold(SMALL, Need(GIB), measured=10))


def test_the_arithmetic_is_in_the_words() -> None:
    bound = seats.by_memory(SMALL, Need(GIB, files=2 * GIB))
    assert bound is not None
    for part in ("11 GiB were free", "1 GiB are the host's", "2 GiB are files", "leaves 8 GiB"):
        assert part in bound.words


def test_the_student_who_took_most_is_everyone() -> None:
    need = seats.need(REHEARSAL)
    assert (need.memory, need.files) == (700 * MIB, 30 * MIB)
    # Who failed did not do the whole lesson: 3 CPU-seconds in the 3 s of the quicker of two.
    assert need.cores == pytest.approx(1.0)
    assert seats.need(replace(REHEARSAL, lesson=60.0)).cores == pytest.approx(0.05)


def test_a_student_of_whom_nothing_is_known_changes_nothing() -> None:
    silent = replace(REHEARSAL.students[0], number=4, start=None, peaks=Peaks(), cpu=None, cells=())
    more = replace(REHEARSAL, students=(*REHEARSAL.students, silent))
    assert seats.seats(more) == seats.seats(REHEARSAL)


sizes = st.integers(0, 2**42)
hosts = st.builds(
    Host,
    cores=st.integers(1, 512),
    memory=sizes,
    available=sizes,
    reserve=sizes,
    headroom=sizes,
    gpus=st.integers(0, 64),
    gpus_each=st.integers(0, 8),
    gpu_memory=sizes,
    cards=st.integers(0, 16),
)
needs = st.builds(
    Need,
    memory=st.integers(1, 2**40),
    files=sizes,
    gpu=st.none() | st.integers(1, 2**38),
    cores=st.none() | st.floats(0.001, 64),
)


@given(hosts, needs, sizes, st.integers(0, 64))
def test_more_of_anything_is_never_fewer_seats(
    host: Host, need: Need, memory: int, gpus: int
) -> None:
    count = seats.hold(host, need).count or 0
    assert (seats.hold(replace(host, available=host.available + memory), need).count or 0) >= count
    more = replace(host, gpus=host.gpus + gpus, cards=host.cards and host.cards + gpus)
    assert (seats.hold(more, need).count or 0) >= count


@given(hosts, needs)
def test_all_seats_fit_into_what_is_free_and_one_more_does_not(host: Host, need: Need) -> None:
    bound = seats.by_memory(host, need)
    assert bound is not None
    assert need.memory is not None
    free = host.available - host.reserve - need.files
    last = max(need.memory, host.headroom)
    assert bound.seats == 0 or (bound.seats - 1) * need.memory + last <= free
    assert bound.seats * need.memory + last > free
    whole = seats.hold(host, need)
    assert whole.count == min(each.seats for each in whole.bounds if each.hard)


@given(needs, st.integers(0, 2**40))
def test_who_needs_more_leaves_no_more_seats(need: Need, more: int) -> None:
    assert need.memory is not None
    hungry = replace(need, memory=need.memory + more)
    assert (seats.hold(HOST, hungry).count or 0) <= (seats.hold(HOST, need).count or 0)
