from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from room.people import People
from room.person import (
    Accepted,
    NoSuchPersonError,
    Refused,
    RevokedError,
    SubjectTakenError,
)
from room.roster import Entry
from room.store import Store
from room.store.metadata import metadata
from room.store.people_tables import people_tokens

START = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **spans: float) -> None:
        self.now += timedelta(**spans)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path, clock):
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    metadata.create_all(store.engine)
    yield People(store, clock)
    store.close()


def test_adding_twice_keeps_what_was_there(people) -> None:
    people.add("Alice", ["ML101"], admin=True, name="Alice A.")
    person = people.add("alice", ["dl202"])
    assert (person.login, person.classes, person.admin, person.name) == (
        "alice", ("dl202", "ml101"), True, "Alice A.",
    )  # fmt: skip
    assert [p.login for p in people.all()] == ["alice"]


def test_a_link_lets_in_as_often_as_wanted(people, clock) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    for _ in range(3):
        clock.forward(days=300)
        accepted = people.verify(token)
        assert accepted == Accepted("alice", token[:10])
        assert people.use(accepted)
    assert people.get("alice").last_login_at == clock.now


def test_a_one_time_link_lets_in_once(people) -> None:
    people.add("admin")
    token = str(people.link("admin", once=True))
    first, second = people.verify(token), people.verify(token)
    assert people.use(first)
    assert not people.use(second), "two browsers at the same moment"
    assert people.verify(token) == Refused("used", "admin")


def test_a_one_time_link_expires_after_a_day(people, clock) -> None:
    people.add("admin")
    token = str(people.link("admin", once=True))
    clock.forward(hours=23, minutes=59)
    assert isinstance(people.verify(token), Accepted)
    clock.forward(minutes=1)
    assert people.verify(token) == Refused("expired", "admin")
    assert people.get("admin").links == 0


def test_a_new_link_replaces_the_old_one_unless_kept(people) -> None:
    people.add("alice")
    first = str(people.link("alice"))
    second = str(people.link("alice"))
    third = str(people.link("alice", keep=True))
    assert people.verify(first) == Refused("unknown")
    assert isinstance(people.verify(second), Accepted)
    assert isinstance(people.verify(third), Accepted)


@pytest.mark.parametrize(
    ("change", "reason", "login"),
    [
        pytest.param(lambda t: "a" * 10 + t[10:], "unknown", None, id="an id that nobody has"),
        pytest.param(lambda t: t[:-4] + "2222", "unknown", "alice", id="a wrong secret"),
        pytest.param(lambda t: "", "unreadable", None, id="nothing"),
    ],
)
def test_a_wrong_token_says_whose_only_to_the_limiter(people, change, reason, login) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    assert people.verify(change(token)) == Refused(reason, login)


def test_a_token_is_not_taken_for_another_login(people) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    assert people.verify(token, " Alice ") == people.verify(token)
    assert people.verify(token, "bob") == Refused("other-login", "alice")


def test_revoking_holds_until_somebody_adds_the_person_again(people) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    accepted = people.verify(token)
    assert people.revoke("alice").revoked_at == START
    assert people.verify(token) == Refused("revoked", "alice")
    with pytest.raises(RevokedError, match="2026-11-23 12:00"):
        people.link("alice")
    assert people.add("alice").revoked_at is None
    assert people.verify(token) == Refused("unknown"), "the old link must not come back to life"
    assert not people.use(accepted)


def test_only_a_digest_is_stored(people) -> None:
    people.add("alice")
    token = people.link("alice")
    with people.store.read() as connection:
        row = connection.execute(select(people_tokens)).one()
    assert token.secret not in str(row)
    assert row.digest == token.digest


def test_an_import_is_whole_or_not_at_all(people) -> None:
    def fail(made) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        people.import_roster([Entry("alice"), Entry("bob")], links="all", deliver=fail)
    assert people.all() == []


def test_importing_again_changes_nothing_and_makes_no_second_link(people) -> None:
    roster = [Entry("alice", ("ml101",), "Alice"), Entry("bob", ("ml101",))]
    first = people.import_roster(roster, links="missing")
    again = people.import_roster([*roster, Entry("carol")], links="missing")
    assert (first.added, len(first.links)) == (("alice", "bob"), 2)
    assert (again.added, again.unchanged) == (("carol",), ("alice", "bob"))
    assert [entry.login for entry, _ in again.links] == ["carol"]
    assert all(isinstance(people.verify(str(token)), Accepted) for _, token in first.links)


def test_an_import_lets_no_revoked_person_back(people) -> None:
    people.add("alice")
    people.revoke("alice")
    done = people.import_roster([Entry("alice", ("ml101",))], links="all")
    assert (done.still_revoked, done.links) == (("alice",), ())
    assert people.get("alice").revoked_at == START


def test_a_login_stays_with_the_account_that_brought_it_first(people) -> None:
    people.enter_by_oauth("alice", "4711")
    assert people.enter_by_oauth("alice", "4711").oauth_subject == "4711"
    with pytest.raises(SubjectTakenError):
        people.enter_by_oauth("alice", "9999")
    people.forget_account("alice")
    assert people.enter_by_oauth("alice", "9999").oauth_subject == "9999"
    people.revoke("alice")
    with pytest.raises(RevokedError):
        people.enter_by_oauth("alice", "9999")


def test_nobody_is_named_when_nobody_is_there(people) -> None:
    for call in (people.get, people.revoke, people.link, people.remove):
        with pytest.raises(NoSuchPersonError, match="ghost"):
            call("ghost")
    assert people.find("../../etc") is None
    with pytest.raises(ValueError, match="is no login"):
        people.add("../../etc")


def test_removing_leaves_nothing(people) -> None:
    people.add("alice", ["ml101"])
    token = str(people.link("alice"))
    people.remove("alice")
    assert people.all() == []
    assert people.verify(token) == Refused("unknown")


def test_groups_are_what_the_admin_says_and_what_the_provider_claims(people) -> None:
    people.add("alice", ["ml101", "dl202"])
    people.enter_by_oauth("alice", "4711", ["ml101", "Staff/A", "", "x" * 256])
    assert people.get("alice").groups == ("Staff/A", "dl202", "ml101")
    people.enter_by_oauth("alice", "4711", ["students"])
    assert people.get("alice").groups == ("dl202", "ml101", "students")
    assert people.leave("alice", ["ML101", "students"]).groups == ("dl202", "students")
    assert [p.login for p in people.all("students")] == ["alice"]


def test_the_migrated_tables_are_the_ones_we_use(tmp_path) -> None:
    from sqlalchemy import inspect

    from room.store import migrate

    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    found = inspect(store.engine)
    for table in ("people", "people_classes", "people_tokens"):
        made = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(table)}
        ours = metadata.tables[table].columns
        assert made == {c.name: (str(c.type), c.nullable) for c in ours}
        assert set(found.get_pk_constraint(table)["constrained_columns"]) == {
            c.name for c in ours if c.primary_key
        }
    store.close()
