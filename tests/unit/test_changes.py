"""What an entry changes about somebody: a table, and that a preview and its deed are one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from room.changes import NEVER, change, digest
from room.people import People
from room.person import Membership, Person
from room.roles import ROLES
from room.roster import Entry
from room.store import Store
from room.store.metadata import metadata

END = datetime(2027, 2, 1, tzinfo=timezone.utc)
ALICE = Person("alice", "Alice", memberships=(Membership("ml101", "assistant", until=END),))


@pytest.mark.parametrize(
    ("before", "entry", "kind", "said"),
    [
        pytest.param(None, Entry("alice"), "added", "", id="new"),
        pytest.param(
            None,
            Entry("alice", ("x",), "Alice"),
            "added",
            "name: none → Alice; role in x: none → student",
            id="new, in a class",
        ),
        pytest.param(ALICE, Entry("alice"), "unchanged", "", id="nothing is said"),
        pytest.param(ALICE, Entry("alice", ("ml101",), "Alice"), "unchanged", "", id="the same"),
        pytest.param(
            ALICE,
            Entry("alice", ("ml101",), roles=(("ml101", "instructor"),)),
            "changed",
            "role in ml101: assistant → instructor",
            id="a role",
        ),
        pytest.param(
            ALICE,
            Entry("alice", ("ml101", "nlp"), until=END + timedelta(days=1)),
            "changed",
            "in ml101 until: 2027-02-01 00:00 UTC → 2027-02-02 00:00 UTC; "
            "role in nlp: none → student; in nlp until: none → 2027-02-02 00:00 UTC",
            id="an end in classes",
        ),
        pytest.param(
            ALICE,
            Entry("alice", ("ml101",), until=NEVER),
            "changed",
            "in ml101 until: 2027-02-01 00:00 UTC → none",
            id="no end any more",
        ),
        pytest.param(
            ALICE,
            Entry("alice", until=END),
            "changed",
            "until: none → 2027-02-01 00:00 UTC",
            id="an end of everything",
        ),
        pytest.param(
            Person("alice", memberships=(Membership("x", source="provider"),)),
            Entry("alice", ("x",)),
            "changed",
            "role in x: none → student",
            id="the admin says what only the provider said",
        ),
    ],
)
def test_what_an_entry_changes(before, entry, kind, said) -> None:
    found = change(before, entry)
    assert (found.kind, "; ".join(map(str, found.fields))) == (kind, said)
    assert bool(found.values or found.enrolments) == bool(found.fields)


def test_a_code_stands_for_the_changes_and_not_for_their_order() -> None:
    one, two = change(None, Entry("a", ("x",))), change(None, Entry("b"))
    assert digest([one, two]) == digest([two, one])
    assert digest([one]) != digest([one, two])
    assert digest([one]) != digest([change(None, Entry("a", ("y",)))])
    assert digest([two]) != digest([change(Person("b"), Entry("b"))])


ENTRIES = st.lists(
    st.builds(
        lambda login, roles, name, until: Entry(
            login, tuple(roles), name, tuple((c, r) for c, r in roles.items() if r), until
        ),
        st.sampled_from(["alice", "bob", "carol"]),
        st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([None, *ROLES])),
        st.sampled_from(["", "A", "B"]),
        st.sampled_from([None, END, NEVER]),
    ),
    unique_by=lambda entry: entry.login,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=4))
def test_what_was_previewed_is_what_is_there_afterwards_and_again_changes_nothing(rosters) -> None:
    store = Store("sqlite://")
    metadata.create_all(store.engine)
    people = People(store)
    try:
        for roster in rosters:
            shown = people.preview(roster)
            people.import_roster(roster, as_shown=digest(shown))
            for each in shown:
                person = people.get(each.login)
                assert all(getattr(person, name) == value for name, value in each.values)
                for enrolment in each.enrolments:
                    has = person.enrolled[enrolment.class_name]
                    assert (has.role, has.until) == (enrolment.role, enrolment.until)
            assert all(each.kind == "unchanged" for each in people.preview(roster))
    finally:
        store.close()
