"""Which repairs a difference between rows, containers and servers needs."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.gpus.reconcile import Container, repairs
from room.models import Lease, Owner

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
A, B = Owner("alice"), Owner("bob")


def lease(owner: Owner, number: int = 1) -> Lease:
    return Lease(f"{owner.user}{number}", owner, (f"GPU-{owner.user}{number}",), NOW)


def container(owner: Owner, number: int | None = 1) -> Container:
    if number is None:
        return Container(f"c-{owner.user}", owner)
    held = lease(owner, number)
    return Container(f"c-{owner.user}", owner, held.id, held.units, NOW)


@pytest.mark.parametrize(
    ("leases", "containers", "served", "moving", "expected"),
    [
        pytest.param([lease(A)], [container(A)], {A}, set(), ([], [], []), id="all-agree"),
        pytest.param([lease(A)], [], set(), set(), ([], ["alice1"], []), id="container-gone"),
        pytest.param([lease(A)], [], {A}, {A}, ([], [], []), id="being-started"),
        pytest.param([lease(A)], [], {A}, set(), ([], ["alice1"], []), id="served-but-gone"),
        pytest.param([lease(A)], [container(A)], set(), set(), (["c-alice"], [], []), id="orphan"),
        pytest.param(
            [], [container(A, None)], set(), set(), (["c-alice"], [], []), id="orphan-without-gpu"
        ),
        pytest.param([], [container(A)], set(), {A}, ([], [], []), id="being-tidied"),
        pytest.param([], [container(A)], {A}, set(), ([], [], ["alice1"]), id="row-lost"),
        pytest.param(
            [lease(A, 1)],
            [container(A, 2)],
            {A},
            set(),
            ([], ["alice1"], ["alice2"]),
            id="row-of-an-earlier-life",
        ),
        pytest.param(
            [lease(A), lease(B)], [container(B)], {B}, set(), ([], ["alice1"], []), id="one-of-two"
        ),
    ],
)
def test_repairs(leases, containers, served, moving, expected) -> None:  # type: ignore[no-untyped-def]
    found = repairs(leases, containers, served, moving)
    assert (
        [c.id for c in found.remove],
        [entry.id for entry in found.release],
        [entry.id for entry in found.adopt],
    ) == expected
    assert bool(found) == any(expected)


owners = st.sampled_from([Owner(name) for name in "abcd"])


@given(
    leases=st.lists(st.tuples(owners, st.integers(1, 2)), unique=True),
    containers=st.lists(st.tuples(owners, st.integers(1, 2)), unique_by=lambda pair: pair[0]),
    served=st.sets(owners),
    moving=st.sets(owners),
)
def test_one_pass_makes_everything_agree(leases, containers, served, moving) -> None:  # type: ignore[no-untyped-def]
    """What a pass leaves needs no further repair, and nothing that moves was touched."""
    rows = [lease(owner, number) for owner, number in leases]
    found = [container(owner, number) for owner, number in containers]
    todo = repairs(rows, found, served, moving)
    touched = {c.owner for c in todo.remove} | {
        entry.owner for entry in (*todo.release, *todo.adopt)
    }
    assert not touched & moving
    gone = {c.id for c in todo.remove}
    left = [c for c in found if c.id not in gone]
    released = {entry.id for entry in todo.release} | {c.lease_id for c in todo.remove}
    after = [entry for entry in rows if entry.id not in released] + list(todo.adopt)
    assert not repairs(after, left, served, moving)
